"""The VHD format as data: sizes, ids and structures, packed and unpacked but not judged.

Readers decide what to make of a field; here it only gets its name. All integers are big-endian; a
checksum is the one's complement of the sum of the structure's other bytes.

Source: [VHD] = Virtual Hard Disk Image Format Specification, version 1.0, of 11 October 2006.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self
from uuid import UUID

SECTOR_BYTES: Final = 512
"""A VHD knows no other sector. Source: [VHD] Overview."""
FOOTER_COOKIE: Final = b"conectix"
FOOTER_BYTES: Final = 512
HEADER_COOKIE: Final = b"cxsparse"
HEADER_BYTES: Final = 1024

FIXED: Final = 2
DYNAMIC: Final = 3
DIFFERENCING: Final = 4
"""Disk types of the footer; 0, 1, 5 and 6 are reserved. Source: [VHD] Hard Disk Footer Format."""

VERSION: Final = 0x0001_0000
NO_OFFSET: Final = (1 << 64) - 1
NO_ID: Final = UUID(int=0)
UNUSED: Final = 0xFFFF_FFFF
"""An entry of the BAT whose block is not in the file. Source: [VHD] Block Allocation Table."""
BAT_ENTRY_BYTES: Final = 4

DEFAULT_BLOCK_BYTES: Final = 2 << 20
MIN_BLOCK_BYTES: Final = 64 << 10
MAX_BLOCK_BYTES: Final = 256 << 20
"""The bounds are ours: Hyper-V makes blocks of 512 KiB and 2 MiB, others keep near to that."""
MAX_VIRTUAL_BYTES: Final = 2 << 40
"""What 32 bits of sectors can count; Hyper-V stops at 2,040 GiB."""

RELATIVE_PATH: Final = b"W2ru"
ABSOLUTE_PATH: Final = b"W2ku"
"""Platform codes of parent locators in UTF-16, little-endian whatever the rest of the file is."""
MOST_LOCATORS: Final = 8

_FEATURES: Final = 2
"""A reserved bit that is always set."""
_CREATOR: Final = b"win "
"""Hyper-V's own: qemu believes Current Size only of creators that it knows, else the geometry."""
_CREATOR_VERSION: Final = 0x000A_0000
_CREATOR_HOST: Final = b"Wi2k"
_CHECKSUM_IN_FOOTER: Final = 64
_CHECKSUM_IN_HEADER: Final = 36
_MOST_HEADS: Final = 16
_MOST_GEOMETRY_SECTORS: Final = 65_535 * _MOST_HEADS * 255

_FOOTER = struct.Struct(">8sIIQI4sI4sQQHBBII16sB427x")
_HEADER = struct.Struct(">8sQQIIII16sII512s")
_LOCATOR = struct.Struct(">4sIIIQ")


def checksum(structure: bytes, offset: int) -> int:
    """The checksum of a structure whose own checksum field is at an offset."""
    return ~(sum(structure) - sum(structure[offset : offset + 4])) & 0xFFFF_FFFF


def sealed(structure: bytes, offset: int) -> bytes:
    """The structure with its checksum filled in."""
    value = checksum(structure, offset).to_bytes(4, "big")
    return structure[:offset] + value + structure[offset + 4 :]


def is_sealed(structure: bytes, offset: int) -> bool:
    """Whether the structure's checksum is right."""
    stored = int.from_bytes(structure[offset : offset + 4], "big")
    return stored == checksum(structure, offset)


def bitmap_bytes(block_bytes: int) -> int:
    """Bytes of the sector bitmap in front of each block: a bit a sector, in whole sectors."""
    return -(-block_bytes // SECTOR_BYTES // 8 // SECTOR_BYTES) * SECTOR_BYTES


@dataclass(frozen=True, slots=True)
class Footer:
    """The hard disk footer, at the end of every VHD and, but for fixed ones, at its start, too.

    Source: [VHD] Hard Disk Footer Format.
    """

    kind: int
    virtual_bytes: int
    """Current Size. The geometry beside it is rounded, and must not be taken for the size."""
    unique_id: UUID
    """Read as its bytes stand there; whether Hyper-V shows it in that order is unconfirmed."""
    header_offset: int = NO_OFFSET
    version: int = VERSION

    @classmethod
    def unpacked(cls, data: bytes) -> Self | None:
        """The footer in `data`; None if cookie or checksum say that there is none."""
        if data[:8] != FOOTER_COOKIE or len(data) != FOOTER_BYTES:
            return None
        if not is_sealed(data, _CHECKSUM_IN_FOOTER):
            return None
        fields = _FOOTER.unpack(data)
        version, header_offset, size, kind, unique_id = (fields[i] for i in (2, 3, 9, 13, 15))
        return cls(kind, size, UUID(bytes=unique_id), header_offset, version)

    def packed(self) -> bytes:
        """The 512 bytes of the footer, checksum included."""
        body = _FOOTER.pack(
            FOOTER_COOKIE,
            _FEATURES,
            self.version,
            self.header_offset,
            0,
            _CREATOR,
            _CREATOR_VERSION,
            _CREATOR_HOST,
            self.virtual_bytes,
            self.virtual_bytes,
            *_geometry(self.virtual_bytes),
            self.kind,
            0,
            self.unique_id.bytes,
            0,
        )
        return sealed(body, _CHECKSUM_IN_FOOTER)


@dataclass(frozen=True, slots=True)
class Locator:
    """Where a path of the parent stands in the file. Source: [VHD] Dynamic Disk Header Format."""

    code: bytes
    length: int
    offset: int


@dataclass(frozen=True, slots=True)
class Header:
    """The dynamic disk header. Source: [VHD] Dynamic Disk Header Format."""

    table_offset: int
    table_entries: int
    block_bytes: int
    parent_id: UUID = NO_ID
    parent_name: bytes = b""
    """UTF-16, big-endian."""
    locators: tuple[Locator, ...] = ()
    version: int = VERSION

    @classmethod
    def unpacked(cls, data: bytes) -> Self | None:
        """The header in `data`; None if cookie or checksum say that there is none."""
        if data[:8] != HEADER_COOKIE or not is_sealed(data, _CHECKSUM_IN_HEADER):
            return None
        _, _, table, version, entries, block, _, parent, _, _, name = _HEADER.unpack_from(data)
        places = data[_HEADER.size : _HEADER.size + MOST_LOCATORS * _LOCATOR.size]
        locators = tuple(
            Locator(code, length, offset)
            for code, _, length, _, offset in _LOCATOR.iter_unpack(places)
        )
        return cls(table, entries, block, UUID(bytes=parent), name, locators, version)

    def packed(self) -> bytes:
        """The 1 KiB of the header, checksum included."""
        body = _HEADER.pack(
            HEADER_COOKIE,
            NO_OFFSET,
            self.table_offset,
            self.version,
            self.table_entries,
            self.block_bytes,
            0,
            self.parent_id.bytes,
            0,
            0,
            self.parent_name,
        )
        for each in self.locators:
            room = -(-each.length // SECTOR_BYTES) * SECTOR_BYTES
            body += _LOCATOR.pack(each.code, room, each.length, 0, each.offset)
        return sealed(body.ljust(HEADER_BYTES, b"\0"), _CHECKSUM_IN_HEADER)


def placed_paths(
    paths: Mapping[bytes, str], offset: int, room: int
) -> tuple[Sequence[Locator], bytes]:
    """Parent locators, and the bytes of their paths for the file's offset, `room` for each.

    Raises:
        ValueError: A path does not fit.
    """
    locators, body = [], b""
    for code, path in paths.items():
        text = path.encode("utf-16-le")
        if len(text) > room:
            raise ValueError(f"a path of {len(path)} characters is too long for a parent locator")
        locators.append(Locator(code, len(text), offset + len(body)))
        body += text.ljust(room, b"\0")
    return locators, body


def _geometry(virtual_bytes: int) -> tuple[int, int, int]:
    """Cylinders, heads and sectors a track. Source: [VHD] Appendix: CHS Calculation."""
    sectors = min(virtual_bytes // SECTOR_BYTES, _MOST_GEOMETRY_SECTORS)
    if sectors >= 65_535 * 16 * 63:
        return sectors // 255 // 16, 16, 255
    tracks = sectors // 17
    heads = max(4, -(-tracks // 1024))
    if heads <= _MOST_HEADS and tracks < heads * 1024:
        return tracks // heads, heads, 17
    if sectors // 31 < 16 * 1024:
        return sectors // 31 // 16, 16, 31
    return sectors // 63 // 16, 16, 63
