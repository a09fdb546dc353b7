"""From a sealed manifest to the end: what both a job and its heir do, and may repeat at will."""

from collections.abc import Mapping

from reconciler.blocks.manifest import Manifest
from reconciler.blocks.repository import Repository
from reconciler.errors import (
    BlockDamagedError,
    CheckpointFailedError,
    ItemNotFoundError,
    ReconcilerError,
)
from reconciler.execute.boundaries import Boundary
from reconciler.execute.start import known_head
from reconciler.execute.workbench import Workbench
from reconciler.logs import Event, get_logger
from reconciler.model.machine import Checkpoint, ReferencePoint
from reconciler.model.names import DiskId, ReferencePointId, VmId
from reconciler.model.protection import Head, RecoveryPoint
from reconciler.record.entries import new_request_id
from reconciler.record.work import Intent

_log = get_logger()


def conclude(
    bench: Workbench, intent: Intent, manifest: Manifest, *, is_tracked: bool
) -> RecoveryPoint:
    """Reference point → head → catalogue → old reference point removed.

    Each step looks first whether it was done already. Without a new reference point the old one is
    kept: it is older than the manifest, so it is safe.
    """
    repository = bench.repository(intent.volume)
    reference = _reference_point(bench, intent, manifest, is_tracked=is_tracked)
    bench.reached(Boundary.REFERENCE_POINT_MADE)
    head = _head(manifest, reference) or _kept_head(
        repository, manifest, known_head(bench, repository)
    )
    repository.set_head(head)
    bench.reached(Boundary.HEAD_SET)
    point = _recovery_point(intent, manifest)
    bench.catalogue.commit_point(point, head, bench.job)
    bench.reached(Boundary.CATALOGUE_COMMITTED)
    old = intent.base_reference_point
    if old is not None and old != head.reference_point:
        _remove_old(bench, manifest.point.key.vm_id, old)
    bench.reached(Boundary.OLD_REFERENCE_POINT_REMOVED)
    return point


def _remove_old(bench: Workbench, vm_id: VmId, old: ReferencePointId) -> None:
    """The point is whole without this; what stays is superseded, so the next pass removes it."""
    try:
        bench.host.remove_reference_point(vm_id, old, new_request_id())
    except ReconcilerError as error:
        _log.warning(
            Event.LEFTOVER_STAYS, reference_point=old, reason=error.message, hint=error.hint
        )
        return
    bench.catalogue.forget_reference_point(old)
    _log.info(Event.REFERENCE_POINT_REMOVED, reference_point=old)


def _reference_point(
    bench: Workbench, intent: Intent, manifest: Manifest, *, is_tracked: bool
) -> ReferencePoint | None:
    vm_id = manifest.point.key.vm_id
    made = bench.host.converted(vm_id, intent.conversion_request)
    if made is not None:
        return made
    checkpoint = own_checkpoint(bench, vm_id, intent)
    if checkpoint is None:
        _tell_of_strangers(bench, intent, manifest)
        return None
    if is_tracked:
        made = _converted(bench, vm_id, checkpoint, intent)
    if made is None:
        bench.host.remove_checkpoint(vm_id, checkpoint.id, new_request_id())
        _log.info(Event.CHECKPOINT_REMOVED, checkpoint=checkpoint.id)
    return made


def _converted(
    bench: Workbench, vm_id: VmId, checkpoint: Checkpoint, intent: Intent
) -> ReferencePoint | None:
    """The checkpoint as a reference point; None when the host could not make one.

    A request id whose operation has failed is never asked again: the host would answer with the
    same failure for ever.
    """
    try:
        made = bench.host.convert_to_reference_point(
            vm_id, checkpoint.id, intent.conversion_request
        )
    except CheckpointFailedError as error:
        _log.warning(Event.TRACKING_LOST, reason=error.message, hint=error.hint)
        return None
    _log.info(Event.REFERENCE_POINT_MADE, reference_point=made.id)
    return made


def own_checkpoint(bench: Workbench, vm_id: VmId, intent: Intent) -> Checkpoint | None:
    """The checkpoint that the intent announced, if it is there."""
    found = bench.host.checkpoints((vm_id,))
    return next((c for c in found if c.name == intent.checkpoint_name), None)


def _tell_of_strangers(bench: Workbench, intent: Intent, manifest: Manifest) -> None:
    """The host forgot the conversion: a new reference point may be ours or another product's."""
    vm_id = manifest.point.key.vm_id
    known = set(intent.reference_points_seen)
    known |= {point.id for point in bench.catalogue.reference_points()}
    for point in bench.host.reference_points((vm_id,)):
        if point.id not in known:
            _log.warning(
                Event.LEFTOVER_AMBIGUOUS,
                reference_point=point.id,
                reason="it appeared while a job of ours was dying, but nothing proves it ours",
                hint="remove it by hand if no other backup product uses it",
            )


def _head(manifest: Manifest, reference: ReferencePoint | None) -> Head | None:
    """The head that counts changes from a new reference point; None without one."""
    if reference is None:
        return None
    point = manifest.point
    tracked = {(d.slot, d.virtual_disk_id): d.rct_id for d in reference.disks if d.rct_id}
    described = {(d.slot, d.virtual_disk_id): d.id for d in manifest.descriptions}
    rct_ids = {described[key]: tracked[key] for key in described.keys() & tracked.keys()}
    return Head(point.source, point.id, reference.id, rct_ids)


def _kept_head(repository: Repository, manifest: Manifest, earlier: Head | None) -> Head:
    """A head that goes on to count from the earlier reference point.

    A tracking id belongs to the file it was made for: that of a disk that was replaced since says
    nothing of the new one.
    """
    point = manifest.point
    if earlier is None:
        return Head(point.source, point.id, None, {})
    rct_ids = earlier.rct_ids
    if rct_ids:
        before = _virtual_disks(repository, earlier)
        now = {d.id: d.virtual_disk_id for d in manifest.descriptions}
        rct_ids = {d: rct for d, rct in rct_ids.items() if d in now and before.get(d) == now[d]}
    return Head(point.source, point.id, earlier.reference_point, rct_ids)


def _virtual_disks(repository: Repository, head: Head) -> Mapping[DiskId, str]:
    """Which virtual disk each disk of a head's point was; empty when that cannot be read."""
    try:
        manifest = repository.manifest(head.source, head.recovery_point)
    except (ItemNotFoundError, BlockDamagedError):
        return {}
    return {d.id: d.virtual_disk_id for d in manifest.descriptions}


def _recovery_point(intent: Intent, manifest: Manifest) -> RecoveryPoint:
    point = manifest.point
    return RecoveryPoint(
        id=point.id,
        source=point.source,
        volume=intent.volume,
        captured_at=point.captured_at,
        consistency=point.consistency,
        cause=point.cause,
        job=intent.job,
        bytes_read=manifest.statistics.bytes_read,
        bytes_stored=manifest.statistics.bytes_stored,
    )
