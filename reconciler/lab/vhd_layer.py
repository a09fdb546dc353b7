"""A VHD file that guests of the lab write to.

Every step leaves a file that can be read: the footer is written anew at the new end before a block
is put where the old one was, data before the bits that show it, bits before the table's entry. That
is enough for a process that is killed; the lab does not pretend to survive a power cut.

The bits are as exact in dynamic disks as in differencing ones. Others set them all there, which is
easier to read; whether Hyper-V does is unconfirmed.

Kept apart from the product's reader on purpose: each is a judge of the other.
"""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, Self
from uuid import UUID, uuid4

import numpy as np
import numpy.typing as npt

from reconciler.blocks import vhd_format as form
from reconciler.blocks.vhd_format import Footer, Header
from reconciler.lab.disk_blocks import Nowhere, Run
from reconciler.lab.disk_layer import Layer
from reconciler.lab.parent_locator import relative_path
from reconciler.model.machine import DiskFormat, DiskGeometry

_HEADER_OFFSET: Final = form.FOOTER_BYTES
_PATHS_OFFSET: Final = _HEADER_OFFSET + form.HEADER_BYTES
_PATH_BYTES: Final = 2048
"""Room for one path of a parent."""
_ALIGNMENT: Final = 4096
_SECTOR: Final = form.SECTOR_BYTES


class VhdLayer:
    """A dynamic or differencing VHD file."""

    _footer: Footer
    _header: Header

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: io.FileIO = path.open("r+b", buffering=0)
        try:
            self._load()
        except BaseException:
            self._file.close()
            raise

    @classmethod
    def create(cls, path: Path, geometry: DiskGeometry, virtual_disk_id: str) -> Self:
        """Make an empty dynamic disk.

        Raises:
            FileExistsError: There is something at `path`.
            ValueError: No VHD has this geometry.
        """
        if geometry.logical_sector_bytes != _SECTOR or geometry.virtual_bytes % _SECTOR:
            raise ValueError(f"no VHD has the geometry {geometry}")
        size = geometry.virtual_bytes
        footer = Footer(form.DYNAMIC, size, UUID(virtual_disk_id), _HEADER_OFFSET)
        header = Header(_PATHS_OFFSET, 0, geometry.format_block_bytes)
        _create_file(path, footer, header, b"")
        return cls(path)

    def create_child(self, child: Path, host_path: str, block_bytes: int) -> None:
        """Make a differencing disk over this one, which is at that path of its host.

        Raises:
            FileExistsError: There is something at `child`.
        """
        footer = replace(self._footer, kind=form.DIFFERENCING, unique_id=uuid4())
        room = _PATH_BYTES * 2
        header = Header(_PATHS_OFFSET + room, 0, block_bytes)
        _create_file(child, footer, *_linked(header, self, child, host_path))

    @property
    def geometry(self) -> DiskGeometry:
        """What a true copy must have beside its bytes."""
        size, block = self._footer.virtual_bytes, self._header.block_bytes
        return DiskGeometry(size, _SECTOR, _SECTOR, DiskFormat.VHD, block)

    @property
    def virtual_disk_id(self) -> str:
        """Lower case, without braces; every file of a chain has its own."""
        return str(self._footer.unique_id)

    def runs(self, start: int, end: int) -> Iterator[Run]:
        """Where each part of a range is; the range must lie in the disk."""
        absent = Nowhere.BELOW if self._footer.kind == form.DIFFERENCING else Nowhere.ZEROS
        for block, first, last in self._parts(start, end):
            place = self._place(block)
            if place is None:
                yield Run(first, last, absent)
                continue
            base = block * self._header.block_bytes
            bits = self._bits(place)
            edges = np.flatnonzero(np.diff(bits, prepend=~bits[:1])).tolist()
            for at, to in zip(edges, [*edges[1:], len(bits)], strict=True):
                here, there = max(base + at * _SECTOR, first), min(base + to * _SECTOR, last)
                if here < there:
                    data = place + self._before_data + here - base
                    yield Run(here, there, data if bits[at] else absent)

    def get(self, offset: int, length: int) -> bytes:
        """Bytes of the file; what lies behind its end reads as zeros."""
        self._file.seek(offset)
        return self._file.read(length).ljust(length, b"\0")

    def put(self, offset: int, data: bytes | memoryview) -> None:
        """Write bytes of the file."""
        self._file.seek(offset)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def write(self, offset: int, data: memoryview) -> None:
        """Put whole sectors into the file."""
        for block, first, last in self._parts(offset, offset + len(data)):
            part = data[first - offset : last - offset]
            self._write_in_block(block, first - block * self._header.block_bytes, part)

    def is_child_of(self, below: Layer) -> bool:
        """Whether it is the parent's id that this file names: all that a VHD can tell."""
        return isinstance(below, VhdLayer) and (
            self._header.parent_id == below._footer.unique_id  # noqa: SLF001 (of this very class)
        )

    def begin_merge(self, below: Layer) -> None:
        """Nothing: a VHD's id does not change when it is written to."""

    def link(self, below: Layer, host_path: str) -> None:
        """Name another parent, in one write."""
        if isinstance(below, VhdLayer):
            header, paths = _linked(self._header, below, self.path, host_path)
            self.put(_HEADER_OFFSET, header.packed() + paths)
            self._header = header

    def close(self) -> None:
        """Close the file; safe to call again."""
        self._file.close()

    def _load(self) -> None:
        footer = Footer.unpacked(self.get(0, form.FOOTER_BYTES))
        header = Header.unpacked(self.get(_HEADER_OFFSET, form.HEADER_BYTES))
        if footer is None or header is None:
            raise ValueError(f"{self.path} is no dynamic or differencing VHD")
        self._footer, self._header = footer, header
        self._before_data = form.bitmap_bytes(header.block_bytes)
        table = self.get(header.table_offset, header.table_entries * form.BAT_ENTRY_BYTES)
        self._bat = np.frombuffer(table, ">u4").copy()

    def _parts(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """A range cut at blocks: block, start, end."""
        size = self._header.block_bytes
        for block in range(start // size, -(-end // size)):
            yield block, max(start, block * size), min(end, (block + 1) * size)

    def _place(self, block: int) -> int | None:
        """Where the block's bitmap begins in the file."""
        entry = int(self._bat[block])
        return None if entry == form.UNUSED else entry * _SECTOR

    def _bits(self, place: int) -> npt.NDArray[np.uint8]:
        """The bits of a block, one element a sector."""
        data = self.get(place, self._before_data)
        return np.unpackbits(np.frombuffer(data, np.uint8))[: self._header.block_bytes // _SECTOR]

    def _write_in_block(self, block: int, within: int, part: memoryview) -> None:
        known = self._place(block)
        place = self._allocate() if known is None else known
        self.put(place + self._before_data + within, part)
        sectors = self._header.block_bytes // _SECTOR
        bits = np.zeros(sectors, np.uint8) if known is None else self._bits(place)
        bits[within // _SECTOR : (within + len(part)) // _SECTOR] = 1
        self.put(place, np.packbits(bits).tobytes().ljust(self._before_data, b"\0"))
        if known is None:
            self._bat[block] = place // _SECTOR
            offset = self._header.table_offset + block * form.BAT_ENTRY_BYTES
            self.put(offset, (place // _SECTOR).to_bytes(form.BAT_ENTRY_BYTES, "big"))

    def _allocate(self) -> int:
        """Room at the end, where nobody points to yet; the footer moves behind it."""
        end = self._file.seek(0, io.SEEK_END) - form.FOOTER_BYTES
        data = -(-(end + self._before_data) // _ALIGNMENT) * _ALIGNMENT
        self.put(data + self._header.block_bytes, self._footer.packed())
        return data - self._before_data


def _create_file(path: Path, footer: Footer, header: Header, paths: bytes) -> None:
    """The file appears whole or not at all."""
    if path.exists():
        raise FileExistsError(path)
    entries = -(-footer.virtual_bytes // header.block_bytes)
    table_bytes = -(-entries * form.BAT_ENTRY_BYTES // _SECTOR) * _SECTOR
    sealed = footer.packed()
    draft = path.with_name(path.name + ".new")
    with draft.open("wb", buffering=0) as file:
        head = sealed + replace(header, table_entries=entries).packed() + paths
        file.write(head + b"\xff" * table_bytes + sealed)
    draft.replace(path)


def _linked(header: Header, below: VhdLayer, child: Path, host_path: str) -> tuple[Header, bytes]:
    """The header of a child of that parent, and the paths that stand behind it."""
    named = {form.RELATIVE_PATH: relative_path(below.path, child), form.ABSOLUTE_PATH: host_path}
    locators, paths = form.placed_paths(named, _PATHS_OFFSET, _PATH_BYTES)
    linked = replace(
        header,
        parent_id=UUID(below.virtual_disk_id),
        parent_name=host_path.rpartition("\\")[2].encode("utf-16-be"),
        locators=tuple(locators),
    )
    return linked, paths
