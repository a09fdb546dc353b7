"""Replica machines (Hyper-V Replica): when crash consistency of their disks is certain.

Hyper-V writes to the disks of a replica machine by itself. While it does, and after it failed to,
a capture would hold something that never was. What is not known to be fine is not fine.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from reconciler.errors import Retry
from reconciler.model.machine import Replication, Role, VirtualMachine

_ROLES: Final = frozenset({Role.REPLICA, Role.EXTENDED_REPLICA})
_FINE: Final = frozenset({"Replicating", "Suspended", "FailedOver"})

# Source: hyperv-facts.md §2.4 (states, operational status) and §1.3 (job types).
_CRITICAL_STATUS: Final = frozenset({"SupportingEntityInError", "CriticalIoError"})
_MOVING_STATUS: Final = frozenset(
    {
        "MigratingVirtualMachine",
        "MigratingPlannedVm",
        "StorageMigrationPhaseOne",
        "StorageMigrationPhaseTwo",
    }
)
_MOVING_JOBS: Final = frozenset({97, 98, 99, 102, 103, 104, 123, 124, *range(300, 308)})
_MOVING: Final = frozenset(
    {
        "PreparedForFailover",
        "FailedOverWaitingCompletion",
        "RecoveryInProgress",
        "FailbackInProgress",
        "FailbackComplete",
        "WaitingForRepurposeCompletion",
        "FiredrillInProgress",
        "PreparedForSyncReplication",
        "PreparedForGroupReverseReplication",
    }
)
_INITIAL: Final = frozenset(
    {
        "ReadyForInitialReplication",
        "InitialReplicationInProgress",
        "WaitingForInitialReplication",
    }
)
_INITIAL_JOBS: Final = frozenset({94, 95, 116, 118})
_RESYNCHRONIZING: Final = frozenset(
    {"WaitingForStartResynchronize", "Resynchronizing", "ResynchronizeSuspended"}
)
_RESYNCHRONIZING_JOBS: Final = frozenset({107, 117, 121})
_APPLYING: Final = frozenset({"UpdateError", "WaitingForUpdateCompletion"})
_APPLYING_JOBS: Final = frozenset({108, 120})


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """Why a machine cannot be captured for the moment, and what has to happen first."""

    code: str
    reason: str
    hint: str
    retry: Retry


def uncertainty(machine: VirtualMachine) -> Uncertainty | None:
    """Why a replica machine's disks may not even be crash-consistent now; None for any other."""
    if machine.key.role not in _ROLES:
        return None
    replication = machine.replication
    if replication is None:
        return Uncertainty(
            "waiting.replica_unknown",
            "its host tells nothing of its replication",
            "look at it with Get-VMReplication on its host",
            Retry.OPERATOR,
        )
    return next(_reasons(machine, replication), None)


def _reasons(machine: VirtualMachine, replication: Replication) -> Iterator[Uncertainty]:
    """All that is in the way, the worst first."""
    jobs, state = frozenset(machine.job_types), replication.state
    if told := _critical(machine, replication):
        yield Uncertainty(
            "waiting.replica_critical",
            f"its replication is critical ({told})",
            "see what Hyper-V Replica needs: Get-VMReplication, Measure-VMReplication",
            Retry.OPERATOR,
        )
    if told := _moving(machine, state, jobs):
        yield Uncertainty(
            "waiting.replica_moving",
            f"a migration or failover of it is in progress ({told})",
            "wait for its end; complete or cancel a failover that was begun",
            Retry.LATER,
        )
    if told := _first((state,), _INITIAL) or _job(jobs, _INITIAL_JOBS):
        yield Uncertainty(
            "waiting.replica_initial",
            f"its initial replication is not complete ({told})",
            "wait for its end, or start it: Start-VMInitialReplication on the primary",
            Retry.LATER,
        )
    if told := _first((state,), _RESYNCHRONIZING) or _job(jobs, _RESYNCHRONIZING_JOBS):
        yield Uncertainty(
            "waiting.replica_resynchronizing",
            f"it is being resynchronized, or has to be ({told})",
            "wait for its end, or start it: Resume-VMReplication -Resynchronize on the primary",
            Retry.LATER,
        )
    if told := _first((state,), _APPLYING) or _job(jobs, _APPLYING_JOBS):
        yield Uncertainty(
            "waiting.replica_applying_log",
            f"replication logs are being applied to it ({told})",
            "wait; where that never ends, pause replication around the backup",
            Retry.SOON,
        )
    elif _is_behind(replication):
        yield Uncertainty(
            "waiting.replica_log_not_applied",
            "replication logs that it received were not applied: "
            "the last attempt failed, was cancelled or interrupted",
            "see why: Measure-VMReplication on its host",
            Retry.SOON,
        )
    if state not in _FINE:
        yield Uncertainty(
            "waiting.replica_unknown",
            f"its replication is in a state that is not known to be safe ({state})",
            "look at it with Get-VMReplication on its host",
            Retry.OPERATOR,
        )


def _critical(machine: VirtualMachine, replication: Replication) -> str:
    if machine.state.endswith("Critical"):
        return machine.state
    if replication.state == "Error":
        return "replication state Error"
    if replication.health == "Critical":
        return "health Critical"
    return _first(machine.operational_status, _CRITICAL_STATUS)


def _moving(machine: VirtualMachine, state: str, jobs: frozenset[int]) -> str:
    return (
        _first(machine.operational_status, _MOVING_STATUS)
        or _first((state,), _MOVING)
        or _job(jobs, _MOVING_JOBS)
    )


def _is_behind(replication: Replication) -> bool:
    """After a failover, it is behind for good: what was not applied then never will be."""
    if replication.health != "Warning" or replication.state == "FailedOver":
        return False
    received, applied = replication.last_replicated_at, replication.last_applied_at
    return received is not None and (applied is None or applied < received)


def _first(told: Iterable[str], wanted: frozenset[str]) -> str:
    return next((each for each in told if each in wanted), "")


def _job(jobs: frozenset[int], wanted: frozenset[int]) -> str:
    found = min(jobs & wanted, default=None)
    return "" if found is None else f"job type {found}"
