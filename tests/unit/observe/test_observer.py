"""What the catalogue holds, beside what the hosts said, as one value."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.model.machine import Inventory, NaturalKey, Role, SilentHost
from reconciler.model.names import (
    DataSourceId,
    GroupName,
    HostName,
    JobId,
    PlanId,
    PoolName,
    RecoveryPointId,
    ReferencePointId,
    RequestId,
    VmId,
    VolumeId,
)
from reconciler.model.observed import (
    Observed,
    OnDemand,
    RecoveryRequest,
    RequestKind,
    Saving,
    UnfinishedJob,
    Watch,
)
from reconciler.model.protection import (
    Cause,
    CauseKind,
    Consistency,
    DataSource,
    Head,
    InconsistentSpan,
    RecoveryPoint,
    ReplicaState,
)
from reconciler.observe.observer import observe
from reconciler.owner import this_owner
from reconciler.record.catalogue import Catalogue
from reconciler.record.work import Intent, Job, JobOrder, Progress

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
DEAD = "no owner"
FINANCE = GroupName("finance")


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    with Catalogue.open(tmp_path / "catalogue.sqlite") as opened:
        yield opened


def add_source(catalogue: Catalogue, name: str) -> DataSource:
    key = NaturalKey(VmId(name * 4), Role.PRIMARY)
    return catalogue.ensure_source(key, name, HostName("hv1"), GroupName("finance"))


def add_job(
    catalogue: Catalogue, source: DataSourceId | None, owner: str, at: datetime = NOON
) -> Job:
    order = JobOrder("express_full_backup", source, HostName("hv1"), PlanId("plan-1"))
    job = catalogue.jobs.claim(catalogue.jobs.create(order, at).id, owner, at)
    assert job is not None
    return job


def add_point(catalogue: Catalogue, source: DataSource, captured_at: datetime, name: str) -> None:
    volume = catalogue.ensure_volume(PoolName("main"), "v1", "/backup/v1").id
    job = add_job(catalogue, source.id, this_owner())
    point = RecoveryPoint(
        RecoveryPointId(name),
        source.id,
        volume,
        captured_at,
        Consistency.CRASH,
        Cause(CauseKind.SLOT, NOON),
        job.id,
        bytes_read=1,
        bytes_stored=1,
    )
    head = Head(source.id, point.id, ReferencePointId(f"reference of {name}"), {})
    catalogue.commit_point(point, head, job)
    catalogue.jobs.abandon(catalogue.jobs.get(job.id), NOON)


def look(catalogue: Catalogue, now: datetime = NOON) -> Observed:
    return observe(Inventory(), catalogue, now)


def test_an_empty_catalogue_has_only_its_own_id(catalogue: Catalogue) -> None:
    silent = {HostName("hv1"): SilentHost(HostName("hv1"), "host", "off", "start it")}
    observed = observe(Inventory(silent=silent), catalogue, NOON)

    assert observed == Observed(catalogue.server_id, Inventory(silent=silent))


def test_what_is_held_of_machines_is_in_it(catalogue: Catalogue) -> None:
    erp, crm = add_source(catalogue, "erp"), add_source(catalogue, "crm")
    add_point(catalogue, erp, NOON - DAY, "point-1")
    add_point(catalogue, erp, NOON, "point-2")
    observed = look(catalogue)

    assert observed.sources == {erp.id: erp, crm.id: crm}
    assert observed.replicas[crm.id].state is ReplicaState.MISSING
    replica = observed.replicas[erp.id]
    assert replica.state is ReplicaState.CONSISTENT
    assert replica.head is not None
    assert replica.head.recovery_point == "point-2"
    assert replica.latest_captured_at == NOON
    assert observed.superseded == {ReferencePointId("reference of point-1"): erp.id}


def test_a_job_is_at_work_while_its_holder_lives_and_unfinished_afterwards(
    catalogue: Catalogue,
) -> None:
    erp, crm = add_source(catalogue, "erp"), add_source(catalogue, "crm")
    alive = add_job(catalogue, erp.id, this_owner())
    dead = add_job(catalogue, crm.id, DEAD)
    observed = look(catalogue)

    assert observed.running == {erp.id: alive.id}
    assert observed.unfinished == (UnfinishedJob(dead.id, crm.id, NOON),)


def test_a_holder_that_was_silent_for_longer_than_its_lease_is_dead(catalogue: Catalogue) -> None:
    erp = add_source(catalogue, "erp")
    job = add_job(catalogue, erp.id, "elsewhere:1:boot-1")
    observed = look(catalogue, NOON + timedelta(minutes=5))

    assert observed.running == {}
    assert [each.id for each in observed.unfinished] == [job.id]


def test_jobs_of_no_machine_hold_no_machine_up(catalogue: Catalogue) -> None:
    add_job(catalogue, None, this_owner())
    add_job(catalogue, None, DEAD)
    observed = look(catalogue)

    assert (observed.running, observed.unfinished) == ({}, ())


def test_requests_for_disks_that_are_pending_are_in_it(catalogue: Catalogue) -> None:
    erp = add_source(catalogue, "erp")
    asked = {"recovery_point": "point-1", "folder": "/out"}
    request = catalogue.requests.open("recover_disks", erp.id, asked, NOON)
    done = catalogue.requests.open("recover_disks", erp.id, asked, NOON)
    catalogue.requests.finish(done.id, {}, NOON, is_done=True)
    catalogue.requests.open("something_else", erp.id, {}, NOON)
    catalogue.requests.open("recover_disks", None, asked, NOON)

    assert look(catalogue).recoveries == (
        RecoveryRequest(request.id, erp.id, RecoveryPointId("point-1"), "/out"),
    )


def test_a_job_whose_process_died_before_it_began_does_not_hold_its_machine_up_for_ever(
    catalogue: Catalogue,
) -> None:
    erp = add_source(catalogue, "erp")
    catalogue.jobs.create(JobOrder("express_full_backup", erp.id, None, PlanId("plan-1")), NOON)

    assert look(catalogue, NOON + DAY).running == {}


def test_a_point_from_the_future_does_not_hide_that_a_newer_one_was_made(
    catalogue: Catalogue,
) -> None:
    erp = add_source(catalogue, "erp")
    add_point(catalogue, erp, NOON + DAY, "made while the clock was wrong")
    add_point(catalogue, erp, NOON, "made since")

    assert look(catalogue).replicas[erp.id].latest_captured_at == NOON


def test_the_look_of_jobs_does_not_depend_on_their_ids(catalogue: Catalogue) -> None:
    sources = [add_source(catalogue, name) for name in ("erp", "crm", "web")]
    for age, source in enumerate(sources):
        order = JobOrder("b", source.id, None, PlanId("p"), id=JobId(f"job-{9 - age}"))
        at = NOON + age * timedelta(seconds=1)
        catalogue.jobs.claim(catalogue.jobs.create(order, at).id, DEAD, at)

    assert [job.source for job in look(catalogue).unfinished] == [s.id for s in sources]


def test_open_requests_of_machines_are_in_it_oldest_first(catalogue: Catalogue) -> None:
    erp, crm = add_source(catalogue, "erp"), add_source(catalogue, "crm")
    asked = {
        kind: catalogue.requests.open(kind.value, erp.id, {}, NOON - age * timedelta(seconds=1))
        for age, kind in enumerate(RequestKind)
    }
    done = catalogue.requests.open("backup", crm.id, {}, NOON)
    catalogue.requests.finish(done.id, {}, NOON, is_done=True)
    catalogue.requests.open("backup", None, {}, NOON)
    catalogue.requests.open("something_else", crm.id, {}, NOON)

    assert look(catalogue).requests == tuple(
        OnDemand(asked[kind].id, kind, erp.id) for kind in reversed(RequestKind)
    )


def test_old_points_are_looked_up_only_when_somebody_asks(catalogue: Catalogue) -> None:
    erp = add_source(catalogue, "erp")
    for age in (3, 2, 1):
        add_point(catalogue, erp, NOON - age * DAY, f"point-{age}")
    asked = observe(Inventory(), catalogue, NOON, old_before={FINANCE: NOON - DAY})

    assert [p.id for p in asked.old_points[erp.id]] == ["point-3", "point-2"]
    assert look(catalogue).old_points == {}
    assert look(catalogue).point_counts == asked.point_counts == {erp.id: 3}


def test_doubts_and_watches_are_in_it(catalogue: Catalogue) -> None:
    erp, _crm = add_source(catalogue, "erp"), add_source(catalogue, "crm")
    add_point(catalogue, erp, NOON - DAY, "point-1")
    watch = Watch(NOON - DAY, 7)
    catalogue.take_note({erp.id: "its node was lost"}, {HostName("hv1"): watch}, NOON)
    observed = look(catalogue)

    assert observed.watches == {HostName("hv1"): watch}
    span = InconsistentSpan(erp.id, NOON, None, "its node was lost")
    assert observed.inconsistent_spans == {erp.id: (span,)}
    assert observed.replicas[erp.id].doubt == "its node was lost"


@pytest.mark.parametrize("save_request", [None, RequestId("save")])
def test_a_dead_job_that_was_about_to_save_its_machine_is_known(
    catalogue: Catalogue, save_request: RequestId | None
) -> None:
    erp = add_source(catalogue, "erp")
    job = add_job(catalogue, erp.id, DEAD)
    about_to_save(catalogue, job, save_request)

    (unfinished,) = look(catalogue).unfinished
    assert unfinished.has_saved == (save_request is not None)
    assert look(catalogue).saving == {}


@pytest.mark.parametrize(("done", "is_overdue"), [(None, False), (0, False), (1, True)])
def test_a_live_job_that_saved_its_machine_is_overdue_once_it_copies(
    catalogue: Catalogue, done: int | None, *, is_overdue: bool
) -> None:
    erp, crm = add_source(catalogue, "erp"), add_source(catalogue, "crm")
    job = add_job(catalogue, erp.id, this_owner())
    about_to_save(catalogue, job, RequestId("save"))
    about_to_save(catalogue, add_job(catalogue, crm.id, this_owner()), None)
    if done is not None:
        assert catalogue.jobs.beat(job.id, job.epoch, NOON, Progress("copying", done, 9))

    assert look(catalogue).saving == {erp.id: Saving(job.id, is_overdue=is_overdue)}


def about_to_save(catalogue: Catalogue, job: Job, save_request: RequestId | None) -> None:
    intent = Intent(
        job=job.id,
        volume=VolumeId("v"),
        recovery_point=RecoveryPointId("p"),
        checkpoint_name="n",
        checkpoint_request=RequestId("a"),
        conversion_request=RequestId("b"),
        reference_points_seen=(),
        base_recovery_point=None,
        base_reference_point=None,
        save_request=save_request,
        resume_request=RequestId("resume"),
    )
    assert catalogue.jobs.set_intent(job.id, job.epoch, intent)


def test_a_machine_is_found_by_its_key_also_in_a_changed_look(catalogue: Catalogue) -> None:
    erp, crm = add_source(catalogue, "erp"), add_source(catalogue, "crm")
    observed = look(catalogue)
    without = replace(observed, sources={crm.id: crm})

    assert [observed.source_of(s.key) for s in (erp, crm)] == [erp, crm]
    assert [without.source_of(s.key) for s in (erp, crm)] == [None, crm]
    assert observed.source_of(NaturalKey(erp.key.vm_id, Role.REPLICA)) is None
