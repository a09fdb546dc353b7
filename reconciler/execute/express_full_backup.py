"""Express full backup: checkpoint, synchronize what changed, seal a recovery point."""

from reconciler.errors import PlanChangedError
from reconciler.execute.capture import capture
from reconciler.execute.create_replica import is_filled_meanwhile
from reconciler.execute.outcome import Outcome
from reconciler.execute.workbench import Workbench
from reconciler.logs import Event, get_logger
from reconciler.plan.actions import ExpressFullBackup

_log = get_logger()


def run(action: ExpressFullBackup, bench: Workbench) -> Outcome:
    """Copy what changed since the replica's newest recovery point, whichever that is by now.

    Raises:
        PlanChangedError: The replica is gone.
    """
    replica = bench.catalogue.replicas()[action.source]
    if replica.head is None or replica.volume is None:
        raise PlanChangedError(
            f"{action.subject.name} has no replica any more", hint="plan again: reconciler plan"
        )
    if is_filled_meanwhile(action.cause, bench):
        return Outcome(is_void=True)
    point = capture(action, bench, bench.source, replica.volume)
    _log.info(
        Event.RECOVERY_POINT_CREATED,
        recovery_point=point.id,
        cause=action.cause.kind.value,
        consistency=point.consistency.value,
        bytes_read=point.bytes_read,
        bytes_stored=point.bytes_stored,
    )
    return Outcome(point.bytes_read, point.bytes_stored, details={"recovery_point": point.id})
