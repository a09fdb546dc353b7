"""What repositories tell, taken into a catalogue that knows nothing of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from reconciler.model.names import ReferencePointId
from reconciler.model.protection import DataSource, Head, RecoveryPoint, ReplicaState
from reconciler.record import points, replica_rows
from reconciler.record.database import Database
from reconciler.record.encoding import MOST_TEXT, rct_ids_text
from reconciler.record.entries import KnownDisk
from reconciler.record.replicas import COMPARES_ALL
from reconciler.record.tables import inconsistency


@dataclass(frozen=True, slots=True)
class FoundReplica:
    """One replica as its repository tells of it.

    Shape: at least one point, oldest first, all on one volume; the head names one of them.
    """

    source: DataSource
    disks: tuple[KnownDisk, ...]
    points: tuple[RecoveryPoint, ...]
    head: Head
    doubt: str = ""
    """Why its next backup has to compare all of it; empty when it is as it should be."""
    stray: ReferencePointId | None = None
    """A reference point of ours that the head cannot count from: to be removed from its host."""

    @property
    def newest(self) -> RecoveryPoint:
        """The point that was captured last."""
        return self.points[-1]


class Adoption:
    """The part of the catalogue that takes over what repositories tell."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def adopt_points(self, found: FoundReplica, now: datetime) -> None:
        """All points of a replica that has none here, all or none; its source is known already."""
        source, head = found.source.id, found.head
        with self._database.writing() as connection:
            replica_rows.one(connection, source)
            points.insert(connection, *found.points)
            if found.stray is not None:
                points.own(connection, source, found.stray)
            points.supersede(connection, head)
            replica_rows.change(
                connection,
                source,
                state=ReplicaState.CONSISTENT.value,
                volume=found.newest.volume,
                head_recovery_point=head.recovery_point,
                head_reference_point=head.reference_point,
                head_rct_ids=rct_ids_text(head.rct_ids),
                checked_at=_checked_at(found.points),
            )
            if found.doubt:
                _doubt(connection, found, now)


def _checked_at(found: Sequence[RecoveryPoint]) -> datetime | None:
    """When all of the replica was compared last, as far as a point still tells."""
    return max((p.captured_at for p in found if p.cause.kind in COMPARES_ALL), default=None)


def _doubt(connection: Connection, found: FoundReplica, now: datetime) -> None:
    source, reason = found.source.id, found.doubt[:MOST_TEXT]
    replica_rows.change(connection, source, state=ReplicaState.INCONSISTENT.value, doubt=reason)
    connection.execute(
        inconsistency.insert().values(data_source=source, began_at=now, reason=reason)
    )
