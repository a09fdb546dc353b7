"""What nothing refers to any more is deleted, after a pass; jobs may go on beside it."""

from collections.abc import Callable

from reconciler.blocks.prune import prune
from reconciler.errors import JobStoppedError, ReconcilerError
from reconciler.execute.boundaries import Boundary
from reconciler.execute.workbench import Tools
from reconciler.logs import Event, get_logger
from reconciler.model.names import VolumeId

_log = get_logger()


def sweep(tools: Tools, require_going: Callable[[], None] = lambda: None) -> None:
    """Sweep every volume on which points were dropped.

    Where recovery points are being made that may need what is to go, it is only condemned, and goes
    the next time. A volume that cannot be swept now is left for later. Expected failures are told,
    never raised. `require_going` is asked after each pack, and what it raises ends the work.
    """
    try:
        for volume, dropped in tools.catalogue.volumes_to_sweep(tools.lease_clock()).items():
            _sweep(tools, volume, dropped, require_going)
    except JobStoppedError:
        return  # the next one goes on
    except ReconcilerError as error:
        _log.warning(Event.LEFTOVER_STAYS, reason=error.message, hint=error.hint)


def _sweep(tools: Tools, volume: VolumeId, dropped: int, require_going: Callable[[], None]) -> None:
    def on_deleted(_: int) -> None:
        tools.reached(Boundary.PACK_DELETED)
        require_going()

    try:
        repository = tools.repository(volume)
        pruned = prune(repository, on_deleted, grace=tools.sweep_grace(volume))
    except JobStoppedError:
        raise
    except ReconcilerError as error:
        _log.warning(Event.LEFTOVER_STAYS, volume=volume, reason=error.message, hint=error.hint)
        tools.catalogue.sweep_failed(volume, error.message, tools.lease_clock())
        return
    tools.freed(volume, pruned.bytes_freed)
    if pruned.waits_for:
        tools.catalogue.sweep_waits(volume, pruned.waits_for)
    else:
        tools.catalogue.swept(volume, dropped)
    if pruned.packs_deleted or pruned.packs_rewritten:
        _log.info(
            Event.PACKS_DELETED,
            volume=volume,
            packs=pruned.packs_deleted,
            packs_rewritten=pruned.packs_rewritten,
            bytes_freed=pruned.bytes_freed,
        )
