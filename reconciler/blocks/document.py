"""Small objects in JSON: one line of canonical JSON, one line with its SHA-256.

Canonical means orjson with sorted keys and no white space, so equal values are equal bytes, and
`head -n 1` gives JSON that any tool reads.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, TypeVar

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError

from reconciler.blocks.objects import damaged

_TRAILER_BYTES: Final = 66
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Document(BaseModel):
    """What every document shares: frozen, no unknown keys, no silent conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, from_attributes=True)


DocumentT = TypeVar("DocumentT", bound=Document)


def to_bytes(document: Document) -> bytes:
    """The stored form of a document."""
    line = orjson.dumps(document.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
    return b"%b\n%b\n" % (line, hashlib.sha256(line).hexdigest().encode())


def from_bytes(kind: type[DocumentT], data: bytes, name: str) -> DocumentT:
    """A document from its stored form.

    Raises:
        BlockDamagedError: The checksum does not match, or the content is none of this kind.
    """
    line = checked_line(data, name)
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise damaged(f"{name} is not valid: {where}: {first['msg']}") from error


def checked_line(data: bytes, name: str) -> bytes:
    """The JSON of a document whose checksum matches.

    Raises:
        BlockDamagedError: It does not.
    """
    line, trailer = data[:-_TRAILER_BYTES], data[-_TRAILER_BYTES:]
    if trailer != b"\n%b\n" % hashlib.sha256(line).hexdigest().encode():
        raise damaged(f"{name} does not match its checksum")
    return line


def _from_microseconds(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return _EPOCH + timedelta(microseconds=value)
        except OverflowError as error:
            raise ValueError("not a time") from error
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    raise ValueError("times are whole microseconds since 1970, UTC")


def _to_microseconds(value: datetime) -> int:
    return (value - _EPOCH) // timedelta(microseconds=1)


Moment = Annotated[datetime, BeforeValidator(_from_microseconds), PlainSerializer(_to_microseconds)]
"""An aware time, stored as whole microseconds since 1970, UTC."""
