"""Replicas, and the reference points that changes are counted from."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, select

from reconciler.errors import CatalogueError, CatalogueLockedError
from reconciler.model.names import DataSourceId, RecoveryPointId, ReferencePointId, VolumeId
from reconciler.model.protection import CauseKind, Head, RecoveryPoint, Replica, ReplicaState
from reconciler.record import points, replica_rows, tables
from reconciler.record.database import Database
from reconciler.record.doubts import settle
from reconciler.record.encoding import rct_ids, rct_ids_text
from reconciler.record.entries import OwnReferencePoint
from reconciler.record.tables import inconsistency, recovery_point, replica
from reconciler.record.work import Job, JobState

COMPARES_ALL = frozenset({CauseKind.REPLICA_CREATION, CauseKind.CONSISTENCY_CHECK})
_MISSING = {
    "state": ReplicaState.MISSING.value,
    "volume": None,
    "head_recovery_point": None,
    "head_reference_point": None,
    "head_rct_ids": "{}",
    "checked_at": None,
    "doubt": "",
    "doubted_during": None,
    "created_bytes": None,
}


class Replicas:
    """The part of the catalogue that knows replicas."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replicas(self) -> Mapping[DataSourceId, Replica]:
        """The replica of every data source; one that was never made is MISSING.

        Its latest capture is its head's, and not the greatest time there is: a clock that was
        ahead for a while leaves points from the future behind.
        """
        source = tables.data_source
        head = recovery_point.c.captured_at.label("latest_at")
        query = select(source.c.id, replica, head).select_from(
            source.outerjoin(replica, replica.c.data_source == source.c.id).outerjoin(
                recovery_point, recovery_point.c.id == replica.c.head_recovery_point
            )
        )
        with self._database.reading() as connection:
            return {DataSourceId(row.id): _replica(row) for row in connection.execute(query)}

    def place(self, source: DataSourceId, volume: VolumeId) -> None:
        """Decide where a replica lives.

        Raises:
            CatalogueError: It lives on another volume already.
        """
        with self._database.writing() as connection:
            known = replica_rows.one(connection, source)
            if known.head_recovery_point is not None and known.volume != volume:
                raise CatalogueError(
                    f"the replica of {source} lives on volume {known.volume}",
                    hint="a replica stays on its volume; keep that volume in the pool",
                )
            replica_rows.change(connection, source, volume=volume)

    def commit_point(self, point: RecoveryPoint, head: Head, job: Job) -> None:
        """Make a sealed recovery point the head of its replica.

        A replica that was missing is consistent from then on. One that is inconsistent stays so,
        unless this point compared all of it (see `doubts`). The head's reference point becomes the
        current one, all others of the data source are superseded. Committing a point that stands
        here already changes nothing.

        Raises:
            CatalogueLockedError: The job was taken over or has ended; nothing was written.
            CatalogueError: The point does not fit its head, its volume or what stands here.
        """
        with self._database.writing() as connection:
            state = _held(connection, job)
            if points.stands(connection, point):
                return
            if state is not JobState.RUNNING:
                raise _lost(job)
            _write_point(connection, point, head, may_settle=True)

    def adopt_point(self, point: RecoveryPoint, head: Head) -> None:
        """A sealed point that a manifest tells of and no job of ours made; newest last.

        It settles no doubt: nobody knows whether it is younger.
        """
        with self._database.writing() as connection:
            if not points.stands(connection, point):
                _write_point(connection, point, head, may_settle=False)

    def note_created(self, source: DataSourceId, bytes_stored: int) -> None:
        """What the replica took when it was created, where that is more than its first point did.

        Units: bytes.
        """
        with self._database.writing() as connection:
            replica_rows.change(connection, source, created_bytes=bytes_stored)

    def delete_replica(self, source: DataSourceId) -> None:
        """Forget all points of a data source and that it has a replica; repeating it is no error.

        Its reference points are superseded: they are to be removed from their host.
        """
        with self._database.writing() as connection:
            replica_rows.change(connection, source, **_MISSING)
            points.supersede_all(connection, source)
            points.delete(connection, recovery_point.c.data_source == source)
            connection.execute(inconsistency.delete().where(inconsistency.c.data_source == source))

    def reference_points(self) -> tuple[OwnReferencePoint, ...]:
        """All reference points that are ours."""
        with self._database.reading() as connection:
            return points.references(connection)

    def superseded_reference_points(self) -> tuple[OwnReferencePoint, ...]:
        """Reference points that no head needs: to be removed from their host, then forgotten."""
        return tuple(p for p in self.reference_points() if not p.is_current)

    def remember_superseded(self, source: DataSourceId, made: ReferencePointId) -> None:
        """Own a reference point that a failed job left on its host, so that it gets removed."""
        with self._database.writing() as connection:
            points.own(connection, source, made)

    def forget_reference_point(self, reference_point: ReferencePointId) -> None:
        """Forget one that was removed from its host; an unknown one is no error.

        Raises:
            CatalogueError: It is the one that changes are counted from.
        """
        with self._database.writing() as connection:
            points.forget_reference(connection, reference_point)


def _held(connection: Connection, job: Job) -> JobState:
    """The state of a job that nobody took over.

    Raises:
        CatalogueLockedError: Somebody did.
    """
    row = connection.execute(
        select(tables.job.c.epoch, tables.job.c.state).where(tables.job.c.id == job.id)
    ).first()
    if row is None or row.epoch != job.epoch:
        raise _lost(job)
    return JobState(row.state)


def _lost(job: Job) -> CatalogueLockedError:
    return CatalogueLockedError(
        f"job {job.id} ({job.kind}) is no longer held by {job.owner}",
        hint="nothing is lost: whoever holds it now finishes it or cleans up after it",
        job=job.id,
        epoch=job.epoch,
    )


def _write_point(
    connection: Connection, point: RecoveryPoint, head: Head, *, may_settle: bool
) -> None:
    known = replica_rows.one(connection, point.source)
    if (head.source, head.recovery_point) != (point.source, point.id):
        raise CatalogueError(
            f"recovery point {point.id} was given the head of {head.recovery_point}",
            hint="this is a fault of the program: report it with the log",
        )
    if known.volume not in {None, point.volume}:
        raise CatalogueError(
            f"recovery point {point.id} lies on volume {point.volume}, its replica on "
            f"{known.volume}",
            hint="a replica stays on its volume; keep that volume in the pool",
        )
    points.insert(connection, point)
    points.supersede(connection, head)
    replica_rows.change(
        connection,
        point.source,
        volume=point.volume,
        head_recovery_point=head.recovery_point,
        head_reference_point=head.reference_point,
        head_rct_ids=rct_ids_text(head.rct_ids),
    )
    compares_all = point.cause.kind in COMPARES_ALL
    if compares_all:
        replica_rows.change(connection, point.source, checked_at=point.captured_at)
    if known.state == ReplicaState.MISSING.value:
        consistent, stored = ReplicaState.CONSISTENT.value, point.bytes_stored
        replica_rows.change(connection, point.source, state=consistent, created_bytes=stored)
    elif compares_all and may_settle and known.doubted_during != point.job:
        settle(connection, point.source, point.captured_at)


def _replica(row: Row[*tuple[Any, ...]]) -> Replica:
    source = DataSourceId(row.id)
    if row.state is None:
        return Replica(source, ReplicaState.MISSING, None, None, row.latest_at)
    head = row.head_recovery_point and Head(
        source,
        RecoveryPointId(row.head_recovery_point),
        row.head_reference_point and ReferencePointId(row.head_reference_point),
        rct_ids(row.head_rct_ids),
    )
    return Replica(
        source,
        ReplicaState(row.state),
        row.volume and VolumeId(row.volume),
        head,
        row.latest_at,
        row.checked_at,
        row.doubt,
    )
