"""How fast data sources change and how long their jobs take, from their newest points."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from typing import Any, Final

from sqlalchemy import Row, Select, and_, func, literal, select

from reconciler.model.names import DataSourceId
from reconciler.model.observed import Activity
from reconciler.model.protection import CauseKind
from reconciler.record.database import Database
from reconciler.record.tables import Instant, data_source, from_microseconds, job, recovery_point
from reconciler.record.work import JobState

RECENT: Final = 8
"""So many of its newest points count."""
_FIRST: Final = from_microseconds(0)
_COUNTED: Final = frozenset({CauseKind.SLOT.value, CauseKind.REQUEST.value})
"""A check may read all there is, whatever has changed."""


class Activities:
    """The part of the catalogue that knows how busy data sources are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def activity(self) -> Mapping[DataSourceId, Activity]:
        """Of each data source with more than its first copy, in one look at few points of each."""
        with self._database.reading() as connection:
            # ordered here: SQLite would walk all points in order, to save sorting the few
            found = connection.execute(_newest()).all()
            rows = sorted((row for row in found if row.data_source is not None), key=_order)
        by_source = groupby(rows, key=lambda row: DataSourceId(row.data_source))
        activities = {source: _activity(list(points)) for source, points in by_source}
        return {source: each for source, each in activities.items() if each != Activity()}


def _newest() -> Select[*tuple[Any, ...]]:
    """The newest points of each source, and the one before them."""
    before = (
        select(recovery_point.c.captured_at)
        .where(recovery_point.c.data_source == data_source.c.id)
        .order_by(recovery_point.c.captured_at.desc())
        .limit(1)
        .offset(RECENT)
        .correlate(data_source)
        .scalar_subquery()
    )
    is_recent = and_(
        recovery_point.c.data_source == data_source.c.id,
        recovery_point.c.captured_at >= func.coalesce(before, literal(_FIRST, Instant)),
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
        # an outer join, because SQLite would rather walk all points than begin at the sources
        .outerjoin(recovery_point, is_recent)
        .outerjoin(job, by_its_job)
    )


def _order(row: Row[*tuple[Any, ...]]) -> tuple[str, datetime]:
    return str(row.data_source), row.captured_at


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
