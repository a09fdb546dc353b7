"""A host's shares by a name that is looked up, and by IPv4 and IPv6 addresses, at a real Samba."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.adapters.host_shares import share_path
from reconciler.adapters.smb.files import SmbFiles
from reconciler.adapters.smb.session import SmbServer
from reconciler.errors import DiskUnreadableError, HostRefusedError, HostUnreachableError
from reconciler.lab.samba import HostSamba, is_installed
from reconciler.model.ranges import ByteRange
from tests.tcp_proxy import TcpProxy

pytestmark = pytest.mark.skipif(not is_installed(), reason="Samba is not installed")

PASSWORD = "a password"  # noqa: S105
DATA = bytes(range(256)) * 4096
ALL = ByteRange(0, len(DATA))
CSV_DISK = "C:\\ClusterStorage\\Volume1\\app\\disk.vhdx"


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("lab") / "hv1" / "files" / "C"
    folder = made / "ClusterStorage" / "Volume1" / "app"
    folder.mkdir(parents=True)
    (folder / "disk.vhdx").write_bytes(DATA)
    return made


@pytest.fixture(scope="module")
def samba(drive: Path) -> Iterator[HostSamba]:
    served = HostSamba(drive.parents[1], "127.0.0.1", 0, ("svc", PASSWORD))
    yield served
    served.close()


def files_at(address: str, port: int) -> SmbFiles:
    return SmbFiles(SmbServer(address, address, port, "svc", prefers_encryption=True), PASSWORD)


def shared(address: str) -> str:
    place = share_path(address, CSV_DISK)
    assert place is not None
    return f"\\\\{place.server}\\{place.share}\\{place.file}"


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1"])
def test_a_disk_is_read_by_whatever_the_host_is_called(samba: HostSamba, address: str) -> None:
    proxy = TcpProxy(("127.0.0.1", samba.port), "::1" if ":" in address else "127.0.0.1")
    files = files_at(address, proxy.port)
    try:
        assert files.open(shared(address)).read([ALL]) == [DATA]
    finally:
        files.close()
        proxy.close()


def test_a_name_that_nobody_knows_is_unreachable_and_not_refused() -> None:
    files = files_at("no-such-host.invalid", 445)

    with pytest.raises(HostUnreachableError, match="cannot be reached"):
        files.open(shared("no-such-host.invalid")).read([ALL])


def test_a_folder_that_is_withdrawn_between_two_reads_is_an_error_and_no_zeros(
    samba: HostSamba, drive: Path
) -> None:
    files = files_at("127.0.0.1", samba.port)
    file = files.open(shared("127.0.0.1"))
    assert file.read([ALL]) == [DATA]
    volume = drive / "ClusterStorage"
    volume.rename(drive / "Elsewhere")
    try:
        with pytest.raises((DiskUnreadableError, HostRefusedError)):
            file.read([ALL])
    finally:
        (drive / "Elsewhere").rename(volume)
    assert file.read([ALL]) == [DATA]
    files.close()
