"""What every way to the disks on a file server must do for us: its share, and its agent."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.adapters.file_servers import ServerFiles
from reconciler.adapters.hyperv.calls import AgentCalls
from reconciler.adapters.hyperv.server_files import AgentFiles
from reconciler.adapters.hyperv.session import AgentSession, EndPoint
from reconciler.adapters.smb.files import SmbFiles
from reconciler.adapters.smb.session import SmbServer
from reconciler.errors import DiskUnreadableError, HostRefusedError
from reconciler.lab.file_agent import FUNCTIONS, FileServerAgent
from reconciler.lab.file_server import create_file_server
from reconciler.lab.samba import Samba, is_installed
from reconciler.lab.wire.host import WireHost
from reconciler.lab.wire.psrp import agent_engine
from reconciler.model.names import HostName
from reconciler.model.ranges import ByteRange
from reconciler.ports import RandomAccess

PASSWORD = "a password"  # noqa: S105
DISK = "\\\\files1\\vms\\erp\\Disk One.vhdx"
SIZE = (9 << 20) + 512
BOOTED_AT = "2026-11-24T12:00:00+00:00"


def content() -> bytes:
    return hashlib.shake_128(b"disk").digest(SIZE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file server with one disk on one share, and a file beside its shares."""
    made = tmp_path_factory.mktemp("lab") / "files1"
    create_file_server(made)
    (made / "vms" / "erp").mkdir(parents=True)
    (made / "vms" / "erp" / "Disk One.vhdx").write_bytes(content())
    (made / "secret.vhdx").write_bytes(b"nobody's business")
    return made


@pytest.fixture(
    scope="module", params=["signed SMB", "encrypted SMB", "agent"], ids=lambda it: it.split()[0]
)
def connect(request: pytest.FixtureRequest, folder: Path) -> Iterator[Callable[[], ServerFiles]]:
    """Opens sessions with the file server under test."""
    if request.param == "agent":
        engine = agent_engine(FileServerAgent(folder, BOOTED_AT), FUNCTIONS)
        wire = WireHost("FILES1", {"svc": PASSWORD}, {"ReconcilerAgent": engine})
        end_point = EndPoint(HostName("files1"), "127.0.0.1", wire.listen(), False, "ntlm", "svc")  # noqa: FBT003
        calls = AgentCalls(HostName("files1"), AgentSession(end_point, PASSWORD))
        yield lambda: AgentFiles(calls)
        wire.close()
        return
    if not is_installed():
        pytest.skip("Samba is not installed")
    is_encrypted = request.param == "encrypted SMB"
    samba = Samba(folder, "127.0.0.1", 0, ("svc", PASSWORD), is_encrypted=is_encrypted)
    server = SmbServer("files1", "127.0.0.1", samba.port, "LAB\\svc")
    yield lambda: SmbFiles(server, PASSWORD)
    samba.close()


@pytest.fixture
def files(connect: Callable[[], ServerFiles]) -> Iterator[ServerFiles]:
    opened = connect()
    yield opened
    opened.close()


@pytest.fixture
def disk(files: ServerFiles) -> RandomAccess:
    return files.open(DISK)


def cut(ranges: list[ByteRange]) -> list[bytes]:
    whole = content()
    return [whole[r.start : r.end] for r in ranges]


def test_a_file_has_its_size(disk: RandomAccess) -> None:
    assert disk.size == SIZE


@pytest.mark.parametrize(
    "ranges",
    [
        pytest.param([ByteRange(0, SIZE)], id="the whole file"),
        pytest.param([ByteRange(SIZE - 1, SIZE), ByteRange(0, 1)], id="its last and first byte"),
        pytest.param([ByteRange(n, n + 512) for n in range(4 << 20, 0, -4096)], id="backwards"),
        pytest.param([ByteRange(n, n + 65536) for n in range(0, 8 << 20, 65536)], id="touching"),
        pytest.param(
            [ByteRange(5, 3 << 20), ByteRange(7, 8), ByteRange(1 << 20, 5 << 20)], id="overlapping"
        ),
    ],
)
def test_ranges_come_back_in_order_and_whole(disk: RandomAccess, ranges: list[ByteRange]) -> None:
    assert list(disk.read(ranges)) == cut(ranges)


def test_no_ranges_are_no_bytes(disk: RandomAccess) -> None:
    assert list(disk.read([])) == []
    assert list(disk.hashes([])) == []


def test_hashes_are_of_what_would_be_read(disk: RandomAccess) -> None:
    ranges = [ByteRange(0, 4 << 20), ByteRange(4 << 20, 8 << 20), ByteRange(7, 8), ByteRange(0, 99)]

    assert list(disk.hashes(ranges)) == [hashlib.sha256(part).digest() for part in cut(ranges)]


def test_names_are_compared_without_regard_to_case(files: ServerFiles) -> None:
    assert files.open(DISK.upper()).size == SIZE


@pytest.mark.parametrize("past", [ByteRange(SIZE - 1, SIZE + 1), ByteRange(1 << 50, (1 << 50) + 1)])
def test_nothing_is_read_past_the_end_and_the_session_lives_on(
    disk: RandomAccess, past: ByteRange
) -> None:
    for read in (disk.read, disk.hashes):
        with pytest.raises(DiskUnreadableError) as caught:
            read([ByteRange(0, 1), past])
        assert caught.value.hint
    assert list(disk.read([ByteRange(0, 3)])) == cut([ByteRange(0, 3)])


@pytest.mark.parametrize("path", ["\\\\files1\\vms\\erp\\gone.avhdx", "\\\\files1\\no\\disk.vhdx"])
def test_a_file_that_is_not_there_is_told_when_it_is_read(files: ServerFiles, path: str) -> None:
    file = files.open(path)

    with pytest.raises(DiskUnreadableError) as caught:
        file.read([ByteRange(0, 1)])
    assert path in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    "path",
    [
        "\\\\files1\\vms\\..\\secret.vhdx",
        "\\\\files1\\secret.vhdx",
        "\\\\files1\\vms\\erp\\..\\..\\secret.vhdx",
        "\\\\files1\\vms\\erp",
        "\\\\files1\\vms",
        "\\\\files1",
        "C:\\Windows\\win.ini",
        "/etc/passwd",
    ],
)
def test_nothing_but_files_on_its_shares_can_be_read(files: ServerFiles, path: str) -> None:
    with pytest.raises((DiskUnreadableError, HostRefusedError)):
        files.open(path).read([ByteRange(0, 1)])


def test_a_session_that_was_ended_begins_anew(files: ServerFiles, disk: RandomAccess) -> None:
    first = disk.read([ByteRange(0, 9)])
    files.close()

    assert disk.read([ByteRange(0, 9)]) == first


def test_a_file_that_grows_is_read_to_its_new_end(files: ServerFiles, folder: Path) -> None:
    growing = folder / "vms" / "growing.vhdx"
    growing.write_bytes(b"short")
    file = files.open("\\\\files1\\vms\\growing.vhdx")
    assert file.size == 5
    growing.write_bytes(b"rather long")

    assert list(file.read([ByteRange(7, 11)])) == [b"long"]
