"""Which blocks of a disk an incremental leaves out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PureWindowsPath
from typing import Final

from reconciler.blocks.disk_chain import DiskChain
from reconciler.blocks.guest.page_files import page_files
from reconciler.blocks.manifest import DiskManifest, Manifest
from reconciler.blocks.patched_disk import PatchedDisk
from reconciler.blocks.repository import Repository
from reconciler.blocks.volume import RecoveryPointDisk
from reconciler.logs import Event, get_logger
from reconciler.model.page_files import ALL_COPIED, PageFiles, Scratch, left_out, trusts_file_tables
from reconciler.model.protection import Consistency, LeftOut
from reconciler.model.ranges import ByteRange, aligned, clipped, subtracted, total_bytes
from reconciler.plan.actions import Capture, ExpressFullBackup

_log = get_logger()

_WHOLE_DISK: Final = "disk of page files"
_AS_AT: Final = ", as it was at "
_MOST_TOLD: Final = 4


@dataclass(frozen=True, slots=True)
class Leaving:
    """What one capture may leave out of its disks."""

    wish: PageFiles = ALL_COPIED
    trusts_tables: bool = False

    @classmethod
    def of(cls, action: Capture, consistency: Consistency) -> "Leaving":
        """Incrementals leave something out; what is compared or copied in full is whole."""
        wish = action.page_files if isinstance(action, ExpressFullBackup) else ALL_COPIED
        return cls(wish.at(consistency), trusts_file_tables(consistency))

    def left_out(
        self,
        base: tuple[Repository, Manifest],
        before: DiskManifest,
        source: DiskChain,
        changes: Sequence[ByteRange],
    ) -> tuple[LeftOut, ...]:
        """What is not copied of a disk of which the changes are known.

        Raises:
            DiskUnreadableError: The disk cannot be read.
        """
        earlier = before.description.left_out
        if not self.wish.leaves_out or not (changes or earlier):
            return ()
        name = PureWindowsPath(source.paths[-1]).name
        pattern = self.wish.pattern_for(name)
        if pattern is not None:
            reason = f"{_WHOLE_DISK} ({pattern}){_AS_AT}{_since(earlier, base[1])}"
            scratch = [Scratch(ByteRange(0, source.virtual_bytes), reason)]
        elif self.trusts_tables:
            scratch = list(_by_name(base, before, source, changes))
        else:
            return ()
        end = _known_end(before, source.virtual_bytes)
        found = left_out(changes, earlier, scratch, before.block_bytes, end)
        _tell(str(before.description.slot), found, changes, before.block_bytes)
        return found


ALL_OF_IT: Final = Leaving()


def bytes_spared(
    changes: Sequence[ByteRange], found: Sequence[LeftOut], block_bytes: int, end: int
) -> int:
    """How many bytes of the changes are left out. Units: bytes."""
    whole = tuple(clipped(aligned(changes, block_bytes), end))
    kept = subtracted(whole, (ByteRange(each.start, each.end) for each in found))
    return total_bytes(whole) - total_bytes(kept)


def _by_name(
    base: tuple[Repository, Manifest],
    before: DiskManifest,
    source: DiskChain,
    changes: Sequence[ByteRange],
) -> tuple[Scratch, ...]:
    repository, manifest = base
    held = RecoveryPointDisk(repository, manifest, before.description.id)
    found = page_files(PatchedDisk(held, source, changes), source.logical_sector_bytes)
    if found.unknown:
        is_first = manifest.point.base is None  # the disk will hardly become another one
        tell = _log.info if is_first else _log.debug
        tell(
            Event.PAGE_FILES_UNKNOWN,
            disk=str(before.description.slot),
            reasons=found.unknown[:_MOST_TOLD],
        )
    return found.scratch


def _since(earlier: Sequence[LeftOut], base: Manifest) -> str:
    """How old the bytes of a whole disk are, under whatever pattern it was left out before."""
    whole = (each.reason for each in earlier if each.reason.startswith(_WHOLE_DISK))
    if (told := next(whole, None)) is not None:
        return told.rpartition(_AS_AT)[2]
    parts_are_older = " or before" if earlier else ""
    return f"{base.point.captured_at:%Y-%m-%dT%H:%M:%SZ}{parts_are_older}"


def _known_end(before: DiskManifest, size: int) -> int:
    """Up to where the base tells of the disk as it is now."""
    if before.virtual_bytes == size:
        return size
    return min(before.virtual_bytes, size) // before.block_bytes * before.block_bytes


def _tell(
    slot: str, found: Sequence[LeftOut], changes: Sequence[ByteRange], block_bytes: int
) -> None:
    if found:
        spared = bytes_spared(changes, found, block_bytes, found[-1].end)
        _log.info(
            Event.PAGE_FILES_LEFT_OUT,
            disk=slot,
            what=sorted({each.reason for each in found})[:_MOST_TOLD],
            bytes_left_out=sum(each.end - each.start for each in found),
            bytes_spared=spared,
        )
