"""The few messages by which a file is opened, read and closed, as bytes.

smbprotocol has them all, as objects that take longer to make than the server takes to answer.
"""

import struct
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from smbprotocol.exceptions import SMBException  # type: ignore[import-untyped]

MESSAGE_ID: Final = b"\xfeSMB"
CREATE: Final = 5
CLOSE: Final = 6
READ: Final = 8
"""Commands. Source: [MS-SMB2] 2.2.1.2."""
SIGNED: Final = 0x8
DFS: Final = 0x1000_0000
IS_ANSWER: Final = 0x1
CREDIT_BYTES: Final = 1 << 16
"""What one credit pays for. Source: [MS-SMB2] 3.1.5.2."""

_HEADER: Final = struct.Struct("<4sHHIHHIIQIIQ16s")
HEADER_BYTES: Final = _HEADER.size
_CREATE: Final = struct.Struct("<HBBIQQIIIIIHHII")
_CREATED: Final = struct.Struct("<HBBIQQQQQQII16sII")
_READ: Final = struct.Struct("<HBBIQ16sIIIHHB")
_READ_ANSWER: Final = struct.Struct("<HBBIII")
_CLOSE: Final = struct.Struct("<HHI16s")
_IMPERSONATION: Final = 2
_READ_DATA: Final = 0x1
_NORMAL: Final = 0x80
_SHARE_ALL: Final = 0x7
"""Nobody is kept from anything by our reading."""
_OPEN: Final = 1
_NO_FOLDER: Final = 0x40


class Head(NamedTuple):
    """What matters of a message's header."""

    status: int
    command: int
    credits: int
    flags: int
    message_id: int

    @classmethod
    def of(cls, message: bytearray | memoryview) -> Self:
        """Of an answer, which is at least HEADER_BYTES long."""
        _, _, _, status, command, granted, flags, _, message_id, *_ = _HEADER.unpack_from(message)
        return cls(status, command, granted, flags, message_id)


@dataclass(frozen=True, slots=True)
class Place:
    """Where requests go: a share of a session."""

    session_id: int
    tree_id: int
    is_dfs: bool
    is_signed: bool


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """An open file, as it was when it was opened."""

    file_id: bytes
    size: int
    created: int
    written: int
    """Units: 100 ns since 1601."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Credits: what a request uses, and what it asks for."""

    charge: int
    wanted: int


def header(place: Place, command: int, message_id: int, cost: Cost) -> bytearray:
    """The beginning of a request, not signed yet."""
    flags = (SIGNED if place.is_signed else 0) | (DFS if place.is_dfs else 0)
    return bytearray(
        _HEADER.pack(
            MESSAGE_ID,
            HEADER_BYTES,
            cost.charge,
            0,
            command,
            cost.wanted,
            flags,
            0,
            message_id,
            0,
            place.tree_id,
            place.session_id,
            b"",
        )
    )


def create_request(path: str) -> bytes:
    """Open a file that is there, to read it; source: [MS-SMB2] 2.2.13."""
    name = path.encode("utf-16-le")
    fixed = _CREATE.pack(
        _CREATE.size + 1,
        0,
        0,
        _IMPERSONATION,
        0,
        0,
        _READ_DATA,
        _NORMAL,
        _SHARE_ALL,
        _OPEN,
        _NO_FOLDER,
        HEADER_BYTES + _CREATE.size,
        len(name),
        0,
        0,
    )
    return fixed + name


def created(answer: memoryview) -> OpenedFile:
    """What the answer to `create_request` says; source: [MS-SMB2] 2.2.14."""
    if len(answer) < HEADER_BYTES + _CREATED.size:
        raise SMBException("an answer to CREATE that is cut short")
    _, _, _, _, made, _, written, _, _, size, _, _, file_id, _, _ = _CREATED.unpack_from(
        answer, HEADER_BYTES
    )
    return OpenedFile(file_id, size, made, written)


def read_request(file_id: bytes, start: int, length: int) -> bytes:
    """All bytes of a range, or an error; source: [MS-SMB2] 2.2.19."""
    return _READ.pack(_READ.size, 0x50, 0, length, start, file_id, length, 0, 0, 0, 0, 0)


def read_data(answer: memoryview) -> memoryview:
    """The bytes in the answer to `read_request`; source: [MS-SMB2] 2.2.20."""
    if len(answer) < HEADER_BYTES + _READ_ANSWER.size:
        raise SMBException("an answer to READ that is cut short")
    _, offset, _, length, _, _ = _READ_ANSWER.unpack_from(answer, HEADER_BYTES)
    if offset < HEADER_BYTES + _READ_ANSWER.size or offset + length > len(answer):
        raise SMBException("an answer to READ whose data is not in it")
    return answer[offset : offset + length]


def close_request(file_id: bytes) -> bytes:
    """Close a file; source: [MS-SMB2] 2.2.15."""
    return _CLOSE.pack(_CLOSE.size, 0, 0, file_id)
