from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from reconciler.errors import CatalogueError, CatalogueLockedError, ItemNotFoundError
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
from reconciler.model.protection import DataSource, Head, RecoveryPoint, Replica, ReplicaState
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


def test_points_come_in_the_order_of_their_capture(
    catalogue: Catalogue, running: Job, make_point: MakePoint, make_head: MakeHead
) -> None:
    for name, minutes in [("p1", 30), ("p2", 10), ("p3", 20)]:
        catalogue.commit_point(make_point(name, minutes), make_head(name), running)

    source = make_point("p1").source
    assert [p.id for p in catalogue.recovery_points(source)] == ["p2", "p3", "p1"]
    latest = catalogue.replicas()[source].latest_captured_at
    assert latest == make_point("p3", 20).captured_at  # the head's, though p1 says it is newer


def test_dropping_points_spares_the_head_and_is_all_or_nothing(
    catalogue: Catalogue, running: Job, make_point: MakePoint, make_head: MakeHead
) -> None:
    for name, minutes in [("p1", 0), ("p2", 1), ("p3", 2)]:
        catalogue.commit_point(make_point(name, minutes), make_head(name), running)
    source = make_point("p1").source

    with pytest.raises(CatalogueError, match="p3 is the head"):
        catalogue.drop_points([RecoveryPointId("p1"), RecoveryPointId("p3")])
    assert len(catalogue.recovery_points(source)) == 3
    catalogue.drop_points([RecoveryPointId("p1"), RecoveryPointId("unheard-of")])
    assert [p.id for p in catalogue.recovery_points(source)] == ["p2", "p3"]


def test_an_unknown_recovery_point_is_named(catalogue: Catalogue) -> None:
    with pytest.raises(ItemNotFoundError, match="no recovery point p9"):
        catalogue.recovery_point(RecoveryPointId("p9"))


def test_a_replica_is_inconsistent_until_its_next_point(
    catalogue: Catalogue, running: Job, make_point: MakePoint, make_head: MakeHead, now: datetime
) -> None:
    point = make_point("p1", 0)
    assert not catalogue.mark_inconsistent(point.source, "no replica yet", now)
    catalogue.commit_point(point, make_head("p1"), running)

    assert catalogue.mark_inconsistent(point.source, "a block is damaged", now)
    assert not catalogue.mark_inconsistent(point.source, "again", now + timedelta(minutes=1))
    assert catalogue.replicas()[point.source].state is ReplicaState.INCONSISTENT
    (span,) = catalogue.inconsistent_spans()[point.source]
    assert (span.began_at, span.ended_at, span.reason) == (now, None, "a block is damaged")

    repaired = make_point("p2", 5)
    catalogue.commit_point(repaired, make_head("p2"), running)
    assert catalogue.replicas()[point.source].state is ReplicaState.CONSISTENT
    (span,) = catalogue.inconsistent_spans()[point.source]
    assert span.ended_at == repaired.captured_at


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
