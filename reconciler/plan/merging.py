"""Differencing files that are left over: the merge after a backup has not ended.

When a checkpoint goes, Hyper-V merges in the background, and nobody is told of its end. What counts
is what is seen: that nothing merges, and that no disk writes to a file that no checkpoint explains.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from reconciler.model.machine import Role, VirtualMachine
from reconciler.model.observed import Observed
from reconciler.plan.actions import Finding, Severity
from reconciler.plan.index import Index
from reconciler.plan.words import listed

IDLE_FOR: Final = timedelta(minutes=10)
"""After the newest recovery point: by now something would be merging."""
AT_WORK_FOR: Final = timedelta(hours=1)
TOO_LONG: Final = timedelta(hours=6)
"""No backup is made meanwhile, so the newest recovery point only grows older."""
_MERGE_JOBS: Final = frozenset({50, 72})
"""Source: hyperv-facts.md §1.3: merging VHD disks, delete snapshot."""
_MERGING: Final = "MergingDisks"
_DIFFERENCING: Final = (".avhdx", ".avhd")


def unmerged(machine: VirtualMachine, *, has_checkpoint: bool) -> tuple[str, ...]:
    """What shows that a merge of the machine has not ended; nothing when all is merged."""
    return (*_at_work(machine), *_files(machine, has_checkpoint=has_checkpoint))


def merges_left(
    index: Index, machines: Iterable[VirtualMachine], now: datetime
) -> Iterator[Finding]:
    """Machines of ours whose merges ought to have ended."""
    for machine in machines:
        age = _since_backup(index.observed, machine, now)
        at_work = _at_work(machine)
        has_checkpoint = bool(index.checkpoints.get((machine.host, machine.id)))
        left = unmerged(machine, has_checkpoint=has_checkpoint)
        if age is not None and left and age > (AT_WORK_FOR if at_work else IDLE_FOR):
            is_slow = bool(at_work) and age <= TOO_LONG
            yield _finding(machine, left, Severity.INFO if is_slow else Severity.WARNING)


def _at_work(machine: VirtualMachine) -> tuple[str, ...]:
    status = (_MERGING,) if _MERGING in machine.operational_status else ()
    return (*status, *(f"job type {kind}" for kind in machine.job_types if kind in _MERGE_JOBS))


def _files(machine: VirtualMachine, *, has_checkpoint: bool) -> tuple[str, ...]:
    """Differencing files that are written to, and that nothing explains.

    With a checkpoint of anybody's they are as they should be; so they are on Hyper-V Replica's
    copies, which keep recovery points of their own.
    """
    if has_checkpoint or machine.user_checkpoints or machine.key.role is not Role.PRIMARY:
        return ()
    told = ((str(disk.slot), disk.path) for disk in machine.disks)
    return tuple(f"{slot}: {path}" for slot, path in told if path.lower().endswith(_DIFFERENCING))


def _since_backup(observed: Observed, machine: VirtualMachine, now: datetime) -> timedelta | None:
    """How old the newest recovery point is; None while a job is at work, or without any."""
    source = observed.source_of(machine.key)
    if source is None or source.id in observed.running:
        return None
    replica = observed.replicas.get(source.id)
    latest = replica.latest_captured_at if replica else None
    return None if latest is None else now - latest


def _finding(machine: VirtualMachine, left: Iterable[str], severity: Severity) -> Finding:
    return Finding(
        "machine.merge_unfinished",
        machine.label,
        f"the merge of its disks after its last backup has not ended: {listed(sorted(left))}",
        f"look on {machine.host} in Microsoft-Windows-Hyper-V-VMMS-Admin for event 19100 (merge "
        "failed; 19080: merged), and at the free space of its volume; where nothing merges, shut "
        "the machine down or restart the service vmms: Hyper-V tries again; delete no file",
        severity,
        machine.host,
    )
