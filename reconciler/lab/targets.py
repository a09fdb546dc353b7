"""Where files of recovered machines may lie on a host, and how a path of one is spelled.

A path is compared with folders and files that are known, never taken apart to find something, so no
spelling of it leads anywhere else.
"""

import re
from typing import Final

from reconciler.lab.book import HostBook, is_remote
from reconciler.lab.state import MachineState
from reconciler.lab.wire.body import AgentError

DISK: Final = ("vhdx", "vhd")
CONFIGURATION: Final = ("vmcx", "xml")

_SIGN = r'[^\\/:*?"<>|\x00-\x1f]'
_PART = rf"{_SIGN}*[^\\/:*?\"<>|\x00-\x1f. ]"
_PLAIN = re.compile(rf"[A-Za-z]:(?:\\{_PART})+")
_ROOT_LENGTH = 2


def check_target(book: HostBook, path: str, endings: tuple[str, ...] = ()) -> None:
    """Refuse a path that is not below one of the folders that machines may have here.

    Raises:
        AgentError: PathNotAllowed.
    """
    name = path.rpartition("\\")[2].casefold()
    is_named_so = not endings or name.rpartition(".")[2] in endings
    if not (_PLAIN.fullmatch(path) and is_named_so and _is_in(path, _folders(book))):
        raise not_allowed(path)


def check_there(book: HostBook, path: str) -> None:
    """Refuse a file that is not there.

    Raises:
        AgentError: FileNotFound.
    """
    if not book.local(path).is_file():
        raise AgentError(
            "FileNotFound", f"Cannot find {path}", category="ObjectNotFound", target=path
        )


def check_free(book: HostBook, path: str) -> None:
    """Refuse a disk that a machine here has already.

    Raises:
        AgentError: FileInUse.
    """
    if path.casefold() in {file.casefold() for file in _disk_files(book)}:
        text = f"{path} is the disk of a machine here"
        raise AgentError("FileInUse", text, category="ResourceExists", target=path)


def not_allowed(path: str) -> AgentError:
    """The refusal of a path."""
    text = f"{path} is in no folder of machines here"
    return AgentError("PathNotAllowed", text, category="PermissionDenied", target=path)


def machine_files(machine: MachineState) -> list[str]:
    """The disk files that a machine has now."""
    return [disk.live_path for disk in machine.disks if disk.has_file]


def files_of(book: HostBook, vm_id: str) -> set[str]:
    """The disk files that a machine has, or had when it was taken off this host; folded."""
    machine = book.state.machines.get(vm_id)
    found = set(machine_files(machine)) if machine else set()
    for record in book.state.operations.values():
        if record.vm_id == vm_id:
            found |= set(record.files)
    return {path.casefold() for path in found}


def _disk_files(book: HostBook) -> list[str]:
    machines = book.state.machines.values()
    return [path for m in machines for disk in m.disks if disk.has_file for path in disk.chain]


def _folders(book: HostBook) -> set[str]:
    state = book.state
    shared = book.cluster.read().volumes if book.cluster else []
    files = _disk_files(book) + [file for o in state.operations.values() for file in o.files]
    found = {state.disk_folder, state.machine_folder, *state.target_folders}
    found |= {volume.path for volume in shared}
    found |= {path.rpartition("\\")[0] for path in files if not is_remote(path)}
    return {folder.rstrip("\\").casefold() for folder in found}


def _is_in(path: str, folders: set[str]) -> bool:
    """Below a folder; in it, where that is the root of a drive."""
    folded = path.casefold()
    return any(
        folded.rpartition("\\")[0] == folder
        if len(folder) <= _ROOT_LENGTH
        else folded.startswith(folder + "\\")
        for folder in folders
    )
