"""Open a virtual disk: the file, its parents, and proof that they belong together.

A parent is found by the paths in its child's parent locator, first relative to the child, then
absolute. `volume_path` is left out: where it helps, the absolute path does, too. What proves a
parent is its DataWriteGuid, never its name.

Source: [MS-VHDX] 2.6.2.6.
"""

import ntpath
from collections.abc import Iterator, Mapping
from typing import Final
from uuid import UUID

from reconciler.blocks.vhdx_chain import DiskChain
from reconciler.blocks.vhdx_extents import Extent
from reconciler.blocks.vhdx_faults import damaged
from reconciler.blocks.vhdx_format import NO_GUID
from reconciler.blocks.vhdx_layout import Layout, read_layout
from reconciler.errors import DiskUnreadableError, HostRefusedError
from reconciler.ports import DiskFiles

__all__ = ["MAX_CHAIN_FILES", "DiskChain", "Extent", "open_chain"]

MAX_CHAIN_FILES: Final = 64


def open_chain(files: DiskFiles, path: str) -> DiskChain:
    """Open a virtual disk with all its parents.

    Raises:
        DiskUnreadableError: A file breaks the format, or a parent is missing or another one.
        DiskNotSupportedError: A file is a VHD, the older format.
    """
    layouts = [read_layout(files.open(path), path)]
    seen = {_key(path)}
    while layouts[-1].parent_locator is not None:
        child = layouts[-1]
        if len(layouts) == MAX_CHAIN_FILES:
            raise damaged(path, "chain", f"has more than {MAX_CHAIN_FILES} files")
        parent = _parent(files, child, child.parent_locator or {})
        if _key(parent.path) in seen:
            raise damaged(child.path, "parent locator", f"leads back to {parent.path}")
        if parent.shape.logical_sector_bytes != child.shape.logical_sector_bytes:
            raise damaged(child.path, "logical sector size", f"is not that of {parent.path}")
        seen.add(_key(parent.path))
        layouts.append(parent)
    return DiskChain(layouts)


def _parent(files: DiskFiles, child: Layout, locator: Mapping[str, str]) -> Layout:
    linkages = _linkages(child.path, locator)
    failures: list[str] = []
    for path in _candidates(child.path, locator):
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


def _candidates(child_path: str, locator: Mapping[str, str]) -> Iterator[str]:
    relative = locator.get("relative_path")
    absolute = locator.get("absolute_win32_path")
    found = []
    if relative:
        found.append(ntpath.normpath(ntpath.join(ntpath.dirname(child_path), relative)))
    if absolute:
        found.append(_without_prefix(absolute))
    yield from dict.fromkeys(path for path in found if "\0" not in path)


def _without_prefix(path: str) -> str:
    r"""An extended-length path in its usual form, from \\?\C:\… or \\?\UNC\server\share\…."""
    if path.upper().startswith("\\\\?\\UNC\\"):
        return "\\\\" + path[8:]
    return path.removeprefix("\\\\?\\")


def _key(path: str) -> str:
    return ntpath.normcase(ntpath.normpath(_without_prefix(path)))
