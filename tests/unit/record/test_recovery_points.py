from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from reconciler.errors import CatalogueError, ItemNotFoundError
from reconciler.model.machine import NaturalKey, Role
from reconciler.model.names import GroupName, HostName, PoolName, RecoveryPointId, VmId
from reconciler.model.protection import DataSource, Head, RecoveryPoint
from reconciler.record.catalogue import Catalogue
from reconciler.record.work import Job

MakePoint = Callable[..., RecoveryPoint]
MakeHead = Callable[..., Head]
FINANCE = GroupName("finance")


@pytest.fixture
def other(catalogue: Catalogue) -> DataSource:
    key = NaturalKey(VmId("22222222-2222-2222-2222-222222222222"), Role.PRIMARY)
    return catalogue.ensure_source(key, "crm", HostName("hv1"), GroupName("finance"))


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


def test_old_points_come_oldest_first_and_without_the_head(
    catalogue: Catalogue,
    running: Job,
    other: DataSource,
    make_point: MakePoint,
    make_head: MakeHead,
) -> None:
    points = {n: make_point(n, m) for n, m in [("p1", 9), ("p2", 3), ("p3", 5), ("p4", 8)]}
    for name, point in points.items():
        catalogue.commit_point(point, make_head(name), running)
    for name, minutes in [("q1", 1), ("q2", 2)]:
        point = make_point(name, minutes, owner=other.id)
        catalogue.adopt_point(point, make_head(name, owner=other.id))

    def old(minutes: int) -> dict[str, list[str]]:
        before = {FINANCE: points["p2"].captured_at + timedelta(minutes=minutes - 3)}
        return {s: [p.id for p in found] for s, found in catalogue.old_points(before).items()}

    erp = points["p1"].source
    assert old(60) == {erp: ["p2", "p3", "p1"], other.id: ["q1"]}
    assert old(9) == {erp: ["p2", "p3"], other.id: ["q1"]}
    assert old(3) == {other.id: ["q1"]}
    assert old(1) == {}


def test_points_are_old_by_the_bound_of_their_group_and_without_one_never(
    catalogue: Catalogue, make_point: MakePoint, make_head: MakeHead, other: DataSource
) -> None:
    sales = catalogue.ensure_source(other.key, "crm", HostName("hv1"), GroupName("sales"))
    erp = make_point("p1").source
    for name, minutes, owner in [("p1", 1, erp), ("p2", 9, erp), ("q1", 1, sales.id)]:
        point = make_point(name, minutes, owner=owner)
        catalogue.adopt_point(point, make_head(name, owner=owner))
    catalogue.adopt_point(make_point("q2", 9, owner=sales.id), make_head("q2", owner=sales.id))
    early, late = (make_point("p1", minutes).captured_at for minutes in (1, 5))

    def old(before: dict[GroupName, datetime]) -> set[str]:
        return {p.id for found in catalogue.old_points(before).values() for p in found}

    assert old({FINANCE: late, GroupName("sales"): late}) == {"p1", "q1"}
    assert old({FINANCE: late, GroupName("sales"): early}) == {"p1"}
    assert old({FINANCE: early, GroupName("sales"): late}) == {"q1"}
    assert old({GroupName("it"): late}) == set()
    assert old({}) == set()


def test_points_are_counted_for_each_source_that_has_any(
    catalogue: Catalogue,
    running: Job,
    other: DataSource,
    make_point: MakePoint,
    make_head: MakeHead,
) -> None:
    assert catalogue.point_counts() == {}
    for name in ("p1", "p2", "p3"):
        catalogue.commit_point(make_point(name), make_head(name), running)
    catalogue.adopt_point(make_point("q1", owner=other.id), make_head("q1", owner=other.id))
    catalogue.drop_points([RecoveryPointId("p1")])

    assert catalogue.point_counts() == {make_point("p1").source: 2, other.id: 1}


def test_a_volume_is_to_be_swept_after_points_were_dropped_and_until_it_was(
    catalogue: Catalogue, running: Job, make_point: MakePoint, make_head: MakeHead
) -> None:
    catalogue.ensure_volume(PoolName("main"), "v2", "/backup/v2")
    for name in ("p1", "p2", "p3"):
        catalogue.commit_point(make_point(name), make_head(name), running)
    volume = make_point("p1").volume
    with pytest.raises(CatalogueError):
        catalogue.drop_points([RecoveryPointId("p1"), RecoveryPointId("p3")])
    catalogue.drop_points([RecoveryPointId("unheard-of")])
    assert catalogue.volumes_to_sweep() == {}

    catalogue.drop_points([RecoveryPointId("p1")])
    assert catalogue.volumes_to_sweep() == {volume: 1}
    catalogue.drop_points([RecoveryPointId("p2")])  # while it is swept
    catalogue.swept(volume, 1)
    assert catalogue.volumes_to_sweep() == {volume: 1}
    catalogue.swept(volume, 1)
    assert catalogue.volumes_to_sweep() == {}


def test_a_volume_that_cannot_be_swept_is_told_and_left_alone_for_an_hour(
    catalogue: Catalogue,
    running: Job,
    make_point: MakePoint,
    make_head: MakeHead,
    now: datetime,
) -> None:
    for name in ("p1", "p2"):
        catalogue.commit_point(make_point(name), make_head(name), running)
    catalogue.drop_points([RecoveryPointId("p1")])
    volume = make_point("p1").volume
    assert catalogue.sweep_problems() == {}

    catalogue.sweep_failed(volume, "a manifest is damaged", now)

    assert catalogue.sweep_problems() == {volume: "a manifest is damaged"}
    assert catalogue.volumes_to_sweep(now) == {}
    assert catalogue.volumes_to_sweep(now + timedelta(minutes=59)) == {}
    assert catalogue.volumes_to_sweep(now + timedelta(minutes=60)) == {volume: 1}
    assert catalogue.volumes_to_sweep(now - timedelta(days=1)) == {volume: 1}  # it was set back
    catalogue.swept(volume, 1)
    assert catalogue.sweep_problems() == {}


def test_more_points_than_fit_in_one_statement_are_dropped(
    catalogue: Catalogue, source: DataSource, make_point: MakePoint, make_head: MakeHead
) -> None:
    for n in range(3):
        catalogue.adopt_point(make_point(f"p{n}", n), make_head(f"p{n}"))
    unknown = [RecoveryPointId(f"x{n}") for n in range(1200)]
    catalogue.drop_points([RecoveryPointId("p0"), *unknown, RecoveryPointId("p1")])

    assert catalogue.point_counts() == {source.id: 1}


def test_growth_is_what_was_stored_after_the_creation_even_when_that_point_is_gone(
    catalogue: Catalogue,
    running: Job,
    make_point: MakePoint,
    make_head: MakeHead,
    other: DataSource,
) -> None:
    sizes = {"p1": 1000, "p2": 10, "p3": 30}
    for day, (name, stored) in enumerate(sizes.items()):
        point = replace(make_point(name, day * 1440), bytes_stored=stored)
        catalogue.commit_point(point, make_head(name), running)
    source = make_point("p1").source
    whole = catalogue.growth()
    catalogue.drop_points([RecoveryPointId("p1")])
    later = catalogue.growth()

    assert whole.keys() == later.keys() == {source}
    assert other.id not in whole
    assert (whole[source].created_bytes, whole[source].later_bytes) == (1000, 40)
    assert whole[source].until - whole[source].since == timedelta(days=2)
    assert (later[source].created_bytes, later[source].later_bytes) == (1000, 30)
    assert later[source].since == make_point("p2", 1440).captured_at
