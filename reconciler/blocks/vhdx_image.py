"""Where the bytes of one file of a chain are: in the file, nowhere (zeros), or in its parent.

That no two blocks share one place in the file is not checked here: it would take the whole BAT, and
does no harm to a reader. `disk_census` does it.

Source: [MS-VHDX] 2.4, 2.5.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from reconciler.blocks.disk_pieces import (
    IN_PARENT,
    ZEROS,
    Offsets,
    Pieces,
    cut,
    cut_by_bits,
    inside,
    joined,
)
from reconciler.blocks.disk_tables import PAGE_BYTES, TableCache, Tables
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
from reconciler.model.ranges import ByteRange

_ENTRIES_PER_PAGE: Final = PAGE_BYTES // BAT_ENTRY_BYTES


class Image:
    """One file of a chain."""

    def __init__(self, layout: Layout, cache: TableCache, file_index: int) -> None:
        self.path = layout.path
        self.file = layout.file
        self.block_bytes = self.span_bytes = layout.shape.block_bytes
        self.blocks = layout.shape.payload_blocks
        self._layout = layout
        self._shape = layout.shape
        self._size = layout.file.size
        self._tables = Tables(layout.file, cache, file_index)
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
        starts, ends, zeros = inside(starts, ends, self._shape.virtual_bytes)
        return joined([self._by_block(starts, ends, by_sector=by_sector), zeros])

    def census(self, first: int, last: int) -> tuple[dict[str, int], Offsets]:
        """How many blocks from `first` up to `last` are in which state, and where they lie.

        Raises:
            DiskUnreadableError: As `locate`.
        """
        blocks = np.arange(first, last)
        entries = self._bat(blocks + blocks // self._shape.chunk_ratio)
        states = (entries & np.uint64(BAT_STATE_MASK)).astype(np.int64)
        in_file, is_partial = self._checked_states(blocks, states)
        self._check_blocks(blocks[in_file], entries[in_file])
        self._bitmap_places(blocks[is_partial])
        counts = np.bincount(states, minlength=BAT_STATE_MASK + 1)
        return {s.name.lower(): int(counts[s]) for s in BlockState}, _offsets(entries[in_file])

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
        return joined([pieces.where(~is_partial), by_bitmap])

    def _bat(self, indices: Offsets) -> npt.NDArray[np.uint64]:
        """Entries of the BAT."""
        if not len(indices):
            return np.empty(0, np.uint64)
        pages, rows = np.unique(indices // _ENTRIES_PER_PAGE, return_inverse=True)
        at = self._layout.bat_offset + pages * PAGE_BYTES
        table = np.frombuffer(b"".join(self._pages(at.tolist())), "<u8")
        return table.take(rows * _ENTRIES_PER_PAGE + indices % _ENTRIES_PER_PAGE)

    def _pages(self, offsets: list[int]) -> list[bytes]:
        """Pages of the BAT or of bitmaps; both have been seen to lie in the file."""
        return self._tables.parts([ByteRange(at, at + PAGE_BYTES) for at in offsets])

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
            base = int(blocks[index]) * self._shape.block_bytes
            first, last = (start - base) // sector, -(-(int(pieces.ends[index]) - base) // sector)
            bits = np.unpackbits(bitmaps[index][first // 8 : -(-last // 8)], bitorder="little")[
                first % 8 : first % 8 + last - first
            ]
            at = (sector, base + first * sector)
            result.append(cut_by_bits(pieces, index, bits, at, IN_PARENT))
        return joined(result)

    def _bitmap_places(self, blocks: Offsets) -> Offsets:
        """Where the part of the sector bitmap of each block begins."""
        shape = self._shape
        chunks = blocks // shape.chunk_ratio
        entries = self._bat(chunks * (shape.chunk_ratio + 1) + shape.chunk_ratio)
        absent = (entries & np.uint64(BAT_STATE_MASK)) != BITMAP_PRESENT
        if absent.any():
            block = int(blocks[int(np.argmax(absent))])
            raise self._damaged_block(block, "is partially present without a sector bitmap")
        self._check_places(blocks, entries, np.full(len(blocks), MIB))
        return _offsets(entries) + blocks % shape.chunk_ratio * shape.bitmap_bytes_per_block

    def _bitmaps(self, blocks: Offsets) -> list[npt.NDArray[np.uint8]]:
        """The part of the sector bitmap of each block."""
        length = self._shape.bitmap_bytes_per_block
        at = self._bitmap_places(blocks)
        # Lengths are powers of two up to a page, so that no block's bits cross from page to page.
        page_starts, rows = np.unique(at // PAGE_BYTES * PAGE_BYTES, return_inverse=True)
        pages = [np.frombuffer(p, np.uint8) for p in self._pages(page_starts.tolist())]
        return [
            pages[row][within : within + length]
            for row, within in zip(rows.tolist(), (at % PAGE_BYTES).tolist(), strict=True)
        ]

    def _damaged_block(self, block: int, reason: str) -> Exception:
        return damaged(self._layout.path, f"BAT entry of block {block}", reason)


def _offsets(entries: npt.NDArray[np.uint64]) -> Offsets:
    return (entries >> np.uint64(BAT_OFFSET_SHIFT)).astype(np.int64) * MIB
