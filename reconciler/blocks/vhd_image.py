"""Where the bytes of one VHD of a chain are: in the file, nowhere (zeros), or in its parent.

In front of each block stands a bitmap of its sectors. A clear bit sends a differencing disk to its
parent; in a dynamic disk it stands for a sector that was never written, so for zeros, whatever the
file holds there. That no two blocks share one place is not checked here, as it does no
harm to a reader; `disk_census` does it.

Source: [VHD] Block Allocation Table and Data Blocks, see vhd_format.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from reconciler.blocks import vhd_format as form
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
from reconciler.blocks.vhd_faults import damaged
from reconciler.blocks.vhd_layout import Layout
from reconciler.model.ranges import ByteRange

_ENTRIES_PER_PAGE: Final = PAGE_BYTES // form.BAT_ENTRY_BYTES


class Image:
    """One file of a chain."""

    def __init__(self, layout: Layout, cache: TableCache, file_index: int) -> None:
        self.path = layout.path
        self.file = layout.file
        self.block_bytes = layout.block_bytes or layout.virtual_bytes
        self._layout = layout
        self._absent = ZEROS if layout.parent is None else IN_PARENT
        self._size = layout.file.size
        self._tables = Tables(layout.file, cache, file_index)
        self._bits_bytes = max(1, self.block_bytes // form.SECTOR_BYTES // 8)
        self._before_data = form.bitmap_bytes(self.block_bytes)
        self.span_bytes = self._before_data + self.block_bytes
        self.blocks = -(-layout.virtual_bytes // self.block_bytes) if layout.block_bytes else 0
        self._reserved_starts = np.array([p.start for p in layout.reserved], np.int64)
        self._reserved_ends = np.array([p.end for p in layout.reserved], np.int64)

    def locate(self, starts: Offsets, ends: Offsets, *, by_sector: bool) -> Pieces:
        """Where some ranges of the virtual disk are; see disk_chain.Image.

        Raises:
            DiskUnreadableError: An entry points out of the file or onto its structures.
        """
        starts, ends, zeros = inside(starts, ends, self._layout.virtual_bytes)
        if not self._layout.block_bytes:
            return joined([Pieces(starts, ends, starts), zeros])
        return joined([self._by_block(starts, ends, by_sector=by_sector), zeros])

    def census(self, first: int, last: int) -> tuple[dict[str, int], Offsets]:
        """How many blocks from `first` up to `last` are in the file, and where they lie.

        Raises:
            DiskUnreadableError: As `locate`.
        """
        blocks = np.arange(first, last)
        entries = self._bat(blocks)
        in_file = entries != form.UNUSED
        places = entries[in_file] * form.SECTOR_BYTES
        self._check_places(blocks[in_file], places)
        return {"not_present": len(blocks) - len(places), "present": len(places)}, places

    def _by_block(self, starts: Offsets, ends: Offsets, *, by_sector: bool) -> Pieces:
        starts, ends, blocks = cut(starts, ends, self.block_bytes)
        entries = self._bat(blocks)
        in_file = entries != form.UNUSED
        block_places = entries * form.SECTOR_BYTES
        self._check_places(blocks[in_file], block_places[in_file])
        within = starts - blocks * self.block_bytes
        places = np.where(in_file, block_places + self._before_data + within, self._absent)
        pieces = Pieces(starts, ends, places)
        if not by_sector or not in_file.any():
            return pieces
        by_bitmap = self._by_bitmap(pieces.where(in_file), within[in_file], block_places[in_file])
        return joined([pieces.where(~in_file), by_bitmap])

    def _bat(self, blocks: Offsets) -> Offsets:
        """Entries of the block table."""
        if not len(blocks):
            return np.empty(0, np.int64)
        pages, rows = np.unique(blocks // _ENTRIES_PER_PAGE, return_inverse=True)
        starts = (self._layout.bat_offset + pages * PAGE_BYTES).tolist()
        # The last page may be cut by the file's end; the table itself lies in the file.
        places = [ByteRange(at, min(at + PAGE_BYTES, self._size)) for at in starts]
        parts = self._tables.parts(places)
        entries = b"".join(part.ljust(PAGE_BYTES, b"\xff") for part in parts)
        table = np.frombuffer(entries, ">u4").astype(np.int64)
        return table.take(rows * _ENTRIES_PER_PAGE + blocks % _ENTRIES_PER_PAGE)

    def _check_places(self, blocks: Offsets, places: Offsets) -> None:
        """Blocks lie in the file, as far as the disk needs them, and not on other structures."""
        left = self._layout.virtual_bytes - blocks * self.block_bytes
        ends = places + self._before_data + np.minimum(left, self.block_bytes)
        before = np.searchsorted(self._reserved_starts, ends) - 1
        wrong = (ends > self._size) | (self._reserved_ends[before] > places)
        if wrong.any():
            first = int(np.argmax(wrong))
            raise damaged(
                self.path,
                f"BAT entry of block {blocks[first]}",
                f"leads to {places[first]}: out of the file's {self._size} bytes or on a structure",
            )

    def _by_bitmap(self, pieces: Pieces, within: Offsets, block_places: Offsets) -> Pieces:
        """Pieces of blocks that are in the file, cut where the bits of their sectors change."""
        bitmaps = self._bitmaps(block_places)
        is_whole = np.ones(len(within), np.bool_)
        parts = []
        for index, at in enumerate(within.tolist()):
            length = int(pieces.ends[index] - pieces.starts[index])
            first, last = at // form.SECTOR_BYTES, -(-(at + length) // form.SECTOR_BYTES)
            bitmap = bitmaps[int(block_places[index])][first // 8 : -(-last // 8)]
            bits = np.unpackbits(bitmap)[first % 8 : first % 8 + last - first]
            if not bits.all():
                is_whole[index] = False
                base = int(pieces.starts[index]) - at % form.SECTOR_BYTES
                sector = (form.SECTOR_BYTES, base)
                parts.append(cut_by_bits(pieces, index, bits, sector, self._absent))
        return joined([pieces.where(is_whole), *parts])

    def _bitmaps(self, block_places: Offsets) -> dict[int, npt.NDArray[np.uint8]]:
        places = [ByteRange(at, at + self._bits_bytes) for at in np.unique(block_places).tolist()]
        parts = self._tables.parts(places)
        return {p.start: np.frombuffer(b, np.uint8) for p, b in zip(places, parts, strict=True)}
