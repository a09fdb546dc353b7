"""The configuration files of a checkpoint, read into its recovery point.

Hyper-V's guidance is to copy them at every backup. They are copied from where they are, and never
exported: ExportSystemDefinition without disks leaves the merging of the machine's disks disabled.
What cannot be had of them does not fail the backup of the disks, but is told: in the log, in the
recovery point itself, and wherever the point is shown.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.blocks.configuration import (
    MOST_FILES_BYTES,
    MOST_STORED_BYTES,
    is_free_name,
    stored_file,
    stored_left_out,
)
from reconciler.errors import DiskUnreadableError, HostRefusedError, ItemNotFoundError
from reconciler.logs import Event, get_logger
from reconciler.model.configuration import ConfigurationFile, FileLeftOut
from reconciler.model.machine import Checkpoint
from reconciler.ports import HostSession

_log = get_logger()

_TOO_LARGE = (
    f"with it they would be more than {MOST_FILES_BYTES >> 20} MiB; "
    "the memory of a saved machine is not kept"
)


@dataclass(frozen=True, slots=True)
class ReadConfiguration:
    """What a manifest gets."""

    stored: Mapping[str, str]
    left_out: tuple[FileLeftOut, ...]


def read_configuration(host: HostSession, checkpoint: Checkpoint) -> ReadConfiguration:
    """All files that there is room for, the small ones first.

    Raises:
        HostUnreachableError: The host is gone, and so are the disks.
    """
    stored: dict[str, str] = {}
    left_out: list[FileLeftOut] = []
    room, stored_room = MOST_FILES_BYTES, MOST_STORED_BYTES
    try:
        files = _by_size(host, checkpoint)
    except (HostRefusedError, ItemNotFoundError) as error:
        files, left_out = [], [FileLeftOut("all of them", None, error.message)]
    for file in files:
        try:
            name, text = stored_file(file.name, _bytes(host, file, room))
        except _LeftOutError as refusal:
            left_out.append(FileLeftOut(file.name, file.size_bytes, str(refusal)))
            continue
        if len(text) > stored_room:
            left_out.append(FileLeftOut(file.name, file.size_bytes, _TOO_LARGE))
            continue
        stored[name] = text
        room, stored_room = room - (file.size_bytes or 0), stored_room - len(text)
    for each in left_out:
        _log.warning(
            Event.CONFIGURATION_LEFT_OUT, file=each.name, bytes=each.size_bytes, reason=each.reason
        )
    told = tuple(left_out)
    return ReadConfiguration({**stored, **stored_left_out(told)}, told)


class _LeftOutError(Exception):
    """Why a file cannot be held."""


def _by_size(host: HostSession, checkpoint: Checkpoint) -> list[ConfigurationFile]:
    files = list(host.configuration_files(checkpoint.vm_id, checkpoint.id))
    if not files:
        raise ItemNotFoundError(
            f"the host tells of no configuration files of checkpoint {checkpoint.id}",
            hint="look at the checkpoint's folder on the host",
        )
    return sorted(files, key=lambda file: (file.size_bytes or 0, file.name))


def _bytes(host: HostSession, file: ConfigurationFile, room: int) -> bytes:
    if file.size_bytes is None:
        raise _LeftOutError(f"the checkpoint names it, and the host has no such file: {file.path}")
    if file.size_bytes > room:
        raise _LeftOutError(_TOO_LARGE)
    if not is_free_name(file.name):
        raise _LeftOutError("recovery points use such a name themselves")
    try:
        return host.configuration_bytes(file)
    except (DiskUnreadableError, HostRefusedError) as error:
        raise _LeftOutError(error.message) from error


def shown_left_out(left_out: tuple[FileLeftOut, ...]) -> Iterator[str]:
    """For a person, one line each."""
    for each in left_out:
        size = "" if each.size_bytes is None else f" ({each.size_bytes:,} bytes)"
        yield f"{each.name}{size}: {each.reason}"
