"""Byte ranges and their arithmetic."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, order=True, slots=True)
class ByteRange:
    """Bytes from `start` up to, not including, `end`; never empty."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"not a byte range: {self.start}..{self.end}")

    @property
    def length(self) -> int:
        """Units: bytes, at least 1."""
        return self.end - self.start


def merged(ranges: Iterable[ByteRange]) -> tuple[ByteRange, ...]:
    """The same bytes, as few ranges as possible.

    Shape: sorted, disjoint and never touching.
    """
    result: list[ByteRange] = []
    for this in sorted(ranges):
        if result and this.start <= result[-1].end:
            last = result[-1]
            result[-1] = ByteRange(last.start, max(last.end, this.end))
        else:
            result.append(this)
    return tuple(result)


def clipped(ranges: Iterable[ByteRange], end: int) -> Iterator[ByteRange]:
    """The parts of `ranges` below `end`; what lies beyond is dropped."""
    for this in ranges:
        if this.start < end:
            yield ByteRange(this.start, min(this.end, end))


def aligned(ranges: Iterable[ByteRange], block_bytes: int) -> tuple[ByteRange, ...]:
    """Whole blocks that cover every range.

    Shape: sorted, disjoint, never touching; both ends are multiples of `block_bytes`.
    """
    return merged(
        ByteRange(r.start // block_bytes * block_bytes, -(-r.end // block_bytes) * block_bytes)
        for r in ranges
    )


def pieces(ranges: Iterable[ByteRange], most_bytes: int) -> Iterator[ByteRange]:
    """The ranges in order, each cut into pieces of at most `most_bytes`."""
    for this in ranges:
        for start in range(this.start, this.end, most_bytes):
            yield ByteRange(start, min(start + most_bytes, this.end))


def total_bytes(ranges: Iterable[ByteRange]) -> int:
    """Units: bytes; overlaps count twice, so merge first."""
    return sum(r.length for r in ranges)


def subtracted(ranges: Iterable[ByteRange], minus: Iterable[ByteRange]) -> tuple[ByteRange, ...]:
    """What of `ranges` is not in `minus`.

    Shape: sorted, disjoint and never touching.
    """
    holes = merged(minus)
    result: list[ByteRange] = []
    at = 0
    for this in merged(ranges):
        start = this.start
        while at < len(holes) and holes[at].end <= start:
            at += 1
        hole = at
        while hole < len(holes) and holes[hole].start < this.end:
            if start < holes[hole].start:
                result.append(ByteRange(start, holes[hole].start))
            start = max(start, holes[hole].end)
            hole += 1
        if start < this.end:
            result.append(ByteRange(start, this.end))
    return tuple(result)


def common(ranges: Iterable[ByteRange], others: Iterable[ByteRange]) -> tuple[ByteRange, ...]:
    """What is in both.

    Shape: sorted, disjoint and never touching.
    """
    these = merged(ranges)
    return subtracted(these, subtracted(these, others))


def whole_blocks(ranges: Iterable[ByteRange], block_bytes: int, end: int) -> tuple[ByteRange, ...]:
    """The blocks of a disk that ends at `end` of which every byte is in the ranges.

    Shape: sorted, disjoint, never touching; the last block of the disk may be short.
    """
    result: list[ByteRange] = []
    for this in clipped(merged(ranges), end):
        first = -(-this.start // block_bytes) * block_bytes
        last = end if this.end == end else this.end // block_bytes * block_bytes
        if first < last:
            result.append(ByteRange(first, last))
    return tuple(result)
