"""Write a recovered disk as a new dynamic VHDX.

The headers make the file a VHDX: they are written last.

Layout: header section, log of 1 MiB (empty), metadata of 1 MiB, BAT, blocks in the order in which
they were first written.
"""

from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import numpy as np

from reconciler.blocks import vhdx_format as form
from reconciler.blocks.disk_writer import DiskWriter, checked_id, wrong_geometry
from reconciler.blocks.vhdx_format import MIB, BatShape, BlockState, Header, Region
from reconciler.blocks.vhdx_metadata import packed_metadata
from reconciler.model.machine import DiskFormat, DiskGeometry

DEFAULT_BLOCK_BYTES: Final = 32 * MIB
"""Hyper-V's own choice for new dynamic disks."""
_LOG: Final = (MIB, MIB)
_METADATA_OFFSET: Final = 2 * MIB
_BAT_OFFSET: Final = 3 * MIB
_CREATOR: Final = "reconciler"
_TABLE_STEP: Final = 64 << 10
"""Entries of the BAT that are written at once: 512 KiB."""


class VhdxWriter(DiskWriter):
    """A new VHDX."""

    def __init__(self, path: Path, geometry: DiskGeometry, virtual_disk_id: str) -> None:
        """Create the file.

        Raises:
            DiskNotSupportedError: No VHDX can have this geometry or id.
            FileExistsError: There is something at `path`.
            OSError: As the file system gave it; the file is closed.
        """
        shape = self._shape = _checked_shape(path, geometry)
        self._metadata = _metadata(shape, geometry, checked_id(path, virtual_disk_id))
        bat_bytes = -(-shape.entries * form.BAT_ENTRY_BYTES // MIB) * MIB
        self._bat = Region(form.BAT_REGION, _BAT_OFFSET, bat_bytes)
        size = (shape.virtual_bytes, shape.logical_sector_bytes, shape.block_bytes)
        super().__init__(path, size, self._bat.offset + self._bat.length)

    def _allocate(self) -> int:
        place = self._end
        self._file.truncate(place + self._block_bytes)
        self._end = place + self._block_bytes
        return place

    def _write_tables(self) -> None:
        creator = form.FILE_SIGNATURE + _CREATOR.encode("utf-16-le")
        self._put(0, creator.ljust(form.FILE_IDENTIFIER_BYTES, b"\0"))
        metadata = Region(form.METADATA_REGION, _METADATA_OFFSET, MIB)
        for offset in form.REGION_TABLE_OFFSETS:
            self._put(offset, form.packed_regions([self._bat, metadata]))
        self._put(metadata.offset, self._metadata)
        self._write_bat()

    def _write_bat(self) -> None:
        """Entries of blocks that are in the file; the others are zero, as holes are."""
        if not self._places:
            return
        ratio = self._shape.chunk_ratio
        blocks = np.fromiter(sorted(self._places), np.int64, len(self._places))
        indices = blocks + blocks // ratio
        places = np.fromiter((self._places[int(b)] for b in blocks), np.int64, len(blocks))
        steps, firsts = np.unique(indices // _TABLE_STEP, return_index=True)
        lasts = [*firsts[1:].tolist(), len(indices)]
        for step, first, last in zip(steps.tolist(), firsts.tolist(), lasts, strict=True):
            table = np.zeros(_TABLE_STEP, "<u8")
            entries = places[first:last] | BlockState.FULLY_PRESENT
            table[indices[first:last] % _TABLE_STEP] = entries
            room = self._bat.length // form.BAT_ENTRY_BYTES - step * _TABLE_STEP
            offset = self._bat.offset + step * _TABLE_STEP * form.BAT_ENTRY_BYTES
            self._put(offset, table[:room].tobytes())

    def _make_valid(self) -> None:
        file_write, data_write = uuid4(), uuid4()
        for sequence, offset in enumerate(form.HEADER_OFFSETS, start=1):
            header = Header(sequence, file_write, data_write, form.NO_GUID, _LOG[1], _LOG[0])
            self._put(offset, header.packed())


def _checked_shape(path: Path, geometry: DiskGeometry) -> BatShape:
    is_vhd = geometry.format is DiskFormat.VHD
    block_bytes = geometry.format_block_bytes
    if is_vhd or not block_bytes:
        block_bytes = DEFAULT_BLOCK_BYTES
    sector = geometry.logical_sector_bytes
    faults = {
        "logical sector size": sector not in form.SECTOR_SIZES,
        "physical sector size": geometry.physical_sector_bytes not in form.SECTOR_SIZES,
        "block size": not form.MIN_BLOCK_BYTES <= block_bytes <= form.MAX_BLOCK_BYTES
        or bool(block_bytes & (block_bytes - 1)),
        "virtual size": not 0 < geometry.virtual_bytes <= form.MAX_VIRTUAL_BYTES
        or bool(geometry.virtual_bytes % max(sector, 1)),
    }
    for field, is_wrong in faults.items():
        if is_wrong:
            raise wrong_geometry(path, f"VHDX has the {field}", geometry)
    return BatShape(geometry.virtual_bytes, sector, block_bytes, has_parent=False)


def _metadata(shape: BatShape, geometry: DiskGeometry, virtual_disk_id: UUID) -> bytes:
    return packed_metadata(
        {
            form.FILE_PARAMETERS: shape.block_bytes.to_bytes(8, "little"),
            form.VIRTUAL_DISK_SIZE: shape.virtual_bytes.to_bytes(8, "little"),
            form.VIRTUAL_DISK_ID: virtual_disk_id.bytes_le,
            form.LOGICAL_SECTOR_SIZE: shape.logical_sector_bytes.to_bytes(4, "little"),
            form.PHYSICAL_SECTOR_SIZE: geometry.physical_sector_bytes.to_bytes(4, "little"),
        }
    )
