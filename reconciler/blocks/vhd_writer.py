"""Write a recovered disk as a new dynamic VHD.

The footer makes the file a VHD, at its end and as a copy at its start: both are written last.

Layout: copy of the footer, header, block table, blocks in the order in which they were first
written, each behind the bitmap of its sectors; the data of each begins at a multiple of 4 KiB, as
Hyper-V arranges it for disks with such sectors. A disk that was fixed comes back as a dynamic one.
"""

from pathlib import Path
from typing import Final

import numpy as np

from reconciler.blocks import vhd_format as form
from reconciler.blocks.disk_writer import DiskWriter, checked_id, wrong_geometry
from reconciler.blocks.vhd_format import Footer, Header
from reconciler.model.machine import DiskGeometry

_HEADER_OFFSET: Final = form.FOOTER_BYTES
_TABLE_OFFSET: Final = _HEADER_OFFSET + form.HEADER_BYTES
_ALIGNMENT: Final = 4096


class VhdWriter(DiskWriter):
    """A new VHD."""

    def __init__(self, path: Path, geometry: DiskGeometry, virtual_disk_id: str) -> None:
        """Create the file.

        Raises:
            DiskNotSupportedError: No VHD can have this geometry or id.
            FileExistsError: There is something at `path`.
            OSError: As the file system gave it; the file is closed.
        """
        size, block_bytes = geometry.virtual_bytes, _checked_block_bytes(path, geometry)
        unique_id = checked_id(path, virtual_disk_id)
        self._entries = -(-size // block_bytes)
        self._header = Header(_TABLE_OFFSET, self._entries, block_bytes)
        self._footer = Footer(form.DYNAMIC, size, unique_id, _HEADER_OFFSET)
        table = -(-self._entries * form.BAT_ENTRY_BYTES // form.SECTOR_BYTES) * form.SECTOR_BYTES
        super().__init__(path, (size, form.SECTOR_BYTES, block_bytes), _TABLE_OFFSET + table)

    def _allocate(self) -> int:
        """All bits are set: what is not written in the block is zero in the file, too."""
        before = form.bitmap_bytes(self._block_bytes)
        place = -(-(self._end + before) // _ALIGNMENT) * _ALIGNMENT
        self._end = place + self._block_bytes
        self._file.truncate(self._end)
        self._put(place - before, b"\xff" * before)
        return place

    def _write_tables(self) -> None:
        self._put(_HEADER_OFFSET, self._header.packed())
        table = np.full(self._entries, form.UNUSED, ">u4")
        before = form.bitmap_bytes(self._block_bytes)
        for block, place in self._places.items():
            table[block] = (place - before) // form.SECTOR_BYTES
        padded = -(-table.nbytes // form.SECTOR_BYTES) * form.SECTOR_BYTES
        self._put(_TABLE_OFFSET, table.tobytes().ljust(padded, b"\xff"))

    def _make_valid(self) -> None:
        self._put(self._end, self._footer.packed())
        self._put(0, self._footer.packed())


def _checked_block_bytes(path: Path, geometry: DiskGeometry) -> int:
    block_bytes = geometry.format_block_bytes or form.DEFAULT_BLOCK_BYTES
    size = geometry.virtual_bytes
    faults = {
        "logical sector size": geometry.logical_sector_bytes != form.SECTOR_BYTES,
        "block size": not form.MIN_BLOCK_BYTES <= block_bytes <= form.MAX_BLOCK_BYTES
        or bool(block_bytes & (block_bytes - 1)),
        "virtual size": not 0 < size <= form.MAX_VIRTUAL_BYTES or bool(size % form.SECTOR_BYTES),
    }
    for field, is_wrong in faults.items():
        if is_wrong:
            raise wrong_geometry(path, f"VHD has the {field}", geometry)
    return block_bytes
