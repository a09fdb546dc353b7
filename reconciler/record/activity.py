"""How fast data sources change and how long their jobs take, from their newest points."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from itertools import groupby, pairwise
from typing import Any, Final

from sqlalchemy import Row, Select, and_, func, select

from reconciler.model.names import DataSourceId
from reconciler.model.observed import Activity
from reconciler.model.protection import CauseKind
from reconciler.record.database import Database
from reconciler.record.tables import data_source, from_microseconds, job, recovery_point
from reconciler.record.work import JobState

RECENT: Final = 8
"""So many of its newest points count."""
_COUNTED: Final = frozenset({CauseKind.SLOT.value, CauseKind.REQUEST.value})
"""A check may read all there is, whatever has changed."""


class Activities:
    """The part of the catalogue that knows how busy data sources are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def activity(self) -> Mapping[DataSourceId, Activity]:
        """Of each data source with more than its first copy, in one look at few points of each."""
        with self._database.reading() as connection:
            rows = connection.execute(_newest()).all()
        found = {
            DataSourceId(source): _activity(list(points))
            for source, points in groupby(rows, key=lambda row: str(row.data_source))
        }
        return {source: each for source, each in found.items() if each != Activity()}


def _newest() -> Select[*tuple[Any, ...]]:
    """The newest points of each source, and the one before them, oldest first."""
    before = (
        select(recovery_point.c.captured_at)
        .where(recovery_point.c.data_source == data_source.c.id)
        .order_by(recovery_point.c.captured_at.desc())
        .limit(1)
        .offset(RECENT)
        .correlate(data_source)
        .scalar_subquery()
    )
    by_its_job = and_(job.c.id == recovery_point.c.job, job.c.state == JobState.SUCCEEDED.value)
    return (
        select(
            recovery_point.c.data_source,
            recovery_point.c.captured_at,
            recovery_point.c.cause,
            recovery_point.c.bytes_read,
            job.c.started_at,
            job.c.ended_at,
        )
        .select_from(data_source)
        .join(recovery_point, recovery_point.c.data_source == data_source.c.id)
        .outerjoin(job, by_its_job)
        .where(recovery_point.c.captured_at >= func.coalesce(before, from_microseconds(0)))
        .order_by(recovery_point.c.data_source, recovery_point.c.captured_at, recovery_point.c.id)
    )


def _activity(points: list[Row[*tuple[Any, ...]]]) -> Activity:
    changed, over = 0, timedelta()
    for before, point in pairwise(points):
        if point.cause in _COUNTED:
            changed += point.bytes_read
            over += point.captured_at - before.captured_at
    return Activity(changed, over, max(_durations(points), default=timedelta()))


def _durations(points: Iterable[Row[*tuple[Any, ...]]]) -> Iterable[timedelta]:
    for point in points:
        is_timed = point.started_at is not None and point.ended_at is not None
        if is_timed and point.cause != CauseKind.REPLICA_CREATION.value:
            yield max(timedelta(), point.ended_at - point.started_at)
