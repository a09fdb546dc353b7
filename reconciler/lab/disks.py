"""Virtual disks of the lab: VHDX files that guests write to and checkpoints fork.

A chain is given as local files, base first; host paths stand only in parent locators, for whoever
reads the files through a host. One thread at a time uses a disk.

A process that is killed leaves a chain that can be read; what it was doing may simply be done
again, a merge, too.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PureWindowsPath
from typing import Final, Self
from uuid import UUID, uuid4

from reconciler.blocks.vhdx_format import MIB, NO_GUID, BatShape
from reconciler.lab.disk_blocks import DiskBlocks, Nowhere
from reconciler.lab.disk_log import write_log
from reconciler.lab.disk_tables import DiskPlan, DiskTables
from reconciler.model.machine import DiskFormat, DiskGeometry

CHILD_BLOCK_BYTES: Final = 2 * MIB
_COPY_BYTES: Final = 4 * MIB
_GRAIN_BYTES: Final = 64 << 10


class LabDisk:
    """An open virtual disk with its parents."""

    def __init__(self, tables: DiskTables, parent: "LabDisk | None" = None) -> None:
        self._tables = tables
        self._shape = tables.shape
        self._blocks = DiskBlocks(tables)
        self._parent = parent
        self._is_marked = False

    @classmethod
    def create(cls, path: Path, geometry: DiskGeometry, virtual_disk_id: str) -> Self:
        """Make an empty dynamic disk.

        Raises:
            FileExistsError: There is something at `path`.
        """
        shape = BatShape(
            geometry.virtual_bytes,
            geometry.logical_sector_bytes,
            geometry.format_block_bytes,
            has_parent=False,
        )
        plan = DiskPlan(shape, geometry.physical_sector_bytes, UUID(virtual_disk_id))
        return cls(DiskTables.create(path, plan))

    @classmethod
    def open(cls, chain: Sequence[Path]) -> Self:
        """Open the last file of a chain over the others, base first.

        Raises:
            ValueError: A file is not the parent that the next one was made over.
        """
        opened: Self | None = None
        try:
            for path in chain:
                opened = cls(DiskTables(path), opened)
                opened._check_parent()
        except BaseException:
            if opened:
                opened.close()
            raise
        if opened is None:
            raise ValueError("a chain has at least one file")
        return opened

    @staticmethod
    def create_child(
        child: Path, parent: Path, parent_host_path: str, block_bytes: int = CHILD_BLOCK_BYTES
    ) -> None:
        """Make a differencing disk; its parent must not be written to while it exists.

        Raises:
            FileExistsError: There is something at `child`.
        """
        tables = DiskTables(parent)
        tables.close()
        below = tables.shape
        shape = BatShape(
            below.virtual_bytes, below.logical_sector_bytes, block_bytes, has_parent=True
        )
        locator = _locator(tables, child, parent_host_path)
        plan = DiskPlan(shape, tables.physical_sector_bytes, tables.virtual_disk_id, locator)
        DiskTables.create(child, plan).close()

    @staticmethod
    def merge(child: Path, parent: Path) -> None:
        """Write all that a child holds into its parent; may be repeated after a kill.

        The child can be read until its file is removed. Other children of the parent, and the
        child's own, must be linked anew.

        Raises:
            ValueError: They do not belong together, or the parent is smaller.
        """
        upper = LabDisk.open([parent, child])
        try:
            upper._merge_down()  # noqa: SLF001 (of this very class)
        finally:
            upper.close()

    @staticmethod
    def relink(child: Path, parent: Path, parent_host_path: str) -> None:
        """Give a child another parent, one with the same bytes as the old one."""
        below = DiskTables(parent)
        below.close()
        tables = DiskTables(child)
        tables.set_locator(_locator(below, child, parent_host_path))
        tables.close()

    @property
    def geometry(self) -> DiskGeometry:
        """What a true copy must have beside its bytes."""
        return DiskGeometry(
            self._shape.virtual_bytes,
            self._shape.logical_sector_bytes,
            self._tables.physical_sector_bytes,
            DiskFormat.VHDX,
            self._shape.block_bytes,
        )

    @property
    def virtual_disk_id(self) -> str:
        """Lower case, without braces; a child has its parent's."""
        return str(self._tables.virtual_disk_id)

    def write(self, offset: int, data: bytes) -> None:
        """Write whole sectors, as a guest does.

        Raises:
            ValueError: Not whole sectors of the disk.
        """
        sector = self._shape.logical_sector_bytes
        end = offset + len(data)
        if offset % sector or end % sector or not 0 <= offset <= end <= self._shape.virtual_bytes:
            raise ValueError(f"{offset}, {len(data)} are not whole sectors of the disk")
        if data and not self._is_marked:
            self._mark_as_written(uuid4())
        self._blocks.write(offset, memoryview(data))

    def write_raw_image(self, pieces: Iterable[tuple[int, bytes]]) -> None:
        """Write offset and bytes of an image's pieces into an empty disk; zeros stay holes."""
        for offset, data in pieces:
            for start in range(0, len(data), _GRAIN_BYTES):
                grain = data[start : start + _GRAIN_BYTES]
                if grain.count(0) != len(grain):
                    self.write(offset + start, grain)

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the disk through its chain; behind its end all is zeros."""
        end = min(offset + length, self._shape.virtual_bytes)
        parts = []
        for run in self._blocks.runs(offset, end):
            size = run.end - run.start
            if not isinstance(run.place, Nowhere):
                parts.append(self._tables.get(run.place, size))
            elif run.place is Nowhere.BELOW and self._parent:
                parts.append(self._parent.read(run.start, size))
            else:
                parts.append(bytes(size))
        return b"".join(parts).ljust(length, b"\0")

    def leave_pending_log(self, offset: int, data: bytes) -> None:
        """Write as a host that then lost its power: data in place, table updates in the log only.

        Closes the disk. The lab cannot open it again; readers that replay logs can.
        """
        self._tables.captured = {}
        self.write(offset, data)
        updates, self._tables.captured = self._tables.captured, None
        write_log(self._tables, uuid4(), updates)
        self.close()

    def close(self) -> None:
        """Close the file and its parents; safe to call again."""
        self._tables.close()
        if self._parent:
            self._parent.close()

    def _check_parent(self) -> None:
        below = self._parent
        if below is None:
            return
        keys = ("parent_linkage", "parent_linkage2")
        linkages = {UUID(self._tables.locator.get(key, str(NO_GUID))) for key in keys}
        guid = below._tables.header.data_write_guid  # noqa: SLF001 (of this very class)
        if guid not in linkages - {NO_GUID}:
            raise ValueError(f"{self._tables.path.name} was not made over its parent as it is now")

    def _mark_as_written(self, guid: UUID) -> None:
        """A new DataWriteGuid before the first change since the disk was opened."""
        if self._tables.header.data_write_guid != guid:
            self._tables.set_header(data_write_guid=guid)
        self._is_marked = True

    def _merge_down(self) -> None:
        below = self._parent
        if below is None or below.geometry.virtual_bytes < self._shape.virtual_bytes:
            raise ValueError(f"{self._tables.path.name} has no parent that can take it")
        below._mark_as_written(self._announced_guid())  # noqa: SLF001 (of this very class)
        for run in self._blocks.runs(0, self._shape.virtual_bytes):
            if run.place is Nowhere.BELOW:
                continue
            for start in range(run.start, run.end, _COPY_BYTES):
                below.write(start, self.read(start, min(_COPY_BYTES, run.end - start)))

    def _announced_guid(self) -> UUID:
        """The guid that the parent gets, known to this disk before. Source: [MS-VHDX] note 12.

        A merge that was cut off announced one already: another would break the link.
        """
        announced = UUID(self._tables.locator["parent_linkage2"])
        if announced == NO_GUID:
            announced = uuid4()
            texts = self._tables.locator | {"parent_linkage2": f"{{{announced}}}"}
            self._tables.set_locator(texts)
        return announced


def _locator(parent: DiskTables, child: Path, parent_host_path: str) -> dict[str, str]:
    """What a child says of its parent.

    The second linkage stands there from the start, as zeros, so that a merge can fill it in
    without moving anything; Hyper-V's own files have it, too.
    """
    relative = str(PureWindowsPath(os.path.relpath(parent.path, child.parent)))
    return {
        "parent_linkage": f"{{{parent.header.data_write_guid}}}",
        "parent_linkage2": f"{{{NO_GUID}}}",
        "relative_path": relative if relative.startswith("..") else f".\\{relative}",
        "absolute_win32_path": f"\\\\?\\{parent_host_path}",
    }
