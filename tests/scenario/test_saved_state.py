"""A guest that cannot take part is saved for its capture, and runs on whatever happens."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from reconciler.app import open_app
from reconciler.execute.boundaries import Boundary
from reconciler.execute.outcome import Result, Verdict
from reconciler.execute.workbench import ResumePace
from reconciler.lab.definition import HostDefinition, LabDefinition
from reconciler.lab.full_lab import OLD_01
from reconciler.model.protection import Consistency
from reconciler.plan.actions import RemoveLeftovers
from tests.lab_world import World, new_world
from tests.scenario.test_killed import killed_at

VM = OLD_01.name
USUAL = ResumePace()
HASTY = ResumePace(for_s=0.0)
SAVED_AT = [Boundary.MACHINE_SAVED, Boundary.CHECKPOINT_TAKEN]
"""Where the machine is saved when the process dies."""


@pytest.fixture(scope="module")
def old_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One host with one machine whose guest cannot be asked."""
    yield from new_world(tmp_path_factory, LabDefinition((HostDefinition("hv1", (OLD_01,)),)))


@pytest.fixture(scope="module")
def world(old_world: World) -> World:
    saving = old_world.another("saving")
    _, results = saving.apply()
    assert [r.verdict for r in results] == [Verdict.DONE]
    return saving


def state(world: World) -> str:
    return next(m.state for m in world.report("hv1").machines)


def watched(world: World, pace: ResumePace = USUAL) -> tuple[list[Boundary], list[Result]]:
    """One pass, and what became true in it, in order."""
    passed: list[Boundary] = []
    with open_app(world.settings, passed.append) as app:
        reconciler = app.reconciler()
        reconciler = replace(reconciler, tools=replace(reconciler.tools, resuming=pace))
        return passed, list(reconciler.carry_out(reconciler.plan()))


def failures(world: World) -> int:
    """How many jobs of the machine have failed in a row."""
    with open_app(world.settings) as app:
        return sum(found.count for found in app.catalogue.jobs.failures().values())


def assert_whole(world: World, shadow_name: str) -> None:
    """The newest point is what the guest held, nothing is left, and nothing is due."""
    shadow = world.shadow(shadow_name)
    point = world.points(VM)[-1]
    assert point.consistency is Consistency.OFFLINE
    assert world.differing(VM, point, shadow) == []
    assert world.report("hv1").checkpoints == ()
    assert len(world.report("hv1").reference_points) == 1
    assert state(world) == "Running"
    assert world.plan().actions == ()


def test_it_is_saved_for_the_checkpoint_alone_and_runs_while_it_is_copied(world: World) -> None:
    world.write(VM)
    world.advance(60)

    passed, results = watched(world)

    assert [r.verdict for r in results] == [Verdict.DONE]
    assert passed[:5] == [
        Boundary.INTENT_WRITTEN,
        Boundary.MACHINE_SAVED,
        Boundary.CHECKPOINT_TAKEN,
        Boundary.MACHINE_RESUMED,
        Boundary.CONFIGURATION_READ,
    ]
    assert_whole(world, "saved")


@pytest.mark.parametrize(
    "boundary",
    [
        Boundary.INTENT_WRITTEN,
        *SAVED_AT,
        Boundary.MACHINE_RESUMED,
        Boundary.CONFIGURATION_READ,
        Boundary.MANIFEST_SEALED,
        Boundary.CATALOGUE_COMMITTED,
    ],
)
def test_a_kill_at_any_boundary_leaves_it_to_the_next_pass_which_resumes_first(
    world: World, boundary: Boundary
) -> None:
    world.write(VM)
    world.advance(60)
    before = len(world.points(VM))
    killed_at(world, boundary)
    is_saved = boundary in SAVED_AT
    assert state(world) == ("Saved" if is_saved else "Running")
    (cleaning, *_) = world.plan().actions
    assert isinstance(cleaning, RemoveLeftovers)
    assert cleaning.resumes is is_saved

    passed, results = watched(world)

    assert {r.verdict for r in results} <= {Verdict.DONE, Verdict.VOID}
    assert (passed[0] is Boundary.MACHINE_RESUMED) is is_saved
    assert len(world.points(VM)) == before + 1
    assert_whole(world, f"killed-{boundary.value}")


def test_a_capture_that_fails_while_it_is_saved_lets_it_run_on(world: World) -> None:
    world.advance(60)
    before = world.points(VM)
    door = world.door(VM)
    door.ask("fault_set", kind="checkpoint-exception", vm=VM)
    try:
        passed, (failed,) = watched(world)
    finally:
        door.ask("fault_clear", kind="checkpoint-exception", vm=VM)

    assert failed.error_code == "host.checkpoint_failed"
    assert passed == [
        Boundary.INTENT_WRITTEN,
        Boundary.MACHINE_SAVED,
        Boundary.MACHINE_RESUMED,
    ]
    assert state(world) == "Running"
    assert world.points(VM) == before
    assert world.report("hv1").checkpoints == ()
    assert [type(a).__name__ for a in world.plan().actions] == ["ExpressFullBackup"]
    _, (done,) = watched(world)
    assert done.verdict is Verdict.DONE


def test_one_that_cannot_be_resumed_costs_no_point_and_is_tried_at_the_next_pass(
    world: World,
) -> None:
    world.write(VM)
    world.advance(60)
    before = len(world.points(VM))
    door = world.door(VM)
    door.ask("fault_set", kind="resume-fails", vm=VM)
    try:
        _, (result,) = watched(world, HASTY)
        assert result.error_code == "host.state_change_failed"
        assert state(world) == "Saved"
        assert len(world.points(VM)) == before + 1
        assert failures(world) == 1

        _, (again,) = watched(world)  # by a process that lives, as the loop does
        assert isinstance(again.action, RemoveLeftovers)
        assert again.error_code == "host.state_change_failed"
        assert state(world) == "Saved"
        assert failures(world) == 2
    finally:
        door.ask("fault_clear", kind="resume-fails", vm=VM)

    passed, results = watched(world)
    assert {r.verdict for r in results} == {Verdict.DONE}
    assert passed[0] is Boundary.MACHINE_RESUMED
    assert len(world.points(VM)) == before + 1
    assert failures(world) == 0
    assert_whole(world, "resumed-late")


def test_one_that_is_not_resumed_at_first_runs_before_anything_is_copied(world: World) -> None:
    world.write(VM)
    world.advance(60)
    world.door(VM).ask("fault_set", kind="resume-fails", vm=VM, count=2)

    passed, (result,) = watched(world, ResumePace(every_s=0.01, for_s=30.0))

    assert result.verdict is Verdict.DONE
    assert passed[2:5] == [
        Boundary.CHECKPOINT_TAKEN,
        Boundary.MACHINE_RESUMED,
        Boundary.CONFIGURATION_READ,
    ]
    assert_whole(world, "resumed-soon")


def test_one_that_is_not_resumed_for_a_while_is_tried_while_it_is_copied(world: World) -> None:
    world.write(VM)
    world.advance(60)
    world.door(VM).ask("fault_set", kind="resume-fails", vm=VM, count=1)

    passed, (result,) = watched(world, ResumePace(for_s=0.0, again_every_s=0.0))

    assert result.verdict is Verdict.DONE
    assert passed[2:5] == [
        Boundary.CHECKPOINT_TAKEN,
        Boundary.CONFIGURATION_READ,
        Boundary.MACHINE_RESUMED,
    ]
    assert_whole(world, "resumed-meanwhile")


def test_one_that_somebody_turned_off_meanwhile_stays_off(world: World) -> None:
    world.advance(60)
    killed_at(world, Boundary.MACHINE_SAVED)
    door = world.door(VM)
    door.ask("set", vm=VM, name="State", value="Off")
    try:
        passed, results = watched(world)
        assert {r.verdict for r in results} == {Verdict.DONE}
        assert Boundary.MACHINE_RESUMED not in passed
        assert state(world) == "Off"
        assert world.points(VM)[-1].consistency is Consistency.OFFLINE
    finally:
        door.ask("set", vm=VM, name="State", value="Running")
    assert_whole(world, "turned-off")


def test_one_that_runs_again_before_its_checkpoint_claims_no_more_than_a_crash(
    world: World,
) -> None:
    world.advance(60)
    door = world.door(VM)

    def meddle(passed: Boundary) -> None:
        if passed is Boundary.MACHINE_SAVED:
            door.ask("set", vm=VM, name="State", value="Running")

    with open_app(world.settings, meddle) as app:
        reconciler = app.reconciler()
        (result,) = reconciler.carry_out(reconciler.plan())

    assert result.verdict is Verdict.DONE
    assert world.points(VM)[-1].consistency is Consistency.CRASH
    assert state(world) == "Running"


def test_a_wish_that_cannot_be_had_any_more_is_refused_and_nothing_is_touched(
    world: World,
) -> None:
    world.advance(60)
    before = world.report("hv1")
    passed: list[Boundary] = []
    with open_app(world.settings, passed.append) as app:
        reconciler = app.reconciler()
        plan = reconciler.plan()
        world.door(VM).ask("set", vm=VM, name="State", value="Paused")
        try:
            (result,) = reconciler.carry_out(plan)
        finally:
            world.door(VM).ask("set", vm=VM, name="State", value="Running")

    assert result.error_code == "prerequisite.consistency_refused"
    assert "only a running machine can be saved" in result.message
    assert passed == []
    assert world.report("hv1").reference_points == before.reference_points
    watched(world)


def test_a_machine_that_stays_busy_is_named_with_what_is_going_on(world: World) -> None:
    world.advance(60)
    door = world.door(VM)
    door.ask("set", vm=VM, name="OperationalStatus", value="MergingDisks")
    try:
        with open_app(world.settings) as app:
            reconciler = app.reconciler()
            hasty = replace(reconciler, tools=replace(reconciler.tools, merge_wait_s=0.0))
            (result,) = hasty.carry_out(hasty.plan())
    finally:
        door.ask("set", vm=VM, name="OperationalStatus", value="Ok")

    assert result.error_code == "prerequisite.machine_busy"
    assert "MergingDisks" in result.message
    watched(world)
