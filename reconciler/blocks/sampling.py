"""Does what a host calls unchanged still equal the replica? A few random blocks tell."""

import secrets
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.blocks.arrays import np
from reconciler.blocks.draft import DraftDisk
from reconciler.blocks.pack_reader import PackReader
from reconciler.blocks.replica import HashingSource
from reconciler.model.ranges import ByteRange, aligned, clipped

BLOCKS_SAMPLED: Final = 8
"""A disk, at every synchronization: about 0.1 s on the host."""
_TRIES: Final = 16
"""For each block, until a sample is smaller because nearly everything changed."""
_LOOK_AHEAD: Final = 1024
"""How far behind a random place something is looked for that is not zeros."""

Pick = Callable[[int], int]
"""A random number from 0 up to, without, the one that is given."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A block that was called unchanged and is not what the replica holds."""

    block: int
    held: bytes
    """The id of what the replica holds; in an encrypted repository a keyed hash."""
    found: bytes
    """The id of what the source holds."""

    def __str__(self) -> str:
        return f"block {self.block}: {self.held.hex()} held, {self.found.hex()} found"


@dataclass(frozen=True, slots=True)
class Sample:
    """What a look at a few blocks found."""

    blocks: tuple[int, ...]
    differences: tuple[Difference, ...]


def compare_sample(
    disk: DraftDisk,
    source: HashingSource,
    packs: PackReader,
    changed: Iterable[ByteRange],
    pick: Pick = secrets.randbelow,
) -> Sample:
    """Compare random blocks outside the changed ranges by hash, as the source computes it.

    Blocks of zeros are passed over where others follow soon; a block that is missing or damaged in
    the repository says nothing about the source and is left out, and so is a short last one, and
    what the draft does not copy at all.
    """
    blocks = _chosen(disk, changed, pick)
    known = [int(disk.addresses(block, 1)[0]) for block in blocks]
    held = packs.known_ids(known)
    compared = [(b, i) for b, i in zip(blocks, held, strict=True) if i is not None]
    size = disk.block_bytes
    ranges = [ByteRange(block * size, (block + 1) * size) for block, _ in compared]
    hashes = source.hashes_of(ranges) if ranges else []
    differences = [
        Difference(block, block_id, found)
        for (block, block_id), digest in zip(compared, hashes, strict=True)
        if (found := packs.id_of(digest)) != block_id
    ]
    return Sample(tuple(block for block, _ in compared), tuple(differences))


def _chosen(disk: DraftDisk, changed: Iterable[ByteRange], pick: Pick) -> Sequence[int]:
    size = disk.block_bytes
    apart = [*changed, *disk.must_read, *disk.left_out]
    moved = list(aligned(clipped(apart, disk.size), size))
    starts = [part.start // size for part in moved]
    ends = [-(-part.end // size) for part in moved]
    whole = disk.size // size
    chosen: set[int] = set()
    for _ in range(_TRIES * BLOCKS_SAMPLED if whole else 0):
        if len(chosen) == BLOCKS_SAMPLED:
            break
        block = _held_from(disk, pick(whole), whole)
        before = bisect_right(starts, block) - 1
        if before < 0 or block >= ends[before]:
            chosen.add(block)
    return sorted(chosen)


def _held_from(disk: DraftDisk, block: int, end: int) -> int:
    """The next block that is not zeros, if one is near."""
    found = np.flatnonzero(disk.addresses(block, min(_LOOK_AHEAD, end - block)))
    return block + int(found[0]) if len(found) else block
