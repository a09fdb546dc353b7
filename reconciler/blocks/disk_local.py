"""Disk files on this machine, opened to be read and never to be changed."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from threading import Lock
from types import TracebackType
from typing import Final, Self

from reconciler.errors import DiskUnreadableError
from reconciler.model.ranges import ByteRange

_HOW: Final = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    # Without it the opening of a pipe, which a hostile disk may call its parent, would never end.
    | getattr(os, "O_NONBLOCK", 0)
)


class LocalFile:
    """One file or block device; any number of threads may read it."""

    def __init__(self, path: str) -> None:
        """Open it.

        Raises:
            DiskUnreadableError: It is not there, or neither a file nor a block device.
        """
        self._path = path
        self._lock = Lock()
        try:
            descriptor = os.open(path, _HOW)
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error
        kind = os.fstat(descriptor).st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISBLK(kind)):
            os.close(descriptor)
            raise DiskUnreadableError(
                f"{path} is no file", hint="name the file of a virtual disk", path=path
            )
        self._file = open(descriptor, "rb", buffering=0)  # noqa: PTH123, SIM115 (closed by `close`)
        self._size = self._file.seek(0, os.SEEK_END)

    @property
    def size(self) -> int:
        """As it was when it was opened. Units: bytes."""
        return self._size

    def read(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        """The bytes of each range, in order.

        Raises:
            DiskUnreadableError: A range is not all in the file, or the file system gave an error.
        """
        try:
            return [self._whole(this) for this in ranges]
        except OSError as error:
            raise _unreadable(self._path, error) from error

    def hashes(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        """SHA-256 of each range, in order."""
        return [sha256(data).digest() for this in ranges for data in self.read([this])]

    def data_ranges(self, start: int, end: int) -> Iterator[ByteRange]:
        """What is no hole between two offsets, as far as the file system tells.

        Shape: sorted, disjoint, never touching.
        """
        end = min(end, self._size)
        if not hasattr(os, "SEEK_DATA"):
            if start < end:
                yield ByteRange(start, end)
            return
        with suppress(OSError):  # nothing but a hole is left
            while start < end and (first := self._seek(start, os.SEEK_DATA)) < end:
                start = min(end, self._seek(first, os.SEEK_HOLE))
                yield ByteRange(first, start)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _seek(self, offset: int, whence: int) -> int:
        with self._lock:
            return self._file.seek(offset, whence)

    def _whole(self, this: ByteRange) -> bytes:
        parts, at = [], this.start
        with self._lock:
            self._file.seek(at)
            while at < this.end and (part := self._file.read(this.end - at)):
                parts.append(part)
                at += len(part)
        if at < this.end:
            raise DiskUnreadableError(
                f"{self._path} ends at {at}, before byte {this.end}",
                hint="see whether something writes to the file; read disks that are at rest",
                path=self._path,
            )
        return parts[0] if len(parts) == 1 else b"".join(parts)


class LocalFiles:
    """Files on this machine by their path; all are closed together."""

    def __init__(self) -> None:
        self._opened: list[LocalFile] = []

    def open(self, path: str) -> LocalFile:
        """A file by its path.

        Raises:
            DiskUnreadableError: As `LocalFile`.
        """
        self._opened.append(LocalFile(path))
        return self._opened[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for file in self._opened:
            file.close()


def _unreadable(path: str, error: OSError | ValueError) -> DiskUnreadableError:
    reason = getattr(error, "strerror", None) or str(error)
    return DiskUnreadableError(
        f"{path} cannot be read: {reason}", hint="check the path and the rights", path=path
    )
