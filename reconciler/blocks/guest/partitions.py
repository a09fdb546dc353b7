"""Where the volumes of a disk may be: MBR and GPT, basic partitions only.

The second header of a GPT is never asked: with a torn first one, all of the disk is copied.

Source: UEFI 2.10 section 5; [MS-DMRP] for the types of dynamic disks, which are refused.
"""

from binascii import crc32
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from uuid import UUID

from reconciler.blocks.guest.bytes import GuestBytes, NotUnderstood, number
from reconciler.model.ranges import ByteRange

_SIGNATURE: Final = b"\x55\xaa"
_MBR_ENTRIES: Final = 446
_MBR_ENTRY_BYTES: Final = 16
_MBR_STATES: Final = frozenset({0x00, 0x80})
_NTFS_TYPE: Final = 0x07
_EXTENDED_TYPES: Final = frozenset({0x05, 0x0F, 0x85})
_GPT_TYPE: Final = 0xEE
_DYNAMIC_TYPE: Final = 0x42
_UNUSED: Final = bytes(16)
_BASIC_DATA: Final = UUID("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7").bytes_le
_NOT_BASIC: Final = {
    UUID("5808c8aa-7e8f-42e0-85d2-e1e90434cfb3").bytes_le: "it is a dynamic disk",
    UUID("af9b60a0-1431-4f62-bc68-3311714a69ad").bytes_le: "it is a dynamic disk",
    UUID("e75caf8f-f680-4cee-afa3-b001e56efc2d").bytes_le: "it belongs to a storage pool",
}
_HEADER_BYTES: Final = 92
_MOST_TABLE_BYTES: Final = 64 << 10
_LEAST_ENTRY_BYTES: Final = 128
_NO_TABLE: Final = "it has no partition table"
_LOGICAL_DRIVES: Final = "its extended partition is not looked into"


@dataclass(frozen=True, slots=True)
class _Partition:
    place: ByteRange
    is_for_windows: bool = False
    """Windows would put a file system of its own in it."""


@dataclass(frozen=True, slots=True)
class Partitions:
    """The partitions of a disk that Windows would put a file system of its own in."""

    places: tuple[ByteRange, ...]
    unknown: tuple[str, ...] = ()
    """What else may hold one, and is not looked at."""


def partitions(disk: GuestBytes, sector_bytes: int) -> Partitions:
    """The basic partitions of a disk.

    Raises:
        NotUnderstood: There is no such partition table, or it contradicts itself.
    """
    mbr = disk.read(0, sector_bytes)
    if mbr[510:512] != _SIGNATURE or any(mbr[at] not in _MBR_STATES for at in _entries()):
        raise NotUnderstood(_NO_TABLE)
    types = {mbr[at + 4] for at in _entries()} - {0}
    if _DYNAMIC_TYPE in types:
        raise NotUnderstood("it is a dynamic disk")
    if _GPT_TYPE in types and len(types) > 1:
        raise NotUnderstood("it has partition tables of two kinds")
    is_gpt = _GPT_TYPE in types
    found = list(_gpt(disk, sector_bytes) if is_gpt else _mbr(mbr, sector_bytes))
    places = sorted(each.place for each in found)
    if any(one.end > other.start for one, other in pairwise(places)):
        raise NotUnderstood("its partitions overlap")
    return Partitions(
        tuple(p.place for p in found if p.is_for_windows and p.place.end <= disk.size),
        (_LOGICAL_DRIVES,) if types & _EXTENDED_TYPES else (),
    )


def _entries() -> range:
    return range(_MBR_ENTRIES, 510, _MBR_ENTRY_BYTES)


def _mbr(mbr: bytes, sector_bytes: int) -> Iterator[_Partition]:
    for at in _entries():
        first, count = number(mbr, at + 8, 4), number(mbr, at + 12, 4)
        if mbr[at + 4] and first and count:
            place = ByteRange(first * sector_bytes, (first + count) * sector_bytes)
            yield _Partition(place, is_for_windows=mbr[at + 4] == _NTFS_TYPE)


def _gpt(disk: GuestBytes, sector_bytes: int) -> Iterator[_Partition]:
    header = disk.read(sector_bytes, sector_bytes)
    if header[:8] != b"EFI PART":
        raise NotUnderstood("its GPT has no header")
    length = number(header, 12, 4)
    if not _HEADER_BYTES <= length <= sector_bytes:
        raise NotUnderstood("its GPT has a header of an impossible length")
    blank = header[:16] + bytes(4) + header[20:length]
    if crc32(blank) != number(header, 16, 4) or number(header, 24, 8) != 1:
        raise NotUnderstood("the checksum of its GPT is wrong, or it is a copy")
    table, entry_bytes = _gpt_table(disk, header, sector_bytes)
    for at in range(0, len(table) - entry_bytes + 1, entry_bytes):
        kind = table[at : at + 16]
        first, last = number(table, at + 32, 8), number(table, at + 40, 8)
        if kind in _NOT_BASIC:
            raise NotUnderstood(_NOT_BASIC[kind])
        if kind != _UNUSED and 0 < first <= last:
            place = ByteRange(first * sector_bytes, (last + 1) * sector_bytes)
            yield _Partition(place, is_for_windows=kind == _BASIC_DATA)


def _gpt_table(disk: GuestBytes, header: bytes, sector_bytes: int) -> tuple[bytes, int]:
    """All entries, and the size of one."""
    at, count, entry_bytes = number(header, 72, 8), number(header, 80, 4), number(header, 84, 4)
    if entry_bytes < _LEAST_ENTRY_BYTES or not 0 < count * entry_bytes <= _MOST_TABLE_BYTES:
        raise NotUnderstood("its GPT has an impossible size")
    table = disk.read(at * sector_bytes, count * entry_bytes)
    if crc32(table) != number(header, 88, 4):
        raise NotUnderstood("the checksum of its partitions is wrong")
    return table, entry_bytes
