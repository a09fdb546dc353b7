"""A file as it will be once pending writes are made; the file itself is left alone."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from reconciler.model.ranges import ByteRange
from reconciler.ports import RandomAccess


@dataclass(frozen=True, slots=True)
class PendingWrite:
    """Bytes that belong at a place of the file; `data` is None for zeros."""

    range: ByteRange
    data: bytes | None

    def part(self, start: int, end: int) -> bytes:
        """The bytes for the file's range `start` to `end`, which lies inside of `range`."""
        if self.data is None:
            return bytes(end - start)
        return self.data[start - self.range.start : end - self.range.start]


class OverlaidFile:
    """A file with pending writes on top, and perhaps a longer end that reads as zeros."""

    def __init__(self, file: RandomAccess, writes: Sequence[PendingWrite], size: int) -> None:
        self._file = file
        self.real_size = file.size
        """As it is now. Units: bytes."""
        self._size = max(size, self.real_size)
        self._patches = _painted(writes)
        self._starts = [place.start for place, _ in self._patches]

    @property
    def size(self) -> int:
        """Units: bytes."""
        return self._size

    @property
    def pending_bytes(self) -> int:
        """Bytes of updates that are held; zeros take none."""
        return sum(len(write.data) for _, write in self._patches if write.data)

    @property
    def pending_writes(self) -> int:
        """Places that differ from the file, or may."""
        return len(self._patches)

    def read(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        """The bytes of each range, with what is pending."""
        inside = [
            ByteRange(r.start, min(r.end, self.real_size))
            for r in ranges
            if r.start < self.real_size
        ]
        stored = iter(self._file.read(inside) if inside else ())
        return [self._patched(r, next(stored) if r.start < self.real_size else b"") for r in ranges]

    def hashes(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        """SHA-256 of each range; only of ranges that nothing is pending for, by the file itself."""
        as_stored = [r for r in ranges if self._is_as_stored(r)]
        pending = [r for r in ranges if not self._is_as_stored(r)]
        stored = iter(self._file.hashes(as_stored) if as_stored else ())
        read = iter(self.read(pending))
        return [
            next(stored) if self._is_as_stored(r) else sha256(next(read)).digest() for r in ranges
        ]

    def _is_as_stored(self, place: ByteRange) -> bool:
        return place.end <= self.real_size and next(self._touching(place), None) is None

    def _patched(self, place: ByteRange, stored: bytes) -> bytes:
        data = bytearray(stored.ljust(place.length, b"\0"))
        for patch, write in self._touching(place):
            start, end = max(patch.start, place.start), min(patch.end, place.end)
            data[start - place.start : end - place.start] = write.part(start, end)
        return bytes(data)

    def _touching(self, place: ByteRange) -> Iterator[tuple[ByteRange, PendingWrite]]:
        index = max(bisect_right(self._starts, place.start) - 1, 0)
        for patch, write in self._patches[index:]:
            if patch.start >= place.end:
                return
            if patch.end > place.start:
                yield patch, write


class _Free:
    """Places in a row, each given away once; those that are taken are jumped over."""

    def __init__(self, count: int) -> None:
        self._next = list(range(count + 1))

    def taken(self, first: int, last: int) -> Iterator[int]:
        """Take what is still free between two places."""
        at = self._free_from(first)
        while at < last:
            self._next[at] = at + 1
            yield at
            at = self._free_from(at + 1)

    def _free_from(self, place: int) -> int:
        at = place
        while self._next[at] != at:
            self._next[at] = self._next[self._next[at]]
            at = self._next[at]
        return at


def _painted(writes: Sequence[PendingWrite]) -> list[tuple[ByteRange, PendingWrite]]:
    """Each place with the last write that covers it.

    Shape: sorted, disjoint.
    """
    if not writes:
        return []
    edges = np.unique([edge for w in writes for edge in (w.range.start, w.range.end)])
    owner = np.full(len(edges), -1, np.int64)
    # From the last write to the first, each place once: a hostile log covers one place with all of
    # its writes, and to paint them in order would take their number squared.
    firsts = np.searchsorted(edges, [w.range.start for w in writes]).tolist()
    lasts = np.searchsorted(edges, [w.range.end for w in writes]).tolist()
    free = _Free(len(edges))
    for index in range(len(writes) - 1, -1, -1):
        for place in free.taken(firsts[index], lasts[index]):
            owner[place] = index
    changes = np.flatnonzero(np.diff(owner, prepend=-2))
    starts = edges[changes].tolist()
    return [
        (ByteRange(start, end), writes[index])
        for start, end, index in zip(
            starts, [*starts[1:], starts[-1]], owner[changes].tolist(), strict=True
        )
        if index >= 0
    ]
