from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from reconciler.errors import CatalogueError, MachineBusyError
from reconciler.model.names import (
    DataSourceId,
    HostName,
    JobId,
    PlanId,
    RecoveryPointId,
    ReferencePointId,
    RequestId,
    VolumeId,
)
from reconciler.model.protection import DataSource
from reconciler.owner import Life
from reconciler.record.catalogue import Catalogue
from reconciler.record.database import Database
from reconciler.record.jobs import LEASE_S, Jobs
from reconciler.record.silence import Silence
from reconciler.record.work import Intent, Job, JobOrder, JobOutcome, JobState, Progress

SECOND = timedelta(seconds=1)


def order(source: DataSourceId | None) -> JobOrder:
    return JobOrder("express_full_backup", source, HostName("hv1"), PlanId("plan-1"))


def intent(job: JobId) -> Intent:
    return Intent(
        job=job,
        volume=VolumeId("v"),
        recovery_point=RecoveryPointId("p1"),
        checkpoint_name="reconciler s j",
        checkpoint_request=RequestId("r1"),
        conversion_request=RequestId("r2"),
        reference_points_seen=(ReferencePointId("a"), ReferencePointId("b")),
        base_recovery_point=None,
        base_reference_point=ReferencePointId("a"),
    )


def elsewhere(_owner: str) -> Life:
    return Life.UNKNOWN


def alive(_owner: str) -> Life:
    return Life.ALIVE


def dead(_owner: str) -> Life:
    return Life.DEAD


FAILED = JobOutcome(is_success=False, code="host", message="no answer", retry="later")


def test_a_job_lives_from_order_to_outcome(
    catalogue: Catalogue, source: DataSource, now: datetime
) -> None:
    wanted = order(source.id)
    wanted = replace(wanted, intent=intent(wanted.id))
    outcome = JobOutcome(is_success=True, facts={"bytes_read": 5 << 40})

    created = catalogue.jobs.create(wanted, now)
    claimed = catalogue.jobs.claim(created.id, "hv:1:a", now + SECOND)
    assert claimed is not None
    progress = Progress("disks", 1, 2)
    assert catalogue.jobs.beat(created.id, claimed.epoch, now + 2 * SECOND, progress)
    assert catalogue.jobs.finish(created.id, claimed.epoch, outcome, now + 3 * SECOND)

    ended = catalogue.jobs.get(created.id)
    assert (created.state, created.intent, created.epoch) == (JobState.READY, wanted.intent, 0)
    assert (claimed.state, claimed.owner, claimed.epoch) == (JobState.RUNNING, "hv:1:a", 1)
    assert (ended.state, ended.outcome, ended.progress) == (JobState.SUCCEEDED, outcome, progress)
    assert (ended.created_at, ended.started_at) == (now, now + SECOND)
    assert (ended.beat_at, ended.ended_at) == (now + 2 * SECOND, now + 3 * SECOND)
    assert created.is_live
    assert claimed.is_live
    assert not ended.is_live


def test_a_source_has_one_live_job(
    catalogue: Catalogue, source: DataSource, running: Job, now: datetime
) -> None:
    with pytest.raises(MachineBusyError, match=running.id) as caught:
        catalogue.jobs.create(order(source.id), now)

    assert caught.value.hint
    failure = JobOutcome(is_success=False, code="host.unreachable")
    catalogue.jobs.finish(running.id, running.epoch, failure, now)
    assert catalogue.jobs.get(running.id).state is JobState.FAILED
    assert catalogue.jobs.create(order(source.id), now).state is JobState.READY


def test_jobs_without_a_source_do_not_exclude_each_other(
    catalogue: Catalogue, now: datetime
) -> None:
    catalogue.jobs.create(order(None), now)
    catalogue.jobs.create(order(None), now)

    assert len(catalogue.jobs.live()) == 2


def test_a_job_is_not_claimed_before_its_time(
    catalogue: Catalogue, source: DataSource, now: datetime
) -> None:
    later = replace(order(source.id), not_before=now + SECOND)
    job = catalogue.jobs.create(later, now)

    assert catalogue.jobs.claim(job.id, "hv:1:a", now) is None
    assert catalogue.jobs.claim(job.id, "hv:1:a", now + SECOND) is not None


def test_of_many_claims_at_once_one_wins(
    catalogue: Catalogue, source: DataSource, now: datetime
) -> None:
    job = catalogue.jobs.create(order(source.id), now)

    with ThreadPoolExecutor(8) as threads:
        claims = [threads.submit(catalogue.jobs.claim, job.id, f"hv:{n}:a", now) for n in range(16)]
    won = [claim.result() for claim in claims if claim.result() is not None]

    assert len(won) == 1
    assert catalogue.jobs.get(job.id) == won[0]


def test_of_many_orders_for_one_source_at_once_one_wins(
    catalogue: Catalogue, source: DataSource, now: datetime
) -> None:
    def create(_: int) -> bool:
        try:
            catalogue.jobs.create(order(source.id), now)
        except MachineBusyError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(create, range(16))) == 1


def test_a_silent_holder_is_interrupted_after_its_lease(
    catalogue: Catalogue, running: Job, now: datetime
) -> None:
    assert catalogue.jobs.interrupted(now + 90 * SECOND, elsewhere) == ()
    assert catalogue.jobs.interrupted(now + 91 * SECOND, elsewhere) == (running,)
    assert catalogue.jobs.interrupted(now + 6 * SECOND, elsewhere, lease_s=5) == (running,)


def test_a_dead_holder_is_interrupted_at_once_and_a_waiting_job_is_not(
    catalogue: Catalogue, running: Job, now: datetime
) -> None:
    catalogue.jobs.create(order(None), now)

    assert catalogue.jobs.interrupted(now, dead) == (running,)


def test_a_clock_that_jumps_does_not_take_jobs_from_holders_that_live(
    database: Database, running: Job, now: datetime
) -> None:
    seconds = 0.0
    jobs = Jobs(database, Silence(lambda: seconds))
    assert jobs.interrupted(now, alive) == ()

    jumped = now + 3600 * SECOND
    seconds = LEASE_S - 1.0
    assert jobs.interrupted(jumped, elsewhere) == (running,)
    assert jobs.interrupted(jumped, alive) == ()

    # the process lives, but nobody in it works on the job any more
    seconds = LEASE_S + 1.0
    assert jobs.interrupted(jumped, alive) == (running,)
    assert jobs.beat(running.id, running.epoch, now + SECOND)
    assert jobs.interrupted(jumped, alive) == ()


def test_a_job_that_is_left_to_its_heir_is_live_and_can_be_taken_over_at_once(
    catalogue: Catalogue, source: DataSource, running: Job, now: datetime
) -> None:
    assert catalogue.jobs.leave(running.id, running.epoch, FAILED, now)

    assert not catalogue.jobs.beat(running.id, running.epoch, now + SECOND)  # one under way
    (left,) = catalogue.jobs.interrupted(now, dead)
    assert catalogue.jobs.interrupted(now, elsewhere) == catalogue.jobs.live() == (left,)
    assert (left.state, left.owner, left.beat_at) == (JobState.RUNNING, None, None)
    assert catalogue.jobs.failures()[source.id].code == "host"
    heir = catalogue.jobs.take_over(left, "heir", now)
    assert heir is not None
    assert catalogue.jobs.finish(heir.id, heir.epoch, JobOutcome(is_success=True), now)
    assert catalogue.jobs.failures() == {}


def test_a_job_of_another_can_not_be_left(
    catalogue: Catalogue, running: Job, now: datetime
) -> None:
    heir = catalogue.jobs.take_over(running, "heir", now)

    assert not catalogue.jobs.leave(running.id, running.epoch, FAILED, now)
    assert catalogue.jobs.get(running.id) == heir
    assert catalogue.jobs.failures() == {}


def test_a_holder_that_was_replaced_can_write_nothing(
    catalogue: Catalogue, running: Job, now: datetime
) -> None:
    heir = catalogue.jobs.take_over(running, "hv:2:b", now + SECOND)

    assert heir is not None
    assert (heir.owner, heir.epoch, heir.state) == ("hv:2:b", 2, JobState.RUNNING)
    assert not catalogue.jobs.beat(running.id, running.epoch, now)
    assert not catalogue.jobs.set_intent(running.id, running.epoch, intent(running.id))
    assert not catalogue.jobs.finish(running.id, running.epoch, JobOutcome(is_success=True), now)
    assert catalogue.jobs.get(running.id) == heir
    assert catalogue.jobs.set_intent(heir.id, heir.epoch, intent(heir.id))
    assert catalogue.jobs.get(heir.id).intent == intent(heir.id)


def test_a_holder_that_came_back_in_time_keeps_its_job(
    catalogue: Catalogue, running: Job, now: datetime
) -> None:
    assert catalogue.jobs.beat(running.id, running.epoch, now + 100 * SECOND)

    assert catalogue.jobs.take_over(running, "hv:2:b", now + 101 * SECOND) is None
    assert not catalogue.jobs.abandon(running, now + 101 * SECOND)
    assert catalogue.jobs.beat(running.id, running.epoch, now + 102 * SECOND)


def test_an_abandoned_job_frees_its_source_and_locks_its_holder_out(
    catalogue: Catalogue, source: DataSource, running: Job, now: datetime
) -> None:
    assert catalogue.jobs.abandon(running, now + SECOND)

    assert catalogue.jobs.get(running.id).state is JobState.ABANDONED
    assert not catalogue.jobs.abandon(catalogue.jobs.get(running.id), now)
    assert not catalogue.jobs.beat(running.id, running.epoch, now)
    waiting = catalogue.jobs.create(order(source.id), now)
    assert catalogue.jobs.abandon(waiting, now)
    assert catalogue.jobs.take_over(waiting, "hv:1:a", now) is None


def test_history_is_bounded_newest_first_and_can_be_dropped(
    catalogue: Catalogue, source: DataSource, now: datetime
) -> None:
    for n in range(5):
        at = now + n * SECOND
        job = catalogue.jobs.create(order(source.id), at)
        catalogue.jobs.claim(job.id, "hv:1:a", at)
        catalogue.jobs.finish(job.id, 1, JobOutcome(is_success=True), at)
    catalogue.jobs.create(order(None), now - SECOND)

    latest = catalogue.jobs.history(source.id, limit=3)
    assert [job.created_at for job in latest] == [now + n * SECOND for n in (4, 3, 2)]
    assert len(catalogue.jobs.history()) == 6
    assert catalogue.jobs.drop_ended_before(now + 4 * SECOND) == 4
    assert len(catalogue.jobs.history()) == 2


def test_the_end_of_a_job_is_written_however_long_its_message(
    catalogue: Catalogue, running: Job, now: datetime
) -> None:
    huge = JobOutcome(is_success=False, code="host", message="x" * 5_000_000)

    assert catalogue.jobs.finish(running.id, running.epoch, huge, now)

    outcome = catalogue.jobs.get(running.id).outcome
    assert outcome is not None
    assert outcome.message == "x" * 4000


def test_an_unknown_job_is_named(catalogue: Catalogue) -> None:
    with pytest.raises(CatalogueError, match="no job nobody"):
        catalogue.jobs.get(JobId("nobody"))


def test_a_job_that_is_begun_is_held_from_its_first_moment(
    catalogue: Catalogue, source: DataSource, now: datetime
) -> None:
    job = catalogue.jobs.begin(order(source.id), "me", now)

    assert (job.state, job.owner, job.epoch) == (JobState.RUNNING, "me", 1)
    assert catalogue.jobs.beat(job.id, job.epoch, now)
    with pytest.raises(MachineBusyError):
        catalogue.jobs.begin(order(source.id), "another", now)


def test_a_job_that_nobody_claimed_for_a_lease_is_interrupted_and_can_be_taken_over(
    catalogue: Catalogue, source: DataSource, now: datetime
) -> None:
    made = catalogue.jobs.create(order(source.id), now)
    later = now + timedelta(seconds=LEASE_S + 1)

    assert catalogue.jobs.interrupted(now, elsewhere) == ()
    (seen,) = catalogue.jobs.interrupted(later, elsewhere)
    heir = catalogue.jobs.take_over(seen, "heir", later)

    assert seen.id == made.id
    assert heir is not None
    assert heir.state is JobState.RUNNING
