"""The VHDX format as data: sizes, ids and structures, packed and unpacked but not judged.

Readers decide what to make of a field; here it only gets its name. All integers are
little-endian, all checksums CRC-32C over the structure with its checksum field zero.

Source: [MS-VHDX] 2.2 to 2.6.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self
from uuid import UUID

from reconciler.blocks.vhdx_checksum import crc32c

MIB: Final = 1 << 20
KIB: Final = 1 << 10

FILE_SIGNATURE: Final = b"vhdxfile"
"""Source: [MS-VHDX] 2.2.1."""
FILE_IDENTIFIER_BYTES: Final = 64 * KIB
CREATOR_BYTES: Final = 512
VHD_COOKIE: Final = b"conectix"
"""Starts the footer of the older VHD format: its last sector, in dynamic ones the first too."""

HEADER_OFFSETS: Final = (64 * KIB, 128 * KIB)
HEADER_BYTES: Final = 4 * KIB
REGION_TABLE_OFFSETS: Final = (192 * KIB, 256 * KIB)
REGION_TABLE_BYTES: Final = 64 * KIB
HEADER_SECTION_BYTES: Final = MIB
"""Source: [MS-VHDX] 2.2: regions and blocks follow after it, 1 MiB aligned."""
MAX_TABLE_ENTRIES: Final = 2047
"""Source: [MS-VHDX] 2.2.3.1 and 2.6.1.1."""

BAT_REGION: Final = UUID("2DC27766-F623-4200-9D64-115E9BFD4A08")
METADATA_REGION: Final = UUID("8B7CA206-4790-4B9A-B8FE-575F050F886E")
"""Source: [MS-VHDX] 2.2.3.2."""

METADATA_SIGNATURE: Final = b"metadata"
METADATA_TABLE_BYTES: Final = 64 * KIB
MAX_METADATA_ITEM_BYTES: Final = MIB
FILE_PARAMETERS: Final = UUID("CAA16737-FA36-4D43-B3B6-33F0AA44E76B")
VIRTUAL_DISK_SIZE: Final = UUID("2FA54224-CD1B-4876-B211-5DBED83BF4B8")
VIRTUAL_DISK_ID: Final = UUID("BECA12AB-B2E6-4523-93EF-C309E000C746")
LOGICAL_SECTOR_SIZE: Final = UUID("8141BF1D-A96F-4709-BA47-F233A8FAAB5F")
PHYSICAL_SECTOR_SIZE: Final = UUID("CDA348C7-445D-4471-9CC9-E9885251C556")
PARENT_LOCATOR: Final = UUID("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C")
"""Source: [MS-VHDX] 2.6.2."""
VHDX_PARENT_LOCATOR_TYPE: Final = UUID("B04AEFB7-D19E-4A81-B789-25B8E9445913")
"""Source: [MS-VHDX] 2.6.2.6.3."""

IS_USER: Final = 1
IS_VIRTUAL_DISK: Final = 2
IS_REQUIRED: Final = 4
"""Flags of a metadata table entry. Source: [MS-VHDX] 2.6.1.2."""
LEAVE_BLOCKS_ALLOCATED: Final = 1
"""A fixed disk."""
HAS_PARENT: Final = 2
"""Flags of the file parameters. Source: [MS-VHDX] 2.6.2.1."""

MIN_BLOCK_BYTES: Final = MIB
MAX_BLOCK_BYTES: Final = 256 * MIB
MAX_VIRTUAL_BYTES: Final = 64 << 40
SECTOR_SIZES: Final = (512, 4096)
CHUNK_SECTORS: Final = 1 << 23
"""Sectors that one sector bitmap block, of 1 MiB, describes. Source: [MS-VHDX] 2.4."""
BAT_ENTRY_BYTES: Final = 8
BAT_STATE_MASK: Final = 7
BAT_OFFSET_SHIFT: Final = 20
"""Bits 20 to 63 of an entry hold the file offset in MiB. Source: [MS-VHDX] 2.5.1."""

LOG_SECTOR_BYTES: Final = 4 * KIB
NO_GUID: Final = UUID(int=0)

_HEADER = struct.Struct("<4sIQ16s16s16sHHIQ")
_REGION_TABLE = struct.Struct("<4sIII")
_REGION_ENTRY = struct.Struct("<16sQII")


class BlockState(IntEnum):
    """State of a payload block; values 4 and 5 are reserved. Source: [MS-VHDX] 2.5.1.1."""

    NOT_PRESENT = 0
    UNDEFINED = 1
    ZERO = 2
    UNMAPPED = 3
    FULLY_PRESENT = 6
    PARTIALLY_PRESENT = 7


BITMAP_PRESENT: Final = 6
"""State of a sector bitmap block that is in the file. Source: [MS-VHDX] 2.5.1.2."""


def sealed(structure: bytes | bytearray, checksum_offset: int = 4) -> bytes:
    """The structure with its checksum filled in."""
    body = bytearray(structure)
    body[checksum_offset : checksum_offset + 4] = bytes(4)
    body[checksum_offset : checksum_offset + 4] = crc32c(body).to_bytes(4, "little")
    return bytes(body)


def is_sealed(structure: bytes, checksum_offset: int = 4) -> bool:
    """Whether the structure's checksum is right."""
    end = checksum_offset + 4
    stored = int.from_bytes(structure[checksum_offset:end], "little")
    return stored == crc32c(structure[:checksum_offset] + bytes(4) + structure[end:])


@dataclass(frozen=True, slots=True)
class Header:
    """One of the two headers. Source: [MS-VHDX] 2.2.2."""

    sequence_number: int
    file_write_guid: UUID
    data_write_guid: UUID
    log_guid: UUID
    log_length: int
    log_offset: int
    log_version: int = 0
    version: int = 1

    @classmethod
    def unpacked(cls, data: bytes) -> Self | None:
        """The header in `data`; None if signature or checksum say that there is none."""
        if data[:4] != b"head" or not is_sealed(data):
            return None
        _, _, sequence, file, content, log, log_version, version, length, offset = (
            _HEADER.unpack_from(data)
        )
        return cls(
            sequence,
            UUID(bytes_le=file),
            UUID(bytes_le=content),
            UUID(bytes_le=log),
            length,
            offset,
            log_version,
            version,
        )

    def packed(self) -> bytes:
        """The 4 KiB of the header, checksum included."""
        body = _HEADER.pack(
            b"head",
            0,
            self.sequence_number,
            self.file_write_guid.bytes_le,
            self.data_write_guid.bytes_le,
            self.log_guid.bytes_le,
            self.log_version,
            self.version,
            self.log_length,
            self.log_offset,
        )
        return sealed(body.ljust(HEADER_BYTES, b"\0"))


@dataclass(frozen=True, slots=True)
class Region:
    """A region of the file. Source: [MS-VHDX] 2.2.3.2."""

    guid: UUID
    offset: int
    length: int
    is_required: bool = True


def packed_regions(regions: Sequence[Region]) -> bytes:
    """A region table of 64 KiB, checksum included."""
    table = _REGION_TABLE.pack(b"regi", 0, len(regions), 0)
    for region in regions:
        table += _REGION_ENTRY.pack(
            region.guid.bytes_le, region.offset, region.length, int(region.is_required)
        )
    return sealed(table.ljust(REGION_TABLE_BYTES, b"\0"))


def unpacked_regions(data: bytes) -> list[Region] | None:
    """The entries of a region table; None if it is none or counts more than it may hold."""
    if data[:4] != b"regi" or not is_sealed(data):
        return None
    _, _, count, _ = _REGION_TABLE.unpack_from(data)
    if count > MAX_TABLE_ENTRIES:
        return None
    entries = _REGION_ENTRY.iter_unpack(data[16 : 16 + count * _REGION_ENTRY.size])
    return [
        Region(UUID(bytes_le=guid), offset, length, bool(required & 1))
        for guid, offset, length, required in entries
    ]


@dataclass(frozen=True, slots=True)
class BatShape:
    """How a BAT is laid out: bitmap entries stand after each chunk's payload entries.

    Source: [MS-VHDX] 2.4, 2.5.
    """

    virtual_bytes: int
    logical_sector_bytes: int
    block_bytes: int
    has_parent: bool

    @property
    def chunk_ratio(self) -> int:
        """Payload blocks that one sector bitmap block describes."""
        return CHUNK_SECTORS * self.logical_sector_bytes // self.block_bytes

    @property
    def payload_blocks(self) -> int:
        """Payload blocks of the disk; the last may be cut by the disk's end."""
        return -(-self.virtual_bytes // self.block_bytes)

    @property
    def entries(self) -> int:
        """Entries of the table, payload and bitmap."""
        chunks = -(-self.payload_blocks // self.chunk_ratio)
        if self.has_parent:
            return chunks * (self.chunk_ratio + 1)
        return self.payload_blocks + (self.payload_blocks - 1) // self.chunk_ratio

    @property
    def bitmap_bytes_per_block(self) -> int:
        """Bytes of a sector bitmap that describe one payload block; a power of two."""
        return self.block_bytes // self.logical_sector_bytes // 8
