"""Consistency check: compare the whole replica with its source, repair it, and seal a point."""

from collections.abc import Sequence

from reconciler.blocks.draft import Draft
from reconciler.blocks.repository import Repository
from reconciler.execute.capture import capture
from reconciler.execute.copy_disks import Copied
from reconciler.execute.outcome import Outcome
from reconciler.execute.requests import is_answered
from reconciler.execute.start import doubting_start, replica_volume
from reconciler.execute.workbench import Workbench
from reconciler.logs import Event, get_logger
from reconciler.model.protection import CauseKind, ReplicaState
from reconciler.plan.actions import ConsistencyCheck

_log = get_logger()


def run(action: ConsistencyCheck, bench: Workbench) -> Outcome:
    """Compare every block; what differs, and what the repository lost, is copied anew.

    Where nothing of the replica can be read any more, the machine is read in full.

    Raises:
        PlanChangedError: The replica is gone.
    """
    volume = replica_volume(bench)
    if _is_checked_meanwhile(action, bench):
        return Outcome(is_void=True)
    start = doubting_start(bench, volume)
    compared: list[Copied] = []

    def note(_: Repository, __: Draft, copied: Sequence[Copied]) -> None:
        compared.extend(copied)

    point = capture(action, bench, start, note)
    found = [disk.found for disk in compared if disk.found is not None]
    facts: dict[str, object] = {
        "recovery_point": point.id,
        "blocks_compared": sum(each.blocks_compared for each in found),
        "blocks_differing": sum(each.blocks_differing for each in found),
        "blocks_damaged": start.blocks_damaged,
        "disks_read_in_full": len(compared) - len(found),
    }
    _log.info(
        Event.REPLICA_CHECKED,
        consistency=point.consistency.value,
        bytes_read=point.bytes_read,
        bytes_stored=point.bytes_stored,
        **facts,
    )
    return Outcome(point.bytes_read, point.bytes_stored, details=facts)


def _is_checked_meanwhile(action: ConsistencyCheck, bench: Workbench) -> bool:
    """Whether a clean-up just before has finished the very check that is wanted."""
    if action.requests:
        return is_answered(action, bench)
    replica = bench.catalogue.replicas()[bench.source.id]
    if replica.head is None or replica.head.recovery_point == action.based_on:
        return False
    newest = bench.catalogue.recovery_point(replica.head.recovery_point)
    is_check = newest.cause.kind is CauseKind.CONSISTENCY_CHECK
    return is_check and replica.state is ReplicaState.CONSISTENT
