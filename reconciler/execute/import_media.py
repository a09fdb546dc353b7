"""A replica from removable media: blocks that need not travel when it is created."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from reconciler.blocks.draft import Draft
from reconciler.blocks.manifest import Manifest
from reconciler.blocks.replica import synchronize
from reconciler.blocks.repository import Repository
from reconciler.blocks.volume import RecoveryPointDisk
from reconciler.errors import (
    BlockDamagedError,
    BlockMissingError,
    ItemNotFoundError,
    RecoveryError,
    RepositoryError,
    RepositoryKeyError,
)
from reconciler.execute.copy_disks import Base, Copied
from reconciler.execute.workbench import Workbench
from reconciler.logs import Event, get_logger
from reconciler.model.names import VolumeId
from reconciler.model.ranges import ByteRange
from reconciler.record.disk_matching import SeenDisk

MEDIA_REPOSITORY: Final = "repository"
"""Folder of the media that holds what was exported."""

_log = get_logger()


@contextmanager
def imported(bench: Workbench, volume: VolumeId, folder: str) -> Iterator["Imported"]:
    """What the media hold of the machine, durable on the volume; a base to compare from.

    It is no recovery point: until one is made of it, nothing but an open draft keeps its packs,
    and a job that dies leaves nothing that has to be healed.

    Raises:
        RecoveryError: The media are damaged, or hold another machine.
    """
    media = _opened(bench, volume, folder)
    found = _newest(media, bench, folder)
    descriptions = found.descriptions
    seen = [SeenDisk(each.virtual_disk_id, each.slot) for each in descriptions]
    ids = bench.catalogue.ensure_disks(bench.source.id, seen)
    with bench.repository(volume).draft(job=bench.job.id) as draft:
        targets = []
        for each in descriptions:
            target = draft.disk(replace(each, id=ids[each.slot]), None)
            with _told_as_damage(folder):
                source = MediaDisk(RecoveryPointDisk(media, found, each.id))
                whole = (ByteRange(0, source.virtual_bytes),)
                bench.meter.expect(source.disk.held_bytes())
                synchronize(target, source, whole, on_progress=bench.meter.running_total())
            targets.append(target)
        draft.flush()
        disks = tuple(target.sealed() for target in targets)
        stored = draft.statistics.bytes_stored
        _log.info(Event.MEDIA_IMPORTED, folder=folder, **_facts(found, draft.statistics.bytes_read))
        yield Imported(Base(replace(found, disks=disks), {}), stored, draft)


@dataclass(frozen=True, slots=True)
class Imported:
    """What came from the media."""

    base: Base
    bytes_stored: int
    draft: Draft

    def require(self, repository: Repository, draft: Draft, copied: Sequence[Copied]) -> None:
        """Make sure that what came is there still, before a point of it is sealed.

        Raises:
            RepositoryLockedError: Somebody took its draft for dead.
        """
        del repository, draft, copied
        self.draft.require()


@dataclass(frozen=True, slots=True)
class MediaDisk:
    """A disk of the media, as a source of a replica."""

    disk: RecoveryPointDisk

    @property
    def virtual_bytes(self) -> int:
        """Units: bytes."""
        return self.disk.size

    def read(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        """The bytes of each range, each block proven by its hash or tag."""
        return [self.disk.read(each.start, each.length) for each in ranges]

    def allocated(self, start: int, end: int) -> Iterator[ByteRange]:
        """Where it holds anything but zeros."""
        size = self.disk.block_bytes
        for first, count in self.disk.allocated_runs():
            lower, upper = max(first * size, start), min((first + count) * size, end)
            if lower < upper:
                yield ByteRange(lower, upper)


def _opened(bench: Workbench, volume: VolumeId, folder: str) -> Repository:
    """The repository on the media.

    Raises:
        RecoveryError: There is none, or it cannot be opened.
    """
    try:
        return bench.tools.copy_to_read(volume, Path(folder) / MEDIA_REPOSITORY)
    except RepositoryKeyError as error:
        raise RecoveryError(
            f"the media in {folder} cannot be opened: {error.message}",
            hint="export with the passphrase that the machine's pool has here",
        ) from error
    except RepositoryError as error:
        raise RecoveryError(
            f"no export is in {folder}: {error.message}",
            hint="name the folder that `reconciler replica export` filled, with all that is in it",
        ) from error


def _newest(media: Repository, bench: Workbench, folder: str) -> Manifest:
    """The newest point of the machine on the media.

    Raises:
        RecoveryError: There is none.
    """
    with _told_as_damage(folder):
        points = [media.manifest(s, p) for s in media.sources() for p in media.manifests(s)]
    ours = [each for each in points if each.point.key == bench.source.key]
    if not ours:
        others = ", ".join(sorted({each.point.machine_name for each in points})) or "nothing"
        raise ItemNotFoundError(
            f"the media in {folder} hold {others}, not {bench.source.label}",
            hint=f"export it: reconciler replica export {bench.source.label} FOLDER",
        )
    return max(ours, key=lambda each: each.point.captured_at)


@contextmanager
def _told_as_damage(folder: str) -> Iterator[None]:
    try:
        yield
    except (BlockDamagedError, BlockMissingError) as error:
        raise RecoveryError(
            f"the media in {folder} are damaged: {error.message}",
            hint="nothing was made of them; export the machine anew into an empty folder",
        ) from error


def _facts(found: Manifest, bytes_read: int) -> dict[str, object]:
    exported = found.point
    return {"captured_at": exported.captured_at.isoformat(), "bytes_read": bytes_read}
