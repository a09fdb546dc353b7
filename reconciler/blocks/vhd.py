"""Open a VHD: the file, its parents, and proof that they belong together.

A child names its parent's unique id and, in parent locators, its path. Unlike a VHDX it does not
prove that the parent was left alone since: nothing in a VHD's footer changes with its data. So a
parent is taken if its id and size are right, as Hyper-V does.

Source: [VHD] Dynamic Disk Header Format and Splitting, see vhd_format.
"""

from collections.abc import Iterator, Sequence

from reconciler.blocks.disk_chain import DiskChain
from reconciler.blocks.disk_parents import found_parent, walked
from reconciler.blocks.disk_tables import CACHE_BYTES, TableCache
from reconciler.blocks.parent_paths import candidates
from reconciler.blocks.vhd_faults import damaged
from reconciler.blocks.vhd_format import SECTOR_BYTES
from reconciler.blocks.vhd_image import Image
from reconciler.blocks.vhd_layout import Layout, read_layout
from reconciler.model.machine import DiskFormat, DiskGeometry
from reconciler.ports import DiskFiles

__all__ = ["Layout", "joined_chain", "layouts", "open_chain"]


def open_chain(files: DiskFiles, path: str) -> DiskChain:
    """Open a VHD with all its parents.

    Raises:
        DiskUnreadableError: A file breaks the format, or a parent is missing or another one.
        DiskNotSupportedError: A file is a VHDX, or was made before Virtual PC 2004.
    """
    return joined_chain(list(layouts(files, path)))


def layouts(files: DiskFiles, path: str) -> Iterator[Layout]:
    """The files of a VHD, leaf first, each as soon as it is found; raises as `open_chain`."""
    leaf = read_layout(files.open(path), path)
    return walked(leaf, lambda child: _parent(files, child), damaged)


def joined_chain(layouts: Sequence[Layout]) -> DiskChain:
    """The disk; its id is that of its base, as every file of a chain has one of its own."""
    leaf = layouts[0]
    geometry = DiskGeometry(
        leaf.virtual_bytes, SECTOR_BYTES, SECTOR_BYTES, DiskFormat.VHD, leaf.block_bytes
    )
    cache = TableCache(CACHE_BYTES)
    images = [Image(layout, cache, index) for index, layout in enumerate(layouts)]
    return DiskChain(images, geometry, str(layouts[-1].unique_id))


def _parent(files: DiskFiles, child: Layout) -> Layout | None:
    if (wanted := child.parent) is None:
        return None

    def objection(parent: Layout) -> str:
        if parent.unique_id != wanted.unique_id:
            return f"{parent.path} is another disk than the one the child was made over"
        if parent.virtual_bytes != child.virtual_bytes:
            return f"{parent.path} was resized since the child was made"
        return ""

    named = (wanted.relative_path, wanted.absolute_path, wanted.name)
    return found_parent(
        child.path,
        candidates(child.path, *named),
        lambda path: read_layout(files.open(path), path),
        objection,
    )
