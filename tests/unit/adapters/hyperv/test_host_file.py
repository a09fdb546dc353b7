"""A file on a host is read in bounded calls, and never believed to be longer than it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import pytest

from reconciler import agent_contract as contract
from reconciler.adapters.hyperv.calls import AgentCalls
from reconciler.adapters.hyperv.host_file import HostFile
from reconciler.adapters.hyperv.session import AgentFailure
from reconciler.agent_contract import MAX_RANGES, AgentFunction, unpack_ranges
from reconciler.errors import DiskUnreadableError, HostRefusedError
from reconciler.model.names import HostName
from reconciler.model.ranges import ByteRange, total_bytes

PATH = r"D:\VMs\erp\disk.vhdx"
CONTENT = bytes(i * 7 % 251 for i in range(4000))
BOUND = 100
"""MAX_READ_BYTES of these tests."""


@dataclass
class Agent:
    """Serves one file as the agent does, and may be told to serve it badly."""

    changes: dict[str, object] = field(default_factory=dict)
    asked: list[tuple[ByteRange, ...]] = field(default_factory=list)

    def call(
        self, function: AgentFunction, arguments: Mapping[str, object], *, deadline_s: float
    ) -> list[dict[str, object]]:
        del deadline_s
        assert arguments["Path"] == PATH
        packed = arguments["Ranges"]
        assert isinstance(packed, bytes)
        ranges = unpack_ranges(packed)
        self.asked.append(ranges)
        if any(r.end > len(CONTENT) for r in ranges):
            raise AgentFailure(function.name, "RangeNotAllowed", "behind the end")
        parts = [CONTENT[r.start : r.end] for r in ranges]
        if function is contract.READ_FILE:
            answer = {"FileSize": len(CONTENT), "Data": b"".join(parts)}
        else:
            answer = {"Hashes": b"".join(sha256(part).digest() for part in parts)}
        return [answer | self.changes]

    def close(self) -> None:
        raise AssertionError("a file does not end a session")


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Agent:
    monkeypatch.setattr(contract, "MAX_READ_BYTES", BOUND)
    return Agent()


@pytest.fixture
def file(agent: Agent) -> HostFile:
    return HostFile(AgentCalls(HostName("hv1"), agent), PATH)


def ranges_of(*pairs: tuple[int, int]) -> list[ByteRange]:
    return [ByteRange(start, end) for start, end in pairs]


def content(ranges: Sequence[ByteRange]) -> list[bytes]:
    return [CONTENT[r.start : r.end] for r in ranges]


@pytest.mark.parametrize(
    ("wanted", "expected_calls"),
    [
        (ranges_of(), 0),
        (ranges_of((0, 1)), 1),
        (ranges_of((5, 10), (0, 5), (3, 7)), 1),
        (ranges_of((0, 50), (50, 100)), 1),
        (ranges_of((0, 50), (50, 101)), 2),
        (ranges_of((0, 100)), 1),
        (ranges_of((0, 101)), 2),
        (ranges_of((1, 2), (0, 250), (7, 8)), 4),
        (ranges_of((10, 310), (20, 320)), 6),
        (ranges_of((0, 4000)), 40),
    ],
)
def test_ranges_are_read_in_calls_of_bounded_size(
    file: HostFile, agent: Agent, wanted: list[ByteRange], expected_calls: int
) -> None:
    assert file.read(wanted) == content(wanted)
    assert len(agent.asked) == expected_calls
    assert all(0 < total_bytes(each) <= BOUND for each in agent.asked)


def test_many_small_ranges_are_read_in_calls_of_bounded_number(
    file: HostFile, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract, "MAX_RANGES", 3)
    wanted = [ByteRange(at, at + 1) for at in range(8)]

    assert file.read(wanted) == content(wanted)
    assert list(file.hashes(wanted)) == [sha256(part).digest() for part in content(wanted)]
    assert [len(each) for each in agent.asked] == [3, 3, 2] * 2
    assert MAX_RANGES > 3


def test_the_size_is_asked_once_and_comes_with_every_read(file: HostFile, agent: Agent) -> None:
    assert file.size == file.size == 4000
    assert agent.asked == [(ByteRange(0, 1),)]

    other = HostFile(AgentCalls(HostName("hv1"), agent), PATH)
    other.read(ranges_of((10, 20)))
    assert other.size == 4000
    assert len(agent.asked) == 2


@pytest.mark.parametrize("data", [b"", b"123456789", b"12345678901"])
def test_a_read_that_is_short_or_long_is_no_data(file: HostFile, agent: Agent, data: bytes) -> None:
    agent.changes = {"Data": data}
    with pytest.raises(DiskUnreadableError) as unread:
        file.read(ranges_of((0, 4), (10, 16)))

    assert unread.value.message == f"hv1 returned {len(data)} of 10 bytes of {PATH}"
    assert "the next pass tries again" in unread.value.hint


def test_a_range_behind_the_end_is_unreadable(file: HostFile) -> None:
    for ask in (file.read, file.hashes):
        with pytest.raises(DiskUnreadableError, match="behind the end"):
            ask(ranges_of((3999, 4001)))


def test_hashes_are_of_each_range_in_order(file: HostFile, agent: Agent) -> None:
    wanted = ranges_of((100, 200), (0, 100), (50, 60))

    assert list(file.hashes(wanted)) == [sha256(part).digest() for part in content(wanted)]
    assert [len(each) for each in agent.asked] == [1, 1, 1]
    assert list(file.hashes([])) == []


@pytest.mark.parametrize("length", [0, 31, 32, 65])
def test_hashes_of_another_number_are_refused(file: HostFile, agent: Agent, length: int) -> None:
    agent.changes = {"Hashes": bytes(length)}
    with pytest.raises(HostRefusedError, match="not 32 bytes a range"):
        file.hashes(ranges_of((0, 4), (10, 16)))


@pytest.mark.parametrize("size", [-1, 0, 5])
def test_a_size_that_contradicts_what_was_read_is_refused(
    file: HostFile, agent: Agent, size: int
) -> None:
    agent.changes = {"FileSize": size}
    with pytest.raises(HostRefusedError):
        file.read(ranges_of((0, 10)))
