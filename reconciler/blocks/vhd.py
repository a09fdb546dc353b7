"""Open a VHD: the file, its parents, and proof that they belong together.

A child names its parent's unique id and, in parent locators, its path. Unlike a VHDX it does not
prove that the parent was left alone since: nothing in a VHD's footer changes with its data. So a
parent is taken if its id and size are right, as Hyper-V does.

Source: [VHD] Dynamic Disk Header Format and Splitting, see vhd_format.
"""

from collections.abc import Sequence

from reconciler.blocks.disk_chain import MAX_CHAIN_FILES, DiskChain
from reconciler.blocks.lru import Lru
from reconciler.blocks.parent_paths import candidates, path_key
from reconciler.blocks.vhd_faults import damaged
from reconciler.blocks.vhd_format import SECTOR_BYTES
from reconciler.blocks.vhd_image import TABLE_CACHE_BYTES, Image
from reconciler.blocks.vhd_layout import Layout, Parent, read_layout
from reconciler.errors import DiskUnreadableError, HostRefusedError
from reconciler.model.machine import DiskFormat, DiskGeometry
from reconciler.ports import DiskFiles


def open_chain(files: DiskFiles, path: str) -> DiskChain:
    """Open a VHD with all its parents.

    Raises:
        DiskUnreadableError: A file breaks the format, or a parent is missing or another one.
        DiskNotSupportedError: A file is a VHDX, or was made before Virtual PC 2004.
    """
    layouts = [read_layout(files.open(path), path)]
    seen = {path_key(path)}
    while (wanted := layouts[-1].parent) is not None:
        child = layouts[-1]
        if len(layouts) == MAX_CHAIN_FILES:
            raise damaged(path, "chain", f"has more than {MAX_CHAIN_FILES} files")
        parent = _parent(files, child, wanted)
        if path_key(parent.path) in seen:
            raise damaged(child.path, "parent locator", f"leads back to {parent.path}")
        seen.add(path_key(parent.path))
        layouts.append(parent)
    return _chain(layouts)


def _chain(layouts: Sequence[Layout]) -> DiskChain:
    """The disk; its id is that of its base, as every file of a chain has one of its own."""
    leaf = layouts[0]
    geometry = DiskGeometry(
        leaf.virtual_bytes, SECTOR_BYTES, SECTOR_BYTES, DiskFormat.VHD, leaf.block_bytes
    )
    share = TABLE_CACHE_BYTES // len(layouts)
    images = [Image(layout, Lru(share)) for layout in layouts]
    return DiskChain(images, geometry, str(layouts[-1].unique_id))


def _parent(files: DiskFiles, child: Layout, wanted: Parent) -> Layout:
    failures: list[str] = []
    named = (wanted.relative_path, wanted.absolute_path, wanted.name)
    for path in candidates(child.path, *named):
        try:
            parent = read_layout(files.open(path), path)
        except (DiskUnreadableError, HostRefusedError) as failure:
            failures.append(failure.message)
            continue
        if parent.unique_id != wanted.unique_id:
            failures.append(f"{path} is another disk than the one the child was made over")
        elif parent.virtual_bytes != child.virtual_bytes:
            failures.append(f"{path} was resized since the child was made")
        else:
            return parent
    raise DiskUnreadableError(
        f"no parent of {child.path} can be used: " + ("; ".join(failures) or "it names no path"),
        hint="look with Get-VHD at ParentPath on the host; Test-VHD checks the whole chain",
        path=child.path,
    )
