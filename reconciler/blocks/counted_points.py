"""Reference counts that follow the recovery points of a repository."""

from typing import Final

from reconciler.blocks.counts import CountedPoint, ReferenceCounts
from reconciler.blocks.layout import MANIFESTS
from reconciler.blocks.repository import Repository
from reconciler.blocks.shard_counts import CountsLostError
from reconciler.errors import BlockDamagedError, BlockMissingError, ItemNotFoundError
from reconciler.model.names import DataSourceId, RecoveryPointId

_SLASHES: Final = 2
"""Of a manifest's name; objects of other names are none of ours."""


class CountedPoints:
    """Counts as they were kept, and what was sealed and dropped since."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._objects = repository.writing().objects
        self._counts = kept_counts(repository)

    def brought_up_to_date(self) -> ReferenceCounts:
        """Counts of the points that there are now; those that were lost are made anew.

        Raises:
            BlockDamagedError: What a point refers to cannot be told.
            BlockMissingError: As above.
            CountsLostError: They are of no use any more.
        """
        counts = self._counts
        there = {n: s for n, s in self._objects.stamps(MANIFESTS) if n.count("/") == _SLASHES}
        before = {n: each for n, each in counts.points.items() if there.get(n) != each.stamp}
        for name in sorted(there):
            if name not in counts.points or name in before:
                self._add(counts, name, there[name])
        # Who deleted them may have died before that was durable.
        for source in {name.rpartition("/")[0] for name in before}:
            self._objects.settle(source)
        # After: what the new ones share with them has been counted.
        for name, point in before.items():
            try:
                counts.remove(point.trees, self._repository.packs.nodes)
            except (BlockDamagedError, BlockMissingError) as error:
                raise CountsLostError(name) from error
            if counts.points.get(name) is point:
                del counts.points[name]
        return counts

    def _add(self, counts: ReferenceCounts, name: str, stamp: str) -> None:
        _, source, point = name.split("/")
        try:
            manifest = self._repository.manifest(DataSourceId(source), RecoveryPointId(point))
        except ItemNotFoundError:
            return  # deleted meanwhile
        trees = tuple((disk.tree.shape.height - 1, disk.root) for disk in manifest.disks)
        try:
            counts.add(trees, self._repository.packs.nodes)
        except (BlockMissingError, BlockDamagedError) as error:
            raise type(error)(
                f"nobody can tell what recovery point {point} of {source} uses: {error.message}",
                hint=error.hint,
                **error.facts,
            ) from error
        counts.points[name] = CountedPoint(stamp=stamp, trees=trees)


def kept_counts(repository: Repository) -> ReferenceCounts:
    """The counts as they were kept last, in the cache folder."""
    # What was looked at is told by sequences, which are the writer's own.
    folder = repository.cache / f"counts-{repository.writing().numbers.writer}"
    return ReferenceCounts(folder, str(repository.id))
