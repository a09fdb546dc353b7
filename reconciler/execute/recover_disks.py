"""Recovery to a folder: the virtual disks of a recovery point, each in its format."""

import errno
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath

from reconciler.blocks.configuration import configuration_of
from reconciler.blocks.disk_file import create_disk
from reconciler.blocks.restore import restore
from reconciler.blocks.volume import RecoveryPointDisk
from reconciler.errors import RecoveryError, TargetExistsError, TargetFullError
from reconciler.execute.configuration import shown_left_out
from reconciler.execute.meter import Meter
from reconciler.execute.outcome import Outcome
from reconciler.execute.workbench import Tools
from reconciler.logs import Event, bound, get_logger
from reconciler.model.protection import DiskDescription
from reconciler.plan.actions import RecoverDisks
from reconciler.plan.prerequisites.recovery import RecoveryTarget, TargetKind, of_recovery

CONFIGURATION = "configuration"
"""Folder of the configuration files beside the disks."""
NOT_THERE = "not-in-this-recovery-point.txt"

_log = get_logger()


def run(action: RecoverDisks, tools: Tools, meter: Meter) -> Outcome:
    """Write every disk of the point into an empty folder; a failed recovery leaves it empty.

    Raises:
        TargetExistsError: The folder holds something.
        TargetFullError: There is no room; what was written is removed again.
        BlockDamagedError: A block of the point cannot be trusted.
    """
    points = tools.catalogue.recovery_points(action.source)
    point = next(p for p in points if p.id == action.recovery_point)
    repository = tools.repository_to_read(point.volume)
    manifest = repository.manifest(action.source, action.recovery_point)
    disks = [RecoveryPointDisk(repository, manifest, d.id) for d in manifest.descriptions]
    needed = sum(disk.held_bytes() for disk in disks)
    meter.expect(needed)
    folder = Path(action.folder)
    require_short_paths(manifest.point.machine_name, folder, manifest.descriptions)
    with bound(recovery_point=action.recovery_point), empty_folder(folder) as written:
        require_room(folder, needed)
        for disk in disks:
            written.append(_write_disk(disk, manifest.point.machine_name, folder, meter.add))
        _write_configuration(manifest.point.configuration_files, folder, written)
        names = [path.name for path in written]
        _log.info(Event.RECOVERY_FINISHED, folder=str(folder), files=names, bytes_written=needed)
    return Outcome(bytes_written=needed, files=tuple(map(str, written)))


def require_short_paths(machine: str, folder: PurePath, disks: Sequence[DiskDescription]) -> None:
    """Windows opens no file whose path has 260 characters or more.

    Raises:
        RecoveryError: One would; nothing is written.
    """
    paths = tuple(str(folder / f"{file_name(machine, disk)}.partial") for disk in disks)
    for found in of_recovery(RecoveryTarget(TargetKind.FOLDER, machine, paths)):
        raise RecoveryError(f"{found.about}: {found.message}", hint=found.hint)


def file_name(machine_name: str, disk: DiskDescription) -> str:
    """Where a disk goes: machine and controller slot, in characters that every system takes."""
    slot = f"{disk.slot.controller_type}-{disk.slot.controller_number}-{disk.slot.location}"
    suffix = disk.geometry.format.value.lower()
    return f"{_safe(machine_name) or 'machine'}-{_safe(slot)}.{suffix}"


def _safe(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in text).lstrip(".")[:100]


def _write_disk(
    disk: RecoveryPointDisk, machine: str, folder: Path, on_progress: Callable[[int], None]
) -> Path:
    description = disk.disk.description
    name = file_name(machine, description)
    partial = folder / f"{name}.partial"
    writer = create_disk(partial, description.geometry, description.virtual_disk_id)
    try:
        restore(disk, writer.write, on_progress=on_progress)
        writer.close()
    except BaseException:
        writer.abandon()
        partial.unlink(missing_ok=True)
        raise
    return partial.replace(folder / name)


def _write_configuration(stored: Mapping[str, str], folder: Path, written: list[Path]) -> None:
    """The configuration files as they were on the host, and which of them are missing."""
    if not stored:
        return
    configuration = configuration_of(stored)
    below = folder / CONFIGURATION
    below.mkdir()
    written.append(below)
    files = dict(configuration.files)
    if configuration.left_out:
        lines = "\n".join(shown_left_out(configuration.left_out))
        files[NOT_THERE] = f"{lines}\n".encode()
    for name, data in sorted(files.items()):
        path = below / (_safe(name) or "file")
        with path.open("xb") as file:
            written.append(path)
            file.write(data)


@contextmanager
def empty_folder(folder: Path) -> Iterator[list[Path]]:
    """The target, made if it is not there; takes what was written there.

    When the recovery fails, what was written is removed again, and nothing else.
    """
    try:
        is_ours = not folder.exists()
        is_taken = not is_ours and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise _target_error(folder, error) from error
    if is_taken:
        raise TargetExistsError(
            f"the target {folder} is not an empty folder",
            hint="name a folder that does not exist yet, or an empty one; what an interrupted "
            "recovery left there ends in .partial and may be deleted",
        )
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield written
    except BaseException as error:
        with suppress(OSError):
            for path in reversed(written):
                _remove(path)
            if is_ours:
                folder.rmdir()
        if isinstance(error, OSError):
            raise _target_error(folder, error) from error
        raise


def _remove(path: Path) -> None:
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def _target_error(folder: Path, error: OSError) -> RecoveryError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return TargetFullError(
            f"the target {folder} ran full; what had been written was removed",
            hint="make room there, or name another folder",
        )
    return RecoveryError(
        f"the target {folder} cannot be written: {error.strerror}",
        hint="check the path and the rights, or name another folder",
    )


def require_room(folder: Path, needed_bytes: int) -> None:
    """Ask before anything is written.

    Raises:
        TargetFullError: The folder's file system has less free than that.
    """
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise TargetFullError(
            f"the disks need {needed_bytes:,} bytes, {folder} has {free:,} free",
            hint="make room there, or name another folder",
        )
