"""What the catalogue promises of a volume, against what its repository holds.

Whoever only walks through the manifests that are there misses those that are not.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.app import App
from reconciler.blocks.repository import Repository
from reconciler.errors import BlockDamagedError, BlockMissingError, ReconcilerError
from reconciler.model.names import DataSourceId, RecoveryPointId, VolumeId

Promised = Mapping[DataSourceId, set[RecoveryPointId]]


@dataclass(frozen=True, slots=True)
class Promises:
    """Recovery points and heads that have to be there, as the catalogue said before the look."""

    points: Promised
    heads: frozenset[DataSourceId]

    @classmethod
    def now(cls, app: App, volume: VolumeId, chosen: DataSourceId | None) -> "Promises":
        """Of all machines, or of the chosen one."""
        points: dict[DataSourceId, set[RecoveryPointId]] = {}
        for source, found in app.catalogue.all_recovery_points().items():
            here = {point.id for point in found if point.volume == volume}
            if here and chosen in {None, source}:
                points[source] = here
        replicas = app.catalogue.replicas()
        heads = (s for s in points if (r := replicas.get(s)) and r.head and r.volume == volume)
        return cls(points, frozenset(heads))

    def lost_points(
        self, repository: Repository, after: "Promises"
    ) -> dict[tuple[DataSourceId, RecoveryPointId], ReconcilerError]:
        """Points without a manifest; not those that expired while we looked.

        Args:
            repository: What is there.
            after: What the catalogue says now, after the look.
        """
        return {
            (source, point): BlockMissingError(
                "its manifest is not in the repository",
                hint="put it back from a copy of the repository",
            )
            for source, points in self.points.items()
            for point in sorted(
                (points & after.points.get(source, set())) - set(repository.manifests(source))
            )
        }

    def lost_heads(
        self, repository: Repository, after: "Promises"
    ) -> dict[DataSourceId, ReconcilerError]:
        """Replicas whose next changes count from nowhere."""
        found: dict[DataSourceId, ReconcilerError] = {}
        for source in sorted(self.heads & after.heads):
            try:
                head = repository.head(source)
            except BlockDamagedError as error:
                found[source] = error
                continue
            if head is None:
                found[source] = BlockMissingError(
                    "its head is not in the repository", hint="request a consistency check"
                )
        return found
