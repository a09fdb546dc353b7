"""Disk files renamed aside, put in place and put back, all under the mark of one recovery."""

from collections.abc import Mapping

from reconciler.lab import targets
from reconciler.lab.book import HostBook
from reconciler.lab.state import MachineState, OperationRecord
from reconciler.lab.wire.body import AgentError

SIDE_FILES = ("", ".rct", ".mrt")
"""Change tracking lies beside its disk, and goes where that goes. Source: hyperv-facts.md §1.7."""


def check_off(machine: MachineState) -> None:
    """Refuse a machine that is neither off nor saved.

    Raises:
        AgentError: MachineNotOff.
    """
    if machine.state not in ("Off", "Saved"):
        text = f"'{machine.name}' is {machine.state}"
        raise AgentError("MachineNotOff", text, category="ResourceBusy", target=machine.vm_id)


def check_swap(book: HostBook, arguments: Mapping[str, str]) -> None:
    """Refuse a swap of a file that is no disk of the machine, or that has nothing to rename.

    Raises:
        AgentError: MachineNotOff, PathNotAllowed, FileNotFound, FileExists.
    """
    path, vm_id = arguments["Path"], arguments["VMId"]
    if machine := book.state.machines.get(vm_id):
        check_off(machine)
    if path.casefold() not in targets.files_of(book, vm_id):
        raise targets.not_allowed(path)
    targets.check_target(book, path, targets.DISK)
    origin, target = ends(arguments)
    is_there = book.local(origin).is_file()
    if not target or (book.local(target).is_file() and not is_there):
        return
    if not is_there:
        targets.check_there(book, origin)
    if book.local(target).is_file():
        text = f"{target} is there already"
        raise AgentError("FileExists", text, category="ResourceExists", target=target)


def swap(book: HostBook, record: OperationRecord) -> None:
    """Rename or delete; what is done already stays so.

    Raises:
        OSError: The file system refuses.
    """
    origin, target = ends(record.arguments)
    for suffix in SIDE_FILES:
        source = book.local(origin + suffix)
        if not target:
            source.unlink(missing_ok=True)
        elif source.is_file():
            source.rename(book.local(target + suffix))


def ends(arguments: Mapping[str, str]) -> tuple[str, str]:
    """From where to where a swap renames; to nowhere when it deletes."""
    path, mark = arguments["Path"], arguments["Mark"]
    old, new = f"{path}.{mark}.old", f"{path}.{mark}.new"
    return {
        "Aside": (path, old),
        "Place": (new, path),
        "Withdraw": (path, new),
        "Back": (old, path),
        "DeleteOld": (old, ""),
        "DeleteNew": (new, ""),
    }[arguments["Change"]]
