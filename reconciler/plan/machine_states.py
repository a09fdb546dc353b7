"""States of any machine in which nothing can be captured, however due it is."""

from typing import Final

from reconciler.errors import Retry
from reconciler.model.machine import VirtualMachine
from reconciler.plan.replica_machines import Uncertainty, uncertainty

_BUSY_STATUS: Final = frozenset(
    {
        "MigratingVirtualMachine",
        "MigratingPlannedVm",
        "StorageMigrationPhaseOne",
        "StorageMigrationPhaseTwo",
        "ExportingVirtualMachine",
        "ApplyingSnapshot",
    }
)
"""What ends by itself within a capture (a merge, another checkpoint) is waited for there."""
_PASSING: Final = frozenset(
    {
        "Starting",
        "Stopping",
        "Saving",
        "FastSaving",
        "Pausing",
        "Resuming",
        "Reset",
        "ForceShutdown",
        "ForceReboot",
    }
)


def must_wait(machine: VirtualMachine) -> Uncertainty | None:
    """Why the machine cannot be captured for the moment; None when it can be."""
    return uncertainty(machine) or _busy(machine)


def _busy(machine: VirtualMachine) -> Uncertainty | None:
    if machine.state.endswith("Critical"):
        return Uncertainty(
            "waiting.machine",
            f"its state is {machine.state}: its host cannot reach its files",
            "see that the storage of its disks and configuration is there",
            Retry.OPERATOR,
        )
    told = next((s for s in machine.operational_status if s in _BUSY_STATUS), "")
    if not told and machine.state in _PASSING:
        told = machine.state
    if not told:
        return None
    return Uncertainty(
        "waiting.machine",
        f"its host is at work on it ({told})",
        "wait for its end; the next pass looks again",
        Retry.SOON,
    )
