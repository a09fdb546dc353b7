"""Where the volumes of a disk may be: MBR and GPT, basic partitions only.

Source: UEFI 2.10 section 5; [MS-DMRP] for the types of dynamic disks, which are passed over.
"""

from binascii import crc32
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from reconciler.blocks.guest.bytes import GuestBytes, NotUnderstood, number
from reconciler.model.ranges import ByteRange

_SIGNATURE: Final = b"\x55\xaa"
_MBR_ENTRIES: Final = 446
_MBR_ENTRY_BYTES: Final = 16
_NTFS_TYPES: Final = frozenset({0x07})
_GPT_TYPE: Final = 0xEE
_DYNAMIC_TYPE: Final = 0x42
_BASIC_DATA: Final = UUID("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7").bytes_le
_HEADER_BYTES: Final = 92
_MOST_TABLE_BYTES: Final = 64 << 10
_LEAST_ENTRY_BYTES: Final = 128


def partitions(disk: GuestBytes, sector_bytes: int) -> list[ByteRange]:
    """Partitions that Windows would put a file system of its own in.

    Raises:
        NotUnderstood: There is no such partition table, or it contradicts itself.
    """
    mbr = disk.read(0, sector_bytes)
    if mbr[510:512] != _SIGNATURE:
        raise NotUnderstood("it has no partition table")
    types = {mbr[at + 4] for at in _entries()}
    if _DYNAMIC_TYPE in types:
        raise NotUnderstood("it is a dynamic disk")
    found = _gpt(disk, sector_bytes) if _GPT_TYPE in types else _mbr(mbr, sector_bytes)
    return [part for part in found if part.end <= disk.size]


def _entries() -> range:
    return range(_MBR_ENTRIES, 510, _MBR_ENTRY_BYTES)


def _mbr(mbr: bytes, sector_bytes: int) -> Iterator[ByteRange]:
    for at in _entries():
        first, count = number(mbr, at + 8, 4), number(mbr, at + 12, 4)
        if mbr[at + 4] in _NTFS_TYPES and first and count:
            yield ByteRange(first * sector_bytes, (first + count) * sector_bytes)


def _gpt(disk: GuestBytes, sector_bytes: int) -> Iterator[ByteRange]:
    header = disk.read(sector_bytes, sector_bytes)
    if header[:8] != b"EFI PART":
        raise NotUnderstood("its GPT has no header")
    length = number(header, 12, 4)
    if not _HEADER_BYTES <= length <= sector_bytes:
        raise NotUnderstood("its GPT has a header of an impossible length")
    blank = header[:16] + bytes(4) + header[20:length]
    if crc32(blank) != number(header, 16, 4):
        raise NotUnderstood("the checksum of its GPT is wrong")
    at, count, entry_bytes = number(header, 72, 8), number(header, 80, 4), number(header, 84, 4)
    if entry_bytes < _LEAST_ENTRY_BYTES or not 0 < count * entry_bytes <= _MOST_TABLE_BYTES:
        raise NotUnderstood("its GPT has an impossible size")
    table = disk.read(at * sector_bytes, count * entry_bytes)
    if crc32(table) != number(header, 88, 4):
        raise NotUnderstood("the checksum of its partitions is wrong")
    for entry in range(0, len(table), entry_bytes):
        first, last = number(table, entry + 32, 8), number(table, entry + 40, 8)
        if table[entry : entry + 16] == _BASIC_DATA and 0 < first <= last:
            yield ByteRange(first * sector_bytes, (last + 1) * sector_bytes)
