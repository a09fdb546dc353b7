"""Files of a file server, read in ranges; hashes are of what was read.

A connection that is lost in the middle is made anew, and reading goes on where it was: what has
come is not asked for again.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from threading import Event
from typing import Final, TypeVar

from reconciler.adapters.smb.errors import (
    CannotConnectError,
    LoginFailedError,
    SmbErrors,
    is_lost,
)
from reconciler.adapters.smb.session import SmbFileHandle, SmbServer, SmbSession
from reconciler.adapters.smb.spans import Spans
from reconciler.errors import DiskChangedError, DiskUnreadableError, HostError
from reconciler.model.ranges import ByteRange, pieces, total_bytes
from reconciler.model.unc import UncPath, unc_path
from reconciler.ports import RandomAccess

T = TypeVar("T")
RETRY_WAITS_S: Final = (0.0, 0.5, 1.5, 4.0)
"""Before each new connection since something last arrived; a file server restarts in a few."""
HASHED_BYTES: Final = 4 << 20
"""Held at once while hashes are made."""


class SmbFiles:
    """The files of one server over one session, for one thread. Connects at the first read."""

    def __init__(self, server: SmbServer, password: str) -> None:
        self._server = server
        self._password = password
        self._session: SmbSession | None = None
        self.room = bytearray()
        """Where spans are put together; kept, because new memory costs more than the copy."""
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

    def requirements(self, shares: Sequence[str]) -> None:
        """Nothing: what a server has beside files is told by an agent only."""
        del shares

    def close(self) -> None:
        """End the session; never raises."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def with_open(
        self,
        path: str,
        parts: UncPath,
        use: Callable[[SmbFileHandle], T],
        came: Callable[[], int] = lambda: 0,
    ) -> T:
        """What `use` makes of an open file; begun again on a new session when one was lost.

        Args:
            path: As whoever asks calls the file.
            parts: The same.
            use: Goes on where it was when it is called again.
            came: How far `use` has come; a new session is worth trying as long as it gets on.

        Raises:
            HostError: The file cannot be read, or its server not be reached.
        """
        tries = _Tries(came, is_new=self._session is None)
        while True:
            try:
                return self._attempt(parts, use)
            except HostError:
                raise
            except Exception as error:
                if not tries.may_go_on(error):
                    raise self._errors.translated(tries.first or error, path) from error
            tries.wait()

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


class _Tries:
    """Whether a new session is worth trying, and when."""

    def __init__(self, came: Callable[[], int], *, is_new: bool) -> None:
        self.first: Exception | None = None
        """What went wrong first since something last arrived."""
        self._came = came
        self._before = came()
        self._is_new = is_new
        self._count = 0

    def may_go_on(self, error: Exception) -> bool:
        """Take note of an error."""
        if self._came() > self._before:
            self._count, self._before, self.first = 0, self._came(), None
            self._is_new = False
        self.first = self.first or error
        if isinstance(error, LoginFailedError) or self._count == len(RETRY_WAITS_S):
            return False
        if isinstance(self.first, TimeoutError):
            return error is self.first and not self._is_new
        is_away = isinstance(error, CannotConnectError | TimeoutError) and not self._is_new
        return is_away or is_lost(error)

    def wait(self) -> None:
        """Until the next try."""
        Event().wait(RETRY_WAITS_S[self._count])
        self._count += 1


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
        if not ranges:
            return []
        wanted = Spans.over(ranges)
        filling = _Filling(self._path, wanted.spans, self._files.room)
        self._files.with_open(self._path, self._parts, filling.fill, lambda: filling.pieces_here)
        self._size = filling.file_bytes
        return wanted.cut(filling.data())

    def hashes(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        """SHA-256 of each range, of what the server sent."""
        found: list[bytes] = []
        for batch in _batches(ranges):
            if batch[0].length > HASHED_BYTES:
                digest = hashlib.sha256()
                for part in pieces(batch, HASHED_BYTES):
                    digest.update(*self.read([part]))
                found.append(digest.digest())
            else:
                found += [hashlib.sha256(data).digest() for data in self.read(batch)]
        return found


class _Filling:
    """Spans of one file on their way; what is here stays when the way there is lost."""

    def __init__(self, path: str, spans: Sequence[ByteRange], room: bytearray) -> None:
        self._path = path
        self._spans = spans
        self._room = room
        self._reads: list[ByteRange] = []
        self._parts: list[bytes] = []
        self._filled = 0
        self._version: tuple[int, int, int] | None = None
        self.pieces_here = 0
        self.file_bytes = 0

    def fill(self, file: SmbFileHandle) -> None:
        """Read what is not here yet.

        Raises:
            DiskUnreadableError: The file is too short.
            DiskChangedError: It is not the one that was begun with.
        """
        self._check(file)
        self._reads = self._reads or list(pieces(self._spans, file.read_bytes))
        for data in file.fetched(self._reads[self.pieces_here :]):
            self.pieces_here += 1
            self._put(data)

    def data(self) -> list[bytes]:
        """The bytes of each span."""
        return self._parts

    def _put(self, data: memoryview) -> None:
        """Take the next bytes; they are a span, or a part of the one that is put together."""
        span = self._spans[len(self._parts)]
        if span.length == len(data):
            self._parts.append(bytes(data))
            return
        if len(self._room) < span.length:
            self._room.extend(bytes(span.length - len(self._room)))
        self._room[self._filled : self._filled + len(data)] = data
        self._filled += len(data)
        if self._filled == span.length:
            self._parts.append(bytes(memoryview(self._room)[: span.length]))
            self._filled = 0

    def _check(self, file: SmbFileHandle) -> None:
        self.file_bytes = file.size
        if any(span.end > file.size for span in self._spans):
            raise DiskUnreadableError(
                f"{self._path} has {file.size} bytes and ends before what was to be read",
                hint="the file may have been cut short; the next pass looks again",
            )
        if self._version is not None and self._version != file.version:
            raise DiskChangedError(
                f"{self._path} was changed while it was read and its server was lost",
                hint="the checkpoint may be gone; the next pass takes another",
            )
        self._version = file.version


def _batches(ranges: Sequence[ByteRange]) -> Iterator[list[ByteRange]]:
    """Ranges in groups that may be held at once; one that is too large stands alone."""
    batch: list[ByteRange] = []
    for this in ranges:
        if batch and total_bytes(batch) + this.length > HASHED_BYTES:
            yield batch
            batch = []
        batch.append(this)
    if batch:
        yield batch


def _climbs(parts: UncPath) -> bool:
    return any(step in {"", ".", ".."} for step in parts.file.split("\\"))
