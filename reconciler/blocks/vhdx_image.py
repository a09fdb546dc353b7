"""Where the bytes of one file of a chain are: in the file, nowhere (zeros), or in its parent.

Works on arrays of ranges, so that a list of changes costs a few numpy calls and one or two reads,
however large the disk is. That no two blocks share one place in the file is not checked: it would
take the whole BAT, and does no harm to a reader.

Source: [MS-VHDX] 2.4, 2.5.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from reconciler.blocks.vhdx_faults import damaged
from reconciler.blocks.vhdx_format import (
    BAT_ENTRY_BYTES,
    BAT_OFFSET_SHIFT,
    BAT_STATE_MASK,
    BITMAP_PRESENT,
    MIB,
    BlockState,
)
from reconciler.blocks.vhdx_layout import Layout
from reconciler.blocks.vhdx_pages import PAGE_BYTES, PageCache, PagedTables

Offsets = npt.NDArray[np.int64]
ZEROS: Final = -1
IN_PARENT: Final = -2
_ENTRIES_PER_PAGE: Final = PAGE_BYTES // BAT_ENTRY_BYTES


@dataclass(frozen=True, slots=True)
class Pieces:
    """Virtual ranges and where each begins in the file, or ZEROS, or IN_PARENT.

    Shape: three arrays of one length; sorted and disjoint if the ranges asked for were.
    """

    starts: Offsets
    ends: Offsets
    places: Offsets

    def where(self, mask: npt.NDArray[np.bool_]) -> "Pieces":
        """Only the pieces that the mask selects."""
        return Pieces(self.starts[mask], self.ends[mask], self.places[mask])


def cut(starts: Offsets, ends: Offsets, step: int) -> tuple[Offsets, Offsets, Offsets]:
    """Ranges cut at multiples of `step`: starts, ends, and start // step of each piece."""
    first = starts // step
    counts = (ends - 1) // step - first + 1
    source = np.repeat(np.arange(len(starts)), counts)
    within = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)
    index = first[source] + within
    return (
        np.maximum(starts[source], index * step),
        np.minimum(ends[source], (index + 1) * step),
        index,
    )


class Image:
    """One file of a chain."""

    def __init__(self, layout: Layout, cache: PageCache, file_index: int) -> None:
        self.layout = layout
        self._shape = layout.shape
        self._size = layout.file.size
        self._tables = PagedTables(layout.file, layout.path, cache, file_index)
        self._reserved_starts = np.array([p.start for p in layout.reserved], np.int64)
        self._reserved_ends = np.array([p.end for p in layout.reserved], np.int64)

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
        size = self._shape.virtual_bytes
        inside = starts < size
        pieces = self._by_block(starts[inside], np.minimum(ends[inside], size), by_sector=by_sector)
        beyond = ends > size
        if not beyond.any():
            return pieces
        rest = np.maximum(starts[beyond], size)
        return _joined([pieces, Pieces(rest, ends[beyond], np.full(len(rest), ZEROS))])

    def _by_block(self, starts: Offsets, ends: Offsets, *, by_sector: bool) -> Pieces:
        block_bytes = self._shape.block_bytes
        starts, ends, blocks = cut(starts, ends, block_bytes)
        entries = self._bat(blocks + blocks // self._shape.chunk_ratio)
        states = (entries & np.uint64(BAT_STATE_MASK)).astype(np.int64)
        in_file, is_partial = self._checked_states(blocks, states)
        self._check_blocks(blocks[in_file], entries[in_file])
        absent = IN_PARENT if self._shape.has_parent else ZEROS
        places = np.where(states == BlockState.NOT_PRESENT, absent, ZEROS)
        block_places = _offsets(entries[in_file])
        places[in_file] = block_places + starts[in_file] - blocks[in_file] * block_bytes
        pieces = Pieces(starts, ends, places)
        if not by_sector or not is_partial.any():
            return pieces
        by_bitmap = self._by_bitmap(pieces.where(is_partial), blocks[is_partial])
        return _joined([pieces.where(~is_partial), by_bitmap])

    def _bat(self, indices: Offsets) -> npt.NDArray[np.uint64]:
        """Entries of the BAT."""
        if not len(indices):
            return np.empty(0, np.uint64)
        pages, rows = np.unique(indices // _ENTRIES_PER_PAGE, return_inverse=True)
        at = self.layout.bat_offset + pages * PAGE_BYTES
        joined = b"".join(self._tables.pages(at.tolist()))
        table = np.frombuffer(joined, "<u8")
        return table.take(rows * _ENTRIES_PER_PAGE + indices % _ENTRIES_PER_PAGE)

    def _checked_states(
        self, blocks: Offsets, states: Offsets
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Which blocks are in the file, and which of them only partially."""
        is_partial = states == BlockState.PARTIALLY_PRESENT
        wrong = (states == 4) | (states == 5)  # noqa: PLR2004 (the two reserved states)
        if not self._shape.has_parent:
            wrong |= is_partial
        if wrong.any():
            first = int(np.argmax(wrong))
            raise self._damaged_block(int(blocks[first]), f"has the state {states[first]}")
        return is_partial | (states == BlockState.FULLY_PRESENT), is_partial

    def _check_blocks(self, blocks: Offsets, entries: npt.NDArray[np.uint64]) -> None:
        """Blocks lie in the file, as far as the disk needs them, and not on other structures."""
        block_bytes = self._shape.block_bytes
        needed = np.minimum(self._shape.virtual_bytes - blocks * block_bytes, block_bytes)
        self._check_places(blocks, entries, needed)

    def _check_places(
        self, blocks: Offsets, entries: npt.NDArray[np.uint64], needed: Offsets
    ) -> None:
        # In MiB first: shifted, a wild offset would overflow.
        wrong = (entries >> np.uint64(BAT_OFFSET_SHIFT)) > np.uint64(self._size // MIB)
        starts = np.where(wrong, 0, _offsets(np.where(wrong, np.uint64(0), entries)))
        ends = starts + needed
        wrong |= ends > self._size
        before = np.searchsorted(self._reserved_starts, ends) - 1
        wrong |= self._reserved_ends[before] > starts
        if wrong.any():
            first = int(np.argmax(wrong))
            place = int(entries[first]) >> BAT_OFFSET_SHIFT
            raise self._damaged_block(
                int(blocks[first]),
                f"is at MiB {place}: out of the file's {self._size} bytes or on a structure",
            )

    def _by_bitmap(self, pieces: Pieces, blocks: Offsets) -> Pieces:
        """Pieces of partially present blocks, cut where the sector bitmap changes."""
        sector = self._shape.logical_sector_bytes
        bitmaps = self._bitmaps(blocks)
        result = []
        for index, start in enumerate(pieces.starts.tolist()):
            end, place = int(pieces.ends[index]), int(pieces.places[index])
            base = int(blocks[index]) * self._shape.block_bytes
            first, last = (start - base) // sector, -(-(end - base) // sector)
            bits = np.unpackbits(bitmaps[index][first // 8 : -(-last // 8)], bitorder="little")[
                first % 8 : first % 8 + last - first
            ]
            changes = np.flatnonzero(np.diff(bits, prepend=~bits[:1]))
            starts = base + (first + changes) * sector
            starts[0] = start
            ends = np.append(starts[1:], end)
            places = np.where(bits[changes] == 1, place + starts - start, IN_PARENT)
            result.append(Pieces(starts, ends, places))
        return _joined(result)

    def _bitmaps(self, blocks: Offsets) -> list[npt.NDArray[np.uint8]]:
        """The part of the sector bitmap of each block."""
        shape = self._shape
        chunks = blocks // shape.chunk_ratio
        entries = self._bat(chunks * (shape.chunk_ratio + 1) + shape.chunk_ratio)
        absent = (entries & np.uint64(BAT_STATE_MASK)) != BITMAP_PRESENT
        if absent.any():
            block = int(blocks[int(np.argmax(absent))])
            raise self._damaged_block(block, "is partially present without a sector bitmap")
        self._check_places(blocks, entries, np.full(len(blocks), MIB))
        length = shape.bitmap_bytes_per_block
        at = _offsets(entries) + blocks % shape.chunk_ratio * length
        # Lengths are powers of two up to a page, so that no block's bits cross from page to page.
        page_starts, rows = np.unique(at // PAGE_BYTES * PAGE_BYTES, return_inverse=True)
        pages = [np.frombuffer(p, np.uint8) for p in self._tables.pages(page_starts.tolist())]
        return [
            pages[row][within : within + length]
            for row, within in zip(rows.tolist(), (at % PAGE_BYTES).tolist(), strict=True)
        ]

    def _damaged_block(self, block: int, reason: str) -> Exception:
        return damaged(self.layout.path, f"BAT entry of block {block}", reason)


def _offsets(entries: npt.NDArray[np.uint64]) -> Offsets:
    return (entries >> np.uint64(BAT_OFFSET_SHIFT)).astype(np.int64) * MIB


def _joined(parts: list[Pieces]) -> Pieces:
    starts = np.concatenate([p.starts for p in parts])
    order = np.argsort(starts, kind="stable")
    return Pieces(
        starts[order],
        np.concatenate([p.ends for p in parts])[order],
        np.concatenate([p.places for p in parts])[order],
    )
