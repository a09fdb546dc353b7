"""Virtual disks of the lab: VHDX and VHD files that guests write to and checkpoints fork.

A chain is given as local files, base first; host paths stand only in parent locators, for whoever
reads the files through a host. One thread at a time uses a disk.

A process that is killed leaves a chain that can be read; what it was doing may simply be done
again, a merge, too.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Self
from uuid import uuid4

from reconciler.blocks.vhd_format import FOOTER_COOKIE
from reconciler.blocks.vhdx_format import MIB
from reconciler.lab.disk_blocks import Nowhere
from reconciler.lab.disk_layer import VhdxLayer
from reconciler.lab.disk_log import write_log
from reconciler.lab.disk_tables import DiskTables
from reconciler.lab.vhd_layer import VhdLayer
from reconciler.model.machine import DiskFormat, DiskGeometry

CHILD_BLOCK_BYTES: Final = 2 * MIB
_COPY_BYTES: Final = 4 * MIB
_GRAIN_BYTES: Final = 64 << 10


class LabDisk:
    """An open virtual disk with its parents."""

    def __init__(self, layer: VhdxLayer | VhdLayer, parent: "LabDisk | None" = None) -> None:
        self._layer = layer
        self._parent = parent
        self.geometry = layer.geometry
        """What a true copy must have beside its bytes."""

    @classmethod
    def create(cls, path: Path, geometry: DiskGeometry, virtual_disk_id: str) -> Self:
        """Make an empty dynamic disk.

        Raises:
            FileExistsError: There is something at `path`.
        """
        kind = VhdLayer if geometry.format is DiskFormat.VHD else VhdxLayer
        return cls(kind.create(path, geometry, virtual_disk_id))

    @classmethod
    def open(cls, chain: Sequence[Path]) -> Self:
        """Open the last file of a chain over the others, base first.

        Raises:
            ValueError: A file is not the parent that the next one was made over.
        """
        opened: Self | None = None
        try:
            for path in chain:
                opened = cls(_open_layer(path), opened)
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
        below = _open_layer(parent)
        try:
            below.create_child(child, parent_host_path, block_bytes)
        finally:
            below.close()

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
        below, upper = _open_layer(parent), _open_layer(child)
        try:
            upper.link(below, parent_host_path)
        finally:
            below.close()
            upper.close()

    @property
    def virtual_disk_id(self) -> str:
        """Lower case, without braces; that of the base."""
        return self._parent.virtual_disk_id if self._parent else self._layer.virtual_disk_id

    def write(self, offset: int, data: bytes) -> None:
        """Write whole sectors, as a guest does.

        Raises:
            ValueError: Not whole sectors of the disk.
        """
        sector, size = self.geometry.logical_sector_bytes, self.geometry.virtual_bytes
        end = offset + len(data)
        if offset % sector or end % sector or not 0 <= offset <= end <= size:
            raise ValueError(f"{offset}, {len(data)} are not whole sectors of the disk")
        self._layer.write(offset, memoryview(data))

    def write_raw_image(self, pieces: Iterable[tuple[int, bytes]]) -> None:
        """Write offset and bytes of an image's pieces into an empty disk; zeros stay holes."""
        for offset, data in pieces:
            for start in range(0, len(data), _GRAIN_BYTES):
                grain = data[start : start + _GRAIN_BYTES]
                if grain.count(0) != len(grain):
                    self.write(offset + start, grain)

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the disk through its chain; behind its end all is zeros."""
        end = min(offset + length, self.geometry.virtual_bytes)
        parts = []
        for run in self._layer.runs(offset, end):
            size = run.end - run.start
            if not isinstance(run.place, Nowhere):
                parts.append(self._layer.get(run.place, size))
            elif run.place is Nowhere.BELOW and self._parent:
                parts.append(self._parent.read(run.start, size))
            else:
                parts.append(bytes(size))
        return b"".join(parts).ljust(length, b"\0")

    def data(self) -> Iterator[tuple[int, bytes]]:
        """Offset and bytes of everything that the files hold; all else is zeros."""
        size = self.geometry.virtual_bytes
        for run in self._layer.runs(0, size):
            if isinstance(run.place, Nowhere) and not (run.place is Nowhere.BELOW and self._parent):
                continue
            for start in range(run.start, run.end, _COPY_BYTES):
                yield start, self.read(start, min(_COPY_BYTES, run.end - start))

    def leave_pending_log(self, offset: int, data: bytes) -> None:
        """Write as a host that then lost its power: data in place, table updates in the log only.

        Closes the disk. The lab cannot open it again; readers that replay logs can.

        Raises:
            TypeError: It is a VHD, which has no log.
        """
        if not isinstance(self._layer, VhdxLayer):
            raise TypeError(f"{self._layer.path.name} is a VHD, which has no log")
        tables = self._layer.tables
        tables.captured = {}
        self.write(offset, data)
        updates, tables.captured = tables.captured, None
        write_log(tables, uuid4(), updates)
        self.close()

    def close(self) -> None:
        """Close the file and its parents; safe to call again."""
        self._layer.close()
        if self._parent:
            self._parent.close()

    def _check_parent(self) -> None:
        below = self._parent
        if below and not self._layer.is_child_of(below._layer):  # noqa: SLF001 (of this class)
            raise ValueError(f"{self._layer.path.name} was not made over its parent as it is now")

    def _merge_down(self) -> None:
        below, size = self._parent, self.geometry.virtual_bytes
        if below is None or below.geometry.virtual_bytes < size:
            raise ValueError(f"{self._layer.path.name} has no parent that can take it")
        self._layer.begin_merge(below._layer)  # noqa: SLF001 (of this very class)
        for run in self._layer.runs(0, size):
            if run.place is Nowhere.BELOW:
                continue
            for start in range(run.start, run.end, _COPY_BYTES):
                below.write(start, self.read(start, min(_COPY_BYTES, run.end - start)))


def _open_layer(path: Path) -> VhdxLayer | VhdLayer:
    """A file by its first bytes; the lab makes no fixed VHDs, whose guests begin the file."""
    with path.open("rb") as file:
        is_vhd = file.read(len(FOOTER_COOKIE)) == FOOTER_COOKIE
    return VhdLayer(path) if is_vhd else VhdxLayer(DiskTables(path))
