"""A doubt about a replica, from what raises it to what settles it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

import pytest

from reconciler.errors import CatalogueError
from reconciler.model.machine import NaturalKey, Role
from reconciler.model.names import DataSourceId, GroupName, HostName, PlanId, VmId
from reconciler.model.observed import Watch
from reconciler.model.protection import (
    CauseKind,
    DataSource,
    Head,
    RecoveryPoint,
    ReplicaState,
)
from reconciler.record.catalogue import Catalogue
from reconciler.record.work import Job, JobOrder, JobOutcome

MakePoint = Callable[..., RecoveryPoint]
MakeHead = Callable[..., Head]
Locked = Callable[[], AbstractContextManager[None]]

MINUTE = timedelta(minutes=1)
HV1, HV2 = HostName("hv1"), HostName("hv2")
LOST = "its node was lost"
CHECK = CauseKind.CONSISTENCY_CHECK


@pytest.fixture
def replica(
    catalogue: Catalogue,
    source: DataSource,
    running: Job,
    make_point: MakePoint,
    make_head: MakeHead,
    now: datetime,
) -> DataSource:
    """A source with a consistent replica, and no job at work."""
    catalogue.commit_point(make_point("p1"), make_head("p1"), running)
    assert catalogue.jobs.finish(running.id, running.epoch, JobOutcome(is_success=True), now)
    return source


@pytest.fixture
def commit(
    catalogue: Catalogue, make_point: MakePoint, make_head: MakeHead
) -> Callable[..., RecoveryPoint]:
    def make(job: Job, name: str, minutes: int, cause: CauseKind) -> RecoveryPoint:
        point = make_point(name, minutes, cause=cause, job=job.id)
        catalogue.commit_point(point, make_head(name), job)
        return point

    return make


def begin(catalogue: Catalogue, source: DataSource, now: datetime) -> Job:
    order = JobOrder("consistency_check", source.id, source.host, PlanId("plan-2"))
    return catalogue.jobs.begin(order, "hv:1:a", now)


def state(catalogue: Catalogue, source: DataSource) -> tuple[ReplicaState, str]:
    found = catalogue.replicas()[source.id]
    return found.state, found.doubt


def test_doubts_and_watches_are_noted_together(
    catalogue: Catalogue, replica: DataSource, now: datetime
) -> None:
    watches = {HV1: Watch(now, 7, now - MINUTE), HV2: Watch(now - MINUTE, 0)}

    assert catalogue.watches() == {}
    assert catalogue.take_note({replica.id: LOST}, watches, now) == (replica.id,)
    assert catalogue.watches() == watches
    assert state(catalogue, replica) == (ReplicaState.INCONSISTENT, LOST)
    (span,) = catalogue.inconsistent_spans()[replica.id]
    assert (span.began_at, span.ended_at, span.reason) == (now, None, LOST)


def test_a_watch_moves_and_those_of_other_hosts_stay(catalogue: Catalogue, now: datetime) -> None:
    catalogue.take_note({}, {HV1: Watch(now, 7), HV2: Watch(now, 8)}, now)
    catalogue.take_note({}, {HV1: Watch(now + MINUTE, 9)}, now)

    assert catalogue.watches() == {HV1: Watch(now + MINUTE, 9), HV2: Watch(now, 8)}


def test_what_cannot_be_noted_moves_no_watch(
    catalogue: Catalogue, replica: DataSource, now: datetime
) -> None:
    doubts = {replica.id: LOST, DataSourceId("unheard-of"): LOST}
    with pytest.raises(CatalogueError):
        catalogue.take_note(doubts, {HV1: Watch(now, 7)}, now)

    assert catalogue.watches() == {}
    assert state(catalogue, replica) == (ReplicaState.CONSISTENT, "")


def test_nothing_is_written_when_nothing_is_to_be_noted(
    catalogue: Catalogue, now: datetime, locked: Locked
) -> None:
    with locked():
        assert catalogue.take_note({}, {}, now) == ()


def test_only_a_consistent_replica_can_be_doubted(
    catalogue: Catalogue, replica: DataSource, now: datetime
) -> None:
    key = NaturalKey(VmId("22222222-2222-2222-2222-222222222222"), Role.PRIMARY)
    without = catalogue.ensure_source(key, "crm", HV1, GroupName("finance"))

    assert catalogue.take_note({without.id: LOST, replica.id: LOST}, {}, now) == (replica.id,)
    assert catalogue.take_note({without.id: "again", replica.id: "again"}, {}, now + MINUTE) == ()
    assert not catalogue.mark_inconsistent(without.id, "again", now + MINUTE)
    assert not catalogue.mark_inconsistent(replica.id, "again", now + MINUTE)
    assert state(catalogue, without) == (ReplicaState.MISSING, "")
    assert state(catalogue, replica) == (ReplicaState.INCONSISTENT, LOST)
    assert len(catalogue.inconsistent_spans()[replica.id]) == 1


@pytest.mark.parametrize("cause", [CauseKind.SLOT, CauseKind.REQUEST])
def test_a_backup_settles_no_doubt(
    catalogue: Catalogue,
    replica: DataSource,
    commit: Callable[..., RecoveryPoint],
    now: datetime,
    cause: CauseKind,
) -> None:
    catalogue.mark_inconsistent(replica.id, LOST, now)
    point = commit(begin(catalogue, replica, now), "p2", 5, cause)

    assert state(catalogue, replica) == (ReplicaState.INCONSISTENT, LOST)
    assert catalogue.replicas()[replica.id].latest_captured_at == point.captured_at
    (span,) = catalogue.inconsistent_spans()[replica.id]
    assert span.ended_at is None


@pytest.mark.parametrize("cause", [CHECK, CauseKind.REPLICA_CREATION])
def test_a_comparison_of_all_blocks_settles_a_doubt(
    catalogue: Catalogue,
    replica: DataSource,
    commit: Callable[..., RecoveryPoint],
    now: datetime,
    cause: CauseKind,
) -> None:
    catalogue.take_note({replica.id: LOST}, {}, now)
    point = commit(begin(catalogue, replica, now), "p2", 5, cause)

    assert state(catalogue, replica) == (ReplicaState.CONSISTENT, "")
    (span,) = catalogue.inconsistent_spans()[replica.id]
    assert span.ended_at == point.captured_at
    assert catalogue.mark_inconsistent(replica.id, "once more", now + 9 * MINUTE)


def test_a_doubt_is_settled_when_the_clock_was_set_back_meanwhile(
    catalogue: Catalogue,
    replica: DataSource,
    commit: Callable[..., RecoveryPoint],
    now: datetime,
) -> None:
    catalogue.take_note({replica.id: LOST}, {}, now + 60 * MINUTE)
    commit(begin(catalogue, replica, now), "p2", 5, CHECK)

    assert state(catalogue, replica) == (ReplicaState.CONSISTENT, "")
    (span,) = catalogue.inconsistent_spans()[replica.id]
    assert span.ended_at == span.began_at


@pytest.mark.parametrize("is_doubted_already", [False, True])
def test_a_check_at_work_does_not_settle_a_doubt_that_is_raised_meanwhile(
    catalogue: Catalogue,
    replica: DataSource,
    commit: Callable[..., RecoveryPoint],
    now: datetime,
    is_doubted_already: bool,  # noqa: FBT001
) -> None:
    if is_doubted_already:
        catalogue.take_note({replica.id: "an earlier doubt"}, {}, now)
    at_work = begin(catalogue, replica, now)
    catalogue.take_note({replica.id: LOST}, {}, now + 6 * MINUTE)
    point = commit(at_work, "p2", 5, CHECK)
    found = catalogue.replicas()[replica.id]
    assert (found.state, found.checked_at) == (ReplicaState.INCONSISTENT, point.captured_at)

    catalogue.jobs.finish(at_work.id, at_work.epoch, JobOutcome(is_success=True), now)
    commit(begin(catalogue, replica, now), "p3", 9, CHECK)
    assert state(catalogue, replica) == (ReplicaState.CONSISTENT, "")


def test_the_heir_of_a_check_that_was_at_work_does_not_settle_it_either(
    catalogue: Catalogue,
    replica: DataSource,
    commit: Callable[..., RecoveryPoint],
    now: datetime,
) -> None:
    at_work = begin(catalogue, replica, now)
    catalogue.take_note({replica.id: LOST}, {}, now)
    heir = catalogue.jobs.take_over(at_work, "hv:2:b", now)
    assert heir is not None
    commit(heir, "p2", 5, CHECK)

    assert state(catalogue, replica) == (ReplicaState.INCONSISTENT, LOST)


def test_an_adopted_point_settles_no_doubt(
    catalogue: Catalogue,
    replica: DataSource,
    make_point: MakePoint,
    make_head: MakeHead,
    now: datetime,
) -> None:
    catalogue.take_note({replica.id: LOST}, {}, now)
    catalogue.adopt_point(make_point("p2", 5, cause=CHECK), make_head("p2"))

    assert state(catalogue, replica) == (ReplicaState.INCONSISTENT, LOST)


def test_spans_are_forgotten_once_no_point_is_as_old(
    catalogue: Catalogue,
    replica: DataSource,
    commit: Callable[..., RecoveryPoint],
    now: datetime,
) -> None:
    for n in (10, 20):
        catalogue.take_note({replica.id: LOST}, {}, now + n * MINUTE)
        job = begin(catalogue, replica, now)
        commit(job, f"p{n}", n + 5, CHECK)
        catalogue.jobs.finish(job.id, job.epoch, JobOutcome(is_success=True), now)
    (first, second) = catalogue.inconsistent_spans()[replica.id]
    assert first.ended_at is not None
    later = now + 60 * MINUTE

    assert catalogue.drop_spans_ended_before(later) == 0, "p1 is older than both"
    (p1,) = [p.id for p in catalogue.recovery_points(replica.id) if p.id == "p1"]
    catalogue.drop_points([p1])
    assert catalogue.drop_spans_ended_before(first.ended_at) == 0
    assert catalogue.drop_spans_ended_before(later) == 1
    assert catalogue.inconsistent_spans() == {replica.id: (second,)}


def test_an_open_span_is_never_forgotten(
    catalogue: Catalogue, replica: DataSource, now: datetime
) -> None:
    catalogue.take_note({replica.id: LOST}, {}, now - 60 * MINUTE)

    assert catalogue.drop_spans_ended_before(now + 60 * MINUTE) == 0


def test_a_reason_out_of_all_proportion_is_cut(
    catalogue: Catalogue, replica: DataSource, now: datetime
) -> None:
    catalogue.take_note({replica.id: "x" * 5_000_000}, {}, now)

    assert state(catalogue, replica) == (ReplicaState.INCONSISTENT, "x" * 4000)
