"""What a dead job left: finished if its point was sealed, undone if not; then the host is swept."""

from reconciler.errors import ItemNotFoundError
from reconciler.execute.capture import undo
from reconciler.execute.conclude import conclude
from reconciler.execute.outcome import Outcome
from reconciler.execute.workbench import Workbench
from reconciler.logs import Event, get_logger
from reconciler.model.names import RequestId
from reconciler.model.observed import job_of
from reconciler.plan.actions import RemoveLeftovers
from reconciler.record.entries import new_id
from reconciler.record.work import Intent

_log = get_logger()


def run(action: RemoveLeftovers, bench: Workbench) -> Outcome:
    """Heal the job in hand, then remove what else of ours is planned away."""
    details: dict[str, object] = {}
    intent = bench.job.intent
    if bench.job.id in action.jobs and intent is not None:
        details["healed"] = _heal(action, bench, intent)
    details["removed"] = _sweep(action, bench)
    return Outcome(details=details)


def _heal(action: RemoveLeftovers, bench: Workbench, intent: Intent) -> str:
    repository = bench.repository(intent.volume)
    try:
        manifest = repository.manifest(action.source, intent.recovery_point)
    except ItemNotFoundError:
        undo(bench, bench.source, intent)
        _log.info(Event.JOB_ABANDONED, reason="it died before its recovery point was sealed")
        return "undone"
    point = conclude(bench, intent, manifest, is_tracked=action.is_tracked)
    _log.info(Event.RECOVERY_POINT_ADOPTED, recovery_point=point.id)
    return "finished"


def _sweep(action: RemoveLeftovers, bench: Workbench) -> int:
    """Only what was planned, and only if it is still there and still ours."""
    vm_id = action.subject.key.vm_id
    removed = 0
    for checkpoint in bench.host.checkpoints((vm_id,)):
        ours = job_of(bench.tools.server, checkpoint.name) is not None
        if ours and checkpoint.id in action.checkpoints:
            bench.host.remove_checkpoint(vm_id, checkpoint.id, RequestId(new_id()))
            _log.info(Event.LEFTOVER_REMOVED, checkpoint=checkpoint.id)
            removed += 1
    superseded = {r.id for r in bench.catalogue.superseded_reference_points()}
    for reference_point in action.reference_points:
        if reference_point in superseded:
            bench.host.remove_reference_point(vm_id, reference_point, RequestId(new_id()))
            bench.catalogue.forget_reference_point(reference_point)
            _log.info(Event.LEFTOVER_REMOVED, reference_point=reference_point)
            removed += 1
    return removed
