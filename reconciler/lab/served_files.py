"""Reading files of a host by their path: only virtual disk files of its machines, nothing else.

A path is never taken apart to find a file. It is looked up among the files that the machines have,
so no spelling of it leads anywhere else.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PureWindowsPath

from reconciler.agent_contract import MAX_RANGES, MAX_READ_BYTES, unpack_ranges
from reconciler.lab.book import HostBook
from reconciler.lab.state import DiskState, MachineState
from reconciler.lab.wire.body import AgentError
from reconciler.model.ranges import ByteRange, pieces, total_bytes

_DISK_SUFFIXES = frozenset({".vhdx", ".avhdx", ".vhd"})
_PAIR_BYTES = 16


class ServedFiles:
    """The files of one host's machines."""

    def __init__(self, book: HostBook) -> None:
        self._book = book

    def read(self, path: str, packed: bytes) -> tuple[int, bytes]:
        """Size of the file, and the ranges one after the other.

        Raises:
            AgentError: FileNotFound, PathNotAllowed, RangeNotAllowed.
        """
        local = self._find(path)
        size = _size(local, path)
        ranges = _checked(packed, size)
        if total_bytes(ranges) > MAX_READ_BYTES:
            raise _range_error(f"more than {MAX_READ_BYTES} bytes in one read")
        return size, b"".join(_read(local, path, ranges))

    def hashes(self, path: str, packed: bytes) -> bytes:
        """SHA-256 of each range, one after the other.

        Raises:
            AgentError: FileNotFound, PathNotAllowed, RangeNotAllowed.
        """
        local = self._find(path)
        result = b""
        for this in _checked(packed, _size(local, path)):
            digest = hashlib.sha256()
            for part in _read(local, path, list(pieces([this], MAX_READ_BYTES))):
                digest.update(part)
            result += digest.digest()
        return result

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
            known = {file.casefold(): file for disk in disks for file in disk.chain}
        if found := known.get(path.casefold()):
            return self._book.local(found)
        if _could_have_been(path, known):
            raise _file_not_found(path)
        text = f"{path} is no virtual disk file of a machine here"
        raise AgentError("PathNotAllowed", text, category="PermissionDenied", target=path)


def _could_have_been(path: str, known: dict[str, str]) -> bool:
    """Whether the path is that of a disk file beside one of a machine: merged since, perhaps."""
    wanted = PureWindowsPath(path.casefold())
    folders = {PureWindowsPath(file).parent for file in known}
    return wanted.suffix in _DISK_SUFFIXES and wanted.parent in folders


def _size(local: Path, path: str) -> int:
    try:
        return local.stat().st_size
    except FileNotFoundError:
        raise _file_not_found(path) from None


def _read(local: Path, path: str, ranges: Sequence[ByteRange]) -> Iterator[bytes]:
    try:
        with local.open("rb", buffering=0) as stream:
            for this in ranges:
                stream.seek(this.start)
                data = stream.read(this.length)
                if len(data) != this.length:
                    raise _range_error(f"the file is shorter than {this.end} now")
                yield data
    except FileNotFoundError:
        raise _file_not_found(path) from None


def _checked(packed: bytes, size: int) -> tuple[ByteRange, ...]:
    try:
        ranges = unpack_ranges(packed)
    except ValueError as error:
        raise _range_error(str(error)) from error
    if not 0 < len(ranges) <= MAX_RANGES or len(ranges) * _PAIR_BYTES != len(packed):
        raise _range_error(f"{len(ranges)} ranges; 1 to {MAX_RANGES}, none of them empty")
    for this in ranges:
        if this.end > size:
            raise _range_error(f"{this.start}..{this.end} is past the end, {size}")
    return ranges


def _file_not_found(path: str) -> AgentError:
    text = f"Cannot find {path}"
    return AgentError("FileNotFound", text, category="ObjectNotFound", target=path)


def _range_error(text: str) -> AgentError:
    return AgentError("RangeNotAllowed", text, category="InvalidArgument")
