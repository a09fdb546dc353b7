"""Recovery points as they are asked for and let go."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select

from reconciler.errors import ItemNotFoundError
from reconciler.model.names import DataSourceId, GroupName, RecoveryPointId
from reconciler.model.protection import RecoveryPoint
from reconciler.record import points
from reconciler.record.database import Database
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

    def point_counts(self) -> Mapping[DataSourceId, int]:
        """How many recovery points each data source has; those without any are absent."""
        count = func.count().label("points")
        query = select(recovery_point.c.data_source, count).group_by(recovery_point.c.data_source)
        with self._database.reading() as connection:
            rows = connection.execute(query)
            return {DataSourceId(row.data_source): row.points for row in rows}

    def drop_points(self, ids: Iterable[RecoveryPointId]) -> None:
        """Forget recovery points that were pruned; unknown ones are no error.

        Raises:
            CatalogueError: One of them is the head of a replica; all were kept.
        """
        with self._database.writing() as connection:
            points.drop(connection, tuple(ids))


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
