"""Ranges of one file joined to fewer, larger reads, and cut out of them again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from reconciler.model.ranges import ByteRange

GAP_BYTES: Final = 1 << 16
"""So much is read in vain rather than asked for apart: it takes less time than a request."""


@dataclass(frozen=True, slots=True)
class Spans:
    """What is read for some ranges.

    Shape: sorted, disjoint; no more than twice the bytes of the ranges.
    """

    ranges: tuple[ByteRange, ...]
    spans: tuple[ByteRange, ...]
    owners: tuple[int, ...]
    """For each range, the span that it is in."""

    @classmethod
    def over(cls, ranges: Sequence[ByteRange]) -> Self:
        """The spans that cover some ranges, which may be in any order and overlap."""
        spans: list[ByteRange] = []
        owners = [0] * len(ranges)
        for index in sorted(range(len(ranges)), key=lambda each: ranges[each].start):
            this = ranges[index]
            if spans and this.start - spans[-1].end <= min(GAP_BYTES, this.length):
                end = max(spans[-1].end, this.end)
                spans[-1] = ByteRange(spans[-1].start, end)
            else:
                spans.append(this)
            owners[index] = len(spans) - 1
        return cls(tuple(ranges), tuple(spans), tuple(owners))

    def cut(self, data: Sequence[bytes]) -> list[bytes]:
        """The bytes of each range, from those of each span."""
        return [
            _part(this, self.spans[owner], data[owner])
            for this, owner in zip(self.ranges, self.owners, strict=True)
        ]


def _part(this: ByteRange, span: ByteRange, data: bytes) -> bytes:
    if this == span:
        return data
    return data[this.start - span.start : this.end - span.start]
