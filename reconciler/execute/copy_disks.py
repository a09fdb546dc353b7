"""From the disks of a checkpoint to a draft: in full, by tracked changes, or by hashes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.blocks.disk_chain import DiskChain
from reconciler.blocks.disk_file import open_disk
from reconciler.blocks.draft import Draft, DraftDisk
from reconciler.blocks.manifest import DiskManifest, Manifest
from reconciler.blocks.replica import Comparison, resume, synchronize, synchronize_by_hash
from reconciler.blocks.repository import Repository
from reconciler.blocks.sampling import compare_sample
from reconciler.errors import DiskUnreadableError, ReplicaInconsistentError, TrackingLostError
from reconciler.execute.meter import Meter
from reconciler.execute.page_files import ALL_OF_IT, Leaving, bytes_spared
from reconciler.logs import Event, get_logger
from reconciler.model.machine import VirtualDisk
from reconciler.model.names import DiskId, RctId
from reconciler.model.protection import DiskDescription, LeftOut
from reconciler.model.ranges import ByteRange, total_bytes
from reconciler.ports import HostSession

_log = get_logger()


@dataclass(frozen=True, slots=True)
class Base:
    """What a new point starts from."""

    manifest: Manifest
    rct_ids: Mapping[DiskId, RctId]

    def disk(self, disk: DiskId) -> DiskManifest | None:
        """The disk as the base holds it; None for a disk that is new."""
        return next((d for d in self.manifest.disks if d.description.id == disk), None)


@dataclass(frozen=True, slots=True)
class Copied:
    """One disk in the draft, beside its source."""

    target: DraftDisk
    source: DiskChain
    found: Comparison | None = None
    """Of a disk that was compared."""
    blocks_sampled: int = 0
    """Of a disk of which the host told what changed."""
    bytes_spared: int = 0
    """Of its changes, what was left out."""


@dataclass(frozen=True, slots=True)
class DiskCopier:
    """Brings disks of a checkpoint into a draft, each by the cheapest way that is safe."""

    host: HostSession
    repository: Repository
    draft: Draft
    base: Base | None
    meter: Meter
    compares_all: bool = False
    """Ask nobody what changed; compare every disk that the base has."""
    leaving: Leaving = ALL_OF_IT
    """What incrementals may leave out."""

    def copy(self, disk: VirtualDisk, disk_id: DiskId) -> Copied:
        """One disk: in full, by tracked changes, or by comparing hashes.

        Raises:
            DiskUnreadableError: The disk cannot be read as its checkpoint describes it.
        """
        chain = open_disk(self.host, disk.path)
        _require_same_size(chain, disk)
        before = self.base.disk(disk_id) if self.base else None
        description = DiskDescription(disk_id, disk.slot, disk.virtual_disk_id, disk.geometry)
        if before is None:
            copied = Copied(self.draft.disk(description, None), chain)
            self._in_full(copied)
            return copied
        changes = None if self.compares_all else self._changes(disk, before)
        if changes is None:
            copied = Copied(self.draft.disk(description, before), chain)
            return replace(copied, found=self._by_hash(copied))
        description = replace(description, left_out=self._left_out(before, chain, changes))
        copied = Copied(self.draft.disk(description, before), chain)
        spared = self._by_changes(copied, changes)
        sampled = self._sampled(copied, changes)
        return replace(copied, blocks_sampled=sampled, bytes_spared=spared)

    def _in_full(self, copied: Copied) -> None:
        size = copied.source.virtual_bytes
        self.meter.expect(total_bytes(copied.source.allocated(0, size)))
        self._by_changes_of(copied, (ByteRange(0, size),))

    def _left_out(
        self, before: DiskManifest, chain: DiskChain, changes: Sequence[ByteRange]
    ) -> tuple[LeftOut, ...]:
        if self.base is None:
            return ()
        return self.leaving.left_out((self.repository, self.base.manifest), before, chain, changes)

    def _by_changes(self, copied: Copied, changes: Sequence[ByteRange]) -> int:
        """Copy them but for what is left out; how many bytes that spares."""
        target = copied.target
        left_out = target.description.left_out
        spared = bytes_spared(changes, left_out, target.block_bytes, target.size)
        self.meter.expect(max(total_bytes(changes) - spared, 0) + total_bytes(target.must_read))
        self._by_changes_of(copied, changes)
        return spared

    def _by_changes_of(self, copied: Copied, ranges: Sequence[ByteRange]) -> None:
        copy = resume if self.draft.is_resumed else synchronize
        copy(copied.target, copied.source, ranges, on_progress=self.meter.running_total())

    def _sampled(self, copied: Copied, changes: Sequence[ByteRange]) -> int:
        """Compare a few blocks that were called unchanged; how many.

        Raises:
            ReplicaInconsistentError: One is not what the replica holds: change tracking lied.
        """
        sample = compare_sample(copied.target, copied.source, self.repository.packs, changes)
        slot = str(copied.target.description.slot)
        facts = {"blocks_compared": len(sample.blocks), "blocks_differing": len(sample.differences)}
        _log.info(Event.DISK_SAMPLED, disk=slot, **facts)
        if sample.differences:
            evidence = "; ".join(map(str, sample.differences))
            raise ReplicaInconsistentError(
                f"the disk at {slot} differs where its host says that nothing changed ({evidence})",
                hint="a consistency check follows; look for what writes to the disk past Hyper-V, "
                "such as a file that was mounted or restored on the host",
            )
        return len(sample.blocks)

    def _by_hash(self, copied: Copied) -> Comparison:
        found = synchronize_by_hash(
            copied.target,
            copied.source,
            self.repository.packs,
            on_progress=self.meter.running_total(),
        )
        _log.info(
            Event.DISK_COMPARED,
            disk=str(copied.target.description.slot),
            blocks_compared=found.blocks_compared,
            blocks_differing=found.blocks_differing,
        )
        return found

    def _changes(self, disk: VirtualDisk, before: DiskManifest) -> Sequence[ByteRange] | None:
        """What was written since the base; None when nobody can tell.

        A tracking id belongs to the file it was made for: another virtual disk in the same slot is
        compared, whatever the host would say.
        """
        is_same = before.description.virtual_disk_id == disk.virtual_disk_id
        since = self.base.rct_ids.get(before.description.id) if self.base and is_same else None
        if not since:
            return None
        try:
            return self.host.changed_ranges(disk.path, since, disk.geometry.virtual_bytes)
        except TrackingLostError as error:
            _log.warning(Event.TRACKING_LOST, disk=str(disk.slot), reason=error.message)
            return None


def _require_same_size(chain: DiskChain, disk: VirtualDisk) -> None:
    if chain.virtual_bytes != disk.geometry.virtual_bytes:
        raise DiskUnreadableError(
            f"{disk.path} holds a disk of {chain.virtual_bytes:,} bytes, "
            f"but the host reports {disk.geometry.virtual_bytes:,}",
            hint="look whether the disk is being resized; the next pass tries again",
        )
