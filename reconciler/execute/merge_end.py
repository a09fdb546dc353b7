"""The end of the merge that a capture leaves behind."""

from threading import Event as Sign
from time import monotonic

from reconciler.errors import ReconcilerError
from reconciler.execute.looks import machine_now
from reconciler.execute.patience import LOOK_EVERY_S
from reconciler.execute.workbench import Workbench
from reconciler.logs import Event, get_logger
from reconciler.plan.merging import unmerged

_log = get_logger()


def await_merge(bench: Workbench) -> None:
    """Confirm that the machine's disks are merged, if they are before long; never raises.

    The point is whole without it. What has not ended by then the next passes look at.
    """
    until = monotonic() + bench.tools.merge_end_wait_s
    try:
        while left := _left(bench):
            left_s = until - monotonic()
            if left_s <= 0 or bench.meter.stop_reason:
                _log.info(Event.MERGE_GOES_ON, left=left)
                return
            Sign().wait(min(LOOK_EVERY_S, left_s))
        _log.info(Event.MERGE_ENDED)
    except ReconcilerError as error:
        _log.info(Event.MERGE_GOES_ON, reason=error.message)


def _left(bench: Workbench) -> tuple[str, ...]:
    checkpoints = bench.host.checkpoints((bench.source.key.vm_id,))
    return unmerged(machine_now(bench), has_checkpoint=bool(checkpoints))
