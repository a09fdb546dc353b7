"""Disks of guests for tests of who reads them: the committed volumes, partition tables, a judge."""

import io
import struct
from binascii import crc32
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pyfsntfs  # type: ignore[import-not-found]

from reconciler.lab.images.sparse import unpack_runs
from reconciler.model.ranges import ByteRange, merged

IMAGES = Path(__file__).parent / "images"
SECTOR, MIB = 512, 1 << 20
FRAGMENTED_BYTES = 16 * MIB
ODD_PRIMARY = {"listed": (1, 12), "compressed": (14, 2), "sparse": (17, 2)}
ODD_LOGICAL = {
    "resident": (21, 2),
    "linked": (24, 2),
    "named": (27, 12),
    "plain": (40, 2),
    "scattered": (43, 12),
}
"""Where the volumes of the odd disk are, and their sizes. Units: MiB."""
ODD_EXTENDED, ODD_END = 20, 55

BASIC_DATA = UUID("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7")
RESERVED = UUID("e3c9e316-0b5c-4db8-817d-f92df00215ae")
LDM_METADATA = UUID("5808c8aa-7e8f-42e0-85d2-e1e90434cfb3")
LDM_DATA = UUID("af9b60a0-1431-4f62-bc68-3311714a69ad")
STORAGE_SPACES = UUID("e75caf8f-f680-4cee-afa3-b001e56efc2d")


@dataclass(frozen=True)
class Generation:
    """A guest's disk at one of several moments. Units: bytes."""

    size: int
    volume: ByteRange
    count: int


GENERATION = Generation(9 * MIB, ByteRange(MIB, 8 * MIB), 4)


_HOLE = 1


class Memory:
    """A disk in memory, which remembers how much of it was read."""

    def __init__(self, data: bytes | bytearray) -> None:
        self.data = data
        self.size = len(data)
        self.bytes_read = self.reads = 0

    def read(self, offset: int, length: int) -> bytes:
        self.bytes_read += length
        self.reads += 1
        return bytes(self.data[offset : offset + length])


@cache
def unpacked(name: str, size: int) -> bytes:
    """A committed image."""
    data = bytearray(size)
    for offset, run in unpack_runs((IMAGES / f"{name}.runs.zst").read_bytes()):
        data[offset : offset + len(run)] = run
    return bytes(data)


def fragmented(name: str) -> bytearray:
    return bytearray(unpacked(name, FRAGMENTED_BYTES))


def odd_disk() -> bytearray:
    return bytearray(unpacked("odd-volumes", ODD_END * MIB))


def generations() -> list[bytes]:
    """One guest's disk at each moment."""
    disk = bytearray(GENERATION.size)
    disks: list[bytes] = []
    for offset, run in unpack_runs((IMAGES / "generations.runs.zst").read_bytes()):
        moment, at = divmod(offset, GENERATION.size)
        while len(disks) < moment:
            disks.append(bytes(disk))
        disk[at : at + len(run)] = run
    return [*disks, bytes(disk)]


def odd_place(name: str) -> ByteRange:
    """Where a volume is on the odd disk."""
    where, size = (ODD_PRIMARY | ODD_LOGICAL)[name]
    return ByteRange(where * MIB, (where + size) * MIB)


def ntfs(volume: bytes | bytearray) -> Any:  # pyfsntfs has no types
    """A volume as another reader opens it.

    Raises:
        OSError: It cannot.
    """
    reader = pyfsntfs.volume()
    reader.open_file_object(io.BytesIO(bytes(volume)))
    return reader


def extents_by_libfsntfs(volume: bytes | bytearray, name: str) -> tuple[ByteRange, ...] | None:
    """Where another reader finds a file of the root folder; None where it finds none.

    Raises:
        OSError: It cannot read the volume.
    """
    entry = ntfs(volume).get_file_entry_by_path(f"\\{name}")
    return None if entry is None else extents_of(entry)


def extents_of(entry: Any) -> tuple[ByteRange, ...]:
    """Where a file's bytes are; holes are nowhere."""
    extents = (entry.get_extent(i) for i in range(entry.number_of_extents))
    return merged(ByteRange(at, at + size) for at, size, flags in extents if not flags & _HOLE)


def hashes_by_libfsntfs(volume: bytes | bytearray) -> dict[str, str]:
    """What every file of a volume holds, the file system's own and other streams too, by path."""
    return dict(_hashes(ntfs(volume).get_root_directory(), ""))


def _hashes(folder: Any, path: str) -> Iterator[tuple[str, str]]:
    for entry in folder.sub_file_entries:
        name = f"{path}\\{entry.name}"
        yield name, sha256(entry.read_buffer(entry.size) if entry.size else b"").hexdigest()
        for stream in entry.alternate_data_streams:
            data = stream.read_buffer(stream.get_size()) if stream.get_size() else b""
            yield f"{name}:{stream.name}", sha256(data).hexdigest()
        if entry.number_of_sub_file_entries and entry.name != ".":
            yield from _hashes(entry, name)


def cross_links(volume: bytes | bytearray) -> list[str]:
    """What a check of the disk would call wrong: clusters of two files, or of one but free."""
    reader = ntfs(volume)
    cluster = reader.get_cluster_block_size()
    bitmap = reader.get_file_entry_by_path("\\$Bitmap")
    used = bitmap.read_buffer(bitmap.size)
    owners: dict[int, str] = {}
    wrong = []
    for entry in map(reader.get_file_entry, range(reader.number_of_file_entries)):
        if not entry.is_allocated() or entry.name == "$BadClus":
            continue
        for part in extents_of(entry):
            for number in range(part.start // cluster, part.end // cluster):
                other = owners.setdefault(number, entry.name)
                if other != entry.name or not used[number // 8] >> number % 8 & 1:
                    wrong.append(f"cluster {number} of {entry.name}, {other}")
    return wrong


def mbr(*entries: tuple[int, int, int]) -> bytes:
    """The first sector, of partitions as type, first sector and number of sectors."""
    told = (struct.pack("<B3sB3sII", 0, bytes(3), *_typed(*each)) for each in entries)
    return bytes(446) + b"".join(told).ljust(64, b"\0") + b"\x55\xaa"


def _typed(kind: int, first: int, count: int) -> tuple[int, bytes, int, int]:
    return kind, bytes(3), first, count


def gpt(
    sectors: int, entries: Iterable[tuple[UUID, int, int]], **other: int
) -> Mapping[str, tuple[int, bytes]]:
    """Where the parts of a GPT are and what they hold, by name, with its second header.

    Args:
        sectors: Of the disk.
        entries: Partitions as type, first sector and last sector.
        other: Fields of the first header that are not as they should be.
    """
    told = [k.bytes_le + bytes(16) + struct.pack("<QQ", a, b) + bytes(80) for k, a, b in entries]
    table = b"".join(told).ljust(128 * 128, b"\0")
    copy = {"here": sectors - 1, "there": 1, "table": sectors - 33}
    return {
        "protective": (0, mbr((0xEE, 1, sectors - 1))),
        "header": (SECTOR, _gpt_header(sectors, table, **other)),
        "table": (2 * SECTOR, table),
        "second table": ((sectors - 33) * SECTOR, table),
        "second header": ((sectors - 1) * SECTOR, _gpt_header(sectors, table, **copy)),
    }


def _gpt_header(sectors: int, told: bytes, **other: int) -> bytes:
    field = {
        "length": 92,
        "here": 1,
        "there": sectors - 1,
        "table": 2,
        "count": 128,
        "entry": 128,
        "table_crc": crc32(told),
    } | other
    head = struct.pack("<8sIIII", b"EFI PART", 0x10000, field["length"], 0, 0)
    rest = struct.pack("<QQQQ16s", field["here"], field["there"], 34, sectors - 34, bytes(16))
    rest += struct.pack("<QIII", field["table"], field["count"], field["entry"], field["table_crc"])
    whole = head + rest
    summed = other.get("crc", crc32(whole.ljust(min(field["length"], SECTOR), b"\0")))
    return (whole[:16] + struct.pack("<I", summed) + whole[20:]).ljust(SECTOR, b"\0")
