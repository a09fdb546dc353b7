"""Open a virtual disk: the file, its parents, and proof that they belong together.

A parent is found by the paths in its child's parent locator, first relative to the child, then
absolute. `volume_path` is left out: where it helps, the absolute path does, too. What proves a
parent is its DataWriteGuid, never its name.

Source: [MS-VHDX] 2.6.2.6.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID

from reconciler.blocks.disk_chain import DiskChain
from reconciler.blocks.disk_extents import Extent
from reconciler.blocks.disk_parents import MAX_CHAIN_FILES, found_parent, walked
from reconciler.blocks.disk_tables import CACHE_BYTES, TableCache
from reconciler.blocks.parent_paths import candidates
from reconciler.blocks.vhdx_faults import damaged
from reconciler.blocks.vhdx_format import MIB, NO_GUID
from reconciler.blocks.vhdx_image import Image
from reconciler.blocks.vhdx_layout import Layout, read_layout
from reconciler.model.machine import DiskFormat, DiskGeometry
from reconciler.ports import DiskFiles

__all__ = [
    "MAX_CHAIN_FILES",
    "DiskChain",
    "Extent",
    "Layout",
    "joined_chain",
    "layouts",
    "open_chain",
]

MAX_PENDING_BYTES: Final = 64 * MIB
"""Ours, to bound memory: what may wait in the logs of all files of a chain. Only a leaf is written
to, so that four full logs of the longest kind are more than any host leaves."""


def open_chain(files: DiskFiles, path: str) -> DiskChain:
    """Open a virtual disk with all its parents.

    Raises:
        DiskUnreadableError: A file breaks the format, or a parent is missing or another one.
        DiskNotSupportedError: A file is a VHD, the older format, which no chain may mix in.
    """
    return joined_chain(list(layouts(files, path)))


def layouts(files: DiskFiles, path: str) -> Iterator[Layout]:
    """The files of a VHDX, leaf first, each as soon as it is found; raises as `open_chain`."""
    leaf = read_layout(files.open(path), path)
    pending = 0
    for layout in walked(leaf, lambda child: _parent(files, child), damaged):
        pending += layout.pending_bytes
        if pending > MAX_PENDING_BYTES:
            raise damaged(path, "logs", f"of its chain hold more than {MAX_PENDING_BYTES} bytes")
        yield layout


def joined_chain(layouts: Sequence[Layout]) -> DiskChain:
    """The disk that these files are, leaf first."""
    leaf, cache = layouts[0], TableCache(CACHE_BYTES)
    geometry = DiskGeometry(
        leaf.shape.virtual_bytes,
        leaf.shape.logical_sector_bytes,
        leaf.physical_sector_bytes,
        DiskFormat.VHDX,
        leaf.shape.block_bytes,
    )
    images = [Image(layout, cache, index) for index, layout in enumerate(layouts)]
    return DiskChain(images, geometry, str(leaf.virtual_disk_id))


def _parent(files: DiskFiles, child: Layout) -> Layout | None:
    if (locator := child.parent_locator) is None:
        return None
    linkages = _linkages(child.path, locator)

    def objection(parent: Layout) -> str:
        if parent.header.data_write_guid not in linkages:
            return f"{parent.path} was written to, or is another disk, since the child was made"
        return ""

    named = (locator.get("relative_path", ""), locator.get("absolute_win32_path", ""))
    parent = found_parent(
        child.path,
        candidates(child.path, *named),
        lambda path: read_layout(files.open(path), path),
        objection,
    )
    if parent.shape.logical_sector_bytes != child.shape.logical_sector_bytes:
        raise damaged(child.path, "logical sector size", f"is not that of {parent.path}")
    return parent


def _linkages(path: str, locator: Mapping[str, str]) -> set[UUID]:
    """The DataWriteGuids that prove the parent; a second one stands there during a merge."""
    texts = [locator[k] for k in ("parent_linkage", "parent_linkage2") if k in locator]
    if "parent_linkage" not in locator:
        raise damaged(path, "parent locator", "lacks parent_linkage")
    try:
        return {UUID(text) for text in texts} - {NO_GUID}
    except ValueError as fault:
        raise damaged(path, "parent locator", "has a parent_linkage that is no GUID") from fault
