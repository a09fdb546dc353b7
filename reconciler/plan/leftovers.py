"""What dead jobs of ours left on hosts. What is not provably ours is never touched."""

from collections.abc import Iterator

from reconciler.model.machine import HostReport, VirtualMachine
from reconciler.model.names import GroupName
from reconciler.model.observed import Observed, job_of
from reconciler.plan.actions import RemoveLeftovers, Subject
from reconciler.plan.tracking import is_tracked


def leftovers(
    observed: Observed, report: HostReport, group: GroupName | None, machine: VirtualMachine
) -> RemoveLeftovers | None:
    """The clean-up of one machine; None when nothing was left or a job of it is at work."""
    source = observed.source_of(machine.key)
    if source is None or source.id in observed.running:
        return None
    jobs = tuple(j.id for j in observed.unfinished if j.source == source.id)
    checkpoints = tuple(
        c.id
        for c in report.checkpoints
        if c.vm_id == machine.id and job_of(observed.server, c.name) is not None
    )
    reference_points = tuple(
        r.id
        for r in report.reference_points
        if r.vm_id == machine.id and observed.superseded.get(r.id) == source.id
    )
    if not (jobs or checkpoints or reference_points):
        return None
    return RemoveLeftovers(
        Subject(machine.key, machine.name, machine.host, group),
        "; ".join(_reasons(len(jobs), len(checkpoints), len(reference_points))),
        source.id,
        is_tracked(report.facts, machine),
        jobs,
        checkpoints,
        reference_points,
    )


def _reasons(jobs: int, checkpoints: int, reference_points: int) -> Iterator[str]:
    if jobs:
        yield f"{jobs} job{'s' * (jobs > 1)} of ours ended without finishing"
    if checkpoints:
        yield f"{checkpoints} checkpoint{'s' * (checkpoints > 1)} of ours left on the host"
    if reference_points:
        plural = "s" * (reference_points > 1)
        yield f"{reference_points} reference point{plural} of ours that newer ones have replaced"
