"""The initial replica: every disk in full, verified, and the first recovery point."""

from collections.abc import Sequence

from reconciler.blocks.draft import Draft
from reconciler.blocks.replica import synchronize_by_hash
from reconciler.blocks.repository import Repository
from reconciler.errors import ReplicaInconsistentError
from reconciler.execute.capture import capture
from reconciler.execute.copy_disks import Copied
from reconciler.execute.import_media import imported
from reconciler.execute.meter import Meter
from reconciler.execute.outcome import Outcome
from reconciler.execute.start import Start, trusting_start
from reconciler.execute.workbench import Workbench
from reconciler.logs import Event, get_logger
from reconciler.model.names import VolumeId
from reconciler.model.protection import Cause, RecoveryPoint
from reconciler.plan.actions import CreateReplica
from reconciler.plan.due import is_filled

_log = get_logger()


def run(action: CreateReplica, bench: Workbench) -> Outcome:
    """Place the replica as planned, copy it, compare it with its source, seal the first point."""
    if is_filled_meanwhile(action.cause, bench):
        return Outcome(is_void=True)
    volume = bench.tools.place(action.pool, action.volume)
    bench.catalogue.place(bench.source.id, volume)

    if action.media:
        with imported(bench, volume, action.media) as media:
            # all of it is compared with the machine, because nobody can tell what changed since
            point = capture(action, bench, Start(volume, None, media.base), media.require)
        bench.catalogue.note_created(bench.source.id, point.bytes_stored + media.bytes_stored)
    else:
        point = _copied(action, bench, volume)
    _log.info(
        Event.REPLICA_CREATED,
        recovery_point=point.id,
        volume=volume,
        consistency=point.consistency.value,
        bytes_read=point.bytes_read,
        bytes_stored=point.bytes_stored,
    )
    return Outcome(point.bytes_read, point.bytes_stored, details={"recovery_point": point.id})


def _copied(action: CreateReplica, bench: Workbench, volume: VolumeId) -> RecoveryPoint:
    def compare(repository: Repository, draft: Draft, copied: Sequence[Copied]) -> None:
        verify(repository, draft, copied, bench.meter)

    return capture(action, bench, trusting_start(bench, volume), compare)


def is_filled_meanwhile(cause: Cause, bench: Workbench) -> bool:
    """Whether a clean-up just before has finished a point that fills the slot already."""
    latest = bench.catalogue.replicas()[bench.source.id].latest_captured_at
    return cause.slot_at is not None and is_filled(cause.slot_at, latest, bench.tools.clock())


def verify(repository: Repository, draft: Draft, copied: Sequence[Copied], meter: Meter) -> None:
    """Compare every block with its source by hash, and repair once what differs.

    Raises:
        ReplicaInconsistentError: Blocks differ again after the repair: the source is not at rest.
        JobStoppedError: The job was asked to stop.
    """
    for disk in copied:
        if _differing(repository, disk, meter):
            draft.flush()
            if left := _differing(repository, disk, meter):
                raise ReplicaInconsistentError(
                    f"{left} blocks of the disk at {disk.target.description.slot} "
                    "still differ from their source after a second copy",
                    hint="look for what writes to the disk file while its checkpoint exists",
                )


def _differing(repository: Repository, disk: Copied, meter: Meter) -> int:
    found = synchronize_by_hash(
        disk.target, disk.source, repository.packs, on_progress=meter.running_total()
    )
    _log.info(
        Event.DISK_COMPARED,
        disk=str(disk.target.description.slot),
        blocks_compared=found.blocks_compared,
        blocks_differing=found.blocks_differing,
    )
    return found.blocks_differing
