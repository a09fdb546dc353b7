"""Recovery points as they are asked for and let go."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, select, true

from reconciler.errors import ItemNotFoundError
from reconciler.model.names import DataSourceId, GroupName, RecoveryPointId
from reconciler.model.observed import StoredGrowth
from reconciler.model.protection import RecoveryPoint
from reconciler.record import points
from reconciler.record.database import Database
from reconciler.record.encoding import MOST_TEXT
from reconciler.record.tables import data_source, recovery_point, replica

_BY_AGE = (recovery_point.c.captured_at, recovery_point.c.id)


class RecoveryPoints:
    """The part of the catalogue that knows recovery points."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
            rows = connection.execute(select(recovery_point).order_by(*_BY_AGE))
            return points.by_source(rows)

    def old_points(
        self, before: Mapping[GroupName, datetime]
    ) -> Mapping[DataSourceId, tuple[RecoveryPoint, ...]]:
        """Recovery points that were captured before the moment of their group; never a head.

        Those of other groups are not looked at.

        Shape: by capture time, oldest first; sources without any are absent.
        """
        found: dict[DataSourceId, tuple[RecoveryPoint, ...]] = {}
        with self._database.reading() as connection:
            for group, at in before.items():
                found |= points.by_source(connection.execute(_older(group, at)))
        return found

    def mark_damaged(
        self, damaged: Mapping[RecoveryPointId, str], sound: Iterable[RecoveryPointId]
    ) -> None:
        """Write down what a verification found: which points are damaged, and which are not."""
        changes: dict[RecoveryPointId, str | None] = dict.fromkeys(sound)
        changes.update({point: text[:MOST_TEXT] for point, text in damaged.items()})
        with self._database.writing() as connection:
            for point, text in changes.items():
                connection.execute(
                    recovery_point.update()
                    .where(recovery_point.c.id == point, recovery_point.c.damage.is_not(text))
                    .values(damage=text)
                )

    def point_counts(self) -> Mapping[DataSourceId, int]:
        """How many recovery points each data source has; those without any are absent."""
        return self._counts(true())

    def damaged_counts(self) -> Mapping[DataSourceId, int]:
        """How many of its recovery points are known to be damaged; those without are absent."""
        return self._counts(recovery_point.c.damage.is_not(None))

    def _counts(self, which: ColumnElement[bool]) -> Mapping[DataSourceId, int]:
        source = recovery_point.c.data_source
        query = select(source, func.count().label("points")).where(which).group_by(source)
        with self._database.reading() as connection:
            rows = connection.execute(query)
            return {DataSourceId(row.data_source): row.points for row in rows}

    def growth(self) -> Mapping[DataSourceId, StoredGrowth]:
        """What each data source has stored; reads all points, so it is for who asks."""
        of = recovery_point.c.data_source
        captured, stored = recovery_point.c.captured_at, recovery_point.c.bytes_stored
        span = select(
            of,
            func.sum(stored).label("stored"),
            func.min(captured).label("since"),
            func.max(captured).label("until"),
        )
        sums = span.group_by(of).subquery()
        is_first = (of == sums.c.data_source) & (captured == sums.c.since)
        query = (
            select(sums, replica.c.created_bytes, func.max(stored).label("first"))
            .select_from(sums)
            .join(recovery_point, is_first)
            .outerjoin(replica, replica.c.data_source == sums.c.data_source)
            .group_by(*sums.c, replica.c.created_bytes)
        )
        with self._database.reading() as connection:
            return {DataSourceId(r.data_source): _growth(r) for r in connection.execute(query)}

    def drop_points(self, ids: Iterable[RecoveryPointId]) -> None:
        """Forget recovery points that were pruned; unknown ones are no error.

        Raises:
            CatalogueError: One of them is the head of a replica; all were kept.
        """
        with self._database.writing() as connection:
            points.drop(connection, tuple(ids))


def _growth(row: Row[*tuple[Any, ...]]) -> StoredGrowth:
    return StoredGrowth(row.created_bytes, row.stored - row.first, row.since, row.until)


def _older(group: GroupName, at: datetime) -> Select[*tuple[Any, ...]]:
    """Of one group, because for several bounds at once SQLite would walk through all points."""
    return (
        select(recovery_point)
        .join(replica, replica.c.data_source == recovery_point.c.data_source)
        .join(data_source, data_source.c.id == recovery_point.c.data_source)
        .where(
            data_source.c.protection_group == group,
            recovery_point.c.captured_at < at,
            recovery_point.c.id != replica.c.head_recovery_point,
        )
        .order_by(*_BY_AGE)
    )
