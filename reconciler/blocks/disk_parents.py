"""From the leaf of a chain to its base: parents are found by path and proven by id."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol, TypeVar

from reconciler.blocks.parent_paths import path_key
from reconciler.errors import DiskUnreadableError, HostRefusedError

MAX_CHAIN_FILES: Final = 64
"""Ours, to bound what a hostile file can make us open; Hyper-V allows 50 checkpoints."""


class _Layout(Protocol):
    @property
    def path(self) -> str: ...


L = TypeVar("L", bound=_Layout)
Damaged = Callable[[str, str, str], DiskUnreadableError]


def walked(leaf: L, parent_of: Callable[[L], L | None], damaged: Damaged) -> Iterator[L]:
    """The files of a chain, leaf first, each as soon as it is found.

    Raises:
        DiskUnreadableError: The chain leads back to itself, or never ends.
    """
    child, seen = leaf, {path_key(leaf.path)}
    yield leaf
    while (parent := parent_of(child)) is not None:
        if path_key(parent.path) in seen:
            raise damaged(child.path, "parent locator", f"leads back to {parent.path}")
        if len(seen) == MAX_CHAIN_FILES:
            raise damaged(leaf.path, "chain", f"has more than {MAX_CHAIN_FILES} files")
        seen.add(path_key(parent.path))
        yield parent
        child = parent


def found_parent(
    child_path: str,
    paths: Iterable[str],
    read: Callable[[str], L],
    objection: Callable[[L], str],
) -> L:
    """The first file among `paths` that nothing speaks against.

    Raises:
        DiskUnreadableError: There is none; why each was passed over is told.
    """
    failures: list[str] = []
    for path in paths:
        try:
            parent = read(path)
        except (DiskUnreadableError, HostRefusedError) as failure:
            failures.append(failure.message)
            continue
        if not (reason := objection(parent)):
            return parent
        failures.append(reason)
    raise DiskUnreadableError(
        f"no parent of {child_path} can be used: " + ("; ".join(failures) or "it names no path"),
        hint="look with Get-VHD at ParentPath on the host; Test-VHD checks the whole chain",
        path=child_path,
    )
