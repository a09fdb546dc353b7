"""What jobs of ours left on hosts. What is not provably ours is never touched."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from reconciler.model.machine import NaturalKey, VirtualMachine
from reconciler.model.names import GroupName, JobId
from reconciler.model.observed import Observed, job_of
from reconciler.plan.actions import Finding, RemoveLeftovers, Severity, Subject
from reconciler.plan.index import Index
from reconciler.plan.tracking import is_tracked
from reconciler.plan.words import counted

_SAVED = frozenset({"Saved", "Saving", "FastSaved", "FastSaving"})


def leftovers(
    index: Index, group: GroupName | None, machine: VirtualMachine
) -> RemoveLeftovers | None:
    """The clean-up of one machine; None when nothing was left or a job of it is at work."""
    observed, place = index.observed, (machine.host, machine.id)
    source = observed.source_of(machine.key)
    if source is None or source.id in observed.running:
        return None
    dead = index.unfinished.get(source.id, ())
    checkpoints = tuple(
        checkpoint.id
        for checkpoint in index.checkpoints.get(place, ())
        if job_of(observed.server, checkpoint.name) is not None
    )
    reference_points = tuple(
        point.id
        for point in index.reference_points.get(place, ())
        if observed.superseded.get(point.id) == source.id
    )
    if not (dead or checkpoints or reference_points):
        return None
    resumes = is_saved(machine.state) and any(job.has_saved for job in dead)
    found = RemoveLeftovers(
        Subject(machine.key, machine.name, machine.host, group),
        "",
        source.id,
        is_tracked(observed.inventory.reports[machine.host].facts, machine),
        tuple(job.id for job in dead),
        checkpoints,
        reference_points,
        resumes,
    )
    return replace(found, reason="; ".join(_reasons(found)))


def is_saved(state: str) -> bool:
    """Whether a machine in that state is saved, or about to be.

    One whose storage is out of reach is so all the same. Source: hyperv-facts.md §2.2.
    """
    return state.removesuffix("Critical") in _SAVED


def left_saved(observed: Observed, here: Mapping[NaturalKey, VirtualMachine]) -> Iterator[Finding]:
    """Machines that are saved because of us: down by our fault, unless a job is just at it.

    A job lets its machine run on before it copies anything, so one that copies has failed in that.
    """
    dead = {job.source: job.id for job in observed.unfinished if job.has_saved}
    for source_id in sorted(dead.keys() | observed.saving.keys()):
        source = observed.sources.get(source_id)
        machine = here.get(source.key) if source else None
        if machine is None or machine.state not in _SAVED:
            continue
        saving = observed.saving.get(source_id)
        if saving is not None and not saving.is_overdue:
            yield _is_being_saved(machine, saving.job)
        else:
            job = saving.job if saving is not None else dead[source_id]
            yield _is_left_saved(machine, job, is_dead=saving is None)


def _is_being_saved(machine: VirtualMachine, job: JobId) -> Finding:
    return Finding(
        "machine.left_saved",
        machine.label,
        f"job {job} has saved it for its capture, and lets it run on in a moment",
        "nothing has to be done",
        Severity.INFO,
        machine.host,
    )


def _is_left_saved(machine: VirtualMachine, job: JobId, *, is_dead: bool) -> Finding:
    name = machine.name.replace("'", "''")
    if is_dead:
        what = "ended before it let it run on"
        who = "the next pass lets it run on; where no `reconciler run` is at work: reconciler apply"
    else:
        what, who = "could not let it run on", "the job tries again at its end"
    return Finding(
        "machine.left_saved",
        machine.label,
        f"it is down: job {job} of ours saved it and {what}",
        f"{who}; by hand, on {machine.host}: Start-VM -Name '{name}'",
        Severity.ERROR,
        machine.host,
    )


def _reasons(found: RemoveLeftovers) -> Iterator[str]:
    if found.resumes:
        yield "a job of ours saved it and ended: let it run on"
    if jobs := len(found.jobs):
        yield f"{counted(jobs, 'job')} of ours ended without finishing"
    if checkpoints := len(found.checkpoints):
        yield f"{counted(checkpoints, 'checkpoint')} of ours left on the host"
    if points := len(found.reference_points):
        yield f"{counted(points, 'reference point')} of ours that newer ones have replaced"
