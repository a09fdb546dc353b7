"""Which way the files of a host are read: over its shares where they can be relied on."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from reconciler.adapters.host_shares import HostShares, share_path
from reconciler.adapters.smb_reach import KEPT_S, Reach
from reconciler.errors import (
    DiskChangedError,
    DiskUnreadableError,
    HostError,
    HostRefusedError,
    HostUnreachableError,
)
from reconciler.logs import Event
from reconciler.model.names import HostName
from reconciler.model.ranges import ByteRange
from reconciler.model.unc import UncPath

DISK = "C:\\VMs\\disk.vhdx"
SHARED = "\\\\hv1\\C$\\VMs\\disk.vhdx"
DATA = bytes(range(256)) * 1024
HEAD = ByteRange(0, 512)


@dataclass
class Memory:
    """A file that counts how often it is asked."""

    data: bytes
    asked: int = 0

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        self.asked += 1
        return [self.data[this.start : this.end] for this in ranges]

    def hashes(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        return [hashlib.sha256(data).digest() for data in self.read(ranges)]


class Gone(Memory):
    """A file that cannot be read."""

    @property
    def size(self) -> int:
        raise DiskUnreadableError("it is not there", hint="look")


@dataclass
class Server:
    """Shares in memory; may be away."""

    files: Mapping[str, Memory] = field(default_factory=dict)
    is_away: bool = False
    opened: int = 0

    def open(self, path: str) -> Memory:
        self.opened += 1
        if self.is_away:
            raise HostUnreachableError("nobody answers", hint="start it")
        return self.files.get(path, Gone(b""))

    def requirements(self, shares: Sequence[str]) -> None:
        raise AssertionError(shares)

    def close(self) -> None:
        self.is_away = True


def shares(server: Server, reach: Reach | None = None) -> HostShares:
    return HostShares(HostName("hv1"), "hv1", server, reach or Reach())


@dataclass
class Breaking(Memory):
    """A file that is read well for a while."""

    reads: int = 2
    error: HostError = field(default_factory=lambda: DiskUnreadableError("withdrawn", hint="look"))

    def read(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        if self.asked == self.reads:
            raise self.error
        return super().read(ranges)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (DISK, UncPath("hv1", "C$", "VMs\\disk.vhdx")),
        ("\\\\?\\d:\\disk.vhdx", UncPath("hv1", "D$", "disk.vhdx")),
        (
            "C:\\ClusterStorage\\Volume1\\erp\\disk.vhdx",
            UncPath("hv1", "C$", "ClusterStorage\\Volume1\\erp\\disk.vhdx"),
        ),
        ("\\\\?\\Volume{b75e2c83-0000}\\disk.vhdx", None),
        ("disk.vhdx", None),
    ],
)
def test_a_path_of_a_host_is_below_one_of_its_shares(path: str, place: UncPath | None) -> None:
    assert share_path("hv1", path) == place


def test_a_share_that_shows_what_the_agent_shows_is_read() -> None:
    over, agent = Memory(DATA), Memory(DATA)
    file = shares(Server({SHARED: over})).open(DISK, agent)
    with capture_logs() as lines:
        assert file.size == len(DATA)
        probed = agent.asked
        assert file.read([HEAD]) == [DATA[:512]]

    assert agent.asked == probed
    assert [line["event"] for line in lines] == [Event.DISKS_READ_OVER_SMB]


def test_hashes_are_computed_where_the_file_is() -> None:
    over, agent = Memory(DATA), Memory(DATA)
    file = shares(Server({SHARED: over})).open(DISK, agent)

    assert file.hashes([HEAD]) == [hashlib.sha256(DATA[:512]).digest()]
    assert (over.asked, agent.asked) == (0, 1)


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (Server(is_away=True), "nobody answers"),
        (Server(), "it is not there"),
        (Server({SHARED: Memory(DATA[:-1])}), "bytes, the agent"),
        (Server({SHARED: Memory(b"?" + DATA[1:])}), "other bytes than the agent at 0"),
        (Server({SHARED: Memory(DATA[:-1] + b"?")}), "other bytes than the agent at 245760"),
    ],
    ids=["away", "missing", "another size", "another head", "another end"],
)
def test_a_share_that_cannot_be_relied_on_is_left_to_the_agent(server: Server, reason: str) -> None:
    one = shares(server)
    with capture_logs() as lines:
        assert one.open(DISK, Memory(DATA)).read([HEAD]) == [DATA[:512]]
        tried = server.opened
        assert one.open("C:\\VMs\\other.vhdx", Memory(DATA)).read([HEAD]) == [DATA[:512]]

    assert server.opened == tried == 1
    (line,) = lines
    assert line["event"] == Event.DISKS_READ_BY_AGENT
    assert reason in line["reason"]


def test_one_file_that_cannot_be_read_says_nothing_of_a_share_that_works() -> None:
    one = shares(Server({SHARED: Memory(DATA)}))
    agent = Memory(DATA)
    with capture_logs() as lines:
        one.open(DISK, Memory(DATA)).read([HEAD])
        one.open("C:\\VMs\\locked.vhdx", Memory(DATA)).read([HEAD])
        again = one.open(DISK, agent)
        again.read([HEAD])

    assert agent.asked == 0
    assert [line["event"] for line in lines] == [
        Event.DISKS_READ_OVER_SMB,
        Event.DISKS_READ_BY_AGENT,
    ]


def test_a_file_that_the_agent_does_not_have_says_nothing_of_the_share() -> None:
    server = Server({SHARED: Memory(DATA)})
    one = shares(server)
    with pytest.raises(DiskUnreadableError):
        one.open("C:\\VMs\\parent.vhdx", Gone(b"")).read([HEAD])
    agent = Memory(DATA)
    file = one.open(DISK, agent)
    file.read([HEAD])
    probed = agent.asked
    file.read([HEAD])

    assert agent.asked == probed


def test_a_path_without_a_drive_is_left_to_the_agent() -> None:
    agent = Memory(DATA)
    server = Server()

    assert shares(server).open("\\\\?\\Volume{1}\\disk.vhdx", agent) is agent
    assert server.opened == 0


@pytest.mark.parametrize(
    "error",
    [
        DiskUnreadableError("the share is not there", hint="look"),
        HostRefusedError("denies svc to read", hint="allow it"),
        HostUnreachableError("cannot be reached", hint="start it"),
    ],
    ids=["withdrawn", "denied", "gone"],
)
def test_a_disk_that_breaks_off_in_the_middle_is_read_on_by_the_agent(error: HostError) -> None:
    over, agent = Breaking(DATA, error=error), Memory(DATA)
    file = shares(Server({SHARED: over})).open(DISK, agent)
    with capture_logs() as lines:
        read = [file.read([ByteRange(at, at + 512)])[0] for at in range(0, 4096, 512)]

    assert b"".join(read) == DATA[:4096]
    assert [line["event"] for line in lines] == [
        Event.DISKS_READ_OVER_SMB,
        Event.DISKS_READ_BY_AGENT,
    ]
    assert lines[-1]["reason"] == error.message


def test_a_disk_that_was_written_to_meanwhile_is_read_on_by_nobody() -> None:
    over = Breaking(DATA, error=DiskChangedError("was changed", hint="look"))
    agent = Memory(DATA)
    file = shares(Server({SHARED: over})).open(DISK, agent)
    assert file.size == len(DATA)
    probed = agent.asked

    with pytest.raises(DiskChangedError):
        file.read([HEAD])

    assert agent.asked == probed


def test_what_the_agent_itself_cannot_read_is_no_fault_of_the_share() -> None:
    agent = Breaking(DATA, reads=0)
    file = shares(Server(is_away=True)).open(DISK, agent)

    with pytest.raises(DiskUnreadableError), capture_logs() as lines:
        file.read([HEAD])

    assert len(lines) == 1


def test_a_closed_port_is_tried_by_one_job_and_not_by_the_next_until_some_time_has_passed() -> None:
    now = [0.0]
    reach = Reach(lambda: now[0])
    server = Server({SHARED: Memory(DATA)}, is_away=True)
    for _ in range(3):
        with capture_logs() as lines:
            assert shares(server, reach).open(DISK, Memory(DATA)).read([HEAD]) == [DATA[:512]]
        assert [line["event"] for line in lines] == [Event.DISKS_READ_BY_AGENT]
        assert lines[0]["reason"] == "nobody answers"
    assert server.opened == 1

    now[0], server.is_away = KEPT_S, False
    with capture_logs() as lines:
        shares(server, reach).open(DISK, Memory(DATA)).read([HEAD])

    assert [line["event"] for line in lines] == [Event.DISKS_READ_OVER_SMB]


def test_each_volume_of_a_cluster_is_probed_for_itself() -> None:
    first, second = "ClusterStorage\\Volume1\\a.vhdx", "ClusterStorage\\Volume2\\b.vhdx"
    server = Server({f"\\\\hv1\\C$\\{first}": Memory(DATA), SHARED: Memory(DATA)})
    one = shares(server)
    with capture_logs() as lines:
        for path in (f"C:\\{first}", f"C:\\{second}", DISK):
            one.open(path, Memory(DATA)).read([HEAD])

    assert [line["event"] for line in lines] == [
        Event.DISKS_READ_OVER_SMB,
        Event.DISKS_READ_BY_AGENT,
        Event.DISKS_READ_OVER_SMB,
    ]
