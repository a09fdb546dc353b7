"""What a capture starts from: the replica as the repository holds it, trusted or doubted."""

from dataclasses import dataclass, replace

from reconciler.blocks.manifest import DiskManifest, Manifest
from reconciler.blocks.repository import Repository
from reconciler.blocks.verify import verify
from reconciler.errors import (
    BlockDamagedError,
    BlockMissingError,
    ItemNotFoundError,
    PlanChangedError,
)
from reconciler.execute.copy_disks import Base
from reconciler.execute.workbench import Workbench
from reconciler.model.names import VolumeId
from reconciler.model.protection import Head


@dataclass(frozen=True, slots=True)
class Start:
    """Where a new point goes, and what it is built on."""

    volume: VolumeId
    head: Head | None
    base: Base | None
    blocks_damaged: int = 0
    """Blocks of the base that cannot be given back."""


def replica_volume(bench: Workbench) -> VolumeId:
    """Where the replica lives.

    Raises:
        PlanChangedError: There is none any more.
    """
    replica = bench.catalogue.replicas()[bench.source.id]
    if replica.head is None or replica.volume is None:
        raise PlanChangedError(
            f"{bench.source.machine_name} has no replica any more",
            hint="plan again: reconciler plan",
        )
    return replica.volume


def trusting_start(bench: Workbench, volume: VolumeId) -> Start:
    """The replica's head, taken at its word.

    Raises:
        BlockDamagedError: The head or its manifest is damaged.
        BlockMissingError: The head's manifest is not there.
    """
    repository = bench.repository(volume)
    head = repository.head(bench.source.id)
    if head is None:
        return Start(volume, None, None)
    try:
        manifest = repository.manifest(head.source, head.recovery_point)
    except ItemNotFoundError as error:
        raise BlockMissingError(
            f"the manifest of the replica's newest recovery point {head.recovery_point} is gone",
            hint="request a consistency check: it reads the machine in full",
        ) from error
    return Start(volume, head, Base(manifest, head.rct_ids))


def doubting_start(bench: Workbench, volume: VolumeId) -> Start:
    """Of the replica's head only what can still be read; all of its blocks are read for that."""
    repository = bench.repository(volume)
    repository.packs.doubt()
    head = known_head(bench, repository)
    if head is None:
        return Start(volume, None, None)
    try:
        manifest = repository.manifest(head.source, head.recovery_point)
    except (ItemNotFoundError, BlockDamagedError):
        return Start(volume, head, None)
    going = bench.meter.require_going
    findings = verify(repository, [manifest], read_blocks=True, require_going=going)
    damaged = sum(finding.block_count for finding in findings)
    base = Base(_readable(repository, manifest), head.rct_ids)
    return Start(volume, head, base, damaged)


def known_head(bench: Workbench, repository: Repository) -> Head | None:
    """The replica's head; where the repository's is damaged, the catalogue's."""
    try:
        return repository.head(bench.source.id)
    except BlockDamagedError:
        return bench.catalogue.replicas()[bench.source.id].head


def _readable(repository: Repository, manifest: Manifest) -> Manifest:
    """The manifest with those disks only of which every node can be read."""
    disks = tuple(disk for disk in manifest.disks if _has_all_nodes(repository, disk))
    return replace(manifest, disks=disks)


def _has_all_nodes(repository: Repository, disk: DiskManifest) -> bool:
    try:
        for _ in disk.tree.runs(repository.packs.node):
            pass
    except (BlockMissingError, BlockDamagedError):
        return False
    return True
