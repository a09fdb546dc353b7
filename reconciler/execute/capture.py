"""One recovery point of one machine, in the order of commits of the package docstring."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from reconciler.blocks.draft import Draft
from reconciler.blocks.manifest import Manifest
from reconciler.blocks.repository import Repository
from reconciler.errors import PlanChangedError, ReconcilerError
from reconciler.execute.boundaries import Boundary
from reconciler.execute.conclude import conclude, own_checkpoint
from reconciler.execute.copy_disks import Base, Copied, DiskCopier
from reconciler.execute.workbench import Workbench
from reconciler.logs import Event, bound, get_logger
from reconciler.model.machine import Checkpoint, VirtualMachine
from reconciler.model.names import RecoveryPointId, VolumeId
from reconciler.model.observed import checkpoint_name
from reconciler.model.protection import (
    Consistency,
    DataSource,
    Head,
    PointDescription,
    RecoveryPoint,
)
from reconciler.plan.actions import CreateReplica, ExpressFullBackup
from reconciler.plan.consistency import obtainable_consistency
from reconciler.record.disk_matching import SeenDisk
from reconciler.record.entries import new_id, new_request_id
from reconciler.record.work import Intent

_log = get_logger()

Verify = Callable[[Repository, Draft, Sequence[Copied]], None]
"""Looks at what was copied, while the checkpoint is there and before anything is sealed."""


def capture(
    action: CreateReplica | ExpressFullBackup,
    bench: Workbench,
    source: DataSource,
    volume: VolumeId,
    verify: Verify | None = None,
) -> RecoveryPoint:
    """Make a recovery point of the machine on that volume.

    Raises:
        ReconcilerError: Before the seal: the checkpoint was removed again and nothing is left.
            After it: the point is whole, and the next pass finishes what is missing.
    """
    repository = bench.repository(volume)
    head = repository.head(source.id)
    intent = _intent(action, bench, volume, head)
    with bound(recovery_point=intent.recovery_point):
        bench.write_intent(intent)
        bench.reached(Boundary.INTENT_WRITTEN)
        with _undone_on_failure(bench, source, intent):
            manifest = _sealed(action, bench, source, intent, verify)
        bench.reached(Boundary.MANIFEST_SEALED)
        return conclude(bench, intent, manifest, is_tracked=action.is_tracked)


def _sealed(
    action: CreateReplica | ExpressFullBackup,
    bench: Workbench,
    source: DataSource,
    intent: Intent,
    verify: Verify | None,
) -> Manifest:
    """Checkpoint → packs synced → manifest sealed."""
    repository = bench.repository(intent.volume)
    base = _base(repository, source, intent)
    captured_at = bench.tools.clock()
    checkpoint, consistency = _frozen(bench, source, intent)
    bench.reached(Boundary.CHECKPOINT_TAKEN)
    ids = bench.catalogue.ensure_disks(source.id, _seen(checkpoint))
    draft = repository.draft()
    copier = DiskCopier(bench.host, repository, draft, base, bench.meter)
    copied = [copier.copy(disk, ids[disk.slot]) for disk in checkpoint.disks]
    draft.flush()
    bench.reached(Boundary.PACKS_SYNCED)
    if verify is not None:
        verify(repository, draft, copied)
    point = _description(action, bench, source, intent, captured_at)
    return draft.seal(replace(point, consistency=consistency))


def _frozen(bench: Workbench, source: DataSource, intent: Intent) -> tuple[Checkpoint, Consistency]:
    """A checkpoint, and the consistency that may be claimed for it.

    The plan may be old by now, so the machine is looked at anew: just before, to ask for what it
    can give, and just after, because one that changed meanwhile can claim no more than a crash.
    """
    before = obtainable_consistency(_machine(bench, source))
    checkpoint = bench.host.take_checkpoint(
        source.key.vm_id, before, intent.checkpoint_name, intent.checkpoint_request
    )
    _log.info(Event.CHECKPOINT_TAKEN, checkpoint=checkpoint.id)
    after = obtainable_consistency(_machine(bench, source))
    return checkpoint, before if before is after else Consistency.CRASH


def _machine(bench: Workbench, source: DataSource) -> VirtualMachine:
    for machine in bench.host.machines((source.key.vm_id,)):
        if machine.key == source.key:
            return machine
    raise PlanChangedError(
        f"{source.machine_name} is no {source.key.role.value} machine of {source.host} any more",
        hint="it changed its role or moved; the next pass looks again",
    )


def undo(bench: Workbench, source: DataSource, intent: Intent) -> None:
    """Remove the checkpoint that an unsealed job announced, if it is there."""
    vm_id = source.key.vm_id
    checkpoint = own_checkpoint(bench, vm_id, intent)
    if checkpoint is not None:
        bench.host.remove_checkpoint(vm_id, checkpoint.id, new_request_id())
        _log.info(Event.CHECKPOINT_REMOVED, checkpoint=checkpoint.id)


def _intent(
    action: CreateReplica | ExpressFullBackup,
    bench: Workbench,
    volume: VolumeId,
    head: Head | None,
) -> Intent:
    vm_id = action.subject.key.vm_id
    seen = tuple(point.id for point in bench.host.reference_points((vm_id,)))
    return Intent(
        job=bench.job.id,
        volume=volume,
        recovery_point=RecoveryPointId(new_id()),
        checkpoint_name=checkpoint_name(bench.tools.server, bench.job.id),
        checkpoint_request=new_request_id(),
        conversion_request=new_request_id(),
        reference_points_seen=seen,
        base_recovery_point=head.recovery_point if head else None,
        base_reference_point=head.reference_point if head else None,
    )


def _base(repository: Repository, source: DataSource, intent: Intent) -> Base | None:
    head = repository.head(source.id)
    if head is None or intent.base_recovery_point is None:
        return None
    return Base(repository.manifest(head.source, head.recovery_point), head.rct_ids)


def _seen(checkpoint: Checkpoint) -> list[SeenDisk]:
    return [SeenDisk(disk.virtual_disk_id, disk.slot) for disk in checkpoint.disks]


def _description(
    action: CreateReplica | ExpressFullBackup,
    bench: Workbench,
    source: DataSource,
    intent: Intent,
    captured_at: datetime,
) -> PointDescription:
    return PointDescription(
        id=intent.recovery_point,
        source=source.id,
        key=source.key,
        machine_name=action.subject.name,
        host=action.subject.host,
        group=source.group,
        cause=action.cause,
        consistency=action.consistency,
        captured_at=captured_at,
        job=bench.job.id,
        policy_digest=bench.policy.digest,
        policy_commit=bench.policy.commit,
        base=intent.base_recovery_point,
    )


@contextmanager
def _undone_on_failure(bench: Workbench, source: DataSource, intent: Intent) -> Iterator[None]:
    """Until the seal, a failure leaves nothing on the host, or what the next pass will find.

    A point that is sealed in spite of the failure keeps its checkpoint: its heir converts it.
    """
    try:
        yield
    except BaseException:
        try:
            if not is_sealed(bench.repository(intent.volume), source, intent):
                undo(bench, source, intent)
        except ReconcilerError as second:
            _log.warning(Event.LEFTOVER_STAYS, reason=second.message, hint=second.hint)
        raise


def is_sealed(repository: Repository, source: DataSource, intent: Intent) -> bool:
    """Whether the job's recovery point exists."""
    return intent.recovery_point in repository.manifests(source.id)
