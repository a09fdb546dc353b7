"""The configuration files that a recovery checkpoint keeps, and how the host tells of them.

They lie beside the machine's first disk, or where Hyper-V puts them by itself. Their bytes tell the
settings of the machine, so whoever has them back can compare them. Source: hyperv-facts.md §1.8.
"""

from collections.abc import Iterator
from pathlib import PureWindowsPath
from typing import Final

from reconciler.lab import faults
from reconciler.lab.book import HostBook, is_remote
from reconciler.lab.configuration_document import configuration_of
from reconciler.lab.faults import FaultKind
from reconciler.lab.state import CheckpointState, MachineState
from reconciler.lab.tracking import SERVER_2016
from reconciler.lab.wire.body import AgentError

DEFAULT_ROOT: Final = "C:\\ProgramData\\Microsoft\\Windows\\Hyper-V"
SERVER_1709: Final = 16_299
"""From here on the state of the guest's firmware has a file of its own."""
GUEST_STATE_BYTES: Final = 4 << 20
"""Mostly zeros."""
_RUNTIME_BYTES: Final = 8_192
_SAVED: Final = frozenset({"Saved", "FastSaved"})

Answer = dict[str, object]


def data_root(machine: MachineState) -> str:
    """ConfigurationDataRoot of the machine and its checkpoints."""
    first = next((disk.chain[0] for disk in machine.disks if disk.has_file), "")
    return str(PureWindowsPath(first).parent) if first else DEFAULT_ROOT


def configuration_file(book: HostBook, checkpoint_id: str) -> str:
    """ConfigurationFile of a checkpoint, below the root."""
    return f"Snapshots\\{checkpoint_id.upper()}.{_suffix(book)}"


def guest_state_file(book: HostBook, machine: MachineState, checkpoint_id: str) -> str:
    """GuestStateFile of a checkpoint, below the root; empty where there is none."""
    is_kept = book.state.os_build >= SERVER_1709 and machine.properties["Generation"] == 2  # noqa: PLR2004 (Hyper-V's number)
    return f"Snapshots\\{checkpoint_id.upper()}.vmgs" if is_kept else ""


def write_files(book: HostBook, machine: MachineState, point: CheckpointState) -> list[str]:
    """Make the files of a new checkpoint; their paths on the host."""
    root = PureWindowsPath(data_root(machine))
    named = root / configuration_file(book, point.id)
    written = []
    for path, data, size in _contents(book, machine, named):
        written.append(str(path))
        is_lost = path == named and faults.is_set(machine.faults, FaultKind.CONFIGURATION_GONE)
        if is_lost:
            continue
        local = book.local(str(path))
        local.parent.mkdir(parents=True, exist_ok=True)
        with local.open("wb") as file:
            file.write(data)
            file.truncate(size)
    return written


def held_files(machine: MachineState) -> set[str]:
    """Files of all checkpoints of a machine."""
    return {path for point in machine.checkpoints for path in point.configuration_files}


def remove_files(book: HostBook, paths: set[str]) -> None:
    """Delete files that no checkpoint holds any more."""
    for path in paths:
        book.local(path).unlink(missing_ok=True)


def told_files(book: HostBook, machine: MachineState, checkpoint_id: str) -> Iterator[Answer]:
    """Reconciler.ConfigurationFile, of each; hold the lock.

    Raises:
        AgentError: CheckpointNotFound, PathNotAllowed.
    """
    point = next((p for p in machine.checkpoints if p.id == checkpoint_id), None)
    if point is None:
        text = f"'{machine.name}' has no checkpoint {checkpoint_id}"
        raise AgentError(
            "CheckpointNotFound", text, category="ObjectNotFound", target=checkpoint_id
        )
    if is_remote(root := data_root(machine)):
        text = f"{root} is on a file server, which the caller cannot be passed on to"
        raise AgentError("PathNotAllowed", text, category="PermissionDenied", target=root)
    named = f"{root}\\{configuration_file(book, point.id)}"
    for path in point.configuration_files:
        local = book.local(path)
        if local.exists() or path == named:
            size = local.stat().st_size if local.exists() else None
            yield {"Name": PureWindowsPath(path).name, "Path": path, "FileSize": size}


def _contents(
    book: HostBook, machine: MachineState, named: PureWindowsPath
) -> Iterator[tuple[PureWindowsPath, bytes, int]]:
    """Path, first bytes and size of each file."""
    settings = configuration_of(machine)
    memory = machine.memory_bytes if machine.state in _SAVED else 0
    yield named, settings, len(settings)
    if _suffix(book) == "xml":
        if memory:
            yield named.with_suffix(".bin"), b"memory of " + settings, memory
            yield named.with_suffix(".vsv"), b"devices of " + settings, _RUNTIME_BYTES
        return
    yield named.with_suffix(".vmrs"), b"runtime of " + settings, max(memory, _RUNTIME_BYTES)
    if guest_state_file(book, machine, named.stem):
        yield named.with_suffix(".vmgs"), b"firmware of " + settings, GUEST_STATE_BYTES


def _suffix(book: HostBook) -> str:
    return "vmcx" if book.state.os_build >= SERVER_2016 else "xml"
