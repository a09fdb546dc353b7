"""Express full backup: checkpoint, synchronize what changed, seal a recovery point."""

from collections.abc import Sequence

from reconciler.blocks.draft import Draft
from reconciler.blocks.repository import Repository
from reconciler.execute.capture import capture
from reconciler.execute.copy_disks import Copied
from reconciler.execute.create_replica import is_filled_meanwhile
from reconciler.execute.outcome import Outcome
from reconciler.execute.requests import is_answered
from reconciler.execute.start import replica_volume, trusting_start
from reconciler.execute.workbench import Workbench
from reconciler.logs import Event, get_logger
from reconciler.plan.actions import ExpressFullBackup

_log = get_logger()


def run(action: ExpressFullBackup, bench: Workbench) -> Outcome:
    """Copy what changed since the replica's newest recovery point, whichever that is by now.

    What a person asked for is made, filled slot or not.

    Raises:
        PlanChangedError: The replica is gone.
    """
    volume = replica_volume(bench)
    if _is_made_meanwhile(action, bench):
        return Outcome(is_void=True)
    details: dict[str, object] = {}
    if action.missed_slots:
        details = {"missed_slots": action.missed_slots, "since": _newest(bench)}
    sampled: list[int] = []
    spared: list[int] = []

    def note(_: Repository, __: Draft, copied: Sequence[Copied]) -> None:
        sampled.extend(disk.blocks_sampled for disk in copied)
        spared.extend(disk.bytes_spared for disk in copied)

    point = capture(action, bench, trusting_start(bench, volume), note)
    details["blocks_sampled"] = sum(sampled)
    details["bytes_left_out"] = sum(spared)
    if action.missed_slots:  # told once, when they are made up for, however many tries it took
        _log.warning(Event.SLOTS_MISSED, slots=action.missed_slots, since=details["since"])
    _log.info(
        Event.RECOVERY_POINT_CREATED,
        recovery_point=point.id,
        cause=action.cause.kind.value,
        consistency=point.consistency.value,
        bytes_read=point.bytes_read,
        bytes_stored=point.bytes_stored,
        bytes_left_out=details["bytes_left_out"],
    )
    details["recovery_point"] = point.id
    return Outcome(point.bytes_read, point.bytes_stored, details=details)


def _is_made_meanwhile(action: ExpressFullBackup, bench: Workbench) -> bool:
    """Whether a clean-up just before has finished the very point that is wanted."""
    if action.requests:
        return is_answered(action, bench)
    return is_filled_meanwhile(action.cause, bench)


def _newest(bench: Workbench) -> str:
    latest = bench.catalogue.replicas()[bench.source.id].latest_captured_at
    return latest.isoformat() if latest else ""
