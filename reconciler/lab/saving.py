"""Machines that are saved, and that run on."""

from reconciler.agent_contract import START_STATE_CHANGE, OperationState
from reconciler.lab import faults
from reconciler.lab.checkpoints import INVALID_STATE, RefusedError
from reconciler.lab.faults import FaultKind
from reconciler.lab.state import MachineState, OperationRecord

_WAYS = {
    "Saved": (("Running",), "Saving"),
    "Running": (("Saved", "Off"), "Starting"),
    "Off": (("Running", "Saved"), "Stopping"),
}
"""Target, where it begins, and what is shown on the way. Source: hyperv-facts.md §2.2."""


def change_state(machine: MachineState, record: OperationRecord) -> None:
    """Save a machine, or let a saved one run on; one that is there already stays so. Not saved.

    Raises:
        RefusedError: Its state does not allow it, or it cannot be resumed.
    """
    target = record.arguments["TargetState"]
    if machine.state == target:
        return
    origins, _ = _WAYS[target]
    if machine.state not in origins:
        text = f"'{machine.name}' is {machine.state}; from there it cannot become {target}."
        raise RefusedError(INVALID_STATE, text)
    if (
        machine.state == "Saved"
        and target == "Running"
        and faults.strikes(machine.faults, FaultKind.RESUME_FAILS)
    ):
        raise RefusedError(faults.FAILED, f"The saved state of '{machine.name}' cannot be read.")
    machine.properties["State"] = target


def state_on_the_way(machine: MachineState, record: OperationRecord) -> str | None:
    """What a machine shows while an operation changes its state; None while none does."""
    if record.function != START_STATE_CHANGE.name or record.state is not OperationState.RUNNING:
        return None
    origins, passing = _WAYS[record.arguments["TargetState"]]
    return passing if machine.state in origins else None
