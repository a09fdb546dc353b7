"""Files of a file server, read in ranges; hashes are of what was read."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from reconciler.adapters.smb.errors import SmbErrors, is_lost
from reconciler.adapters.smb.session import SmbFileHandle, SmbServer, SmbSession
from reconciler.adapters.unc import UncPath, unc_path
from reconciler.errors import DiskUnreadableError, HostError
from reconciler.model.ranges import ByteRange, pieces
from reconciler.ports import RandomAccess

T = TypeVar("T")


class SmbFiles:
    """The files of one server over one session, for one thread. Connects at the first read."""

    def __init__(self, server: SmbServer, password: str) -> None:
        self._server = server
        self._password = password
        self._session: SmbSession | None = None
        place = f"{server.address}:{server.port}"
        self._errors = SmbErrors(server.name, place, server.user)

    def __repr__(self) -> str:
        return f"SmbFiles({self._server!r})"

    def open(self, path: str) -> RandomAccess:
        """A file by its UNC path; nothing is read yet.

        Raises:
            DiskUnreadableError: The path is not that of a file on a share.
        """
        parts = unc_path(path)
        if parts is None or not parts.share or not parts.file or _climbs(parts):
            raise DiskUnreadableError(
                f"{path} is no path of a file on a share of {self._server.name}",
                hint="the disk may have been moved; the next pass looks again",
            )
        return SmbFile(self, path, parts)

    def close(self) -> None:
        """End the session; never raises."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def with_open(self, path: str, parts: UncPath, use: Callable[[SmbFileHandle], T]) -> T:
        """What `use` makes of an open file; a session that was lost meanwhile is replaced once.

        Raises:
            HostError: The file cannot be read, or its server not be reached.
        """
        if self._session is not None:
            try:
                return self._attempt(parts, use)
            except HostError:
                raise
            except Exception as error:
                if not is_lost(error):
                    raise self._errors.translated(error, path) from error
        try:
            return self._attempt(parts, use)
        except HostError:
            raise
        except Exception as error:
            raise self._errors.translated(error, path) from error

    def _attempt(self, parts: UncPath, use: Callable[[SmbFileHandle], T]) -> T:
        if self._session is None:
            self._session = SmbSession(self._server, self._password)
        session = self._session
        try:
            with session.opened(parts) as file:
                return use(file)
        except BaseException:
            # Answers may still be under way, and a file open: the next call begins anew.
            self._session = None
            session.cut()
            raise


class SmbFile:
    """One file, by its path on the server; open only while a call runs."""

    def __init__(self, files: SmbFiles, path: str, parts: UncPath) -> None:
        self._files = files
        self._path = path
        self._parts = parts
        self._size: int | None = None

    @property
    def size(self) -> int:
        """Units: bytes; asked once."""
        if self._size is None:
            self._size = self._files.with_open(self._path, self._parts, lambda file: file.size)
        return self._size

    def read(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        """The bytes of each range."""

        def use(file: SmbFileHandle) -> list[bytes]:
            stream = _Stream(file, ranges)
            return [b"".join(stream.take(this.length)) for this in ranges]

        return self._with_open(ranges, use)

    def hashes(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        """SHA-256 of each range, of what the server sent."""

        def use(file: SmbFileHandle) -> list[bytes]:
            stream = _Stream(file, ranges)
            return [_digest(stream.take(this.length)) for this in ranges]

        return self._with_open(ranges, use)

    def _with_open(
        self, ranges: Sequence[ByteRange], use: Callable[[SmbFileHandle], list[bytes]]
    ) -> list[bytes]:
        def checked(file: SmbFileHandle) -> list[bytes]:
            self._size = file.size
            if any(this.end > file.size for this in ranges):
                raise DiskUnreadableError(
                    f"{self._path} has {file.size} bytes and ends before what was to be read",
                    hint="the file may have been cut short; the next pass looks again",
                )
            return use(file)

        return self._files.with_open(self._path, self._parts, checked) if ranges else []


class _Stream:
    """The bytes of some ranges one after the other, fetched in requests of the best size."""

    def __init__(self, file: SmbFileHandle, ranges: Sequence[ByteRange]) -> None:
        self._parts = file.fetched(list(pieces(_joined(ranges), file.read_bytes)))
        self._rest = memoryview(b"")

    def take(self, length: int) -> Iterator[memoryview]:
        """The next bytes."""
        while length:
            if not self._rest:
                self._rest = memoryview(next(self._parts))
            part = self._rest[:length]
            self._rest = self._rest[length:]
            length -= len(part)
            yield part


def _joined(ranges: Sequence[ByteRange]) -> Iterator[ByteRange]:
    """The same bytes in the same order; a range that begins where one ends is joined to it."""
    last: ByteRange | None = None
    for this in ranges:
        if last is not None and this.start == last.end:
            last = ByteRange(last.start, this.end)
            continue
        if last is not None:
            yield last
        last = this
    if last is not None:
        yield last


def _digest(parts: Iterator[memoryview]) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


def _climbs(parts: UncPath) -> bool:
    return any(step in {"", ".", ".."} for step in parts.file.split("\\"))
