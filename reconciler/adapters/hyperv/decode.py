"""Answers of a host, checked against the contract before anything believes them."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from reconciler.agent_contract import GUID, AgentFunction, Field, Kind
from reconciler.errors import HostRefusedError
from reconciler.model.names import HostName, VmId

Answer = Mapping[str, object]

MAX_TEXT = 32_767
MAX_ITEMS = 10_000

_INT = range(-(2**31), 2**31)
_LONG = range(-(2**63), 2**63)
_YEARS = range(1990, 2201)
"""What a clock may say, however wrong it is."""


def shown(text: str) -> str:
    """Foreign text as it may stand in a message."""
    return "".join(c if c.isprintable() else "?" for c in text[:60])


def broken_contract(host: HostName, function: str, what: str) -> HostRefusedError:
    """The error for an answer that the contract does not allow."""
    return HostRefusedError(
        f"{host} gave an answer to {function} that its contract does not allow: {what}",
        hint="compare the agent's version on the host with this reconciler's",
        host=host,
    )


class Decoder:
    """Checks the answers of one host to one function.

    What `decode_host` and `decode_machine` read has passed `checked`.
    """

    def __init__(self, host: HostName, function: AgentFunction) -> None:
        self.host = host
        self._function = function

    def checked(self, answers: Sequence[Answer]) -> list[Answer]:
        """The answers, each with exactly the declared fields of the declared types.

        Raises:
            HostRefusedError: An answer breaks the contract.
        """
        if len(answers) > MAX_ITEMS:
            raise self.broken(f"{len(answers)} objects, more than {MAX_ITEMS}")
        return [self._object(self._function.fields, answer, "") for answer in answers]

    def broken(self, what: str) -> HostRefusedError:
        """The error for an answer that is not what the contract says."""
        return broken_contract(self.host, self._function.name, what)

    def _object(self, fields: tuple[Field, ...], answer: object, where: str) -> Answer:
        if not isinstance(answer, Mapping):
            raise self.broken(f"{where or 'the answer'} is not an object")
        return {f.name: self._value(f, answer.get(f.name), f"{where}{f.name}") for f in fields}

    def _value(self, field: Field, value: object, where: str) -> object:
        if value is None:
            return self._nothing(field, where)
        if field.kind in {Kind.STRINGS, Kind.OBJECTS}:
            return self._list(field, value, where)
        if not _fits(field.kind, value):
            raise self.broken(f"{where} is no {field.kind.value}")
        return value

    def _nothing(self, field: Field, where: str) -> object:
        if field.kind in {Kind.STRINGS, Kind.OBJECTS}:
            return []  # PowerShell makes null of an empty array in more than one place
        if field.is_optional:
            return None
        raise self.broken(f"{where} is missing")

    def _list(self, field: Field, value: object, where: str) -> list[object]:
        if isinstance(value, str | Mapping):
            value = [value]  # PowerShell unrolls an array of one
        if not isinstance(value, list | tuple) or len(value) > MAX_ITEMS:
            raise self.broken(f"{where} is no list of at most {MAX_ITEMS}")
        if field.kind is Kind.OBJECTS:
            return [self._object(field.fields, item, f"{where}.") for item in value]
        if not all(isinstance(item, str) and len(item) <= MAX_TEXT for item in value):
            raise self.broken(f"{where} is no {field.kind.value}")
        return list(value)

    def vm_id(self, answer: Answer) -> VmId:
        """The machine that an answer is about."""
        return VmId(self.guid(answer, "VMId"))

    def guid(self, answer: Answer, name: str) -> str:
        """A GUID as we compare it, in lower case."""
        text = text_of(answer, name).lower()
        if not re.fullmatch(GUID, text):
            raise self.broken(f"{name} is no GUID")
        return text

    def time(self, answer: Answer, name: str) -> datetime:
        """A time, in UTC; far enough from the ends of time that it can be counted with."""
        try:
            found = datetime.fromisoformat(text_of(answer, name))
        except ValueError as error:
            raise self.broken(f"{name} is no ISO 8601 time") from error
        if found.tzinfo is None:
            raise self.broken(f"{name} has no offset")
        if found.year not in _YEARS:
            raise self.broken(f"{name} is of the year {found.year}")
        return found.astimezone(UTC)


def _fits(kind: Kind, value: object) -> bool:
    match kind:
        case Kind.STRING:
            return isinstance(value, str) and len(value) <= MAX_TEXT
        case Kind.INT:
            return type(value) is int and value in _INT
        case Kind.LONG:
            return type(value) is int and value in _LONG
        case Kind.BOOL:
            return isinstance(value, bool)
        case Kind.BYTES:
            return isinstance(value, bytes)
        case Kind.STRINGS | Kind.OBJECTS:
            return isinstance(value, list)


# These only narrow types: `checked` has already refused everything else.


def text_of(answer: Answer, name: str) -> str:
    """A text."""
    value = answer[name]
    assert isinstance(value, str)  # noqa: S101
    return value


def number_of(answer: Answer, name: str) -> int:
    """A whole number."""
    value = answer[name]
    assert isinstance(value, int)  # noqa: S101
    return value


def texts_of(answer: Answer, name: str) -> tuple[str, ...]:
    """A list of texts."""
    value = answer[name]
    assert isinstance(value, list)  # noqa: S101
    return tuple(value)


def objects_of(answer: Answer, name: str) -> list[Answer]:
    """A list of objects."""
    value = answer[name]
    assert isinstance(value, list)  # noqa: S101
    return value
