"""One file of a lab's disk, whatever its format: the VHDX, and what a VHD has to do alike."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, Self
from uuid import UUID, uuid4

from reconciler.blocks.vhdx_format import NO_GUID, BatShape
from reconciler.lab.disk_blocks import DiskBlocks, Run
from reconciler.lab.disk_tables import DiskPlan, DiskTables
from reconciler.lab.parent_locator import relative_path
from reconciler.model.machine import DiskFormat, DiskGeometry


class Layer(Protocol):
    """An open file; what it does not hold is below it, or zeros."""

    path: Path

    @property
    def geometry(self) -> DiskGeometry:
        """What a true copy must have beside its bytes."""
        ...

    @property
    def virtual_disk_id(self) -> str:
        """Lower case, without braces."""
        ...

    def runs(self, start: int, end: int) -> Iterator[Run]:
        """Where each part of a range is; the range must lie in the disk."""
        ...

    def get(self, offset: int, length: int) -> bytes:
        """Bytes of the file."""
        ...

    def write(self, offset: int, data: memoryview) -> None:
        """Put whole sectors into the file."""
        ...

    def is_child_of(self, below: "Layer") -> bool:
        """Whether it was made over this parent as that is now."""
        ...

    def begin_merge(self, below: "Layer") -> None:
        """What comes before all is written into the parent."""
        ...

    def link(self, below: "Layer", host_path: str) -> None:
        """Name a parent with the same bytes as the one before."""
        ...

    def close(self) -> None:
        """Close the file; safe to call again."""
        ...


class VhdxLayer:
    """A VHDX file."""

    def __init__(self, tables: DiskTables) -> None:
        self.path = tables.path
        self.tables = tables
        self._blocks = DiskBlocks(tables)
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

    def create_child(self, child: Path, host_path: str, block_bytes: int) -> None:
        """Make a differencing disk over this one, which is at that path of its host.

        Raises:
            FileExistsError: There is something at `child`.
        """
        below = self.tables.shape
        shape = BatShape(
            below.virtual_bytes, below.logical_sector_bytes, block_bytes, has_parent=True
        )
        locator = _locator(self.tables, child, host_path)
        identity = (self.tables.physical_sector_bytes, self.tables.virtual_disk_id)
        DiskTables.create(child, DiskPlan(shape, *identity, locator)).close()

    @property
    def geometry(self) -> DiskGeometry:
        """What a true copy must have beside its bytes."""
        shape = self.tables.shape
        return DiskGeometry(
            shape.virtual_bytes,
            shape.logical_sector_bytes,
            self.tables.physical_sector_bytes,
            DiskFormat.VHDX,
            shape.block_bytes,
        )

    @property
    def virtual_disk_id(self) -> str:
        """Lower case, without braces; a child has its parent's."""
        return str(self.tables.virtual_disk_id)

    def runs(self, start: int, end: int) -> Iterator[Run]:
        """Where each part of a range is; the range must lie in the disk."""
        return self._blocks.runs(start, end)

    def get(self, offset: int, length: int) -> bytes:
        """Bytes of the file."""
        return self.tables.get(offset, length)

    def write(self, offset: int, data: memoryview) -> None:
        """Put whole sectors into the file."""
        if data and not self._is_marked:
            self._mark_as_written(uuid4())
        self._blocks.write(offset, data)

    def is_child_of(self, below: Layer) -> bool:
        """Whether the parent still has the guid that this file knows it by."""
        if not isinstance(below, VhdxLayer):
            return False
        keys = ("parent_linkage", "parent_linkage2")
        linkages = {UUID(self.tables.locator.get(key, str(NO_GUID))) for key in keys}
        return below.tables.header.data_write_guid in linkages - {NO_GUID}

    def begin_merge(self, below: Layer) -> None:
        """Give the parent a guid that is known to this disk before. Source: [MS-VHDX] note 12.

        A merge that was cut off announced one already: another would break the link.
        """
        announced = UUID(self.tables.locator["parent_linkage2"])
        if announced == NO_GUID:
            announced = uuid4()
            texts = self.tables.locator | {"parent_linkage2": f"{{{announced}}}"}
            self.tables.set_locator(texts)
        if isinstance(below, VhdxLayer):
            below._mark_as_written(announced)  # noqa: SLF001 (of this very class)

    def link(self, below: Layer, host_path: str) -> None:
        """Name another parent, one with the same bytes as the one before."""
        if isinstance(below, VhdxLayer):
            self.tables.set_locator(_locator(below.tables, self.path, host_path))

    def close(self) -> None:
        """Close the file; safe to call again."""
        self.tables.close()

    def _mark_as_written(self, guid: UUID) -> None:
        """A new DataWriteGuid before the first change since the disk was opened."""
        if self.tables.header.data_write_guid != guid:
            self.tables.set_header(data_write_guid=guid)
        self._is_marked = True


def _locator(parent: DiskTables, child: Path, parent_host_path: str) -> dict[str, str]:
    """What a child says of its parent.

    The second linkage stands there from the start, as zeros, so that a merge can fill it in
    without moving anything; Hyper-V's own files have it, too.
    """
    return {
        "parent_linkage": f"{{{parent.header.data_write_guid}}}",
        "parent_linkage2": f"{{{NO_GUID}}}",
        "relative_path": relative_path(parent.path, child),
        "absolute_win32_path": f"\\\\?\\{parent_host_path}",
    }
