"""A disk of a checkpoint whose blocks are hashed on the host, so that equal ones do not travel."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import sha256

from reconciler.blocks.vhdx_chain import DiskChain, Extent
from reconciler.model.ranges import ByteRange


class HashingChain:
    """A disk chain that can also say what its blocks hash to; one thread."""

    def __init__(self, chain: DiskChain) -> None:
        self._chain = chain

    @property
    def virtual_bytes(self) -> int:
        """Units: bytes."""
        return self._chain.virtual_bytes

    def read(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        """The bytes of each range."""
        return self._chain.read(ranges)

    def allocated(self, start: int, end: int) -> Iterator[ByteRange]:
        """What is not known to be zeros."""
        return self._chain.allocated(start, end)

    def hashes_of(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        """SHA-256 of each range.

        A range in one piece of one file is hashed on the host, zeros are known, and only a range
        that lies in several pieces (a sector bitmap splits it) is read.
        """
        extents = self._chain.resolve(ranges)
        starts = [extent.range.start for extent in extents]
        found: dict[ByteRange, bytes] = {}
        on_host: dict[int, list[tuple[ByteRange, ByteRange]]] = {}
        split: list[ByteRange] = []
        for this in ranges:
            extent = extents[bisect_right(starts, this.start) - 1]
            if extent.range.end < this.end:
                split.append(this)
            elif extent.file is None:
                found[this] = _hash_of_zeros(this.length)
            else:
                on_host.setdefault(extent.file, []).append((this, _in_file(extent, this)))
        for index, pairs in on_host.items():
            hashes = self._chain.file(index).hashes([place for _, place in pairs])
            found |= dict(zip((this for this, _ in pairs), hashes, strict=True))
        for this in split:
            (data,) = self._chain.read([this])
            found[this] = sha256(data).digest()
        return [found[this] for this in ranges]


def _in_file(extent: Extent, this: ByteRange) -> ByteRange:
    start = extent.file_offset + this.start - extent.range.start
    return ByteRange(start, start + this.length)


@lru_cache(maxsize=8)
def _hash_of_zeros(length: int) -> bytes:
    return sha256(bytes(length)).digest()
