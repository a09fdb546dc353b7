"""Failures in a row, as they are counted at the end of each job."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from reconciler.model.machine import NaturalKey, Role
from reconciler.model.names import DataSourceId, GroupName, HostName, PlanId, VmId
from reconciler.model.protection import DataSource
from reconciler.record.catalogue import Catalogue
from reconciler.record.work import Failures, JobOrder, JobOutcome

SECOND = timedelta(seconds=1)
End = Callable[..., None]

DONE = JobOutcome(is_success=True)


def failed(code: str = "host") -> JobOutcome:
    return JobOutcome(is_success=False, code=code, message=f"{code} said no", retry="later")


@pytest.fixture
def end(catalogue: Catalogue, source: DataSource, now: datetime) -> End:
    """One job from its beginning to its end."""

    def run(
        outcome: JobOutcome,
        seconds: int = 0,
        kind: str = "express_full_backup",
        of: DataSourceId | None = source.id,
    ) -> None:
        job = catalogue.jobs.begin(JobOrder(kind, of, None, PlanId("p")), "hv:1:a", now)
        assert catalogue.jobs.finish(job.id, job.epoch, outcome, now + seconds * SECOND)

    return run


def test_failures_in_a_row_are_counted_and_the_latest_is_told(
    catalogue: Catalogue, source: DataSource, end: End, now: datetime
) -> None:
    end(failed(), 1)
    end(failed("repository"), 2)

    expected = Failures(2, now + 2 * SECOND, "repository", "later", "repository said no")
    assert catalogue.jobs.failures() == {source.id: expected}


def test_a_success_ends_the_row(catalogue: Catalogue, source: DataSource, end: End) -> None:
    end(failed())
    end(DONE)
    assert catalogue.jobs.failures() == {}

    end(failed())
    assert catalogue.jobs.failures()[source.id].count == 1


def test_a_clock_that_was_set_back_hides_no_success(catalogue: Catalogue, end: End) -> None:
    end(failed(), 3600)
    end(DONE, 0)

    assert catalogue.jobs.failures() == {}


def test_to_have_tidied_up_does_not_end_a_row_of_failed_backups(
    catalogue: Catalogue, source: DataSource, end: End
) -> None:
    for _ in range(2):
        end(DONE, kind="remove_leftovers")
        end(failed())

    assert catalogue.jobs.failures()[source.id].count == 2


def test_to_have_tidied_up_at_last_ends_a_row_of_that(catalogue: Catalogue, end: End) -> None:
    end(failed(), kind="remove_leftovers")
    end(DONE, kind="remove_leftovers")

    assert catalogue.jobs.failures() == {}


def test_a_clean_up_that_failed_once_hides_no_failed_backups(
    catalogue: Catalogue, source: DataSource, end: End
) -> None:
    end(failed())
    end(failed("host"), kind="remove_leftovers")
    end(DONE, kind="remove_leftovers")
    assert catalogue.jobs.failures()[source.id].count == 2

    end(DONE)
    assert catalogue.jobs.failures() == {}


def test_what_fails_before_it_has_a_job_counts_as_well(
    catalogue: Catalogue, source: DataSource, end: End, now: datetime
) -> None:
    end(failed())
    catalogue.jobs.note_failure(source.id, "express_full_backup", failed("database"), now)

    found = catalogue.jobs.failures()[source.id]
    assert (found.count, found.code, found.last_at) == (2, "database", now)


def test_each_machine_has_failures_of_its_own(
    catalogue: Catalogue, source: DataSource, end: End
) -> None:
    key = NaturalKey(VmId("22222222-2222-2222-2222-222222222222"), Role.PRIMARY)
    other = catalogue.ensure_source(key, "crm", HostName("hv1"), GroupName("finance")).id
    end(failed())
    end(failed(), of=other)
    end(DONE, of=other)

    assert set(catalogue.jobs.failures()) == {source.id}


def test_a_recovery_that_failed_is_no_failure_of_the_machine(
    catalogue: Catalogue, end: End
) -> None:
    end(failed(), kind="recover_disks", of=None)

    assert catalogue.jobs.failures() == {}


def test_an_abandoned_job_counts_neither_way(
    catalogue: Catalogue, source: DataSource, end: End, now: datetime
) -> None:
    end(failed())
    order = JobOrder("express_full_backup", source.id, None, PlanId("p"))
    assert catalogue.jobs.abandon(catalogue.jobs.create(order, now), now)

    assert catalogue.jobs.failures()[source.id].count == 1


def test_whoever_lost_a_job_neither_fails_nor_clears_it(
    catalogue: Catalogue, source: DataSource, end: End, now: datetime
) -> None:
    end(failed())
    order = JobOrder("express_full_backup", source.id, None, PlanId("p"))
    lost = catalogue.jobs.begin(order, "hv:1:a", now)
    assert catalogue.jobs.take_over(lost, "hv:2:b", now)

    assert not catalogue.jobs.finish(lost.id, lost.epoch, DONE, now)
    assert not catalogue.jobs.finish(lost.id, lost.epoch, failed(), now)
    assert catalogue.jobs.failures()[source.id].count == 1
