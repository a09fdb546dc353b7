"""One recovery point of one machine, in the order of commits of the package docstring."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from reconciler.blocks.draft import Draft
from reconciler.blocks.manifest import Manifest
from reconciler.blocks.repository import Repository
from reconciler.errors import ReconcilerError, VolumeFullError
from reconciler.execute.boundaries import Boundary
from reconciler.execute.conclude import conclude, own_checkpoint
from reconciler.execute.configuration import ReadConfiguration, read_configuration
from reconciler.execute.copy_disks import Copied, DiskCopier
from reconciler.execute.looks import machine_now, require_certain, way_now
from reconciler.execute.merge_end import await_merge
from reconciler.execute.page_files import Leaving
from reconciler.execute.patience import until_free
from reconciler.execute.saved_machine import run_on, saved, tried_meanwhile, try_to_run_on
from reconciler.execute.start import Start
from reconciler.execute.workbench import Workbench
from reconciler.logs import Event, bound, get_logger
from reconciler.model.machine import Checkpoint
from reconciler.model.names import RecoveryPointId
from reconciler.model.observed import checkpoint_name
from reconciler.model.protection import (
    Consistency,
    DataSource,
    PointDescription,
    RecoveryPoint,
)
from reconciler.plan.actions import Capture, ConsistencyCheck
from reconciler.plan.consistency import Way, way_to_capture
from reconciler.record.disk_matching import SeenDisk
from reconciler.record.entries import new_id, new_request_id
from reconciler.record.work import Intent

_log = get_logger()

_BY_GUEST = frozenset({Consistency.APPLICATION, Consistency.FILE_SYSTEM})

Verify = Callable[[Repository, Draft, Sequence[Copied]], None]
"""Looks at what was copied, while the checkpoint is there and before anything is sealed."""


def unverified(repository: Repository, draft: Draft, copied: Sequence[Copied]) -> None:
    """Take what was copied at its word."""
    del repository, draft, copied


def capture(
    action: Capture, bench: Workbench, start: Start, verify: Verify = unverified
) -> RecoveryPoint:
    """Make a recovery point of the machine.

    Raises:
        ReconcilerError: Before the seal: the checkpoint was removed again and nothing is left.
            After it: the point is whole, and the next pass finishes what is missing.
    """
    # The plan may be old by now, so the machine is looked at anew.
    way = until_free(lambda: way_now(bench, action.wish), bench.meter, bench.tools.merge_wait_s)
    intent = _intent(bench, start, way)
    with bound(recovery_point=intent.recovery_point):
        bench.write_intent(intent)
        bench.reached(Boundary.INTENT_WRITTEN)
        with _undone_on_failure(bench, intent):
            manifest = _Making(action, bench, start, intent, way).sealed(verify)
        bench.reached(Boundary.MANIFEST_SEALED)
        point = conclude(bench, intent, manifest, is_tracked=action.is_tracked)
        run_on(bench)
        await_merge(bench)
        return point


@dataclass(frozen=True, slots=True)
class _Making:
    """A recovery point from its intent to its seal."""

    action: Capture
    bench: Workbench
    start: Start
    intent: Intent
    way: Way

    def sealed(self, verify: Verify) -> Manifest:
        """Checkpoint → packs synced → manifest sealed."""
        bench = self.bench
        repository = bench.repository(self.intent.volume)
        captured_at = bench.tools.clock()
        checkpoint, consistency = self._frozen()
        configuration = read_configuration(bench.host, checkpoint)
        bench.reached(Boundary.CONFIGURATION_READ)
        ids = bench.catalogue.ensure_disks(bench.source.id, _seen(checkpoint))
        source = bench.source.id
        base = self.intent.base_recovery_point if self.start.base else None
        with (
            tried_meanwhile(bench),
            repository.draft(source, base=base, job=bench.job.id) as draft,
        ):
            copier = DiskCopier(
                bench.host,
                repository,
                draft,
                self.start.base,
                bench.meter,
                compares_all=isinstance(self.action, ConsistencyCheck),
                leaving=Leaving.of(self.action, consistency),
            )
            copied = [copier.copy(disk, ids[disk.slot]) for disk in checkpoint.disks]
            draft.flush()
            bench.reached(Boundary.PACKS_SYNCED)
            verify(repository, draft, copied)
            # A replica machine may have been written to by Hyper-V all the while.
            require_certain(machine_now(bench))
            return draft.seal(self._description(captured_at, consistency, configuration))

    def _frozen(self) -> tuple[Checkpoint, Consistency]:
        """A checkpoint, and the consistency that may be claimed for it.

        The machine is looked at just after, because one that changed meanwhile can claim no more
        than a crash. One that was saved is still saved then. Nor can one whose guest was asked,
        and did not do all of its part.
        """
        os_build = self.bench.host.facts().os_build
        with saved(self.bench, self.intent):
            checkpoint = self._checkpoint()
            _log.info(
                Event.CHECKPOINT_TAKEN,
                checkpoint=checkpoint.id,
                has_warnings=checkpoint.has_warnings,
            )
            self.bench.reached(Boundary.CHECKPOINT_TAKEN)
            after = way_to_capture(machine_now(self.bench), os_build, self.action.wish)
        before = self.way.consistency
        is_same = isinstance(after, Way) and after.consistency is before
        was_saved = not isinstance(after, Way) or not after.saves_machine
        is_warned = checkpoint.has_warnings and before in _BY_GUEST
        is_as_meant = is_same and was_saved and not is_warned
        return checkpoint, before if is_as_meant else Consistency.CRASH

    def _checkpoint(self) -> Checkpoint:
        """The disks frozen; a machine that is saved for it waits for nothing."""
        bench, intent = self.bench, self.intent
        ids = iter((intent.checkpoint_request,))
        return until_free(
            lambda: bench.host.take_checkpoint(
                bench.source.key.vm_id,
                self.way.consistency,
                intent.checkpoint_name,
                next(ids, None) or new_request_id(),
            ),
            bench.meter,
            0 if self.way.saves_machine else bench.tools.merge_wait_s,
        )

    def _description(
        self, captured_at: datetime, consistency: Consistency, configuration: ReadConfiguration
    ) -> PointDescription:
        action, bench = self.action, self.bench
        return PointDescription(
            id=self.intent.recovery_point,
            source=bench.source.id,
            key=bench.source.key,
            machine_name=action.subject.name,
            host=action.subject.host,
            group=bench.source.group,
            cause=action.cause,
            consistency=consistency,
            captured_at=captured_at,
            job=bench.job.id,
            policy_digest=bench.policy.digest,
            policy_commit=bench.policy.commit,
            base=self.intent.base_recovery_point,
            configuration_files=configuration.stored,
        )


def undo(bench: Workbench, intent: Intent) -> None:
    """Let the machine run on and remove the checkpoint that an unsealed job announced."""
    try_to_run_on(bench)
    vm_id = bench.source.key.vm_id
    checkpoint = own_checkpoint(bench, vm_id, intent)
    if checkpoint is not None:
        bench.host.remove_checkpoint(vm_id, checkpoint.id, new_request_id())
        _log.info(Event.CHECKPOINT_REMOVED, checkpoint=checkpoint.id)


def _intent(bench: Workbench, start: Start, way: Way) -> Intent:
    seen = tuple(point.id for point in bench.host.reference_points((bench.source.key.vm_id,)))
    return Intent(
        job=bench.job.id,
        volume=start.volume,
        recovery_point=RecoveryPointId(new_id()),
        checkpoint_name=checkpoint_name(bench.tools.server, bench.job.id),
        checkpoint_request=new_request_id(),
        conversion_request=new_request_id(),
        reference_points_seen=seen,
        base_recovery_point=start.head.recovery_point if start.head else None,
        base_reference_point=start.head.reference_point if start.head else None,
        save_request=new_request_id() if way.saves_machine else None,
        resume_request=new_request_id() if way.saves_machine else None,
    )


def _seen(checkpoint: Checkpoint) -> list[SeenDisk]:
    return [SeenDisk(disk.virtual_disk_id, disk.slot) for disk in checkpoint.disks]


@contextmanager
def _undone_on_failure(bench: Workbench, intent: Intent) -> Iterator[None]:
    """Until the seal, a failure leaves nothing on the host, or what the next pass will find.

    A point that is sealed in spite of the failure keeps its checkpoint: its heir converts it.
    """
    try:
        yield
    except BaseException as error:
        try:
            if isinstance(error, VolumeFullError):
                bench.catalogue.want_sweep(intent.volume)  # for the others that live there
            if not is_sealed(bench.repository(intent.volume), bench.source, intent):
                undo(bench, intent)
        except ReconcilerError as second:
            _log.warning(Event.LEFTOVER_STAYS, reason=second.message, hint=second.hint)
        raise


def is_sealed(repository: Repository, source: DataSource, intent: Intent) -> bool:
    """Whether the job's recovery point exists."""
    return intent.recovery_point in repository.manifests(source.id)
