"""A virtual disk as its chain of files shows it: from the leaf down to the base."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Final, Protocol

import numpy as np

from reconciler.blocks.disk_extents import (
    Extent,
    continues,
    in_file,
    joined_extents,
    merged_arrays,
    merged_ranges,
)
from reconciler.blocks.disk_pieces import IN_PARENT, ZEROS, Offsets, Pieces, cut
from reconciler.model.machine import DiskGeometry
from reconciler.model.ranges import ByteRange, merged, total_bytes
from reconciler.ports import RandomAccess

__all__ = ["DiskChain", "Extent"]

_WINDOW_BLOCKS: Final = 65_536
_BATCH_BYTES: Final = 4 << 20
"""What a host gives at once. Source: agent_contract.MAX_READ_BYTES."""
_WINDOW_BYTES: Final = 256 << 30
"""Work goes on in windows of the disk, so that memory does not grow with it."""


class Image(Protocol):
    """One file of a chain, whatever its format."""

    @property
    def path(self) -> str:
        """On its host."""
        ...

    @property
    def file(self) -> RandomAccess:
        """The file as it is once its log, if the format has one, is replayed."""
        ...

    @property
    def block_bytes(self) -> int:
        """Units: bytes."""
        ...

    def locate(self, starts: Offsets, ends: Offsets, *, by_sector: bool) -> Pieces:
        """Where some ranges of the virtual disk are.

        Shape: the ranges must be sorted and disjoint; so is the answer, which covers them.

        Args:
            starts: Where the ranges begin.
            ends: Where they end; beyond this file's disk all is zeros.
            by_sector: False takes a block that is partially present as present.

        Raises:
            DiskUnreadableError: An entry breaks the format or points out of the file.
        """
        ...


class DiskChain:
    """A read-only virtual disk, for one thread.

    Nothing of it stays right once a file of the chain is written to: read disks of checkpoints.
    """

    def __init__(
        self, images: Sequence[Image], geometry: DiskGeometry, virtual_disk_id: str
    ) -> None:
        """Join the files of a disk.

        Args:
            images: The files, leaf first.
            geometry: What a true copy of the disk must have beside its bytes: the leaf's.
            virtual_disk_id: The disk's own GUID, lower case and without braces.
        """
        self._images = images
        self.geometry = geometry
        self.virtual_disk_id = virtual_disk_id
        smallest = min(image.block_bytes for image in images)
        self._window_bytes = min(_WINDOW_BYTES, _WINDOW_BLOCKS * smallest)

    @property
    def virtual_bytes(self) -> int:
        """Size of the disk. Units: bytes."""
        return self.geometry.virtual_bytes

    @property
    def logical_sector_bytes(self) -> int:
        """512 or 4096."""
        return self.geometry.logical_sector_bytes

    @property
    def physical_sector_bytes(self) -> int:
        """512 or 4096."""
        return self.geometry.physical_sector_bytes

    @property
    def format_block_bytes(self) -> int:
        """Block size of the leaf; 0 for a fixed VHD. Units: bytes."""
        return self.geometry.format_block_bytes

    @property
    def paths(self) -> tuple[str, ...]:
        """The files, leaf first."""
        return tuple(image.path for image in self._images)

    def file(self, index: int) -> RandomAccess:
        """A file of the chain, as it is once its log is replayed."""
        return self._images[index].file

    def resolve(self, ranges: Sequence[ByteRange]) -> list[Extent]:
        """Where the bytes of some ranges are.

        Shape: sorted, disjoint, covers exactly `ranges`; neighbours in one file are joined.

        Raises:
            DiskUnreadableError: A table of the chain cannot be read or breaks the format.
        """
        extents: list[Extent] = []
        for pieces, files in self._located(*self._sorted(ranges), by_sector=True):
            found = joined_extents(pieces, files)
            if extents and found and continues(extents[-1], found[0]):
                first = extents.pop()
                found[0] = Extent(
                    ByteRange(first.range.start, found[0].range.end), first.file, first.file_offset
                )
            extents += found
        return extents

    def allocated(self, start: int, end: int) -> Iterator[ByteRange]:
        """What is not known to be zeros between two offsets, by the block tables alone.

        Shape: sorted, disjoint, never touching.
        """
        last: ByteRange | None = None
        whole = self._sorted([ByteRange(start, end)] if start < end else [])
        for pieces, files in self._located(*whole, by_sector=False):
            kept = pieces.where(files >= 0)
            for this in merged_ranges(kept.starts, kept.ends):
                if last and last.end == this.start:
                    last = ByteRange(last.start, this.end)
                    continue
                if last:
                    yield last
                last = this
        if last:
            yield last

    def read(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        """The bytes of each range, with one read of each file.

        The caller keeps the sum of the ranges small: 4 MiB is what a host gives at once.

        Shape: one result per range, in order.
        """
        extents = self.resolve(ranges)
        by_file: dict[int, list[ByteRange]] = {}
        for extent in extents:
            if extent.file is not None:
                by_file.setdefault(extent.file, []).append(in_file(extent))
        stored = {
            index: _StoredBytes(self.file(index), places) for index, places in by_file.items()
        }
        starts = [extent.range.start for extent in extents]
        return [_assembled(r, extents[bisect_right(starts, r.start) - 1 :], stored) for r in ranges]

    def hashes_of(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        """SHA-256 of each range; where a range is one piece of one file, the file's side does it.

        Shape: one result of 32 bytes per range, in order.
        """
        extents = self.resolve(ranges)
        starts = [extent.range.start for extent in extents]
        places: dict[int, list[tuple[int, ByteRange]]] = {}
        mixed: list[int] = []
        hashes: dict[int, bytes] = {}
        for index, this in enumerate(ranges):
            extent = extents[bisect_right(starts, this.start) - 1]
            if extent.range.end < this.end:
                mixed.append(index)
            elif extent.file is None:
                hashes[index] = _hash_of_zeros(this.length)
            else:
                at = extent.file_offset + this.start - extent.range.start
                place = ByteRange(at, at + this.length)
                places.setdefault(extent.file, []).append((index, place))
        for file, wanted in places.items():
            found = self.file(file).hashes([place for _, place in wanted])
            hashes.update(zip((index for index, _ in wanted), found, strict=True))
        for index, data in zip(
            mixed, self._read_in_batches([ranges[i] for i in mixed]), strict=True
        ):
            hashes[index] = sha256(data).digest()
        return [hashes[index] for index in range(len(ranges))]

    def _read_in_batches(self, ranges: Sequence[ByteRange]) -> Iterator[bytes]:
        batch: list[ByteRange] = []
        for this in ranges:
            if batch and total_bytes(batch) + this.length > _BATCH_BYTES:
                yield from self.read(batch)
                batch = []
            batch.append(this)
        yield from self.read(batch)

    def _sorted(self, ranges: Sequence[ByteRange]) -> tuple[Offsets, Offsets]:
        starts = np.fromiter((r.start for r in ranges), np.int64, len(ranges))
        ends = np.fromiter((r.end for r in ranges), np.int64, len(ranges))
        if len(ranges) and ends.max() > self.virtual_bytes:
            raise ValueError(f"{ends.max()} is behind the disk's end at {self.virtual_bytes}")
        order = np.argsort(starts, kind="stable")
        return merged_arrays(starts[order], ends[order])

    def _located(
        self, starts: Offsets, ends: Offsets, *, by_sector: bool
    ) -> Iterator[tuple[Pieces, Offsets]]:
        """Pieces of the whole chain, a window at a time, with the index of each one's file."""
        starts, ends, windows = cut(starts, ends, self._window_bytes)
        edges = np.flatnonzero(np.diff(windows, prepend=-1))
        for first, last in zip(edges, [*edges[1:], len(starts)], strict=False):
            yield self._located_in_window(starts[first:last], ends[first:last], by_sector=by_sector)

    def _located_in_window(
        self, starts: Offsets, ends: Offsets, *, by_sector: bool
    ) -> tuple[Pieces, Offsets]:
        found: list[Pieces] = []
        owners: list[Offsets] = []
        for index, image in enumerate(self._images):
            pieces = image.locate(starts, ends, by_sector=by_sector)
            in_parent = pieces.places == IN_PARENT
            here = pieces.where(~in_parent)
            found.append(here)
            owners.append(np.where(here.places == ZEROS, ZEROS, index))
            starts, ends = pieces.starts[in_parent], pieces.ends[in_parent]
            if not len(starts):
                break
        order = np.argsort(np.concatenate([p.starts for p in found]), kind="stable")
        pieces = Pieces(
            np.concatenate([p.starts for p in found])[order],
            np.concatenate([p.ends for p in found])[order],
            np.concatenate([p.places for p in found])[order],
        )
        return pieces, np.concatenate(owners)[order]


class _StoredBytes:
    """Ranges of one file, read at once."""

    def __init__(self, file: RandomAccess, places: Sequence[ByteRange]) -> None:
        joined = merged(places)
        self._starts = [place.start for place in joined]
        self._data = file.read(joined)

    def part(self, place: ByteRange) -> memoryview:
        index = bisect_right(self._starts, place.start) - 1
        within = place.start - self._starts[index]
        return memoryview(self._data[index])[within : within + place.length]


@lru_cache(maxsize=8)
def _hash_of_zeros(length: int) -> bytes:
    return sha256(bytes(length)).digest()


def _assembled(
    wanted: ByteRange, extents: Sequence[Extent], stored: dict[int, _StoredBytes]
) -> bytes:
    data = bytearray(wanted.length)
    for extent in extents:
        start, end = max(extent.range.start, wanted.start), min(extent.range.end, wanted.end)
        if start >= end:
            break
        if extent.file is not None:
            at = extent.file_offset + start - extent.range.start
            part = stored[extent.file].part(ByteRange(at, at + end - start))
            data[start - wanted.start : end - wanted.start] = part
    return bytes(data)
