"""What can go wrong on a host, kept in its state until somebody clears it.

Each acts where it would in reality: in the sockets of the server, in operations, or in what the
host tells. Faults of a machine go with it when it migrates.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from reconciler.lab.state import FaultRecord, HostState, JobRecord, MachineState


class FaultKind(StrEnum):
    """The faults that can be set."""

    HOST_DOWN = "host-down"
    """Connections are refused."""
    CONNECTION_RESET = "connection-reset"
    """In the middle of an answer."""
    NO_ANSWER = "no-answer"
    """Connections are accepted, and nothing is ever answered."""
    WRONG_PASSWORD = "wrong-password"  # noqa: S105 (a name)
    """The server does not take the password any more."""
    VOLUME_FULL = "volume-full"
    """Checkpoints fail, and machines that write are paused."""
    NODE_LOST = "node-lost"
    """The host goes down with no warning; see `nodes.lose`."""
    TRACKING_RESET = "tracking-reset"
    """Once: ids of change tracking mean nothing any more."""
    CHECKPOINT_EXCEPTION = "checkpoint-exception"
    """The job of a checkpoint ends in an exception."""
    CHECKPOINT_WARNS = "checkpoint-warns"
    """The job of a checkpoint ends with warnings: a writer in the guest has failed."""
    MERGE_STUCK = "merge-stuck"
    """Merges do not go on, and another checkpoint is refused until they have."""
    CONFIGURATION_GONE = "configuration-gone"
    """Checkpoints come without the file of the machine's settings."""
    MERGE_FAILED = "merge-failed"
    """Merges fail: nothing is merged, and nothing says so but the files that stay."""
    RESUME_FAILS = "resume-fails"
    """A saved machine cannot be resumed."""
    REPLICA_RESYNCING = "replica-resyncing"
    REPLICA_CRITICAL = "replica-critical"
    REPLICA_APPLYING_HRL = "replica-applying-hrl"
    REPLICA_HRL_FAILED = "replica-hrl-failed"
    REPLICA_IN_FAILOVER = "replica-in-failover"
    REPLICA_INITIAL = "replica-initial"


OF_HOSTS = frozenset(
    {
        FaultKind.HOST_DOWN,
        FaultKind.CONNECTION_RESET,
        FaultKind.NO_ANSWER,
        FaultKind.WRONG_PASSWORD,
        FaultKind.VOLUME_FULL,
        FaultKind.NODE_LOST,
    }
)
"""All others are faults of one machine."""
COUNTABLE = frozenset(
    {
        FaultKind.CONNECTION_RESET,
        FaultKind.NO_ANSWER,
        FaultKind.WRONG_PASSWORD,
        FaultKind.CHECKPOINT_EXCEPTION,
        FaultKind.CHECKPOINT_WARNS,
        FaultKind.RESUME_FAILS,
    }
)
"""Those that happen; all others are states that last."""
OF_REPLICAS = frozenset(kind for kind in FaultKind if kind.startswith("replica-"))

FAILED = 32_768
DISK_FULL = 0x8007_0070
"""HRESULT of ERROR_DISK_FULL."""
_BEHIND = timedelta(hours=1)

_TOLD: dict[FaultKind, dict[str, object]] = {
    FaultKind.REPLICA_RESYNCING: {
        "ReplicationState": "Resynchronizing",
        "ReplicationHealth": "Warning",
    },
    FaultKind.REPLICA_CRITICAL: {"ReplicationState": "Error", "ReplicationHealth": "Critical"},
    FaultKind.REPLICA_HRL_FAILED: {"ReplicationHealth": "Warning"},
    FaultKind.REPLICA_IN_FAILOVER: {"ReplicationState": "RecoveryInProgress"},
    FaultKind.REPLICA_INITIAL: {"ReplicationState": "InitialReplicationInProgress"},
}
_JOBS = {
    FaultKind.REPLICA_RESYNCING: 107,
    FaultKind.REPLICA_APPLYING_HRL: 108,
    FaultKind.REPLICA_IN_FAILOVER: 97,
}
"""Source: hyperv-facts.md §1.3, §2.3, §2.4."""


def is_set(records: Sequence[FaultRecord], kind: FaultKind) -> bool:
    """Whether a fault is there."""
    return any(record.kind == kind for record in records)


def strikes(records: list[FaultRecord], kind: FaultKind) -> bool:
    """Whether a fault happens now; one of several times is used up. Not saved."""
    record = next((record for record in records if record.kind == kind), None)
    if record is None:
        return False
    if record.left is not None:
        record.left -= 1
        if record.left <= 0:
            records.remove(record)
    return True


def all_faults(state: HostState) -> list[dict[str, object]]:
    """Every fault of a host and its machines, as `reconciler lab fault list` shows it."""
    places: list[tuple[str | None, list[FaultRecord]]] = [(None, state.faults)]
    places += [(machine.label, machine.faults) for machine in state.machines.values()]
    return [
        {"host": state.name, "vm": label, "kind": record.kind, "left": record.left}
        for label, records in places
        for record in records
    ]


def troubles(machine: MachineState) -> list[FaultKind]:
    """The faults that let Hyper-V refuse the backup of a replica."""
    return [kind for kind in sorted(OF_REPLICAS) if is_set(machine.faults, kind)]


def told(machine: MachineState) -> dict[str, object]:
    """The properties of a machine that are not as usual, by their real names."""
    found: dict[str, object] = {}
    jobs = list(machine.jobs)
    for kind in troubles(machine):
        found |= _TOLD.get(kind, {})
        if kind in _JOBS:
            jobs.append(JobRecord(type=_JOBS[kind]))
        if kind is FaultKind.REPLICA_HRL_FAILED:
            found["LastAppliedLogTime"] = _earlier(machine.properties["LastReplicationTime"])
    if jobs != machine.jobs:
        found["Jobs"] = [{"JobType": job.type, "JobState": job.state} for job in jobs]
    return found


def _earlier(stamp: object) -> str | None:
    if not isinstance(stamp, str):
        return None
    return (datetime.fromisoformat(stamp) - _BEHIND).isoformat(timespec="milliseconds")
