"""Packs that nothing refers to are deleted, after a pass."""

from reconciler.blocks.prune import delete_unused_packs
from reconciler.errors import ReconcilerError
from reconciler.execute.boundaries import Boundary
from reconciler.execute.workbench import Tools
from reconciler.logs import Event, get_logger
from reconciler.model.names import VolumeId

_log = get_logger()


def sweep(tools: Tools) -> None:
    """Sweep every volume on which points were dropped; only while no job drops any.

    A volume that cannot be swept now is left for the next time. Expected failures are told, never
    raised.
    """
    try:
        for volume, dropped in tools.catalogue.volumes_to_sweep(tools.lease_clock()).items():
            _sweep(tools, volume, dropped)
    except ReconcilerError as error:
        _log.warning(Event.LEFTOVER_STAYS, reason=error.message, hint=error.hint)


def _sweep(tools: Tools, volume: VolumeId, dropped: int) -> None:
    try:
        repository = tools.repository(volume)
        pruned = delete_unused_packs(repository, lambda _: tools.reached(Boundary.PACK_DELETED))
    except ReconcilerError as error:
        _log.warning(Event.LEFTOVER_STAYS, volume=volume, reason=error.message, hint=error.hint)
        tools.catalogue.sweep_failed(volume, error.message, tools.lease_clock())
        return
    tools.catalogue.swept(volume, dropped)
    tools.measured(volume, pruned.bytes_after)
    if pruned.packs_deleted:
        _log.info(
            Event.PACKS_DELETED,
            volume=volume,
            packs=pruned.packs_deleted,
            bytes_before=pruned.bytes_before,
            bytes_after=pruned.bytes_after,
        )
