"""How fast data sources change and how long their jobs take."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

import pytest

from reconciler.model.names import PlanId
from reconciler.model.observed import Activity
from reconciler.model.protection import Cause, CauseKind, DataSource, Head, RecoveryPoint
from reconciler.record.activity import RECENT
from reconciler.record.catalogue import Catalogue
from reconciler.record.work import JobOrder, JobOutcome

HOUR = timedelta(hours=1)
GIB = 1 << 30
Add = Callable[..., None]


@pytest.fixture
def add(
    catalogue: Catalogue,
    source: DataSource,
    now: datetime,
    make_point: Callable[..., RecoveryPoint],
    make_head: Callable[..., Head],
) -> Add:
    """A point of that cause, an hour after the last one, made by a job that took so long."""
    numbers = count()

    def make(
        kind: CauseKind, read: int, took: timedelta = HOUR, *, is_success: bool = True
    ) -> None:
        number = next(numbers)
        order = JobOrder("backup", source.id, source.host, PlanId("plan"))
        job = catalogue.jobs.begin(order, "owner", now)
        cause = Cause(kind, None)
        point = replace(
            make_point(f"p{number}", number * 60), cause=cause, bytes_read=read, job=job.id
        )
        catalogue.commit_point(point, make_head(f"p{number}"), job)
        catalogue.jobs.finish(job.id, job.epoch, JobOutcome(is_success=is_success), now + took)

    return make


def test_changes_and_times_come_from_what_is_no_first_copy_and_no_check(
    catalogue: Catalogue, source: DataSource, add: Add
) -> None:
    add(CauseKind.REPLICA_CREATION, 900 * GIB, 90 * HOUR)
    add(CauseKind.SLOT, 3 * GIB, 2 * HOUR)
    add(CauseKind.CONSISTENCY_CHECK, 800 * GIB, 5 * HOUR)
    add(CauseKind.REQUEST, 1 * GIB, 1 * HOUR)

    assert catalogue.activity() == {source.id: Activity(4 * GIB, 2 * HOUR, 5 * HOUR)}


def test_a_first_copy_alone_says_nothing(
    catalogue: Catalogue, source: DataSource, add: Add
) -> None:
    assert catalogue.activity() == {}

    add(CauseKind.REPLICA_CREATION, 900 * GIB)

    assert source.id not in catalogue.activity()


def test_only_the_newest_points_count(catalogue: Catalogue, source: DataSource, add: Add) -> None:
    add(CauseKind.REPLICA_CREATION, 900 * GIB)
    for _ in range(3):
        add(CauseKind.SLOT, 100 * GIB, 50 * HOUR)
    for number in range(RECENT):
        add(CauseKind.SLOT, GIB, number * HOUR)

    found = catalogue.activity()[source.id]

    assert (found.changed_bytes, found.over) == (RECENT * GIB, RECENT * HOUR)
    # that of the point before them counts with its time
    assert found.longest_job == 50 * HOUR


def test_a_job_that_failed_or_was_forgotten_has_no_time(
    catalogue: Catalogue, source: DataSource, add: Add, now: datetime
) -> None:
    add(CauseKind.SLOT, GIB)
    add(CauseKind.SLOT, GIB, 9 * HOUR, is_success=False)

    assert catalogue.activity() == {source.id: Activity(GIB, HOUR, HOUR)}
    catalogue.jobs.drop_ended_before(now + 100 * HOUR)
    assert catalogue.activity() == {source.id: Activity(GIB, HOUR)}
