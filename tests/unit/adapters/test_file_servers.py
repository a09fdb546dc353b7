"""A path goes to the file server that it names, and to no other."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from reconciler.adapters.file_servers import FileServers, ServerFiles
from reconciler.adapters.hyperv.calls import AgentCalls
from reconciler.adapters.hyperv.client import HyperVHost
from reconciler.adapters.hyperv.session import AgentSession, EndPoint
from reconciler.errors import HostRefusedError
from reconciler.model.names import HostName
from reconciler.model.ranges import ByteRange
from reconciler.model.requirements import Requirements
from reconciler.ports import RandomAccess

NOWHERE = EndPoint(HostName("hv1"), "127.0.0.1", 9, use_tls=False, authentication="ntlm", user="u")


@dataclass
class Named:
    """A file that knows where it was opened."""

    server: str
    path: str
    size: int = 0

    def read(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        raise AssertionError(ranges)

    def hashes(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        raise AssertionError(ranges)


@dataclass
class Server:
    """A session that counts how often it was opened and closed."""

    name: str
    events: list[str] = field(default_factory=list)

    def opener(self) -> ServerFiles:
        self.events.append("opened")
        return self

    def open(self, path: str) -> RandomAccess:
        return Named(self.name, path)

    def requirements(self, shares: Sequence[str]) -> Requirements | None:
        if shares == ["locked"]:
            raise HostRefusedError("no", hint="ask")
        return Requirements(chimney=self.name) if shares else None

    def close(self) -> None:
        self.events.append("closed")


@pytest.fixture
def short() -> Server:
    return Server("fs1")


@pytest.fixture
def full() -> Server:
    return Server("fs1.corp.example")


@pytest.fixture
def host(short: Server, full: Server) -> HyperVHost:
    """A session with a host that never answers: whoever asked it would fail."""
    servers = FileServers({server.name: server.opener for server in (short, full)})
    calls = AgentCalls(HostName("hv1"), AgentSession(NOWHERE, ""))
    return HyperVHost(calls, servers)


@pytest.mark.parametrize("path", [r"\\fs1\vms\a.vhdx", r"\\FS1\vms\a.vhdx", r"\\?\UNC\Fs1\v\a"])
def test_a_disk_on_a_server_is_opened_there_by_its_whole_path(host: HyperVHost, path: str) -> None:
    assert host.open(path) == Named("fs1", path)


def test_a_short_and_a_full_name_are_two_servers(host: HyperVHost) -> None:
    assert host.open(r"\\fs1.corp.example\vms\a.vhdx") == Named(
        "fs1.corp.example", r"\\fs1.corp.example\vms\a.vhdx"
    )


def test_a_server_that_no_policy_describes_is_refused_with_what_to_write(host: HyperVHost) -> None:
    with pytest.raises(HostRefusedError) as refused:
        host.open(r"\\fs2\vms\a.vhdx")
    assert r"\\fs2\vms\a.vhdx" in refused.value.message
    assert refused.value.hint == "write a FileServer policy with 'unc_name: fs2'"


def test_each_server_has_one_session_that_ends_with_the_hosts(
    host: HyperVHost, short: Server, full: Server
) -> None:
    for name in ("a", "b"):
        host.open(rf"\\fs1\vms\{name}.vhdx")
    host.close()

    assert short.events == ["opened", "closed"]
    assert full.events == []


def test_what_a_server_has_beside_files_is_told_or_why_not(short: Server) -> None:
    servers = FileServers({"FS1": short.opener})

    told = servers.look("fs1", ["vms"])

    assert told.facts == Requirements(chimney="fs1")
    assert servers.look("other", ["vms"]).problem == "no FileServer policy describes it"
    assert servers.look("fs1", ["locked"]).problem == "no"
    assert "SMB only" in servers.look("fs1", []).problem
