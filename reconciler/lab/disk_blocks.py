"""Sectors of one VHDX file: where they are, and how they get there."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from reconciler.blocks.vhdx_format import BlockState
from reconciler.lab.disk_tables import DiskTables


class Nowhere(Enum):
    """Where bytes are that this file does not hold."""

    ZEROS = "zeros"
    BELOW = "below"


@dataclass(frozen=True, slots=True)
class Run:
    """A range of the virtual disk and where it begins in the file."""

    start: int
    end: int
    place: int | Nowhere


class DiskBlocks:
    """The sectors of one open file."""

    def __init__(self, tables: DiskTables) -> None:
        self._tables = tables
        self._shape = tables.shape

    def runs(self, start: int, end: int) -> Iterator[Run]:
        """Where each part of a range is; the range must lie in the disk."""
        for block, first, last in self._parts(start, end):
            base = block * self._shape.block_bytes
            state, place = self._tables.entry(self._tables.payload_index(block))
            if state == BlockState.FULLY_PRESENT:
                yield Run(first, last, place + first - base)
            elif state == BlockState.PARTIALLY_PRESENT:
                yield from self._runs_by_sector(block, place, (first, last))
            else:
                is_below = state == BlockState.NOT_PRESENT and self._shape.has_parent
                yield Run(first, last, Nowhere.BELOW if is_below else Nowhere.ZEROS)

    def write(self, offset: int, data: memoryview) -> None:
        """Put whole sectors into the file."""
        for block, first, last in self._parts(offset, offset + len(data)):
            self._write_in_block(block, first, data[first - offset : last - offset])

    def _parts(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """A range cut at blocks: block, start, end."""
        size = self._shape.block_bytes
        while start < end:
            block = start // size
            last = min((block + 1) * size, end)
            yield block, start, last
            start = last

    def _runs_by_sector(self, block: int, place: int, span: tuple[int, int]) -> Iterator[Run]:
        sector = self._shape.logical_sector_bytes
        base = block * self._shape.block_bytes
        bits = self._tables.bits(block)
        edges = np.flatnonzero(np.diff(bits, prepend=~bits[:1])).tolist()
        for first, last in zip(edges, [*edges[1:], len(bits)], strict=True):
            start, end = max(base + first * sector, span[0]), min(base + last * sector, span[1])
            if start < end:
                yield Run(start, end, place + start - base if bits[first] else Nowhere.BELOW)

    def _write_in_block(self, block: int, start: int, part: memoryview) -> None:
        index = self._tables.payload_index(block)
        within = start - block * self._shape.block_bytes
        state, place = self._tables.entry(index)
        is_there = state in (BlockState.FULLY_PRESENT, BlockState.PARTIALLY_PRESENT)
        if not is_there:
            place = self._tables.allocate(self._shape.block_bytes)
        self._tables.put(place + within, part)
        if state == BlockState.PARTIALLY_PRESENT:
            self._show(block, within, len(part), self._tables.bits(block))
        elif not is_there:
            self._show_new_block(block, within, len(part), place)

    def _show_new_block(self, block: int, within: int, length: int, place: int) -> None:
        index = self._tables.payload_index(block)
        state, _ = self._tables.entry(index)
        is_whole = length == self._length(block)
        if is_whole or state != BlockState.NOT_PRESENT or not self._shape.has_parent:
            self._tables.set_entry(index, BlockState.FULLY_PRESENT, place)
            return
        # Not the old bits: a write that was killed may have left some behind.
        nothing = np.zeros(self._shape.bitmap_bytes_per_block * 8, np.uint8)
        self._show(block, within, length, nothing)
        self._tables.set_entry(index, BlockState.PARTIALLY_PRESENT, place)

    def _show(self, block: int, within: int, length: int, bits: npt.NDArray[np.uint8]) -> None:
        sector = self._shape.logical_sector_bytes
        bits[within // sector : (within + length) // sector] = 1
        self._tables.set_bits(block, bits)
        index = self._tables.payload_index(block)
        state, place = self._tables.entry(index)
        is_full = bits[: self._length(block) // sector].all()
        if is_full and state == BlockState.PARTIALLY_PRESENT:
            self._tables.set_entry(index, BlockState.FULLY_PRESENT, place)

    def _length(self, block: int) -> int:
        """Bytes of the block that the disk has; the last block may be cut."""
        size = self._shape.block_bytes
        return min(size, self._shape.virtual_bytes - block * size)
