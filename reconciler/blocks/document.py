"""Small objects in JSON: one line of canonical JSON, one line with its SHA-256.

Canonical means sorted keys and no white space, so equal values are equal bytes, and `head -n 1`
gives JSON that any tool reads. msgspec and not pydantic, because it loads in a fifth of the time,
and every command waits for that.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from reconciler.blocks.objects import damaged

_TRAILER_BYTES: Final = 66
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Moment = Annotated[int, Meta(ge=0)]
"""Whole microseconds since 1970, UTC; see `moment` and `microseconds`."""


class Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every document shares: frozen, no unknown keys, no silent conversion."""


DocumentT = TypeVar("DocumentT", bound=Document)


def to_bytes(document: Document) -> bytes:
    """The stored form of a document."""
    line = msgspec.json.encode(document, order="sorted")
    return b"%b\n%b\n" % (line, hashlib.sha256(line).hexdigest().encode())


def from_bytes(kind: type[DocumentT], data: bytes, name: str) -> DocumentT:
    """A document from its stored form.

    Raises:
        BlockDamagedError: The checksum does not match, or the content is none of this kind.
    """
    line = checked_line(data, name)
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise damaged(f"{name} is not valid: {error}") from error


def checked_line(data: bytes, name: str) -> bytes:
    """The JSON of a document whose checksum matches.

    Raises:
        BlockDamagedError: It does not.
    """
    line, trailer = data[:-_TRAILER_BYTES], data[-_TRAILER_BYTES:]
    if trailer != b"\n%b\n" % hashlib.sha256(line).hexdigest().encode():
        raise damaged(f"{name} does not match its checksum")
    return line


def moment(value: int) -> datetime:
    """A time out of a document.

    Raises:
        ValueError: No calendar has it.
    """
    try:
        return _EPOCH + timedelta(microseconds=value)
    except OverflowError as error:
        raise ValueError("not a time") from error


def microseconds(value: datetime) -> int:
    """A time for a document."""
    return (value - _EPOCH) // timedelta(microseconds=1)
