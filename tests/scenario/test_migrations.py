"""A machine of a cluster that moves while it is backed up: its job goes on where it is."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from reconciler.app import open_app
from reconciler.execute.boundaries import Boundary
from reconciler.execute.outcome import Result, Verdict
from reconciler.lab import nodes
from reconciler.lab.full_lab import APP_01, CLUSTER_LAB
from tests.lab_world import World, new_world

VM = APP_01.name


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two nodes and one machine, which has a replica."""
    first, second = CLUSTER_LAB.hosts
    hosts = (replace(first, machines=(APP_01,)), replace(second, machines=()))
    for world in new_world(tmp_path_factory, replace(CLUSTER_LAB, hosts=hosts)):
        _, (made,) = world.apply()
        assert made.verdict is Verdict.DONE
        yield world


def migrate(world: World) -> None:
    (target,) = set(world.addresses) - {at(world)}
    world.door(VM).ask("migrate", vm=VM, to=target, seconds=0.0)


def at(world: World) -> str:
    return str(world.door(VM).ask("ping")["host"])


def backed_up(world: World, *moves: Boundary) -> Result:
    """One pass in which the machine moves at each of those boundaries."""
    world.write(VM)
    world.advance(60)

    def reached(boundary: Boundary) -> None:
        if boundary in moves:
            migrate(world)

    with open_app(world.settings, reached) as app:
        reconciler = app.reconciler()
        (result,) = reconciler.carry_out(reconciler.plan())
        return result


def assert_one_point_and_nothing_left(world: World, before: int) -> None:
    assert len(world.points(VM)) == before + 1
    assert world.differing(VM, world.points(VM)[-1], world.shadow(f"shadow-{before}")) == []
    reports = [world.report(host) for host in world.addresses]
    assert [c for r in reports for c in r.checkpoints] == []
    assert len([p for r in reports for p in r.reference_points]) == 1
    assert [m.state for r in reports for m in r.machines] == ["Running"]
    assert world.plan().actions == ()


@pytest.mark.parametrize(
    "moves",
    [
        (Boundary.INTENT_WRITTEN,),
        (Boundary.CHECKPOINT_TAKEN,),
        (Boundary.PACKS_SYNCED,),
        (Boundary.MANIFEST_SEALED,),
        (Boundary.REFERENCE_POINT_MADE,),
        (Boundary.CATALOGUE_COMMITTED,),
        (Boundary.CHECKPOINT_TAKEN, Boundary.PACKS_SYNCED, Boundary.MANIFEST_SEALED),
    ],
)
def test_a_machine_that_moves_between_steps_gets_its_one_point(
    world: World, moves: tuple[Boundary, ...]
) -> None:
    before = len(world.points(VM))

    result = backed_up(world, *moves)

    assert (result.verdict, result.message) == (Verdict.DONE, "")
    assert_one_point_and_nothing_left(world, before)


def test_a_conversion_is_found_on_the_node_that_made_it(world: World) -> None:
    """The job dies just after it, and its heir finds the machine on the other node."""
    before = len(world.points(VM))
    world.write(VM)
    world.advance(60)

    def reached(boundary: Boundary) -> None:
        if boundary is Boundary.REFERENCE_POINT_MADE:
            migrate(world)
            raise RuntimeError("dies here")

    with open_app(world.settings, reached) as app:
        reconciler = app.reconciler()
        (failed,) = reconciler.carry_out(reconciler.plan())
    assert failed.verdict is Verdict.FAILED

    world.apply()

    assert_one_point_and_nothing_left(world, before)


def test_a_node_that_is_lost_ends_the_job_and_the_next_pass_tidies_up_elsewhere(
    world: World,
) -> None:
    before, lost = len(world.points(VM)), at(world)
    world.write(VM)
    world.advance(60)

    def reached(boundary: Boundary) -> None:
        if boundary is Boundary.CHECKPOINT_TAKEN:
            nodes.lose(world.lab, lost)

    with open_app(world.settings, reached) as app:
        reconciler = app.reconciler()
        (failed,) = reconciler.carry_out(reconciler.plan())
    assert failed.verdict is Verdict.FAILED
    assert len(world.points(VM)) == before
    nodes.start(world.lab, lost)

    world.apply()

    assert_one_point_and_nothing_left(world, before)
