"""What crosses the wire is packed without loss, and believed only when it keeps the contract."""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler import agent_contract as contract
from reconciler.adapters.hyperv import (
    decode_configuration,
    decode_host,
    decode_machine,
    requirements,
)
from reconciler.adapters.hyperv.calls import AgentCalls
from reconciler.adapters.hyperv.client import HyperVHost
from reconciler.adapters.hyperv.decode import Answer, Decoder
from reconciler.agent_contract import AgentFunction, Field, Kind, pack_ranges, unpack_ranges
from reconciler.errors import DiskNotSupportedError, HostRefusedError
from reconciler.model.configuration import ConfigurationFile
from reconciler.model.machine import (
    Checkpoint,
    ClusterFacts,
    HostEvent,
    HostFacts,
    HostVolume,
    ReferencePoint,
    VirtualMachine,
)
from reconciler.model.names import HostName
from reconciler.model.ranges import ByteRange, merged
from reconciler.model.requirements import Requirements

HOST = HostName("hv1")
U64 = st.integers(0, 2**64 - 1)
RANGES = st.lists(
    st.integers(0, 2**63 - 2).flatmap(
        lambda start: st.integers(start + 1, 2**63 - 1).map(lambda end: ByteRange(start, end))
    ),
    max_size=20,
)
TIMES = st.one_of(
    st.datetimes(
        min_value=datetime(1900, 1, 1),  # noqa: DTZ001 (Hypothesis adds the zone)
        max_value=datetime(2200, 1, 1),  # noqa: DTZ001
        timezones=st.sampled_from(
            [UTC, timezone(timedelta(hours=14)), timezone(-timedelta(hours=3))]
        ),
    ).map(lambda at: at.isoformat()),
    st.sampled_from(["2026-11-24T12:00:00Z", "2026-11-24T12:00:00", "24.11.2026 12:00"]),
)
GUIDS = st.uuids().map(str)
NAMED: dict[str, st.SearchStrategy[object]] = {
    "VMId": GUIDS,
    "CheckpointId": GUIDS,
    "DiskIdentifier": GUIDS | GUIDS.map(str.upper),
    "CreationTime": TIMES,
    "LastBootUpTime": TIMES,
    "TimeCreated": TIMES,
    "LastReplicationTime": st.none() | TIMES,
    "LastAppliedLogTime": st.none() | TIMES,
    "ReplicationMode": st.sampled_from(["None", "Primary", "Replica", "ExtendedReplica", "Other"]),
    "VhdFormat": st.sampled_from(["VHD", "VHDX", "VHDX", "VHDX", "VHDSet"]),
    "Size": st.sampled_from([512, 64 << 30, 64 << 40, 0, 513, 65 << 40]),
    "BlockSize": st.sampled_from([0, 32 << 20, -1]),
    "LogicalSectorSize": st.sampled_from([512, 4096, 520]),
    "PhysicalSectorSize": st.sampled_from([512, 4096, 520]),
    "DiskNumber": st.none() | st.integers(0, 9),
    "VssProviderTypes": st.lists(
        st.sampled_from(["1", "3", "4294967295", "-1", "one"]), max_size=3
    ),
    "FileSize": st.none() | st.integers(-1, 2**63 - 1),
    "Name": st.text(max_size=20) | st.sampled_from(["A.vmcx", "B.vmrs"]),
    "Path": st.text(max_size=20) | st.sampled_from(["C:\\V\\A.vmcx", "C:\\V\\B.vmrs"]),
}
"""What these fields hold on a host, and now and then what they never hold."""
JUNK = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
        st.binary(max_size=20),
        st.just({1}),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def valid(fields: tuple[Field, ...]) -> st.SearchStrategy[dict[str, object]]:
    """Answers that have the right types and are mostly right in the rest."""
    return st.fixed_dictionaries({field.name: valid_value(field) for field in fields})


def valid_value(field: Field) -> st.SearchStrategy[object]:
    by_kind: dict[Kind, st.SearchStrategy[object]] = {
        Kind.STRING: st.text(max_size=20),
        Kind.INT: st.integers(-(2**31), 2**31 - 1),
        Kind.LONG: st.integers(-(2**63), 2**63 - 1),
        Kind.BOOL: st.booleans(),
        Kind.BYTES: st.binary(max_size=40),
        Kind.STRINGS: st.lists(st.text(max_size=20), max_size=2),
        Kind.OBJECTS: st.lists(valid(field.fields), max_size=2) if field.fields else st.none(),
    }
    return NAMED.get(field.name, by_kind[field.kind])


@st.composite
def nearly(draw: st.DrawFn, fields: tuple[Field, ...]) -> dict[str, object]:
    """A valid answer with one field of it, at any depth, gone or replaced by junk."""
    answer = draw(valid(fields))
    field = draw(st.sampled_from(fields))
    inner = answer[field.name]
    match draw(st.integers(0, 5)), inner:
        case 0, _:
            del answer[field.name]
        case 1, _:
            answer[field.name] = draw(JUNK)
        case 2, [_, *_]:
            answer[field.name] = [draw(nearly(field.fields))] if field.fields else draw(JUNK)
        case _:
            pass
    return answer


Reader = Callable[[Decoder, Answer], object]


def as_it_is(_: Decoder, answer: Answer) -> object:
    return dict(answer)


def decoded(function: AgentFunction, read: Reader, answers: list[Answer]) -> list[object]:
    decoder = Decoder(HOST, function)
    return [read(decoder, answer) for answer in decoder.checked(answers)]


def one_file(decoder: Decoder, answer: Answer) -> object:
    (file,) = decode_configuration.configuration_files(decoder, [answer])
    return file


MODELLED: list[tuple[AgentFunction, Reader]] = [
    (contract.GET_HOST, decode_host.facts),
    (contract.GET_CLUSTER, decode_host.cluster),
    (contract.GET_VOLUME, decode_host.volume),
    (contract.GET_EVENT, decode_host.event),
    (contract.GET_MACHINE, decode_machine.machine),
    (contract.GET_CHECKPOINT, decode_machine.checkpoint),
    (contract.GET_REFERENCE_POINT, decode_machine.reference_point),
    (contract.GET_REQUIREMENT, requirements.decoded),
    (contract.GET_CONFIGURATION_FILE, one_file),
]
READERS = st.sampled_from([*MODELLED, *((function, as_it_is) for function in contract.FUNCTIONS)])
MODELS = (
    HostFacts,
    ClusterFacts,
    HostVolume,
    HostEvent,
    VirtualMachine,
    Checkpoint,
    ReferencePoint,
    Requirements,
    ConfigurationFile,
    type(None),
)


@given(RANGES)
def test_ranges_survive_the_wire(ranges: list[ByteRange]) -> None:
    packed = pack_ranges(ranges)

    assert len(packed) == 16 * len(ranges)
    assert unpack_ranges(packed) == tuple(ranges)


@given(st.binary(max_size=100))
def test_any_bytes_are_whole_pairs_or_refused(packed: bytes) -> None:
    try:
        found = unpack_ranges(packed)
    except ValueError:
        ends = [sum(pair) for pair in struct.iter_unpack("<QQ", packed[: len(packed) // 16 * 16])]
        assert len(packed) % 16 or max(ends) >= 1 << 63
    else:
        kept = b"".join(p for i in range(0, len(packed), 16) if any((p := packed[i : i + 16])[8:]))
        assert pack_ranges(found) == kept


@given(U64, U64)
@example(2**63 - 1, 1)
@example(2**63 - 2, 1)
@example(2**64 - 1, 2**64 - 1)
def test_a_pair_that_leaves_63_bits_is_refused(offset: int, length: int) -> None:
    packed = struct.pack("<QQ", offset, length)
    if length and offset + length >= 2**63:
        with pytest.raises(ValueError, match="beyond 2"):
            unpack_ranges(packed)
    else:
        expected = (ByteRange(offset, offset + length),) if length else ()
        assert unpack_ranges(packed) == expected


@pytest.mark.parametrize(("function", "read"), MODELLED, ids=lambda it: getattr(it, "name", None))
@given(data=st.data())
@settings(max_examples=60)
def test_an_answer_is_a_model_or_refused(
    function: AgentFunction, read: Reader, data: st.DataObject
) -> None:
    answers: list[Answer] = [data.draw(nearly(function.fields))]
    try:
        found = decoded(function, read, answers)
    except (HostRefusedError, DiskNotSupportedError):
        return
    assert [isinstance(each, MODELS) for each in found] == [True]


@given(READERS, st.lists(JUNK, max_size=2))
def test_junk_is_never_anything_but_refused(
    reader: tuple[AgentFunction, Reader], answers: list[Answer]
) -> None:
    if answers:
        with pytest.raises(HostRefusedError, match=f"^hv1 gave an answer to {reader[0].name} "):
            decoded(*reader, answers)
    else:
        assert decoded(*reader, answers) == []


@dataclass
class Cutter:
    """An agent that looks through a disk in pieces of any length."""

    changed: list[ByteRange]
    lengths: list[int]
    calls: int = 0

    def call(
        self, function: AgentFunction, arguments: Mapping[str, object], *, deadline_s: float
    ) -> list[dict[str, object]]:
        del function, deadline_s
        offset, length = arguments["Offset"], arguments["Length"]
        assert isinstance(offset, int)
        assert isinstance(length, int)
        processed = min(length, self.lengths[self.calls % len(self.lengths)])
        self.calls += 1
        here = [r for r in self.changed if r.start < offset + processed and r.end > offset]
        return [{"ProcessedLength": processed, "Extents": pack_ranges(here)}]

    def close(self) -> None:
        raise AssertionError("nobody asked")


@given(
    st.lists(
        st.tuples(st.integers(0, 120), st.integers(1, 30)).map(lambda p: ByteRange(p[0], sum(p))),
        max_size=8,
    ),
    st.lists(st.integers(1, 100), min_size=1, max_size=5),
)
def test_however_a_host_cuts_its_answers_no_change_is_lost(
    changed: list[ByteRange], lengths: list[int]
) -> None:
    session = HyperVHost(AgentCalls(HOST, Cutter(changed, lengths)))
    found = session.changed_ranges("disk.avhdx", "rct:1", 100)

    wanted = {at for r in changed for at in range(r.start, r.end) if at < 100}
    assert {at for r in found for at in range(r.start, r.end)} == wanted
    assert merged(found) == found
