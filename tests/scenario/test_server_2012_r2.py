"""Windows Server 2012 R2: no change tracking, no reference points, machines saved for the capture.

The same walk over both engines: over PowerShell, classes and methods that came with Server 2016 are
not there.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from reconciler.app import open_app
from reconciler.execute.boundaries import Boundary
from reconciler.execute.outcome import Result, Verdict
from reconciler.lab.definition import HostDefinition, LabDefinition
from reconciler.lab.full_lab import R2_01, SERVER_2012_R2, VHD_01
from reconciler.lab.launch import POWERSHELL
from reconciler.model.machine import VirtualMachine
from reconciler.model.protection import Consistency
from reconciler.plan.actions import RemoveLeftovers
from tests.lab_world import World, new_world, skip_without_powershell
from tests.scenario.test_killed import killed_at

VM = R2_01.name
WITHOUT_SCSI = replace(VHD_01, configuration_version="5.0", guest_os="")
A_DAY = 24 * 60
WRITTEN = 200_000


@pytest.fixture(scope="module", params=["python", POWERSHELL])
def engine(request: pytest.FixtureRequest) -> str:
    """What answers as the agent."""
    if request.param == POWERSHELL:
        skip_without_powershell()
    return POWERSHELL if request.param == POWERSHELL else ""


@pytest.fixture(scope="module")
def world(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One host with a machine as they were then; its replica is there."""
    host = HostDefinition("hv3", (R2_01,), os_build=SERVER_2012_R2)
    for made in new_world(tmp_path_factory, LabDefinition((host,)), engine):
        result = carried_out(made)
        assert result.verdict is Verdict.DONE, result.message
        yield made


@pytest.fixture
def without_scsi(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One host with a machine whose only disk is at an IDE controller."""
    host = HostDefinition("hv3", (WITHOUT_SCSI,), os_build=SERVER_2012_R2)
    yield from new_world(tmp_path_factory, LabDefinition((host,)), engine)


def carried_out(world: World) -> Result:
    _, (result,) = world.apply()
    return result


def machine(world: World) -> VirtualMachine:
    (found,) = world.report("hv3").machines
    return found


def assert_whole(world: World, shadow_name: str) -> None:
    """The newest point is what the guest held, the machine runs, and nothing is left of it."""
    shadow = world.shadow(shadow_name)
    point = world.points(VM)[-1]
    assert point.consistency is Consistency.OFFLINE
    assert world.differing(VM, point, shadow) == []
    report = world.report("hv3")
    assert (report.checkpoints, report.reference_points) == ((), ())
    assert machine(world).state == "Running"
    assert world.plan().actions == ()


def test_the_plan_says_that_it_is_saved_and_what_asking_its_guest_would_need(world: World) -> None:
    world.advance(A_DAY)

    plan = world.plan()

    assert machine(world).configuration_version == "5.0"
    (told,) = (f for f in plan.findings if f.code == "consistency.saved_state")
    assert "native VSS requester" in told.message


def test_only_what_differs_travels_and_the_point_is_what_the_guest_held(world: World) -> None:
    first = world.points(VM)[0]
    assert first.consistency is Consistency.OFFLINE
    world.write(VM, WRITTEN)
    world.advance(A_DAY)

    result = carried_out(world)

    assert result.verdict is Verdict.DONE, result.message
    assert 0 < world.points(VM)[-1].bytes_read < first.bytes_read // 4
    assert_whole(world, "second")


def test_its_disks_come_back_as_files_that_hold_what_the_guest_wrote(world: World) -> None:
    world.write(VM, WRITTEN)
    world.advance(A_DAY)
    assert carried_out(world).verdict is Verdict.DONE

    done = world.cli("recover", "disks", VM, "--to", "back")
    looked = world.cli("disk", "convert", f"back/{VM}-SCSI-0-0.vhdx", "back/disk.raw")

    assert (done.returncode, looked.returncode) == (0, 0), done.stderr + looked.stderr
    shadow = world.shadow("recovered") / f"{VM}-disk0.raw"
    assert (world.folder / "back" / "disk.raw").read_bytes() == shadow.read_bytes()


def test_one_that_a_kill_left_saved_runs_again_before_anything_else(world: World) -> None:
    world.write(VM, WRITTEN)
    world.advance(A_DAY)
    before = len(world.points(VM))

    killed_at(world, Boundary.CHECKPOINT_TAKEN)

    assert machine(world).state == "Saved"
    first, *_ = world.plan().actions
    assert isinstance(first, RemoveLeftovers)
    assert first.resumes
    _, results = world.apply()
    assert {result.verdict for result in results} <= {Verdict.DONE, Verdict.VOID}
    assert len(world.points(VM)) == before + 1
    assert_whole(world, "killed")


def test_one_that_somebody_turned_off_while_it_was_saved_stays_off(world: World) -> None:
    world.advance(A_DAY)
    door = world.door(VM)

    def turn_off(boundary: Boundary) -> None:
        if boundary is Boundary.CHECKPOINT_TAKEN:
            door.ask("set", vm=VM, name="State", value="Off")

    with open_app(world.settings, turn_off) as app:
        reconciler = app.reconciler()
        (result,) = reconciler.carry_out(reconciler.plan())
    try:
        state = machine(world).state
        actions = world.plan().actions
    finally:
        door.ask("set", vm=VM, name="State", value="Running")

    assert (result.verdict, state, actions) == (Verdict.DONE, "Off", ())


def test_one_without_a_scsi_controller_is_not_captured_and_goes_on_running(
    without_scsi: World,
) -> None:
    _, results = without_scsi.apply()

    assert [r for r in results if r.verdict is Verdict.DONE] == []
    for failed in results:  # none where the plan has seen it before
        assert failed.error_code == "host.checkpoint_failed"
        assert "10103" in failed.message
    assert machine(without_scsi).state == "Running"
    assert without_scsi.report("hv3").checkpoints == ()
