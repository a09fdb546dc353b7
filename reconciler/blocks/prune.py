"""Delete the packs that no recovery point refers to: mark what is used, delete the rest.

Only whole packs go; a pack of which one block is used stays as it is. Only packs of this writer
go, and only while no other server writes to the repository: a draft of its own may have found
blocks in what nothing refers to. See FORMAT.md, section 9.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from reconciler.blocks.layout import SLOT_BITS, pack_of
from reconciler.blocks.pack_reader import PackReader
from reconciler.blocks.repository import Repository
from reconciler.errors import BlockDamagedError, BlockMissingError, ItemNotFoundError
from reconciler.model.names import DataSourceId, RecoveryPointId


@dataclass(frozen=True, slots=True)
class Pruned:
    """What became free.

    Units: bytes, of the packs of all writers.
    """

    packs_deleted: int
    bytes_before: int
    bytes_after: int


def delete_unused_packs(
    repository: Repository, on_deleted: Callable[[int], None] = lambda _: None
) -> Pruned:
    """Delete packs in which no recovery point has a block or a node. Safe to kill and to repeat.

    `on_deleted` is told the number of each pack once it is gone.

    Raises:
        RepositoryLockedError: A draft is open, or another server writes to the repository;
            nothing was deleted.
        BlockDamagedError: What a recovery point refers to cannot be told; nothing was deleted.
        BlockMissingError: As above.
    """
    with repository.without_drafts():
        repository.require_alone()
        before = repository.stored_bytes()
        # Listed first: what is written from here on cannot be a candidate.
        packs = repository.own_packs()
        used = _used_packs(repository)
        unused = {number: names for number, names in packs.items() if number not in used}
        deleted = 0
        for number in repository.delete_packs(unused):
            deleted += 1
            on_deleted(number)
        return Pruned(deleted, before, repository.stored_bytes())


def _used_packs(repository: Repository) -> set[int]:
    """Numbers of all packs that a recovery point of any writer refers to."""
    mark = _Mark(repository.packs)
    seen: set[tuple[DataSourceId, RecoveryPointId]] = set()
    # another writer may seal a point while we look
    while new := set(_points(repository)) - seen:
        for source, point in sorted(new):
            _mark_point(mark, repository, source, point)
        seen |= new
    return mark.used


def _points(repository: Repository) -> Iterator[tuple[DataSourceId, RecoveryPointId]]:
    for source in repository.sources():
        for point in repository.manifests(source):
            yield source, point


def _mark_point(
    mark: "_Mark", repository: Repository, source: DataSourceId, point: RecoveryPointId
) -> None:
    try:
        manifest = repository.manifest(source, point)
    except ItemNotFoundError:
        return  # deleted meanwhile
    try:
        for disk in manifest.disks:
            mark.tree(disk.tree.shape.height - 1, disk.root)
    except (BlockMissingError, BlockDamagedError) as error:
        raise type(error)(
            f"nobody can tell which packs recovery point {point} of {source} uses: {error.message}",
            hint=error.hint,
            **error.facts,
        ) from error


class _Mark:
    """One walk over all trees; each node that they share is looked at once."""

    def __init__(self, packs: PackReader) -> None:
        self.used: set[int] = set()
        self._packs = packs
        self._seen: set[int] = set()

    def tree(self, level: int, address: int) -> None:
        """Mark the packs of a node and of all below it."""
        if not address or address in self._seen:
            return
        self._seen.add(address)
        self.used.add(pack_of(address))
        node = self._packs.node(address)
        below = node[np.flatnonzero(node)]
        if level == 0:
            self.used.update(np.unique(below >> np.uint64(SLOT_BITS)).tolist())
            return
        for child in below.tolist():
            self.tree(level - 1, child)
