"""States in which a machine has to wait, whatever it is."""

from collections.abc import Callable

import pytest

from reconciler.errors import Retry
from reconciler.model.machine import Replication, Role, VirtualMachine
from reconciler.plan.machine_states import must_wait

MakeVm = Callable[..., VirtualMachine]


@pytest.mark.parametrize(
    "status",
    [
        "MigratingVirtualMachine",
        "MigratingPlannedVm",
        "StorageMigrationPhaseOne",
        "StorageMigrationPhaseTwo",
        "ExportingVirtualMachine",
        "ApplyingSnapshot",
    ],
)
def test_a_machine_that_its_host_is_moving_or_writing_waits(make_vm: MakeVm, status: str) -> None:
    found = must_wait(make_vm(operational_status=("Ok", status)))

    assert found is not None
    assert (found.code, found.retry) == ("waiting.machine", Retry.SOON)
    assert status in found.reason


@pytest.mark.parametrize(
    "status",
    ["Ok", "MergingDisks", "CreatingSnapshot", "DeletingSnapshot", "BackingUpVirtualMachine"],
)
def test_what_ends_within_a_capture_holds_nothing_up(make_vm: MakeVm, status: str) -> None:
    assert must_wait(make_vm(operational_status=("Ok", status))) is None


@pytest.mark.parametrize("state", ["Running", "Off", "Saved", "Paused", "Hibernated"])
def test_a_machine_in_a_lasting_state_does_not_wait(make_vm: MakeVm, state: str) -> None:
    assert must_wait(make_vm(state=state)) is None


@pytest.mark.parametrize("state", ["Starting", "Stopping", "Saving", "Resuming", "Reset"])
def test_a_machine_between_two_states_waits_for_a_moment(make_vm: MakeVm, state: str) -> None:
    found = must_wait(make_vm(state=state))

    assert found is not None
    assert found.retry is Retry.SOON
    assert state in found.reason


def test_a_machine_whose_files_are_out_of_reach_waits_for_a_person(make_vm: MakeVm) -> None:
    found = must_wait(make_vm(state="RunningCritical"))

    assert found is not None
    assert (found.code, found.retry) == ("waiting.machine", Retry.OPERATOR)
    assert "RunningCritical" in found.reason


def test_a_replica_machine_tells_first_what_its_replication_is_up_to(make_vm: MakeVm) -> None:
    told = Replication("Resynchronizing", "Normal")
    machine = make_vm(
        role=Role.REPLICA, replication=told, operational_status=("ExportingVirtualMachine",)
    )

    found = must_wait(machine)
    assert found is not None
    assert found.code == "waiting.replica_resynchronizing"
