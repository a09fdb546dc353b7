"""One replica read back from its repository: what a catalogue has to know of it."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from reconciler.blocks.manifest import Manifest
from reconciler.blocks.repository import Repository
from reconciler.errors import RepositoryError, RepositoryUnavailableError
from reconciler.model.machine import ControllerSlot
from reconciler.model.names import DataSourceId, DiskId, RecoveryPointId, VolumeId
from reconciler.model.protection import (
    DataSource,
    DiskDescription,
    Head,
    PointDescription,
    RecoveryPoint,
)
from reconciler.record.adoption import FoundReplica
from reconciler.record.entries import KnownDisk


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something of a repository that is not in the new catalogue, and why."""

    what: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of one data source of a repository."""

    replica: FoundReplica | None
    unreadable: tuple[Unreadable, ...]
    others: int
    """Recovery points that another server made: they are its own to keep or let go."""


@dataclass(frozen=True, slots=True)
class _Sealed:
    """What is kept of a manifest; a whole one may be large."""

    point: RecoveryPoint
    description: PointDescription
    disks: tuple[DiskDescription, ...]


def read_replica(
    repository: Repository, volume: VolumeId, source: DataSourceId, foreign: Collection[int]
) -> Reading:
    """Read all manifests and the head of a data source, leaving out those of foreign writers.

    Raises:
        RepositoryUnavailableError: The store gives no answer.
    """
    unreadable: list[Unreadable] = []
    sealed: list[_Sealed] = []
    others = 0
    for point in _points(repository, source, unreadable):
        manifest = _manifest(repository, source, point, unreadable)
        if manifest is None:
            continue
        if manifest.writer in foreign:
            others += 1
        else:
            sealed.append(_kept(manifest, volume))
    sealed.sort(key=lambda each: (each.point.captured_at, each.point.id))
    replica = _replica(repository, sealed, unreadable) if sealed else None
    return Reading(replica, tuple(unreadable), others)


def _points(
    repository: Repository, source: DataSourceId, unreadable: list[Unreadable]
) -> Sequence[RecoveryPointId]:
    try:
        return repository.manifests(source)
    except RepositoryUnavailableError:
        raise
    except RepositoryError as error:
        unreadable.append(Unreadable(f"data source {source[:200]}", error.message, error.hint))
        return ()


def _manifest(
    repository: Repository,
    source: DataSourceId,
    point: RecoveryPointId,
    unreadable: list[Unreadable],
) -> Manifest | None:
    try:
        return repository.manifest(source, point)
    except RepositoryUnavailableError:
        raise
    except RepositoryError as error:
        unreadable.append(Unreadable(f"recovery point {point[:200]}", error.message, error.hint))
        return None


def _kept(manifest: Manifest, volume: VolumeId) -> _Sealed:
    description, statistics = manifest.point, manifest.statistics
    point = RecoveryPoint(
        id=description.id,
        source=description.source,
        volume=volume,
        captured_at=description.captured_at,
        consistency=description.consistency,
        cause=description.cause,
        job=description.job,
        bytes_read=statistics.bytes_read,
        bytes_stored=statistics.bytes_stored,
    )
    return _Sealed(point, description, manifest.descriptions)


def _replica(
    repository: Repository, sealed: Sequence[_Sealed], unreadable: list[Unreadable]
) -> FoundReplica:
    newest = sealed[-1].description
    source = DataSource(newest.source, newest.key, newest.machine_name, newest.host, newest.group)
    points = tuple(each.point for each in sealed)
    disks = tuple(_disks(sealed))
    head = _head(repository, source, unreadable)
    if head is not None and any(point.id == head.recovery_point for point in points):
        return FoundReplica(source, disks, points, head)
    # A reference point may be younger than the point that is left, and must not be counted from.
    stray = head.reference_point if head is not None else None
    what = "its head cannot be read" if head is None else "its newest recovery point is gone"
    safe = Head(source.id, points[-1].id, None, {})
    return FoundReplica(source, disks, points, safe, f"{what} (catalogue rebuilt)", stray)


def _head(repository: Repository, source: DataSource, unreadable: list[Unreadable]) -> Head | None:
    try:
        return repository.head(source.id)
    except RepositoryUnavailableError:
        raise
    except RepositoryError as error:
        unreadable.append(Unreadable(f"head of {source.label}", error.message, error.hint))
        return None


def _disks(sealed: Sequence[_Sealed]) -> Iterator[KnownDisk]:
    """Every disk as it was last; one whose place another has taken since has no slot."""
    seen: set[DiskId] = set()
    taken: set[ControllerSlot] = set()
    for each in reversed(sealed):
        new = [disk for disk in each.disks if disk.id not in seen]
        for disk in new:
            free = disk.slot if disk.slot not in taken else None
            yield KnownDisk(disk.id, disk.virtual_disk_id, free)
        seen.update(disk.id for disk in new)
        taken.update(disk.slot for disk in each.disks)
