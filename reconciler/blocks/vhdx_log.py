"""The log of a VHDX, replayed in memory: nothing is ever written to a file we read.

A file that is open on its host, or was not closed cleanly, may hold updates of its tables only in
its log, and must not be read without them.

Source: [MS-VHDX] 2.3 and product note 5.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from reconciler.blocks.vhdx_faults import damaged
from reconciler.blocks.vhdx_format import LOG_SECTOR_BYTES, MIB, NO_GUID, Header, is_sealed
from reconciler.blocks.vhdx_overlay import OverlaidFile, PendingWrite
from reconciler.model.ranges import ByteRange, pieces
from reconciler.ports import RandomAccess

MAX_LOG_BYTES: Final = 16 * MIB
"""Ours, to bound memory; Hyper-V and qemu make logs of 1 MiB."""
MAX_DESCRIPTORS: Final = 65_536
"""Ours, to bound time; a log of 1 MiB holds at most 32,640."""
MAX_FILE_BYTES: Final = 1 << 47
"""Ours: twice the largest virtual disk, and far from the end of 64 bits."""

_GUID: Final = ByteRange(32, 48)
"""Of the log, in the header of an entry."""
_ENTRY = struct.Struct("<4sIIIQII16sQQ")
_DESCRIPTOR = struct.Struct("<4s4s8sQQ")
_SECTOR = struct.Struct("<4sI4084sI")


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A valid entry of the log. Source: [MS-VHDX] 2.3.1."""

    offset: int
    length: int
    tail: int
    sequence_number: int
    flushed_bytes: int
    last_bytes: int
    descriptors: int
    body: bytes


def replayed(file: RandomAccess, path: str, header: Header) -> RandomAccess:
    """The file as it is once its log is replayed; the file itself when its log is empty.

    Raises:
        DiskUnreadableError: There is a log, but no complete sequence of entries in it.
    """
    if header.log_guid == NO_GUID:
        return file
    if header.log_length > MAX_LOG_BYTES:
        raise damaged(path, "log length", f"of {header.log_length} exceeds {MAX_LOG_BYTES}")
    where = ByteRange(header.log_offset, header.log_offset + header.log_length)
    ring = b"".join(b"".join(file.read([part])) for part in pieces([where], MIB))
    sequence = _active_sequence(_valid_entries(ring, header.log_guid, path), len(ring))
    if not sequence:
        raise damaged(path, "log", "is not empty but holds no complete sequence of entries")
    head = sequence[-1]
    if file.size < head.flushed_bytes:
        raise damaged(path, "file", f"was cut: the log saw it with {head.flushed_bytes} bytes")
    writes = _writes(sequence, path)
    size = max([head.last_bytes, *(w.range.end for w in writes)])
    if size > MAX_FILE_BYTES:
        raise damaged(path, "log", f"wants a file of {size} bytes")
    return OverlaidFile(file, writes, size)


def _valid_entries(ring: bytes, guid: UUID, path: str) -> dict[int, LogEntry]:
    entries: dict[int, LogEntry] = {}
    # Valid entries do not overlap, but what an earlier round left may lie below one or two.
    budget = 2 * len(ring)
    for offset in range(0, len(ring), LOG_SECTOR_BYTES):
        if ring[offset : offset + 4] != b"loge":
            continue
        length = int.from_bytes(ring[offset + 8 : offset + 12], "little")
        if length % LOG_SECTOR_BYTES or not 0 < length <= len(ring):
            continue
        if ring[offset + _GUID.start : offset + _GUID.end] != guid.bytes_le:
            continue
        budget -= length
        if budget < 0:
            raise damaged(path, "log", "has entries inside of entries")
        body = ring[offset : offset + length]
        body += ring[: length - len(body)]
        if entry := _entry(offset, body, len(ring)):
            entries[offset] = entry
    return entries


def _entry(offset: int, body: bytes, ring_bytes: int) -> LogEntry | None:
    _, _, length, tail, sequence, count, _, _, flushed, last = _ENTRY.unpack_from(body)
    is_whole = (
        sequence > 0
        and tail % LOG_SECTOR_BYTES == 0
        and tail < ring_bytes
        and _ENTRY.size + count * _DESCRIPTOR.size <= length
        and is_sealed(body)
    )
    if not is_whole:
        return None
    entry = LogEntry(offset, length, tail, sequence, flushed, last, count, body)
    return entry if _descriptors_agree(entry) else None


def _descriptors_agree(entry: LogEntry) -> bool:
    """Whether every descriptor and data sector carries the entry's sequence number."""
    sectors = 0
    for kind, _, length, offset, sequence in _descriptors(entry):
        if sequence != entry.sequence_number or offset % LOG_SECTOR_BYTES:
            return False
        if kind == b"desc":
            sectors += 1
        elif kind != b"zero" or int.from_bytes(length, "little") % LOG_SECTOR_BYTES:
            return False
    start = _data_start(entry)
    if start + sectors * LOG_SECTOR_BYTES > entry.length:
        return False
    return all(
        kind == b"data" and (high << 32 | low) == entry.sequence_number
        for kind, high, _, low in (
            _SECTOR.unpack_from(entry.body, start + i * LOG_SECTOR_BYTES) for i in range(sectors)
        )
    )


def _descriptors(entry: LogEntry) -> list[tuple[bytes, bytes, bytes, int, int]]:
    end = _ENTRY.size + entry.descriptors * _DESCRIPTOR.size
    return list(_DESCRIPTOR.iter_unpack(entry.body[_ENTRY.size : end]))


def _data_start(entry: LogEntry) -> int:
    end = _ENTRY.size + entry.descriptors * _DESCRIPTOR.size
    return -(-end // LOG_SECTOR_BYTES) * LOG_SECTOR_BYTES


def _active_sequence(entries: Mapping[int, LogEntry], ring_bytes: int) -> list[LogEntry]:
    """The newest complete sequence, oldest entry first; empty if there is none.

    The specification's scan extends every sequence as far as it goes: so only an entry without
    successor can end one, and its tail says where it began.
    """
    successors: dict[int, LogEntry] = {}
    for entry in entries.values():
        following = entries.get((entry.offset + entry.length) % ring_bytes)
        if following and following.sequence_number == entry.sequence_number + 1:
            successors[entry.offset] = following
    heads = [e for e in entries.values() if e.offset not in successors]
    for head in sorted(heads, key=lambda e: e.sequence_number, reverse=True):
        sequence = []
        entry_or_none = entries.get(head.tail)
        while entry_or_none is not None:
            sequence.append(entry_or_none)
            entry_or_none = successors.get(entry_or_none.offset)
        if sequence and sequence[-1] is head:
            return sequence
    return []


def _writes(sequence: Sequence[LogEntry], path: str) -> list[PendingWrite]:
    if sum(entry.descriptors for entry in sequence) > MAX_DESCRIPTORS:
        raise damaged(path, "log", f"has more than {MAX_DESCRIPTORS} descriptors")
    return [write for entry in sequence for write in _writes_of(entry)]


def _writes_of(entry: LogEntry) -> list[PendingWrite]:
    """The entry's updates; a sector's first 8 and last 4 bytes are kept in its descriptor."""
    writes = []
    at = _data_start(entry)
    for kind, trailing, leading, offset, _ in _descriptors(entry):
        if kind == b"desc":
            _, _, middle, _ = _SECTOR.unpack_from(entry.body, at)
            at += LOG_SECTOR_BYTES
            place = ByteRange(offset, offset + LOG_SECTOR_BYTES)
            writes.append(PendingWrite(place, leading + middle + trailing))
        elif length := int.from_bytes(leading, "little"):
            writes.append(PendingWrite(ByteRange(offset, offset + length), None))
    return writes
