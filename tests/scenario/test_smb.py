"""A machine whose disk is on a file server: its bytes come from there, never through the host."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.adapters.hyperv.calls import AgentCalls
from reconciler.adapters.hyperv.server_files import AgentFiles
from reconciler.adapters.hyperv.session import AgentSession, EndPoint
from reconciler.adapters.smb import files as smb_files
from reconciler.adapters.smb import pumped, session
from reconciler.adapters.smb.files import SmbFiles
from reconciler.adapters.smb.session import SmbServer
from reconciler.errors import DiskUnreadableError, HostRefusedError, HostUnreachableError
from reconciler.execute.outcome import Verdict
from reconciler.lab import processes
from reconciler.lab.control import ControlClient
from reconciler.lab.definition import HostDefinition, LabDefinition
from reconciler.lab.file_server import create_file_server
from reconciler.lab.full_lab import FILE_SERVER, SMB_01
from reconciler.lab.samba import Samba, is_installed
from reconciler.model.names import HostName
from reconciler.model.ranges import ByteRange
from tests.lab_world import World, new_world
from tests.tcp_proxy import TcpProxy

pytest_plugins = ["tests.tcp_proxy"]

WRITTEN = 600_000
DISK = "\\\\files1\\vms\\disk.vhdx"
PASSWORD = "a password"  # noqa: S105
TALK = 700 << 10
"""More than all that is said to a host in one pass, and less than is read of the disk."""

needs_samba = pytest.mark.skipif(not is_installed(), reason="Samba is not installed")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """hv2 with smb-01, whose disk is on files1."""
    hosts = (HostDefinition("hv2", (SMB_01,)),)
    yield from new_world(tmp_path_factory, LabDefinition(hosts, file_servers=(FILE_SERVER,)))


@pytest.fixture(params=[pytest.param("smb", marks=needs_samba), "agent"])
def reader(world: World, request: pytest.FixtureRequest) -> World:
    """A reconciler that reads the disk in one of the two ways."""
    return replace(world, is_read_by_agent=request.param == "agent").another(str(request.param))


def traffic(world: World, name: str) -> int:
    return int(ControlClient(world.lab, name).ask("traffic"))


def test_the_disk_is_read_from_the_file_server_and_not_through_the_host(reader: World) -> None:
    for name in ("first", "second"):
        reader.write("smb-01", WRITTEN)
        reader.advance(60)
        shadow = reader.shadow(f"{reader.state}-{name}")
        before = traffic(reader, "hv2")
        _, results = reader.apply()
        crossed = traffic(reader, "hv2") - before
        point = reader.points("smb-01")[-1]

        assert [result.verdict for result in results] == [Verdict.DONE]
        assert reader.differing("smb-01", point, shadow) == []
        assert point.bytes_read > TALK
        assert crossed < TALK


def test_the_host_hands_out_no_byte_of_a_disk_that_is_on_a_server(world: World) -> None:
    """With this, what crosses the host's socket cannot be of the disk."""
    (machine,) = world.report("hv2").machines
    place = world.addresses["hv2"]
    password = (world.lab / processes.PASSWORD_FILE).read_text(encoding="utf-8").strip()
    end_point = EndPoint(
        host=HostName("hv2"),
        address=place[0],
        port=place[1],
        use_tls=False,
        authentication="ntlm",
        user=processes.ACCOUNT,
    )
    host = AgentFiles(AgentCalls(HostName("hv2"), AgentSession(end_point, password)))
    file = host.open(machine.disks[0].path)
    try:
        for ask in (file.read, file.hashes):
            with pytest.raises(HostRefusedError, match="PathNotAllowed"):
                ask([ByteRange(0, 16)])
    finally:
        host.close()


def test_a_server_that_no_policy_describes_holds_the_machine_and_says_what_to_write(
    world: World,
) -> None:
    lonely = replace(world, file_servers={}, state="lonely")
    lonely.write_policies()
    try:
        plan, results = lonely.apply()
    finally:
        world.write_policies()

    assert results == []
    (held,) = (f for f in plan.findings if f.code == "blocked.file_server")
    assert "FileServer" in held.hint


# --- the share alone


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("lab") / "files1"
    create_file_server(made)
    (made / "vms").mkdir()
    (made / "vms" / "disk.vhdx").write_bytes(bytes(range(256)) * (1 << 15))
    return made


@pytest.fixture
def samba(folder: Path) -> Iterator[Samba]:
    if not is_installed():
        pytest.skip("Samba is not installed")
    served = Samba(folder, "127.0.0.1", 0, ("svc", PASSWORD))
    yield served
    served.close()


@pytest.fixture
def proxy(samba: Samba, proxy_to: Callable[[tuple[str, int]], TcpProxy]) -> TcpProxy:
    return proxy_to(("127.0.0.1", samba.port))


def files_at(port: int, user: str = "LAB\\svc", password: str = PASSWORD) -> SmbFiles:
    return SmbFiles(SmbServer("files1", "127.0.0.1", port, user), password)


@pytest.mark.parametrize(("user", "password"), [("svc", "another"), ("nobody", PASSWORD), ("", "")])
def test_an_account_that_is_not_let_in_is_refused(samba: Samba, user: str, password: str) -> None:
    files = files_at(samba.port, user, password)
    with pytest.raises(HostRefusedError) as refused:
        files.open(DISK).read([ByteRange(0, 1)])
    assert "user and password in its policy" in refused.value.hint


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pumped, "ANSWER_S", 1)
    monkeypatch.setattr(session, "CONNECT_S", 1)
    monkeypatch.setattr(smb_files, "RETRY_WAITS_S", (0.0, 0.1))


@pytest.mark.usefixtures("impatient")
def test_a_session_that_was_cut_while_idle_is_replaced(samba: Samba, proxy: TcpProxy) -> None:
    files = files_at(proxy.port)
    file = files.open(DISK)
    first = file.read([ByteRange(0, 999)])
    proxy.cut_after(0)
    with pytest.raises(HostUnreachableError):
        file.read([ByteRange(0, 999)])
    proxy.restore()

    assert file.read([ByteRange(0, 999)]) == first
    files.close()


def test_a_session_that_the_server_ended_is_replaced_without_a_word(folder: Path) -> None:
    if not is_installed():
        pytest.skip("Samba is not installed")
    before = Samba(folder, "127.0.0.1", 0, ("svc", PASSWORD))
    files = files_at(before.port)
    file = files.open(DISK)
    first = file.read([ByteRange(0, 999)])
    before.close()
    after = Samba(folder, "127.0.0.1", before.port, ("svc", PASSWORD))
    try:
        assert file.read([ByteRange(0, 999)]) == first
    finally:
        files.close()
        after.close()


@pytest.mark.usefixtures("impatient")
def test_an_answer_that_never_comes_is_given_up(proxy: TcpProxy) -> None:
    files = files_at(proxy.port)
    file = files.open(DISK)
    whole = file.read([ByteRange(0, 4 << 20)])
    proxy.lose()
    with pytest.raises(HostUnreachableError, match="did not answer in time"):
        file.read([ByteRange(0, 4 << 20)])
    proxy.restore()

    assert file.read([ByteRange(0, 4 << 20)]) == whole
    files.close()


@pytest.mark.usefixtures("impatient")
def test_an_answer_that_is_cut_in_the_middle_is_no_half_read(proxy: TcpProxy) -> None:
    files = files_at(proxy.port)
    file = files.open(DISK)
    assert file.size == 8 << 20
    proxy.cut_after(3 << 20)
    with pytest.raises(HostUnreachableError):
        file.read([ByteRange(0, 8 << 20)])
    proxy.restore()

    assert file.read([ByteRange(0, 8 << 20)]) == [bytes(range(256)) * (1 << 15)]
    files.close()


@needs_samba
def test_a_lab_can_serve_shares_at_any_address_of_loopback(folder: Path) -> None:
    served = Samba(folder, "127.0.1.9", 0, ("svc", PASSWORD))
    files = SmbFiles(SmbServer("files1", "127.0.1.9", served.port, "svc"), PASSWORD)
    try:
        assert files.open(DISK).size == 8 << 20
        with pytest.raises(HostUnreachableError):
            files_at(served.port).open(DISK).read([ByteRange(0, 1)])
    finally:
        files.close()
        served.close()


def test_nothing_of_ours_is_open_between_two_reads(samba: Samba, folder: Path) -> None:
    """A handle that stayed would keep a file from being merged or removed."""
    doomed = folder / "vms" / "doomed.avhdx"
    doomed.write_bytes(b"first")
    files = files_at(samba.port)
    file = files.open("\\\\files1\\vms\\doomed.avhdx")
    assert file.read([ByteRange(0, 5)]) == [b"first"]
    doomed.unlink()
    with pytest.raises(DiskUnreadableError, match="is not there"):
        file.read([ByteRange(0, 5)])
    doomed.write_bytes(b"other")

    assert file.read([ByteRange(0, 5)]) == [b"other"]
    files.close()
