"""What a dead job left: finished if its point was sealed, undone if not; then the host is swept.

A machine that it saved runs on before anything else.
"""

from reconciler.errors import BlockDamagedError, ItemNotFoundError
from reconciler.execute.capture import undo
from reconciler.execute.conclude import conclude
from reconciler.execute.outcome import Outcome
from reconciler.execute.saved_machine import run_on
from reconciler.execute.workbench import Workbench
from reconciler.logs import Event, bound, get_logger
from reconciler.model.observed import job_of
from reconciler.plan.actions import RemoveLeftovers
from reconciler.record.entries import new_request_id
from reconciler.record.work import Intent

_log = get_logger()


def run(action: RemoveLeftovers, bench: Workbench) -> Outcome:
    """Heal the job in hand, then remove what else of ours is planned away."""
    intent = bench.job.intent
    is_undone = False
    if bench.job.id in action.jobs:
        run_on(bench)
        is_undone = intent is None or not _finished(action, bench, intent)
    removed = _sweep(action, bench)
    return Outcome(is_undone=is_undone, details={"removed": removed})


def _finished(action: RemoveLeftovers, bench: Workbench, intent: Intent) -> bool:
    """Finish the dead job if its point was sealed; undo it and say False if not."""
    with bound(recovery_point=intent.recovery_point):
        repository = bench.repository(intent.volume)
        try:
            manifest = repository.manifest(action.source, intent.recovery_point)
        except (ItemNotFoundError, BlockDamagedError) as error:
            # a manifest that is damaged before anything refers to it is no recovery point
            undo(bench, intent)
            _log.info(Event.JOB_ABANDONED, reason=error.message)
            return False
        conclude(bench, intent, manifest, is_tracked=action.is_tracked)
        _log.info(Event.RECOVERY_POINT_ADOPTED)
        return True


def _sweep(action: RemoveLeftovers, bench: Workbench) -> int:
    """Only what was planned, and only if it is still there and still ours."""
    vm_id = action.subject.key.vm_id
    removed = 0
    for checkpoint in bench.host.checkpoints((vm_id,)):
        ours = job_of(bench.tools.server, checkpoint.name) is not None
        if ours and checkpoint.id in action.checkpoints:
            bench.host.remove_checkpoint(vm_id, checkpoint.id, new_request_id())
            _log.info(Event.LEFTOVER_REMOVED, checkpoint=checkpoint.id)
            removed += 1
    superseded = {r.id for r in bench.catalogue.superseded_reference_points()}
    for reference_point in action.reference_points:
        if reference_point in superseded:
            bench.host.remove_reference_point(vm_id, reference_point, new_request_id())
            bench.catalogue.forget_reference_point(reference_point)
            _log.info(Event.LEFTOVER_REMOVED, reference_point=reference_point)
            removed += 1
    return removed
