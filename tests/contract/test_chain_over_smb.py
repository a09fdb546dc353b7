"""A whole chain of differencing files, with a log that was not replayed, read from a share."""

from collections.abc import Iterator
from hashlib import shake_128
from pathlib import Path

import pytest

from reconciler.adapters.smb.files import SmbFiles
from reconciler.adapters.smb.session import SmbServer
from reconciler.blocks.disk_file import open_disk
from reconciler.lab.disks import LabDisk
from reconciler.lab.file_server import create_file_server
from reconciler.lab.samba import Samba, is_installed
from reconciler.model.machine import DiskFormat, DiskGeometry
from reconciler.model.ranges import ByteRange

pytestmark = pytest.mark.skipif(not is_installed(), reason="Samba is not installed")

MIB = 1 << 20
SIZE = 64 * MIB
PASSWORD = "a password"  # noqa: S105
FOLDER = "\\\\files1\\vms\\erp\\"


def noise(seed: int, length: int) -> bytes:
    return shake_128(bytes([seed])).digest(length)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[tuple[Path, SmbFiles]]:
    folder = tmp_path / "files1"
    create_file_server(folder)
    (folder / "vms" / "erp").mkdir(parents=True)
    samba = Samba(folder, "127.0.0.1", 0, ("svc", PASSWORD))
    files = SmbFiles(SmbServer("files1", "127.0.0.1", samba.port, "svc"), PASSWORD)
    yield folder / "vms" / "erp", files
    files.close()
    samba.close()


def test_a_chain_with_a_pending_log_is_read_as_its_guest_left_it(
    shared: tuple[Path, SmbFiles],
) -> None:
    folder, files = shared
    names = ("disk.vhdx", "disk_1.avhdx", "disk_2.avhdx")
    paths = [folder / name for name in names]
    expected = bytearray(SIZE)
    writes = [(MIB, noise(1, 5 * MIB)), (3 * MIB, noise(2, MIB)), (40 * MIB, noise(3, 2 * MIB))]

    LabDisk.create(paths[0], DiskGeometry(SIZE, 512, 4096, DiskFormat.VHDX, MIB), "a" * 8 +
                   "-1111-2222-3333-444444444444").close()  # fmt: skip
    for index, (at, data) in enumerate(writes):
        if index:
            LabDisk.create_child(paths[index], paths[index - 1], FOLDER + names[index - 1])
        disk = LabDisk.open(paths[: index + 1])
        expected[at : at + len(data)] = data
        if index < 2:
            disk.write(at, data)
            disk.close()
        else:
            disk.leave_pending_log(at, data)
    before = [path.read_bytes() for path in paths]
    chain = open_disk(files, FOLDER + names[-1])

    assert [path.rpartition("\\")[2] for path in chain.paths] == list(reversed(names))
    for at in range(0, SIZE, 4 * MIB):
        (data,) = chain.read([ByteRange(at, at + 4 * MIB)])
        assert data == expected[at : at + 4 * MIB], at
    assert [path.read_bytes() for path in paths] == before, "reading wrote to a source"
