"""Replicas, their recovery points and the reference points that changes are counted from."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from reconciler.errors import CatalogueError, CatalogueLockedError, ItemNotFoundError
from reconciler.model.names import (
    DataSourceId,
    RecoveryPointId,
    ReferencePointId,
    VolumeId,
)
from reconciler.model.protection import (
    Head,
    RecoveryPoint,
    Replica,
    ReplicaState,
)
from reconciler.record import points, tables
from reconciler.record.database import Database
from reconciler.record.encoding import rct_ids, rct_ids_text
from reconciler.record.entries import InconsistentSpan, OwnReferencePoint
from reconciler.record.tables import inconsistency, recovery_point, replica
from reconciler.record.work import Job, JobState


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
            known = _row(connection, source)
            if known.head_recovery_point is not None and known.volume != volume:
                raise CatalogueError(
                    f"the replica of {source} lives on volume {known.volume}",
                    hint="a replica stays on its volume; keep that volume in the pool",
                )
            connection.execute(_of(source).values(volume=volume))

    def commit_point(self, point: RecoveryPoint, head: Head, job: Job) -> None:
        """Make a sealed recovery point the head of its replica, which is consistent from then on.

        The head's reference point becomes the current one, all others of the data source are
        superseded. Committing a point that stands here already changes nothing.

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
            _write_point(connection, point, head)

    def adopt_point(self, point: RecoveryPoint, head: Head) -> None:
        """A sealed point that a manifest tells of and no job of ours made; newest last."""
        with self._database.writing() as connection:
            if not points.stands(connection, point):
                _write_point(connection, point, head)

    def recovery_point(self, point: RecoveryPointId) -> RecoveryPoint:
        """One recovery point.

        Raises:
            ItemNotFoundError: There is none of that id.
        """
        with self._database.reading() as connection:
            found = points.one(connection, point)
        if found is None:
            raise ItemNotFoundError(
                f"there is no recovery point {point}",
                hint="list those of a machine: reconciler show MACHINE",
            )
        return found

    def recovery_points(self, source: DataSourceId) -> tuple[RecoveryPoint, ...]:
        """All recovery points of a data source.

        Shape: by capture time, oldest first.
        """
        with self._database.reading() as connection:
            return points.of_source(connection, source)

    def all_recovery_points(self) -> Mapping[DataSourceId, tuple[RecoveryPoint, ...]]:
        """All recovery points, in one look.

        Shape: by capture time, oldest first; sources without any are absent.
        """
        with self._database.reading() as connection:
            return points.by_source(connection)

    def drop_points(self, ids: Iterable[RecoveryPointId]) -> None:
        """Forget recovery points that were pruned; unknown ones are no error.

        Raises:
            CatalogueError: One of them is the head of a replica; all were kept.
        """
        with self._database.writing() as connection:
            points.drop(connection, tuple(ids))

    def mark_inconsistent(self, source: DataSourceId, reason: str, now: datetime) -> bool:
        """Distrust a replica until its next point; False when there is none, or it is already."""
        with self._database.writing() as connection:
            if _row(connection, source).state != ReplicaState.CONSISTENT.value:
                return False
            connection.execute(_of(source).values(state=ReplicaState.INCONSISTENT.value))
            # two at one instant are one: the time of a lab stands still
            span = (inconsistency.c.data_source == source, inconsistency.c.began_at == now)
            connection.execute(inconsistency.delete().where(*span))
            connection.execute(
                inconsistency.insert().values(data_source=source, began_at=now, reason=reason)
            )
            return True

    def inconsistent_spans(self) -> Mapping[DataSourceId, tuple[InconsistentSpan, ...]]:
        """When replicas were inconsistent; the last span of one that is has no end.

        Shape: oldest first.
        """
        found: dict[DataSourceId, tuple[InconsistentSpan, ...]] = {}
        with self._database.reading() as connection:
            query = select(inconsistency).order_by(inconsistency.c.began_at)
            for row in connection.execute(query):
                source = DataSourceId(row.data_source)
                span = InconsistentSpan(source, row.began_at, row.ended_at, row.reason)
                found[source] = (*found.get(source, ()), span)
        return found

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


def _write_point(connection: Connection, point: RecoveryPoint, head: Head) -> None:
    known = _row(connection, point.source)
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
    connection.execute(
        _of(point.source).values(
            state=ReplicaState.CONSISTENT.value,
            volume=point.volume,
            head_recovery_point=head.recovery_point,
            head_reference_point=head.reference_point,
            head_rct_ids=rct_ids_text(head.rct_ids),
        )
    )
    _end_inconsistency(connection, point)


def _end_inconsistency(connection: Connection, point: RecoveryPoint) -> None:
    its_open = (inconsistency.c.data_source == point.source, inconsistency.c.ended_at.is_(None))
    began_at = connection.scalar(select(inconsistency.c.began_at).where(*its_open))
    if began_at is not None:
        ended_at = max(began_at, point.captured_at)
        connection.execute(inconsistency.update().where(*its_open).values(ended_at=ended_at))


def _row(connection: Connection, source: DataSourceId) -> Row[*tuple[Any, ...]]:
    """The replica's row, made when it is missing."""
    query = select(replica).where(replica.c.data_source == source)
    found = connection.execute(query).first()
    if found is None:
        connection.execute(
            replica.insert().values(
                data_source=source, state=ReplicaState.MISSING.value, head_rct_ids="{}"
            )
        )
        return connection.execute(query).one()
    return found


def _of(source: DataSourceId) -> Any:
    return replica.update().where(replica.c.data_source == source)


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
    volume = row.volume and VolumeId(row.volume)
    return Replica(source, ReplicaState(row.state), volume, head, row.latest_at)
