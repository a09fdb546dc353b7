"""Write a recovered disk as a new dynamic VHDX.

Nothing makes the file a VHDX before its last step: tables first, then everything is synced, then
the headers, and synced again. So a file whose writing was interrupted is refused by everybody.

Layout: header section, log of 1 MiB (empty), metadata of 1 MiB, BAT, blocks in the order in which
they were first written.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from uuid import UUID, uuid4

import numpy as np

from reconciler.blocks import vhdx_format as form
from reconciler.blocks.vhdx_format import MIB, BatShape, BlockState, Header, Region
from reconciler.blocks.vhdx_metadata import packed_metadata
from reconciler.errors import DiskNotSupportedError
from reconciler.model.machine import DiskFormat, DiskGeometry

DEFAULT_BLOCK_BYTES: Final = 32 * MIB
"""Hyper-V's own choice for new dynamic disks."""
_LOG: Final = (MIB, MIB)
_METADATA_OFFSET: Final = 2 * MIB
_BAT_OFFSET: Final = 3 * MIB
_CREATOR: Final = "reconciler"
_TABLE_STEP: Final = 64 << 10
"""Entries of the BAT that are written at once: 512 KiB."""


class VhdxWriter:
    """A new VHDX that is being filled, for one thread.

    As a context manager it is closed at the end, or abandoned if that is an exception.
    """

    def __init__(self, path: Path, geometry: DiskGeometry, virtual_disk_id: str) -> None:
        """Create the file.

        Raises:
            DiskNotSupportedError: No VHDX can have this geometry or id.
            FileExistsError: There is something at `path`.
            OSError: As the file system gave it; the file is closed.
        """
        self._path = path
        self._shape = _checked_shape(path, geometry)
        self._metadata = _metadata(self._shape, geometry, _checked_id(path, virtual_disk_id))
        self._blocks: dict[int, int] = {}
        bat_bytes = -(-self._shape.entries * form.BAT_ENTRY_BYTES // MIB) * MIB
        self._bat = Region(form.BAT_REGION, _BAT_OFFSET, bat_bytes)
        self._end = self._bat.offset + self._bat.length
        self._file = path.open("xb", buffering=0)

    @property
    def file_bytes(self) -> int:
        """Size of the file so far, holes included."""
        return self._end

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Put bytes at an offset of the virtual disk, in any order.

        Zeros take no room unless their block is in the file already.

        Raises:
            ValueError: Not whole sectors of the disk.
            OSError: As the file system gave it; the file is closed and no valid VHDX.
        """
        view = memoryview(data).cast("B")
        sector = self._shape.logical_sector_bytes
        if offset % sector or len(view) % sector:
            raise ValueError(f"{offset}, {len(view)} are not sectors of {sector} bytes")
        if not 0 <= offset <= offset + len(view) <= self._shape.virtual_bytes:
            raise ValueError(f"{offset}, {len(view)} are not in the disk")
        try:
            for block, within, part in self._parts(offset, view):
                self._write_part(block, within, part)
        except OSError:
            self.abandon()
            raise

    def close(self) -> None:
        """Make the file a VHDX; safe to call again.

        Raises:
            OSError: As the file system gave it; the file is closed and no valid VHDX.
        """
        if self._file.closed:
            return
        try:
            self._write_tables()
            os.fsync(self._file.fileno())
            self._write_headers()
            os.fsync(self._file.fileno())
        finally:
            self._file.close()
        _sync_folder(self._path.parent)

    def abandon(self) -> None:
        """Close the file as it is: no valid VHDX. It is left for the caller to remove."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def _parts(self, offset: int, view: memoryview) -> Iterator[tuple[int, int, memoryview]]:
        """The data cut at blocks: block, offset in it, bytes."""
        done = 0
        while done < len(view):
            block, within = divmod(offset + done, self._shape.block_bytes)
            length = min(self._shape.block_bytes - within, len(view) - done)
            yield block, within, view[done : done + length]
            done += length

    def _write_part(self, block: int, within: int, part: memoryview) -> None:
        place = self._blocks.get(block)
        if place is None:
            if part == bytes(len(part)):
                return
            place = self._end
            self._file.truncate(place + self._shape.block_bytes)
            self._end = place + self._shape.block_bytes
            self._blocks[block] = place
        self._put(place + within, part)

    def _put(self, offset: int, data: bytes | memoryview) -> None:
        self._file.seek(offset)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def _write_tables(self) -> None:
        self._file.truncate(self._end)
        creator = form.FILE_SIGNATURE + _CREATOR.encode("utf-16-le")
        self._put(0, creator.ljust(form.FILE_IDENTIFIER_BYTES, b"\0"))
        metadata = Region(form.METADATA_REGION, _METADATA_OFFSET, MIB)
        for offset in form.REGION_TABLE_OFFSETS:
            self._put(offset, form.packed_regions([self._bat, metadata]))
        self._put(metadata.offset, self._metadata)
        self._write_bat()

    def _write_bat(self) -> None:
        """Entries of blocks that are in the file; the others are zero, as holes are."""
        if not self._blocks:
            return
        ratio = self._shape.chunk_ratio
        blocks = np.fromiter(sorted(self._blocks), np.int64, len(self._blocks))
        indices = blocks + blocks // ratio
        places = np.fromiter((self._blocks[int(b)] for b in blocks), np.int64, len(blocks))
        steps, firsts = np.unique(indices // _TABLE_STEP, return_index=True)
        lasts = [*firsts[1:].tolist(), len(indices)]
        for step, first, last in zip(steps.tolist(), firsts.tolist(), lasts, strict=True):
            table = np.zeros(_TABLE_STEP, "<u8")
            entries = places[first:last] | BlockState.FULLY_PRESENT
            table[indices[first:last] % _TABLE_STEP] = entries
            room = self._bat.length // form.BAT_ENTRY_BYTES - step * _TABLE_STEP
            offset = self._bat.offset + step * _TABLE_STEP * form.BAT_ENTRY_BYTES
            self._put(offset, table[:room].tobytes())

    def _write_headers(self) -> None:
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
            raise DiskNotSupportedError(
                f"{path.name} cannot be made: no VHDX has the {field} of {geometry}",
                hint="the recovery point's manifest may be damaged: run a consistency check",
            )
    return BatShape(geometry.virtual_bytes, sector, block_bytes, has_parent=False)


def _checked_id(path: Path, virtual_disk_id: str) -> UUID:
    try:
        return UUID(virtual_disk_id)
    except ValueError as fault:
        raise DiskNotSupportedError(
            f"{path.name} cannot be made: '{virtual_disk_id[:80]}' is no virtual disk id",
            hint="the recovery point's manifest may be damaged: run a consistency check",
        ) from fault


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


def _sync_folder(folder: Path) -> None:
    """Make the file's name durable, where folders can be opened (not on Windows)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
