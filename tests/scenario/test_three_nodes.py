"""A cluster of three nodes: a machine that goes round, and one whose last node is lost."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from reconciler.app import open_app
from reconciler.execute.boundaries import Boundary
from reconciler.execute.outcome import Verdict
from reconciler.lab import nodes
from reconciler.lab.definition import HostDefinition
from reconciler.lab.full_lab import APP_01, APP_02, CLUSTER_LAB, CSV2
from reconciler.plan.actions import ConsistencyCheck
from tests.lab_world import World, new_world

VM = APP_01.name
WHOLE = 128 << 20
"""Size of its disk. Units: bytes."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Three nodes; app-01 and app-02 are on the first, and have replicas."""
    first, second = CLUSTER_LAB.hosts
    hosts = (
        replace(first, machines=(APP_01, APP_02)),
        replace(second, machines=()),
        HostDefinition("hvc3", (), cluster=first.cluster),
    )
    for world in new_world(tmp_path_factory, replace(CLUSTER_LAB, hosts=hosts)):
        _, made = world.apply()
        assert [result.verdict for result in made] == [Verdict.DONE] * 2
        yield world


def migrate(world: World, target: str) -> None:
    world.door(VM).ask("migrate", vm=VM, to=target, seconds=0.0)


def at(world: World) -> str:
    return str(world.door(VM).ask("ping")["host"])


def test_a_machine_that_visits_every_node_while_it_is_backed_up_gets_its_one_point(
    world: World,
) -> None:
    before = len(world.points(VM))
    world.write(VM)
    world.advance(60)
    ways = {
        Boundary.CHECKPOINT_TAKEN: "hvc2",
        Boundary.PACKS_SYNCED: "hvc3",
        Boundary.REFERENCE_POINT_MADE: "hvc1",
    }

    def reached(boundary: Boundary) -> None:
        if (target := ways.pop(boundary, None)) is not None:
            migrate(world, target)

    with open_app(world.settings, reached) as app:
        reconciler = app.reconciler()
        plan = reconciler.plan()
        only = replace(plan, actions=tuple(a for a in plan.actions if a.subject.name == VM))
        (result,) = reconciler.carry_out(only)

    assert (result.verdict, result.message) == (Verdict.DONE, "")
    assert (ways, at(world)) == ({}, "hvc1")
    assert len(world.points(VM)) == before + 1
    assert world.differing(VM, world.points(VM)[-1], world.shadow("round")) == []
    reports = [world.report(host) for host in world.addresses]
    assert [c for report in reports for c in report.checkpoints] == []


def test_disks_that_move_to_another_volume_before_the_checkpoint_are_compared_there(
    world: World,
) -> None:
    """A storage migration: what changed is not known any more, and only that is read."""
    before = len(world.points(VM))
    world.write(VM)
    world.advance(60)

    def reached(boundary: Boundary) -> None:
        if boundary is Boundary.INTENT_WRITTEN:
            done = world.cli("lab", "move-storage", VM, f"{CSV2}moved")
            assert done.stdout.startswith(f"{CSV2}moved\\app-01"), done.stderr

    with open_app(world.settings, reached) as app:
        reconciler = app.reconciler()
        plan = reconciler.plan()
        only = replace(plan, actions=tuple(a for a in plan.actions if a.subject.name == VM))
        (result,) = reconciler.carry_out(only)

    assert (result.verdict, result.message) == (Verdict.DONE, "")
    assert len(world.points(VM)) == before + 1
    assert world.differing(VM, world.points(VM)[-1], world.shadow("moved")) == []
    assert 0 < result.outcome.bytes_read < WHOLE // 4
    world.apply()
    assert world.plan().actions == ()


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("moved", "no whole path"),
        (f"{CSV2}..\\moved", "no whole path"),
        ("D:\\moved", "has no volume for D:\\moved that app-01 can be on"),
        (f"{CSV2}moved", "already"),
    ],
)
def test_disks_are_not_moved_where_they_cannot_be(world: World, path: str, told: str) -> None:
    refused = world.cli("lab", "move-storage", VM, path)

    assert refused.returncode == 1
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_group_that_its_cluster_cannot_keep_up_is_told_and_one_on_its_way_is_waited_for(
    world: World,
) -> None:
    world.advance(60)
    assert world.cli("lab", "set", VM, "GroupState", "Failed").returncode == 0
    failed = world.plan()
    assert world.cli("lab", "set", VM, "GroupState", "Pending").returncode == 0
    pending = world.plan()
    assert world.cli("lab", "set", VM, "GroupState", "null").returncode == 0

    assert [f.about for f in failed.findings if f.code == "cluster.group_failed"] == [VM]
    assert {action.subject.name for action in failed.actions} == {VM, APP_02.name}
    assert [f.about for f in pending.findings if f.code == "waiting.machine"] == [VM]
    assert {action.subject.name for action in pending.actions} == {APP_02.name}
    assert not [f for f in world.plan().findings if f.about == VM]
    refused = world.cli("lab", "set", VM, "GroupState", "Gone")
    assert "GroupState: Gone is none" in refused.stderr


def test_a_machine_that_went_to_a_node_after_the_last_look_is_checked_when_that_is_lost(
    world: World,
) -> None:
    """Nobody has ever seen it there; its cluster has brought it up elsewhere by now."""
    world.apply()
    assert at(world) == "hvc1"
    migrate(world, "hvc3")
    world.write(VM)
    nodes.lose(world.lab, "hvc3")
    assert at(world) in {"hvc1", "hvc2"}
    if at(world) == "hvc1":  # it came back, and nobody could tell: let it move once more
        migrate(world, "hvc2")

    plan = world.plan()

    (check,) = (a for a in plan.actions if isinstance(a, ConsistencyCheck))
    assert check.subject.name == VM
    assert "it may have run there" in check.reason
    (doubt,) = plan.doubts
    assert doubt.machine == VM
    nodes.start(world.lab, "hvc3")
    _, results = world.apply()
    assert Verdict.FAILED not in {result.verdict for result in results}
    assert world.plan().doubts == ()
    assert world.differing(VM, world.points(VM)[-1], world.shadow("after")) == []
