"""Reading files of a host by their path: only those of its machines, nothing else.

A path is never taken apart to find a file. It is looked up among the files that the machines have,
so no spelling of it leads anywhere else. What a file server has is not among them: whoever called
the host cannot be passed on to a third computer, which denies access.
"""

from pathlib import Path, PureWindowsPath

from reconciler.lab.book import HostBook, is_remote
from reconciler.lab.configuration import held_files
from reconciler.lab.file_ranges import file_not_found, hash_ranges, read_ranges
from reconciler.lab.state import DiskState, MachineState
from reconciler.lab.wire.body import AgentError

_DISK_SUFFIXES = frozenset({".vhdx", ".avhdx", ".vhd", ".avhd"})


class ServedFiles:
    """The disks of one host's machines, and the configurations that checkpoints keep."""

    def __init__(self, book: HostBook) -> None:
        self._book = book

    def read(self, path: str, packed: bytes) -> tuple[int, bytes]:
        """Size of the file, and the ranges one after the other.

        Raises:
            AgentError: FileNotFound, PathNotAllowed, RangeNotAllowed.
        """
        return read_ranges(self._find(path), path, packed)

    def hashes(self, path: str, packed: bytes) -> bytes:
        """SHA-256 of each range, one after the other.

        Raises:
            AgentError: FileNotFound, PathNotAllowed, RangeNotAllowed.
        """
        return hash_ranges(self._find(path), path, packed)

    def checkpoint_disk(self, path: str) -> tuple[MachineState, DiskState, int]:
        """The disk whose checkpoint keeps this file, and the last epoch in it; hold the lock.

        Raises:
            AgentError: DiskNotFound.
        """
        wanted = path.casefold()
        for machine in self._book.state.machines.values():
            disks = {disk.number: disk for disk in machine.disks}
            for point in machine.checkpoints:
                for held in point.disks:
                    if held.path.casefold() == wanted:
                        return machine, disks[held.number], held.epoch
        text = f"no checkpoint keeps {path}"
        raise AgentError("DiskNotFound", text, category="ObjectNotFound", target=path)

    def _find(self, path: str) -> Path:
        with self._book.changed:
            disks = [d for m in self._book.state.machines.values() for d in m.disks]
            files = [file for disk in disks for file in disk.chain if not is_remote(file)]
            known = {file.casefold(): file for file in files}
            machines = self._book.state.machines.values()
            kept = [file for m in machines for file in held_files(m) if not is_remote(file)]
        configuration = {file.casefold(): file for file in kept}
        if found := (known | configuration).get(path.casefold()):
            return self._book.local(found)
        if _could_have_been(path, known):
            raise file_not_found(path)
        text = f"{path} is no file of a disk or a configuration of a machine here"
        raise AgentError("PathNotAllowed", text, category="PermissionDenied", target=path)


def _could_have_been(path: str, known: dict[str, str]) -> bool:
    """Whether the path is that of a disk file beside one of a machine: merged since, perhaps."""
    wanted = PureWindowsPath(path.casefold())
    folders = {PureWindowsPath(file).parent for file in known}
    return wanted.suffix in _DISK_SUFFIXES and wanted.parent in folders
