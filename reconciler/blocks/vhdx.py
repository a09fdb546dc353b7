"""Open a virtual disk: the file, its parents, and proof that they belong together.

A parent is found by the paths in its child's parent locator, first relative to the child, then
absolute. `volume_path` is left out: where it helps, the absolute path does, too. What proves a
parent is its DataWriteGuid, never its name.

Source: [MS-VHDX] 2.6.2.6.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from reconciler.blocks.disk_chain import MAX_CHAIN_FILES, DiskChain
from reconciler.blocks.disk_extents import Extent
from reconciler.blocks.parent_paths import candidates, path_key
from reconciler.blocks.vhdx_faults import damaged
from reconciler.blocks.vhdx_format import NO_GUID
from reconciler.blocks.vhdx_image import Image
from reconciler.blocks.vhdx_layout import Layout, read_layout
from reconciler.blocks.vhdx_pages import PageCache
from reconciler.errors import DiskUnreadableError, HostRefusedError
from reconciler.model.machine import DiskFormat, DiskGeometry
from reconciler.ports import DiskFiles

__all__ = ["MAX_CHAIN_FILES", "DiskChain", "Extent", "open_chain"]


def open_chain(files: DiskFiles, path: str) -> DiskChain:
    """Open a virtual disk with all its parents.

    Raises:
        DiskUnreadableError: A file breaks the format, or a parent is missing or another one.
        DiskNotSupportedError: A file is a VHD, the older format, which no chain may mix in.
    """
    layouts = [read_layout(files.open(path), path)]
    seen = {path_key(path)}
    while layouts[-1].parent_locator is not None:
        child = layouts[-1]
        if len(layouts) == MAX_CHAIN_FILES:
            raise damaged(path, "chain", f"has more than {MAX_CHAIN_FILES} files")
        parent = _parent(files, child, child.parent_locator or {})
        if path_key(parent.path) in seen:
            raise damaged(child.path, "parent locator", f"leads back to {parent.path}")
        if parent.shape.logical_sector_bytes != child.shape.logical_sector_bytes:
            raise damaged(child.path, "logical sector size", f"is not that of {parent.path}")
        seen.add(path_key(parent.path))
        layouts.append(parent)
    return _chain(layouts)


def _chain(layouts: Sequence[Layout]) -> DiskChain:
    leaf, cache = layouts[0], PageCache()
    geometry = DiskGeometry(
        leaf.shape.virtual_bytes,
        leaf.shape.logical_sector_bytes,
        leaf.physical_sector_bytes,
        DiskFormat.VHDX,
        leaf.shape.block_bytes,
    )
    images = [Image(layout, cache, index) for index, layout in enumerate(layouts)]
    return DiskChain(images, geometry, str(leaf.virtual_disk_id))


def _parent(files: DiskFiles, child: Layout, locator: Mapping[str, str]) -> Layout:
    linkages = _linkages(child.path, locator)
    failures: list[str] = []
    named = (locator.get("relative_path", ""), locator.get("absolute_win32_path", ""))
    for path in candidates(child.path, *named):
        try:
            parent = read_layout(files.open(path), path)
        except (DiskUnreadableError, HostRefusedError) as failure:
            failures.append(failure.message)
            continue
        if parent.data_write_guid in linkages:
            return parent
        failures.append(f"{path} was written to, or is another disk, since the child was made")
    raise DiskUnreadableError(
        f"no parent of {child.path} can be used: " + ("; ".join(failures) or "it names no path"),
        hint="look with Get-VHD at ParentPath on the host; Test-VHD checks the whole chain",
        path=child.path,
    )


def _linkages(path: str, locator: Mapping[str, str]) -> set[UUID]:
    """The DataWriteGuids that prove the parent; a second one stands there during a merge."""
    texts = [locator[k] for k in ("parent_linkage", "parent_linkage2") if k in locator]
    if "parent_linkage" not in locator:
        raise damaged(path, "parent locator", "lacks parent_linkage")
    try:
        return {UUID(text) for text in texts} - {NO_GUID}
    except ValueError as fault:
        raise damaged(path, "parent locator", "has a parent_linkage that is no GUID") from fault
