"""Rows of recovery points and reference points, inside a transaction of the caller."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from reconciler.errors import CatalogueError
from reconciler.model.names import (
    DataSourceId,
    JobId,
    RecoveryPointId,
    ReferencePointId,
    VolumeId,
)
from reconciler.model.protection import Cause, CauseKind, Consistency, Head, RecoveryPoint
from reconciler.record.encoding import rct_ids, rct_ids_text
from reconciler.record.entries import OwnReferencePoint, ReferencePointState
from reconciler.record.tables import recovery_point, reference_point, replica, volume

_PointRow = Row[*tuple[Any, ...]]

_MOST_VARIABLES = 500
"""Values in one IN list: SQLite of old had room for 999 in a statement."""


def stands(connection: Connection, point: RecoveryPoint) -> bool:
    """Whether the point is written down already.

    Raises:
        CatalogueError: One of that id is, and belongs to another data source.
    """
    owner = connection.scalar(
        select(recovery_point.c.data_source).where(recovery_point.c.id == point.id)
    )
    if owner not in {None, point.source}:
        raise CatalogueError(
            f"recovery point {point.id} of {point.source} is one of {owner} here",
            hint="this is a fault of the program: report it with the log",
        )
    return owner is not None


def insert(connection: Connection, *points: RecoveryPoint) -> None:
    """Write new points."""
    rows = [
        {
            "id": point.id,
            "data_source": point.source,
            "volume": point.volume,
            "captured_at": point.captured_at,
            "consistency": point.consistency.value,
            "cause": point.cause.kind.value,
            "slot_at": point.cause.slot_at,
            "job": point.job,
            "bytes_read": point.bytes_read,
            "bytes_stored": point.bytes_stored,
            "damage": point.damage or None,
        }
        for point in points
    ]
    connection.execute(recovery_point.insert(), rows)


def one(connection: Connection, point: RecoveryPointId) -> RecoveryPoint | None:
    """A point by its id."""
    row = connection.execute(select(recovery_point).where(recovery_point.c.id == point)).first()
    return None if row is None else _point(row)


def of_source(connection: Connection, source: DataSourceId) -> tuple[RecoveryPoint, ...]:
    """Points of one data source, oldest first."""
    rows = connection.execute(
        select(recovery_point)
        .where(recovery_point.c.data_source == source)
        .order_by(recovery_point.c.captured_at, recovery_point.c.id)
    )
    return tuple(map(_point, rows))


def by_source(rows: Iterable[_PointRow]) -> Mapping[DataSourceId, tuple[RecoveryPoint, ...]]:
    """Rows of points, in their order, by data source."""
    found: dict[DataSourceId, list[RecoveryPoint]] = {}
    for row in rows:
        point = _point(row)
        found.setdefault(point.source, []).append(point)
    return {source: tuple(points) for source, points in found.items()}


def drop(connection: Connection, ids: Sequence[RecoveryPointId]) -> None:
    """Delete points, but never a head."""
    for start in range(0, len(ids), _MOST_VARIABLES):
        some = ids[start : start + _MOST_VARIABLES]
        head = connection.scalar(
            select(replica.c.head_recovery_point).where(replica.c.head_recovery_point.in_(some))
        )
        if head is not None:
            raise CatalogueError(
                f"recovery point {head} is the head of its replica and cannot be dropped",
                hint="the newest point of a replica always stays",
            )
        delete(connection, recovery_point.c.id.in_(some))


def delete(connection: Connection, which: ColumnElement[bool]) -> None:
    """Delete points that no replica names, and note on which volumes they lay."""
    count = func.count().label("dropped")
    lay = select(recovery_point.c.volume, count).where(which).group_by(recovery_point.c.volume)
    for on, dropped in connection.execute(lay).all():
        total = volume.c.points_dropped + dropped
        connection.execute(volume.update().where(volume.c.id == on).values(points_dropped=total))
    connection.execute(recovery_point.delete().where(which))


def supersede(connection: Connection, head: Head) -> None:
    """Make the head's reference point the only current one of its data source."""
    supersede_all(connection, head.source)
    if head.reference_point is None:
        return
    own(connection, head.source, head.reference_point)
    connection.execute(
        reference_point.update()
        .where(reference_point.c.id == head.reference_point)
        .values(state=ReferencePointState.CURRENT.value, rct_ids=rct_ids_text(head.rct_ids))
    )


def supersede_all(connection: Connection, source: DataSourceId) -> None:
    """Leave a data source without a current reference point."""
    connection.execute(
        reference_point.update()
        .where(reference_point.c.data_source == source)
        .values(state=ReferencePointState.SUPERSEDED.value)
    )


def own(connection: Connection, source: DataSourceId, made: ReferencePointId) -> None:
    """Write a reference point down as superseded; one that stands here stays as it is.

    Raises:
        CatalogueError: It belongs to another data source.
    """
    owner = connection.scalar(
        select(reference_point.c.data_source).where(reference_point.c.id == made)
    )
    if owner is None:
        state = ReferencePointState.SUPERSEDED.value
        connection.execute(
            reference_point.insert().values(id=made, data_source=source, state=state, rct_ids="{}")
        )
    elif owner != source:
        raise CatalogueError(
            f"reference point {made} of {source} is one of {owner} here",
            hint="look for two machines with one id: reconciler show",
        )


def references(connection: Connection) -> tuple[OwnReferencePoint, ...]:
    """All reference points that are ours."""
    rows = connection.execute(select(reference_point).order_by(reference_point.c.id))
    return tuple(
        OwnReferencePoint(
            ReferencePointId(row.id),
            DataSourceId(row.data_source),
            ReferencePointState(row.state),
            rct_ids(row.rct_ids),
        )
        for row in rows
    )


def forget_reference(connection: Connection, gone: ReferencePointId) -> None:
    """Delete a superseded reference point."""
    state = connection.scalar(select(reference_point.c.state).where(reference_point.c.id == gone))
    if state == ReferencePointState.CURRENT.value:
        raise CatalogueError(
            f"reference point {gone} is the one that changes are counted from",
            hint="run a consistency check: it makes a new one",
        )
    connection.execute(reference_point.delete().where(reference_point.c.id == gone))


def _point(row: _PointRow) -> RecoveryPoint:
    return RecoveryPoint(
        id=RecoveryPointId(row.id),
        source=DataSourceId(row.data_source),
        volume=VolumeId(row.volume),
        captured_at=row.captured_at,
        consistency=Consistency(row.consistency),
        cause=Cause(CauseKind(row.cause), row.slot_at),
        job=JobId(row.job),
        bytes_read=row.bytes_read,
        bytes_stored=row.bytes_stored,
        damage=row.damage or "",
    )
