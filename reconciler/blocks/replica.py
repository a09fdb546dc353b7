"""Bring a replica up to date: changed ranges of a source, or all that differs by hash."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final, Protocol

from reconciler.blocks.arrays import Booleans, held_runs, np, touched
from reconciler.blocks.codec import block_hash
from reconciler.blocks.draft import DraftDisk
from reconciler.blocks.pack_reader import PackReader
from reconciler.blocks.threads import share
from reconciler.errors import DiskUnreadableError
from reconciler.model.ranges import ByteRange, aligned, clipped, pieces, subtracted

BATCH_BYTES: Final = 4 << 20
_BATCH_BLOCKS: Final = 1024
"""Hashed with one request."""
_SHARED_BLOCKS: Final = 128
"""Likewise, where several threads do: the last of them should not work alone for long."""

_Batch = Sequence[ByteRange]

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
    is_shared: bool = False,
) -> int:
    """Copy changed ranges into a draft, and whatever the draft's base cannot tell.

    Blocks that the source has not allocated become zeros without being read. Several threads hash,
    compress and store; they read one after the other unless `is_shared` says that the source can
    be read by several at once.

    Returns:
        Bytes read from the source.

    Raises:
        DiskUnreadableError: The source has another size than the draft, or gave a short answer.
    """
    _check_size(disk, source)
    reading = _Reading(disk, source, on_progress)
    reading.read_all(_batches(_to_read(disk, source, ranges)), is_shared=is_shared)
    return reading.bytes_read


def resume(
    disk: DraftDisk, source: HashingSource, ranges: Iterable[ByteRange], *, on_progress: Progress
) -> int:
    """As `synchronize`, where a draft that was interrupted has stored a part of it.

    The source hashes first, and nothing that the repository holds has to be read again.
    """
    _check_size(disk, source)
    reading = _Reading(disk, source, on_progress)
    wanted = _not_stored(disk, source, _to_read(disk, source, ranges), reading)
    reading.read_all(_batches(wanted), is_shared=False)
    return reading.bytes_read


def synchronize_by_hash(
    disk: DraftDisk,
    source: HashingSource,
    packs: PackReader,
    *,
    on_progress: Progress,
    is_shared: bool = False,
) -> Comparison:
    """Compare the whole disk with the draft's base by hash, and copy what differs.

    For when nothing tells what changed. What neither side has allocated is not looked at. Where
    the source can be read by several threads at once, they also hash it at once.

    Raises:
        DiskUnreadableError: As in `synchronize`.
    """
    _check_size(disk, source)
    reading = _Reading(disk, source, on_progress)
    comparing = _Comparing(disk, source, packs, reading)
    if is_shared:

        def repair(blocks: range) -> None:
            for batch in _batches(comparing.changed(blocks)):
                reading.read(batch)

        share(_steps(disk, _SHARED_BLOCKS), lambda: repair)
    else:
        changed = (part for step in _steps(disk, _BATCH_BLOCKS) for part in comparing.changed(step))
        reading.read_all(_batches(changed), is_shared=False)
    return comparing.found()


class _Comparing:
    """Compares blocks of a source with those of a draft."""

    def __init__(
        self, disk: DraftDisk, source: HashingSource, packs: PackReader, reading: "_Reading"
    ) -> None:
        self._disk = disk
        self._source = source
        self._packs = packs
        self._reading = reading
        self._compared = self._differing = 0
        self._lock = Lock()

    def found(self) -> Comparison:
        """What was found so far."""
        return Comparison(self._compared, self._differing, self._reading.bytes_read)

    def changed(self, blocks: range) -> list[ByteRange]:
        """What must be copied of some blocks; what the source has not allocated becomes zeros."""
        disk = self._disk
        held = _held_blocks(disk, self._source, blocks)
        known = disk.addresses(blocks.start, len(blocks))
        gone = (known != 0) & ~held
        for lower, upper in held_runs(gone):
            disk.clear(blocks.start + lower, blocks.start + upper)
        places = np.flatnonzero(held)
        # A block of the base that is missing or damaged has no id, so it is copied anew.
        ids = self._packs.known_ids(known[places])
        ranges = [_block_range(disk, block) for block in (places + blocks.start).tolist()]
        hashes = _hashes(disk, self._source, ranges)
        id_of = self._packs.id_of
        changed = [
            part
            for part, digest, block_id in zip(ranges, hashes, ids, strict=True)
            if id_of(digest) != block_id
        ]
        # What the base left out is copied where it differs, and says nothing of the replica.
        stale = touched(blocks, disk.block_bytes, disk.stale)
        repaired = (part.start // disk.block_bytes - blocks.start for part in changed)
        with self._lock:
            self._compared += int(((held | gone) & ~stale).sum())
            self._differing += sum(not stale[i] for i in repaired) + int((gone & ~stale).sum())
        self._reading.tell()  # who wants to stop must be heard though nothing differs
        return changed


class _Reading:
    """Reads batches of ranges into a draft."""

    def __init__(self, disk: DraftDisk, source: SourceDisk, on_progress: Progress) -> None:
        self.bytes_read = 0
        self._disk = disk
        self._source = source
        self._on_progress = on_progress
        self._bytes_passed = 0
        self._lock = Lock()

    def pass_over(self, length: int) -> None:
        """Count what need not be read."""
        with self._lock:
            self._bytes_passed += length
        self.tell()

    def read_all(self, batches: Iterable[_Batch], *, is_shared: bool) -> None:
        """Read all batches, in several threads; their order is nobody's concern."""
        if is_shared:
            share(iter(batches), lambda: self.read)
        else:
            # Reading belongs to taking a task, which one thread does at a time.
            share(
                ((batch, self._read(batch)) for batch in batches),
                lambda: lambda found: self._put(*found),
            )

    def read(self, batch: _Batch) -> None:
        """Read one batch; several threads may."""
        self._put(batch, self._read(batch))

    def tell(self) -> None:
        """Tell how far it came."""
        with self._lock:
            self._on_progress(self.bytes_read + self._bytes_passed)

    def _read(self, batch: _Batch) -> Sequence[bytes]:
        return _read(self._source, batch)

    def _put(self, batch: _Batch, parts: Sequence[bytes]) -> None:
        size = self._disk.block_bytes
        firsts = [part.start // size for part in batch]
        self._disk.put_all(list(zip(firsts, parts, strict=True)))
        with self._lock:
            count = sum(part.length for part in batch)
            self._disk.bytes_read += count
            self.bytes_read += count
            self._on_progress(self.bytes_read + self._bytes_passed)


def _to_read(
    disk: DraftDisk, source: SourceDisk, ranges: Iterable[ByteRange]
) -> Iterator[ByteRange]:
    """What must be read of the ranges; on the way, what nobody allocated becomes zeros."""
    wanted = aligned(clipped([*ranges, *disk.must_read], disk.size), disk.block_bytes)
    for changed in clipped(subtracted(wanted, disk.left_out), disk.size):
        at = changed.start
        for held in _allocated_blocks(disk, source, changed):
            _clear(disk, at, held.start)
            yield held
            at = held.end
        _clear(disk, at, changed.end)


def _not_stored(
    disk: DraftDisk, source: HashingSource, ranges: Iterable[ByteRange], reading: _Reading
) -> Iterator[ByteRange]:
    """What of some ranges is not in the repository; what is there, the draft refers to."""
    size = disk.block_bytes
    for part in pieces(ranges, _BATCH_BLOCKS * size):
        first = part.start // size
        blocks = [_block_range(disk, block) for block in range(first, -(-part.end // size))]
        is_stored = disk.adopt(first, list(_hashes(disk, source, blocks)))
        reading.pass_over(int(is_stored.sum()) * size)
        for lower, upper in held_runs(~is_stored):
            yield ByteRange(blocks[lower].start, blocks[upper - 1].end)


def _batches(ranges: Iterable[ByteRange]) -> Iterator[_Batch]:
    """Ranges cut and gathered for one read each; those that touch are joined."""
    batch: list[ByteRange] = []
    length = 0
    for piece in pieces(ranges, BATCH_BYTES):
        if length + piece.length > BATCH_BYTES:
            yield batch
            batch, length = [], 0
        if batch and batch[-1].end == piece.start:
            batch.append(ByteRange(batch.pop().start, piece.end))
        else:
            batch.append(piece)
        length += piece.length
    if batch:
        yield batch


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


def _steps(disk: DraftDisk, most_blocks: int) -> Iterator[range]:
    for first in range(0, disk.block_count, most_blocks):
        yield range(first, min(first + most_blocks, disk.block_count))


def _held_blocks(disk: DraftDisk, source: SourceDisk, blocks: range) -> Booleans:
    """Which of some blocks the source may hold anything in."""
    end = min(blocks.stop * disk.block_bytes, disk.size)
    within = ByteRange(blocks.start * disk.block_bytes, end)
    return touched(blocks, disk.block_bytes, _allocated_blocks(disk, source, within))


def _hashes(disk: DraftDisk, source: HashingSource, ranges: Sequence[ByteRange]) -> Iterator[bytes]:
    """Hashes of blocks; a short last one is padded, and so hashed here."""
    whole = [part for part in ranges if part.length == disk.block_bytes]
    answers = source.hashes_of(whole) if whole else []
    if len(answers) != len(whole):
        raise DiskUnreadableError(
            f"{len(answers)} hashes came back for {len(whole)} blocks",
            hint="check that the agent on the host has the version of this server",
        )
    yield from answers
    for part in ranges[len(whole) :]:
        yield _padded_hash(disk, source, part)


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
