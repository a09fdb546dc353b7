"""What travels keeps its width, its order and its bounds."""

import struct
from uuid import UUID

import pytest
from pypsrp.complex_objects import GenericComplexObject
from pypsrp.exceptions import FragmentError
from pypsrp.messages import Message
from pypsrp.serializer import Serializer, TaggedValue

from reconciler import agent_contract as contract
from reconciler.adapters.hyperv import session_values
from reconciler.adapters.hyperv.session_errors import HostileAnswerError
from reconciler.adapters.hyperv.session_values import LinearFragmenter, plain, wired
from reconciler.agent_contract import AgentFunction, Kind, Parameter

FUNCTION = AgentFunction(
    "Get-Thing",
    "",
    (
        Parameter("Offset", Kind.LONG, ""),
        Parameter("Count", Kind.INT, ""),
        Parameter("Names", Kind.STRINGS, ""),
    ),
    "Test.Thing",
    (),
)


def tag(value: object) -> tuple[str, object]:
    assert isinstance(value, TaggedValue)
    return value.tag, value.value


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("Offset", 0, ("I64", 0)),
        ("Offset", 2**40, ("I64", 2**40)),
        ("Count", 7, ("I32", 7)),
        ("Count", -(2**31) - 1, ("I64", -(2**31) - 1)),
        ("Unknown", 2**31, ("I64", 2**31)),
    ],
)
def test_whole_numbers_are_as_wide_as_their_parameter(
    name: str, value: int, expected: tuple[str, int]
) -> None:
    assert tag(wired(FUNCTION, {name: value})[name]) == expected


def test_other_values_travel_as_they_are_and_nothing_does_not() -> None:
    arguments = {"Names": ("a", "b"), "Flag": True, "Data": memoryview(b"xy"), "Nothing": None}

    assert wired(FUNCTION, arguments) == {"Names": ["a", "b"], "Flag": True, "Data": b"xy"}


def test_what_an_agent_could_not_read_is_not_sent() -> None:
    with pytest.raises(TypeError, match="set"):
        wired(FUNCTION, {"Names": {"a"}})


def generic(**properties: object) -> GenericComplexObject:
    made = GenericComplexObject()
    made.extended_properties = properties
    return made


def test_objects_become_dicts_all_the_way_down() -> None:
    key = UUID(int=5)
    found = generic(Name="x", Data=b"y", Parts=[generic(Id=key, Gone=None)], Table={1: 2})

    assert plain(found) == {
        "Name": "x",
        "Data": b"y",
        "Parts": [{"Id": str(key), "Gone": None}],
        "Table": {"1": 2},
    }


def test_objects_that_are_nested_without_end_are_refused() -> None:
    found = generic()
    found.extended_properties = {"Again": found}

    with pytest.raises(HostileAnswerError):
        plain(found)


def fragment(object_id: int, number: int, bits: int, data: bytes) -> bytes:
    return struct.pack(">QQBI", object_id, number, bits, len(data)) + data


@pytest.fixture
def fragmenter(monkeypatch: pytest.MonkeyPatch) -> LinearFragmenter:
    monkeypatch.setattr(Message, "unpack", staticmethod(lambda data, _: data))
    return LinearFragmenter(1000, Serializer())


def test_interleaved_fragments_are_joined_by_their_object(fragmenter: LinearFragmenter) -> None:
    first = fragmenter.defragment(
        fragment(1, 0, 1, b"ab") + fragment(2, 0, 3, b"whole") + fragment(1, 1, 0, b"cd")
    )
    second = fragmenter.defragment(fragment(1, 2, 2, b"ef"))

    assert list[object](first) == [b"whole"]
    assert list[object](second) == [b"abcdef"]


@pytest.mark.parametrize(
    "data",
    [
        b"short",
        fragment(1, 1, 3, b"out of order"),
        fragment(1, 0, 3, b"cut")[:-1],
        fragment(1, 0, 1, b"a") + fragment(1, 2, 2, b"c"),
    ],
)
def test_damaged_fragments_are_refused(data: bytes, fragmenter: LinearFragmenter) -> None:
    with pytest.raises(FragmentError):
        fragmenter.defragment(data)


def test_one_call_cannot_bring_more_than_its_bound(
    fragmenter: LinearFragmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_values, "MAX_ANSWER_BYTES", 100)
    fragmenter.defragment(fragment(1, 0, 3, bytes(60)))

    with pytest.raises(HostileAnswerError):
        fragmenter.defragment(fragment(2, 0, 3, bytes(60)))


def test_the_bound_leaves_room_for_the_largest_read() -> None:
    assert session_values.MAX_ANSWER_BYTES > 4 * contract.MAX_READ_BYTES
