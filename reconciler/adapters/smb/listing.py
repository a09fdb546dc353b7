"""What is in a folder of a share, out of the bytes that the server packs it in."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from smbprotocol.exceptions import SMBException  # type: ignore[import-untyped]

_ENTRY: Final = struct.Struct("<IIqqqqQQII")
"""Source: [MS-FSCC] 2.4.10, FileDirectoryInformation up to its FileName."""
LINK: Final = 0x400
"""Source: [MS-FSCC] 2.6, FILE_ATTRIBUTE_REPARSE_POINT."""
_IS_FOLDER: Final = 0x10
_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder."""

    name: str
    size: int
    modified_at: datetime
    is_folder: bool
    is_link: bool


def parsed(packed: bytes) -> Iterator[Entry]:
    """The entries of one answer; smbprotocol's own way takes longer than the server."""
    at = 0
    while True:
        if at + _ENTRY.size > len(packed):
            raise SMBException("a list of files is cut short")
        step, _, _, _, written, _, size, _, attributes, length = _ENTRY.unpack_from(packed, at)
        raw = packed[at + _ENTRY.size : at + _ENTRY.size + length]
        if len(raw) != length:
            raise SMBException("a list of files is cut short")
        yield Entry(
            raw.decode("utf-16-le", "replace"),
            size,
            _EPOCH + timedelta(microseconds=written // 10),
            is_folder=bool(attributes & _IS_FOLDER),
            is_link=bool(attributes & LINK),
        )
        if not step:
            return
        at += step
