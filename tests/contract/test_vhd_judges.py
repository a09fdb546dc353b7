"""Other makers of VHD software as judges of reader, writer and lab: qemu-img and libvhdi.

qemu knows no differencing VHDs and cannot check any. libvhdi knows them, but shifts the bits of a
bitmap without masking them: in a byte of eight sectors it takes all from the child that follow the
first one that is there (still so in libvhdi 20260901). So chains that it judges are written 4 KiB
at a time; the bits within a byte are judged by hand in tests/unit/blocks/test_vhd_reader.py.
"""

import shutil
import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

from reconciler.blocks.disk_file import create_disk, open_disk
from reconciler.lab.disks import LabDisk
from reconciler.model.machine import DiskFormat, DiskGeometry
from reconciler.model.ranges import ByteRange, pieces
from tests.disk_images import DISK_ID, MIB, FolderFiles, noise

SIZE = 70 * MIB + 512 * 9
"""No geometry of cylinders, heads and sectors has this size."""
PLACES = {
    0: 8192,
    3 * MIB - 512 * 8: 3 * MIB,
    64 * MIB: 512 * 3,
    66 * MIB + 12_288: MIB,
    SIZE - 512 * 5: 512 * 5,
}


def geometry(block_bytes: int) -> DiskGeometry:
    return DiskGeometry(SIZE, 512, 512, DiskFormat.VHD, block_bytes)


@pytest.fixture
def qemu_img() -> str:
    found = shutil.which("qemu-img")
    if found is None:
        pytest.skip("judge missing: qemu-img")
    return found


@pytest.fixture
def pyvhdi() -> ModuleType:
    found: ModuleType = pytest.importorskip("pyvhdi", reason="judge missing: pyvhdi")
    return found


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        for seed, (offset, length) in enumerate(PLACES.items()):
            file.seek(offset)
            file.write(noise(seed, length))
        file.truncate(SIZE)
    return path


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def reader_bytes(folder: Path, name: str) -> bytes:
    chain = open_disk(FolderFiles(folder), f"C:\\VMs\\{name}")
    parts = list(pieces([ByteRange(0, chain.virtual_bytes)], 4 * MIB))
    return b"".join(b"".join(chain.read([part])) for part in parts)


def pyvhdi_bytes(pyvhdi: ModuleType, chain: Sequence[Path]) -> bytes:
    files = []
    for path in chain:
        file = pyvhdi.file()
        file.open(str(path))
        files.append(file)
    for below, above in pairwise(files):
        assert above.get_parent_identifier() == below.get_identifier()
        above.set_parent(below)
    leaf = files[-1]
    leaf.seek_offset(0, 0)
    data = b""
    while len(data) < leaf.get_media_size():
        data += leaf.read_buffer(min(4 * MIB, leaf.get_media_size() - len(data)))
    for file in reversed(files):
        file.close()
    return data


@pytest.mark.parametrize("subformat", ["dynamic", "fixed"])
def test_what_qemu_converts_the_reader_reads(
    qemu_img: str, raw: Path, tmp_path: Path, subformat: str
) -> None:
    target = tmp_path / "disk.vhd"
    options = f"subformat={subformat},force_size=on"
    run(qemu_img, "convert", "-O", "vpc", "-o", options, str(raw), str(target))

    assert reader_bytes(tmp_path, target.name) == raw.read_bytes()
    chain = open_disk(FolderFiles(tmp_path), "C:\\VMs\\disk.vhd")
    assert chain.format_block_bytes == (2 * MIB if subformat == "dynamic" else 0)


@pytest.mark.parametrize("subformat", ["dynamic", "fixed"])
def test_an_empty_disk_of_qemu_is_all_zeros_and_as_large_as_its_current_size(
    qemu_img: str, tmp_path: Path, subformat: str
) -> None:
    target = tmp_path / "empty.vhd"
    run(qemu_img, "create", "-f", "vpc", "-o", f"subformat={subformat}", str(target), "20M")

    chain = open_disk(FolderFiles(tmp_path), "C:\\VMs\\empty.vhd")

    assert chain.virtual_bytes >= 20 * MIB
    assert chain.virtual_bytes % 512 == 0
    assert chain.read([ByteRange(0, 4 * MIB)]) == [bytes(4 * MIB)]


@pytest.mark.parametrize("block_bytes", [0, 512 << 10, 2 * MIB])
def test_what_the_writer_writes_qemu_and_libvhdi_read(
    qemu_img: str, pyvhdi: ModuleType, raw: Path, tmp_path: Path, block_bytes: int
) -> None:
    target = tmp_path / "recovered.vhd"
    content = raw.read_bytes()
    with create_disk(target, geometry(block_bytes), DISK_ID) as writer:
        for offset, length in reversed(PLACES.items()):
            writer.write(offset, content[offset : offset + length])

    run(qemu_img, "compare", "-f", "raw", "-F", "vpc", str(raw), str(target))
    assert f"({SIZE} bytes)" in run(qemu_img, "info", "-f", "vpc", str(target))
    assert pyvhdi_bytes(pyvhdi, [target]) == content
    assert reader_bytes(tmp_path, target.name) == content


def test_a_dynamic_disk_of_the_lab_is_one_for_qemu_and_libvhdi(
    qemu_img: str, pyvhdi: ModuleType, raw: Path, tmp_path: Path
) -> None:
    target = tmp_path / "lab.vhd"
    content = raw.read_bytes()
    disk = LabDisk.create(target, geometry(2 * MIB), DISK_ID)
    disk.write_raw_image((at, content[at : at + MIB]) for at in range(0, SIZE, MIB))
    disk.close()

    run(qemu_img, "compare", "-f", "raw", "-F", "vpc", str(raw), str(target))
    assert pyvhdi_bytes(pyvhdi, [target]) == content
    assert reader_bytes(tmp_path, target.name) == content
    assert target.stat().st_size < 3 * MIB + len(PLACES) * 2 * 2 * MIB


@pytest.mark.parametrize("base_block", [512 << 10, 2 * MIB])
def test_a_chain_of_the_lab_is_one_for_libvhdi(
    pyvhdi: ModuleType, raw: Path, tmp_path: Path, base_block: int
) -> None:
    content = bytearray(raw.read_bytes())
    chain = [tmp_path / name for name in ("base.vhd", "first.avhd", "second.avhd")]
    disk = LabDisk.create(chain[0], geometry(base_block), DISK_ID)
    disk.write_raw_image([(0, bytes(content))])
    disk.close()
    for level in (1, 2):
        LabDisk.create_child(chain[level], chain[level - 1], f"C:\\VMs\\{chain[level - 1].name}")
        disk = LabDisk.open(chain[: level + 1])
        for offset, length in ((4096, 4096), (MIB, 3 * MIB + 4096), (64 * MIB, 8192)):
            at = offset + level * 8192
            content[at : at + length] = noise(at, length)
            disk.write(at, bytes(content[at : at + length]))
        disk.close()

    assert reader_bytes(tmp_path, chain[-1].name) == content
    assert pyvhdi_bytes(pyvhdi, chain) == content

    LabDisk.merge(chain[2], chain[1])
    assert reader_bytes(tmp_path, chain[1].name) == content
    assert pyvhdi_bytes(pyvhdi, chain[:2]) == content


def test_a_fixed_parent_shows_through_its_child(
    qemu_img: str, pyvhdi: ModuleType, raw: Path, tmp_path: Path
) -> None:
    """The lab makes no fixed disks, so the child is made over a dynamic one, which is replaced."""
    base, child = tmp_path / "base.vhd", tmp_path / "child.avhd"
    content = bytearray(raw.read_bytes())
    LabDisk.create(base, geometry(2 * MIB), DISK_ID).close()
    LabDisk.create_child(child, base, "C:\\VMs\\base.vhd")
    disk = LabDisk.open([base, child])
    content[MIB : MIB + 1024] = noise(7, 1024)
    disk.write(MIB, noise(7, 1024))
    disk.close()
    unique_id = base.read_bytes()[68:84]
    options = "subformat=fixed,force_size=on"
    run(qemu_img, "convert", "-O", "vpc", "-o", options, str(raw), str(base))
    fixed = bytearray(base.read_bytes())
    fixed[-512 + 68 : -512 + 84] = unique_id
    fixed[-512 + 64 : -512 + 68] = bytes(4)
    total = ~sum(fixed[-512:]) & 0xFFFF_FFFF
    fixed[-512 + 64 : -512 + 68] = total.to_bytes(4, "big")
    base.write_bytes(fixed)

    assert reader_bytes(tmp_path, child.name) == content
    assert pyvhdi_bytes(pyvhdi, [base, child]) == content
