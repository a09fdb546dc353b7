"""Extents: where a range of a virtual disk lies, and the joining of what belongs together."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reconciler.blocks.disk_pieces import ZEROS, Offsets, Pieces
from reconciler.model.ranges import ByteRange


@dataclass(frozen=True, slots=True)
class Extent:
    """A range of the virtual disk that lies in one piece in one file of the chain."""

    range: ByteRange
    file: int | None
    """Index of the file in its chain, leaf first; None if all bytes are zero."""
    file_offset: int
    """Where the range begins in the file; 0 for zeros."""


def in_file(extent: Extent) -> ByteRange:
    """The extent's place in its file, which it must have."""
    return ByteRange(extent.file_offset, extent.file_offset + extent.range.length)


def continues(left: Extent, right: Extent) -> bool:
    """Whether two extents are really one."""
    if left.file != right.file or left.range.end != right.range.start:
        return False
    return left.file is None or left.file_offset + left.range.length == right.file_offset


def joined_extents(pieces: Pieces, files: Offsets) -> list[Extent]:
    """Pieces as extents, neighbours joined."""
    if not len(files):
        return []
    offsets = np.where(files == ZEROS, 0, pieces.places)
    lengths = np.where(files == ZEROS, 0, pieces.ends - pieces.starts)
    breaks = np.ones(len(files), np.bool_)
    breaks[1:] = (
        (files[1:] != files[:-1])
        | (pieces.starts[1:] != pieces.ends[:-1])
        | (offsets[1:] != offsets[:-1] + lengths[:-1])
    )
    firsts = np.flatnonzero(breaks)
    lasts = np.append(firsts[1:], len(files)) - 1
    return [
        Extent(ByteRange(start, end), None if file < 0 else file, offset)
        for start, end, file, offset in zip(
            pieces.starts[firsts].tolist(),
            pieces.ends[lasts].tolist(),
            files[firsts].tolist(),
            offsets[firsts].tolist(),
            strict=True,
        )
    ]


def merged_arrays(starts: Offsets, ends: Offsets) -> tuple[Offsets, Offsets]:
    """Sorted ranges with what overlaps or touches joined."""
    if not len(starts):
        return starts, ends
    reach = np.maximum.accumulate(ends)
    firsts = np.flatnonzero(np.append(True, starts[1:] > reach[:-1]))
    lasts = np.append(firsts[1:], len(starts)) - 1
    return starts[firsts], reach[lasts]


def merged_ranges(starts: Offsets, ends: Offsets) -> Iterator[ByteRange]:
    """Sorted ranges with what overlaps or touches joined, as objects."""
    starts, ends = merged_arrays(starts, ends)
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        yield ByteRange(start, end)
