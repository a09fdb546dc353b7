"""Bring a replica up to date: changed ranges of a source, or all that differs by hash."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from reconciler.blocks.codec import block_hash
from reconciler.blocks.draft import DraftDisk
from reconciler.blocks.pack_reader import PackReader
from reconciler.errors import DiskUnreadableError
from reconciler.model.ranges import ByteRange, aligned, clipped, pieces

BATCH_BYTES: Final = 4 << 20
_BATCH_BLOCKS: Final = 1024

Progress = Callable[[int], None]
"""Called with the bytes read so far, after each batch; what it raises ends the work."""


class SourceDisk(Protocol):
    """A disk to be protected; every call may raise DiskUnreadableError or HostError."""

    @property
    def virtual_bytes(self) -> int:
        """Units: bytes."""
        ...

    def read(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        """The bytes of each range.

        Shape: one result per range, in order, each of exactly the range's length.
        """
        ...

    def allocated(self, start: int, end: int) -> Iterator[ByteRange]:
        """Where the disk may hold anything but zeros, between two offsets.

        Shape: ascending, within the offsets.
        """
        ...


class HashingSource(SourceDisk, Protocol):
    """A source that hashes where it is, so that equal blocks need not travel."""

    def hashes_of(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        """SHA-256 of each range; ours are always whole blocks of the repository.

        Shape: one result of 32 bytes per range, in order.
        """
        ...


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison by hash found."""

    blocks_compared: int
    blocks_differing: int
    bytes_read: int


def synchronize(
    disk: DraftDisk,
    source: SourceDisk,
    ranges: Iterable[ByteRange],
    *,
    on_progress: Progress,
) -> int:
    """Copy changed ranges into a draft, and whatever the draft's base cannot tell.

    Blocks that the source has not allocated become zeros without being read.

    Returns:
        Bytes read from the source.

    Raises:
        DiskUnreadableError: The source has another size than the draft, or gave a short answer.
    """
    _check_size(disk, source)
    reading = _Reading(disk, source, on_progress)
    wanted = aligned(clipped([*ranges, *disk.must_read], disk.size), disk.block_bytes)
    for changed in clipped(wanted, disk.size):
        at = changed.start
        for held in _allocated_blocks(disk, source, changed):
            _clear(disk, at, held.start)
            reading.add(held)
            at = held.end
        _clear(disk, at, changed.end)
    reading.finish()
    return reading.bytes_read


def synchronize_by_hash(
    disk: DraftDisk, source: HashingSource, packs: PackReader, *, on_progress: Progress
) -> Comparison:
    """Compare the whole disk with the draft's base by hash, and copy what differs.

    For when nothing tells what changed. What neither side has allocated is not looked at.

    Raises:
        DiskUnreadableError: As in `synchronize`.
    """
    _check_size(disk, source)
    reading = _Reading(disk, source, on_progress)
    compared = differing = 0
    for first in range(0, disk.block_count, _BATCH_BLOCKS):
        blocks = range(first, min(first + _BATCH_BLOCKS, disk.block_count))
        held = _held_blocks(disk, source, blocks)
        known = disk.addresses(first, len(blocks)).tolist()
        gone = [b for b in blocks if known[b - first] and b not in held]
        for block in gone:
            disk.clear(block, block + 1)
        # A block of the base that is missing or damaged has no hash, so it is copied anew.
        hashes = [packs.known_hash(known[block - first]) for block in held]
        changed = _differing(disk, source, held, hashes)
        for block in changed:
            reading.add(_block_range(disk, block))
        compared += len(held) + len(gone)
        differing += len(changed) + len(gone)
        on_progress(reading.bytes_read)  # who wants to stop must be heard though nothing differs
    reading.finish()
    return Comparison(compared, differing, reading.bytes_read)


class _Reading:
    """Collects ranges, and reads them in batches into the draft."""

    def __init__(self, disk: DraftDisk, source: SourceDisk, on_progress: Progress) -> None:
        self.bytes_read = 0
        self._disk = disk
        self._source = source
        self._on_progress = on_progress
        self._batch: list[ByteRange] = []
        self._batch_bytes = 0

    def add(self, held: ByteRange) -> None:
        """Read a range, now or with the next batch."""
        for piece in pieces([held], BATCH_BYTES):
            if self._batch_bytes + piece.length > BATCH_BYTES:
                self.finish()
            if self._batch and self._batch[-1].end == piece.start:
                piece_before = self._batch.pop()
                self._batch.append(ByteRange(piece_before.start, piece.end))
            else:
                self._batch.append(piece)
            self._batch_bytes += piece.length

    def finish(self) -> None:
        """Read what is left."""
        if not self._batch:
            return
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        for part, data in zip(batch, _read(self._source, batch), strict=True):
            self._disk.put(part.start // self._disk.block_bytes, data)
            self._disk.bytes_read += part.length
            self.bytes_read += part.length
        self._on_progress(self.bytes_read)


def _read(source: SourceDisk, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
    result = source.read(ranges)
    if [len(data) for data in result] != [part.length for part in ranges]:
        raise DiskUnreadableError(
            f"a read of {len(ranges)} ranges at byte {ranges[0].start} came back short",
            hint="look at the host's event log for disk errors; the next pass tries again",
        )
    return result


def _check_size(disk: DraftDisk, source: SourceDisk) -> None:
    if source.virtual_bytes != disk.size:
        raise DiskUnreadableError(
            f"disk {disk.description.id} has {source.virtual_bytes} bytes "
            f"instead of the {disk.size} that its checkpoint tells",
            hint="somebody resized or replaced the disk: the next pass takes a new checkpoint",
        )


def _allocated_blocks(
    disk: DraftDisk, source: SourceDisk, within: ByteRange
) -> Iterator[ByteRange]:
    """Whole blocks, up to the end of the disk, that the source may hold anything in."""
    size, at = disk.block_bytes, within.start
    for held in source.allocated(within.start, within.end):
        start = max(at, held.start // size * size)
        end = min(within.end, -(-held.end // size) * size)
        if start < end:
            yield ByteRange(start, end)
            at = end


def _held_blocks(disk: DraftDisk, source: SourceDisk, blocks: range) -> dict[int, None]:
    end = min(blocks.stop * disk.block_bytes, disk.size)
    within = ByteRange(blocks.start * disk.block_bytes, end)
    held: dict[int, None] = {}
    for part in _allocated_blocks(disk, source, within):
        last = -(-part.end // disk.block_bytes)
        held.update(dict.fromkeys(range(part.start // disk.block_bytes, last)))
    return held


def _differing(
    disk: DraftDisk, source: HashingSource, held: Iterable[int], known: Sequence[bytes | None]
) -> list[int]:
    """Blocks whose content is not the known one; a short last block is compared here."""
    ranges = {block: _block_range(disk, block) for block in held}
    whole = [part for part in ranges.values() if part.length == disk.block_bytes]
    answers = source.hashes_of(whole) if whole else []
    if len(answers) != len(whole):
        raise DiskUnreadableError(
            f"{len(answers)} hashes came back for {len(whole)} blocks",
            hint="check that the agent on the host has the version of this server",
        )
    hashes = {part.start: digest for part, digest in zip(whole, answers, strict=True)}
    differing: list[int] = []
    for (block, part), digest in zip(ranges.items(), known, strict=True):
        theirs = hashes.get(part.start) or _padded_hash(disk, source, part)
        if theirs != digest:
            differing.append(block)
    return differing


def _padded_hash(disk: DraftDisk, source: SourceDisk, part: ByteRange) -> bytes:
    (data,) = _read(source, [part])
    disk.bytes_read += part.length
    return block_hash(data + bytes(disk.block_bytes - part.length))


def _block_range(disk: DraftDisk, block: int) -> ByteRange:
    start = block * disk.block_bytes
    return ByteRange(start, min(start + disk.block_bytes, disk.size))


def _clear(disk: DraftDisk, start: int, end: int) -> None:
    if start < end:
        disk.clear(start // disk.block_bytes, -(-end // disk.block_bytes))
