"""From a sealed manifest to the end: what both a job and its heir do, and may repeat at will."""

from reconciler.blocks.manifest import Manifest
from reconciler.errors import CheckpointFailedError, ReconcilerError
from reconciler.execute.boundaries import Boundary
from reconciler.execute.workbench import Workbench
from reconciler.logs import Event, get_logger
from reconciler.model.machine import Checkpoint, ReferencePoint
from reconciler.model.names import ReferencePointId, VmId
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
    source = manifest.point.source
    reference = _reference_point(bench, intent, manifest, is_tracked=is_tracked)
    bench.reached(Boundary.REFERENCE_POINT_MADE)
    earlier = repository.head(source)
    head = _head(manifest, reference, earlier)
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


def _head(manifest: Manifest, reference: ReferencePoint | None, earlier: Head | None) -> Head:
    point = manifest.point
    if reference is not None:
        tracked = {(d.slot, d.virtual_disk_id): d.rct_id for d in reference.disks if d.rct_id}
        described = {(d.slot, d.virtual_disk_id): d.id for d in manifest.descriptions}
        rct_ids = {described[key]: tracked[key] for key in described.keys() & tracked.keys()}
        return Head(point.source, point.id, reference.id, rct_ids)
    if earlier is not None:
        return Head(point.source, point.id, earlier.reference_point, earlier.rct_ids)
    return Head(point.source, point.id, None, {})


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
