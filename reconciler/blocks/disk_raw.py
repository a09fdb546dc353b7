"""Raw disks: the bytes of a virtual disk and nothing else, so all that is known is their length."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from reconciler.blocks.disk_chain import DiskChain
from reconciler.blocks.disk_local import LocalFile
from reconciler.blocks.disk_pieces import ZEROS, Offsets, Pieces, inside, joined
from reconciler.blocks.disk_writer import DiskWriter, checked_id
from reconciler.blocks.vhd_format import FIXED, SECTOR_BYTES, Footer
from reconciler.errors import DiskUnreadableError
from reconciler.model.machine import DiskFormat, DiskGeometry

_STEP_BYTES: Final = 64 << 10
PHYSICAL_SECTOR_BYTES: Final = 4096
"""What Hyper-V says of new disks."""


class RawImage:
    """A raw file as a chain of one."""

    def __init__(self, file: LocalFile, path: str) -> None:
        self.path = path
        self.file = file
        self.block_bytes = _STEP_BYTES
        """The file has no blocks; so holes are looked up for 4 GiB at a time."""

    def locate(self, starts: Offsets, ends: Offsets, *, by_sector: bool) -> Pieces:
        """Where some ranges are: at their own offset; see disk_chain.Image."""
        starts, ends, zeros = inside(starts, ends, self.file.size)
        if by_sector:
            return joined([Pieces(starts, ends, starts), zeros])
        found = [
            piece
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
            for piece in self._pieces(start, end)
        ]
        table = np.array(found, np.int64).reshape(-1, 3)
        return joined([Pieces(table[:, 0], table[:, 1], table[:, 2]), zeros])

    def _pieces(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        at = start
        for part in self.file.data_ranges(start, end):
            if at < part.start:
                yield at, part.start, ZEROS
            yield part.start, part.end, part.start
            at = part.end
        if at < end:
            yield at, end, ZEROS


def open_raw(file: LocalFile, path: str) -> DiskChain:
    """A raw disk; one that ends within a sector goes on with zeros to that sector's end.

    Its geometry is that of the VHDX which it would become, and it has no id.

    Raises:
        DiskUnreadableError: It is empty.
    """
    if not file.size:
        raise DiskUnreadableError(
            f"{path} is empty", hint="name the file of a virtual disk", path=path
        )
    size = -(-file.size // SECTOR_BYTES) * SECTOR_BYTES
    geometry = DiskGeometry(size, SECTOR_BYTES, PHYSICAL_SECTOR_BYTES, DiskFormat.VHDX, 0)
    return DiskChain([RawImage(file, path)], geometry, "")


class RawWriter(DiskWriter):
    """A new raw disk. What is not written is a hole."""

    def __init__(self, path: Path, geometry: DiskGeometry) -> None:
        """Create the file.

        Raises:
            FileExistsError: There is something at `path`.
            OSError: As the file system gave it.
        """
        size = geometry.virtual_bytes
        super().__init__(path, (size, SECTOR_BYTES, _STEP_BYTES), size)

    def _allocate(self) -> int:
        raise AssertionError("a raw disk has no blocks")

    def _write_part(self, block: int, within: int, part: memoryview) -> None:
        self._put(block * self._block_bytes + within, part)

    def _write_tables(self) -> None:
        """A raw disk has none."""

    def _make_valid(self) -> None:
        """A raw disk is valid as soon as it is as long as its disk."""


class FixedVhdWriter(RawWriter):
    """A new fixed VHD: a raw disk with a footer."""

    def __init__(self, path: Path, geometry: DiskGeometry, virtual_disk_id: str) -> None:
        """Create the file; raises as RawWriter.

        Raises:
            DiskNotSupportedError: The id is none.
        """
        self._footer = Footer(FIXED, geometry.virtual_bytes, checked_id(path, virtual_disk_id))
        super().__init__(path, geometry)

    def _make_valid(self) -> None:
        self._put(self._end, self._footer.packed())
