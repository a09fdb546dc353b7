from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from reconciler.errors import CatalogueError, CatalogueLockedError
from reconciler.model.machine import NaturalKey, Role
from reconciler.model.names import (
    GroupName,
    HostName,
    PoolName,
    RecoveryPointId,
    ReferencePointId,
    VmId,
    VolumeId,
)
from reconciler.model.protection import (
    CauseKind,
    DataSource,
    Head,
    RecoveryPoint,
    Replica,
    ReplicaState,
)
from reconciler.record.catalogue import Catalogue
from reconciler.record.work import Job, JobOutcome

MakePoint = Callable[..., RecoveryPoint]
MakeHead = Callable[..., Head]


def test_a_source_without_points_has_a_missing_replica(
    catalogue: Catalogue, source: DataSource
) -> None:
    expected = Replica(source.id, ReplicaState.MISSING, None, None, None)
    assert catalogue.replicas() == {source.id: expected}


def test_a_committed_point_is_the_head_of_a_consistent_replica(
    catalogue: Catalogue, running: Job, make_point: MakePoint, make_head: MakeHead
) -> None:
    point, head = make_point("p1"), make_head("p1", "ref-1")

    catalogue.commit_point(point, head, running)

    replica = catalogue.replicas()[point.source]
    consistent = ReplicaState.CONSISTENT
    assert replica == Replica(point.source, consistent, point.volume, head, point.captured_at)
    assert catalogue.recovery_points(point.source) == (point,)
    assert catalogue.recovery_point(point.id) == point
    assert catalogue.all_recovery_points() == {point.source: (point,)}
    assert catalogue.superseded_reference_points() == ()


def test_the_next_point_supersedes_the_reference_point_of_the_last(
    catalogue: Catalogue, running: Job, make_point: MakePoint, make_head: MakeHead
) -> None:
    catalogue.commit_point(make_point("p1", 0), make_head("p1", "ref-1"), running)
    catalogue.commit_point(make_point("p2", 5), make_head("p2", "ref-2"), running)

    assert [p.id for p in catalogue.superseded_reference_points()] == ["ref-1"]
    assert [p.id for p in catalogue.reference_points() if p.is_current] == ["ref-2"]
    with pytest.raises(CatalogueError, match="counted from"):
        catalogue.forget_reference_point(ReferencePointId("ref-2"))
    catalogue.forget_reference_point(ReferencePointId("ref-1"))
    catalogue.forget_reference_point(ReferencePointId("ref-1"))
    assert [p.id for p in catalogue.reference_points()] == ["ref-2"]


def test_a_head_that_keeps_the_older_reference_point_supersedes_nothing(
    catalogue: Catalogue, running: Job, make_point: MakePoint, make_head: MakeHead
) -> None:
    first = make_head("p1", "ref-1")
    catalogue.commit_point(make_point("p1", 0), first, running)
    kept = replace(first, recovery_point=RecoveryPointId("p2"))
    catalogue.commit_point(make_point("p2", 5), kept, running)

    assert catalogue.superseded_reference_points() == ()
    assert catalogue.replicas()[kept.source].head == kept


def test_a_head_without_a_reference_point_supersedes_all(
    catalogue: Catalogue, running: Job, make_point: MakePoint, make_head: MakeHead
) -> None:
    catalogue.commit_point(make_point("p1", 0), make_head("p1", "ref-1"), running)
    catalogue.commit_point(make_point("p2", 5), make_head("p2"), running)

    assert [p.id for p in catalogue.superseded_reference_points()] == ["ref-1"]


def test_committing_the_same_point_again_changes_nothing(
    catalogue: Catalogue, running: Job, make_point: MakePoint, make_head: MakeHead
) -> None:
    catalogue.commit_point(make_point("p1", 0), make_head("p1", "ref-1"), running)
    catalogue.commit_point(make_point("p2", 5), make_head("p2", "ref-2"), running)
    before = (catalogue.replicas(), catalogue.reference_points(), catalogue.all_recovery_points())

    catalogue.commit_point(make_point("p1", 0), make_head("p1", "ref-1"), running)

    after = (catalogue.replicas(), catalogue.reference_points(), catalogue.all_recovery_points())
    assert after == before


def test_a_holder_that_was_replaced_cannot_commit_and_its_heir_can(
    catalogue: Catalogue, running: Job, make_point: MakePoint, make_head: MakeHead, now: datetime
) -> None:
    heir = catalogue.jobs.take_over(running, "hv:2:b", now)
    assert heir is not None

    with pytest.raises(CatalogueLockedError) as caught:
        catalogue.commit_point(make_point("p1"), make_head("p1", "ref-1"), running)

    assert caught.value.hint
    assert catalogue.all_recovery_points() == {}
    assert catalogue.reference_points() == ()
    catalogue.commit_point(make_point("p1"), make_head("p1", "ref-1"), heir)
    assert catalogue.replicas()[make_point("p1").source].state is ReplicaState.CONSISTENT


def test_a_job_that_ended_cannot_commit(
    catalogue: Catalogue, running: Job, make_point: MakePoint, make_head: MakeHead, now: datetime
) -> None:
    assert catalogue.jobs.finish(running.id, running.epoch, JobOutcome(is_success=True), now)

    with pytest.raises(CatalogueLockedError):
        catalogue.commit_point(make_point("p1"), make_head("p1"), running)


def test_a_point_is_refused_with_the_head_of_another(
    catalogue: Catalogue, running: Job, make_point: MakePoint, make_head: MakeHead
) -> None:
    with pytest.raises(CatalogueError, match="given the head of p2"):
        catalogue.commit_point(make_point("p1"), make_head("p2"), running)

    assert catalogue.all_recovery_points() == {}


def test_a_replica_stays_on_its_volume(
    catalogue: Catalogue, running: Job, make_point: MakePoint, make_head: MakeHead
) -> None:
    other = catalogue.ensure_volume(PoolName("main"), "v2", "/backup/v2").id
    point = make_point("p1")
    catalogue.place(point.source, other)
    catalogue.place(point.source, point.volume)
    catalogue.commit_point(point, make_head("p1"), running)

    with pytest.raises(CatalogueError, match="lives on volume"):
        catalogue.place(point.source, other)
    elsewhere = replace(make_point("p2"), volume=other)
    with pytest.raises(CatalogueError, match="lies on volume"):
        catalogue.commit_point(elsewhere, make_head("p2"), running)
    catalogue.place(point.source, point.volume)


def test_what_a_failed_job_left_is_remembered_until_it_is_removed(
    catalogue: Catalogue, source: DataSource
) -> None:
    catalogue.remember_superseded(source.id, ReferencePointId("stray"))
    catalogue.remember_superseded(source.id, ReferencePointId("stray"))

    (stray,) = catalogue.superseded_reference_points()
    assert (stray.id, stray.source) == ("stray", source.id)


def test_one_reference_point_never_belongs_to_two_sources(
    catalogue: Catalogue, source: DataSource
) -> None:
    key = NaturalKey(VmId("22222222-2222-2222-2222-222222222222"), Role.PRIMARY)
    other = catalogue.ensure_source(key, "crm", HostName("hv1"), GroupName("finance"))
    catalogue.remember_superseded(source.id, ReferencePointId("ref-1"))

    with pytest.raises(CatalogueError, match="ref-1"):
        catalogue.remember_superseded(other.id, ReferencePointId("ref-1"))


def test_a_catalogue_is_rebuilt_from_points_without_jobs(
    catalogue: Catalogue,
    source: DataSource,
    volume_id: VolumeId,
    make_point: MakePoint,
    make_head: MakeHead,
) -> None:
    for name, minutes in [("p1", 0), ("p2", 1), ("p1", 0)]:
        catalogue.adopt_point(make_point(name, minutes), make_head(name))

    replica = catalogue.replicas()[source.id]
    assert replica.head == make_head("p2")
    assert (replica.state, replica.volume) == (ReplicaState.CONSISTENT, volume_id)


@pytest.mark.parametrize(
    ("cause", "checks"),
    [
        (CauseKind.REPLICA_CREATION, True),
        (CauseKind.CONSISTENCY_CHECK, True),
        (CauseKind.SLOT, False),
        (CauseKind.REQUEST, False),
    ],
)
@pytest.mark.parametrize("is_adopted", [False, True])
def test_a_point_for_which_all_was_compared_says_when(
    catalogue: Catalogue,
    running: Job,
    make_point: MakePoint,
    make_head: MakeHead,
    cause: CauseKind,
    checks: bool,  # noqa: FBT001
    is_adopted: bool,  # noqa: FBT001
) -> None:
    point = make_point("p1", 5, cause=cause)
    if is_adopted:
        catalogue.adopt_point(point, make_head("p1"))
    else:
        catalogue.commit_point(point, make_head("p1"), running)

    expected = point.captured_at if checks else None
    assert catalogue.replicas()[point.source].checked_at == expected
    catalogue.commit_point(make_point("p2", 10), make_head("p2"), running)
    assert catalogue.replicas()[point.source].checked_at == expected


def test_a_deleted_replica_is_missing_and_can_be_made_anew_elsewhere(
    catalogue: Catalogue, running: Job, make_point: MakePoint, make_head: MakeHead, now: datetime
) -> None:
    first = make_point("p1", 0, cause=CauseKind.REPLICA_CREATION)
    catalogue.commit_point(first, make_head("p1", "ref-1"), running)
    catalogue.commit_point(make_point("p2", 5), make_head("p2", "ref-2"), running)
    catalogue.take_note({first.source: "a node was lost"}, {}, now)
    catalogue.delete_replica(first.source)
    catalogue.delete_replica(first.source)

    missing = Replica(first.source, ReplicaState.MISSING, None, None, None)
    assert catalogue.replicas() == {first.source: missing}
    assert catalogue.all_recovery_points() == {}
    assert catalogue.inconsistent_spans() == {}
    assert [p.id for p in catalogue.superseded_reference_points()] == ["ref-1", "ref-2"]
    assert set(catalogue.volumes_to_sweep()) == {first.volume}

    other = catalogue.ensure_volume(PoolName("main"), "v2", "/backup/v2").id
    catalogue.place(first.source, other)
    catalogue.commit_point(replace(make_point("p3", 9), volume=other), make_head("p3"), running)
    assert catalogue.replicas()[first.source].state is ReplicaState.CONSISTENT


def test_deleting_a_replica_leaves_those_of_others_alone(
    catalogue: Catalogue, running: Job, make_point: MakePoint, make_head: MakeHead
) -> None:
    key = NaturalKey(VmId("22222222-2222-2222-2222-222222222222"), Role.PRIMARY)
    other = catalogue.ensure_source(key, "crm", HostName("hv1"), GroupName("finance")).id
    catalogue.commit_point(make_point("p1"), make_head("p1", "ref-1"), running)
    catalogue.adopt_point(make_point("q1", owner=other), make_head("q1", "ref-2", other))
    catalogue.delete_replica(make_point("p1").source)

    assert [p.id for p in catalogue.recovery_points(other)] == ["q1"]
    assert catalogue.replicas()[other].state is ReplicaState.CONSISTENT
    assert [p.id for p in catalogue.reference_points() if p.is_current] == ["ref-2"]
