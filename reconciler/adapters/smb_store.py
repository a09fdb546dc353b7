"""A folder of an SMB share as an object store, without mounting it.

It does what the store in a local folder does: a put writes a file in `.incoming`, has the server
write it to its disk, and gives it its name in one step, which replaces nothing when it may not. A
call whose connection was lost is done once more over a new one. Names are the share's own: two
that differ only in case are one object on Windows.
"""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, islice
from typing import TYPE_CHECKING, Final

from reconciler.adapters.durable import CHUNK_BYTES, Content, host_label, is_left_behind, whole
from reconciler.adapters.object_names import is_name, name_steps, range_length
from reconciler.adapters.smb.session import SmbServer
from reconciler.adapters.smb.sessions import ShareSessions
from reconciler.adapters.smb.share import Renamed, Share
from reconciler.errors import RepositoryUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from obspec import Attributes, GetOptions, ObjectMeta, PutMode, PutResult

    from reconciler.adapters.smb.listing import Entry

_INCOMING: Final = ".incoming"
_LISTED_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class SmbPlace:
    """A folder of a share, and how to get in."""

    shown: str
    """What messages call it."""
    server: str
    port: int
    share: str
    folder: str
    """With slashes; empty: the share itself."""
    user: str
    """Empty: whoever this process is for Kerberos."""
    password: str = field(repr=False)


class SmbObject:
    """What a get found; its bytes are read when they are asked for."""

    def __init__(self, store: SmbStore, meta: ObjectMeta) -> None:
        self._store = store
        self._meta = meta

    @property
    def attributes(self) -> Attributes:
        """None are kept."""
        return {}

    @property
    def meta(self) -> ObjectMeta:
        """Name, size and time."""
        return self._meta

    @property
    def range(self) -> tuple[int, int]:
        """The whole object."""
        return (0, self._meta["size"])

    def buffer(self) -> bytes:
        """All bytes."""
        return b"".join(self)

    def __iter__(self) -> Iterator[bytes]:
        size, path = self._meta["size"], self._meta["path"]
        for start in range(0, size, CHUNK_BYTES):
            length = min(CHUNK_BYTES, size - start)
            yield self._store.get_range(path, start=start, length=length)


class SmbStore:
    """Objects as files below a folder of a share; several threads and processes may use it.

    Missing objects raise FileNotFoundError, unwanted ones FileExistsError, a folder that has gone
    and everything else OSError.
    """

    def __init__(self, place: SmbPlace, *, is_new: bool = False) -> None:
        """Open the store, and remove what puts of dead processes of this computer have left.

        Args:
            place: Where it is.
            is_new: Make the last part of the folder if it is not there.

        Raises:
            RepositoryUnavailableError: The folder is not there, or its server does not answer.
        """
        self._place = place.shown
        self._root = place.folder.replace("/", "\\")
        server = SmbServer(place.server, place.server, place.port, place.user)
        self._sessions = ShareSessions(server, place.password, place.share, place.shown)
        self._owner = f"{host_label()}~{os.getpid()}~{secrets.token_hex(8)}"
        self._counter = count()
        try:
            self._open(is_new=is_new)
        except OSError as error:
            raise RepositoryUnavailableError(
                error.strerror or str(error),
                hint="check server, share, folder and account in the storage policy",
            ) from error

    def __repr__(self) -> str:
        return f"SmbStore({self._place!r})"

    def close(self) -> None:
        """End its sessions; the next call begins new ones."""
        self._sessions.close()

    def put(  # noqa: PLR0913
        self,
        path: str,
        file: Content,
        *,
        attributes: Attributes | None = None,
        tags: dict[str, str] | None = None,
        mode: PutMode | None = None,
        use_multipart: bool | None = None,
        chunk_size: int = CHUNK_BYTES,
        max_concurrency: int = 1,
    ) -> PutResult:
        """Save an object; on return the server has written it to its disk.

        Raises:
            FileExistsError: `mode` is create, and there is one of this name.
        """
        del use_multipart, chunk_size, max_concurrency
        if attributes or tags or isinstance(mode, dict):
            raise NotImplementedError("a folder keeps no attributes, tags or versions")
        target, data = self._file(path), whole(file)
        incoming = self._write(data)
        is_done = False
        try:
            is_done = self._name(incoming, target, may_replace=mode != "create")
        finally:
            if not is_done:
                with suppress(OSError):  # swept at the next start otherwise
                    self._sessions.use(lambda share: share.remove(incoming))
        if not is_done:
            raise FileExistsError(errno.EEXIST, "there is one already", path)
        return {"e_tag": None, "version": None}

    def get(self, path: str, *, options: GetOptions | None = None) -> SmbObject:
        """A whole object.

        Raises:
            FileNotFoundError: There is none.
        """
        if options:
            raise NotImplementedError("a folder knows no conditional or partial get")
        return SmbObject(self, self.head(path))

    def get_range(
        self, path: str, *, start: int, end: int | None = None, length: int | None = None
    ) -> bytes:
        """Exactly the bytes that were asked for.

        Raises:
            FileNotFoundError: There is no such object.
            EOFError: The object ends before the range does.
        """
        file, wanted = self._file(path), range_length(start, end, length)
        data = self._sessions.use(lambda share: share.read(file, start, wanted))
        if data is None:
            raise self._missing(path)
        if len(data) != wanted:
            raise EOFError(f"{path} ends before byte {start + wanted}")
        return data

    def head(self, path: str) -> ObjectMeta:
        """Name, size and time of an object.

        Raises:
            FileNotFoundError: There is none.
        """
        file = self._file(path)
        entry = self._sessions.use(lambda share: share.look(file))
        if entry is None or entry.is_link:
            raise self._missing(path)
        return _meta(path, entry)

    def list(
        self, prefix: str | None = None, *, offset: str | None = None
    ) -> Iterator[Sequence[ObjectMeta]]:
        """Objects below a folder, and below its folders.

        Shape: ascending by name over all chunks; names greater than `offset` only.
        """
        name = (prefix or "").strip("/")
        folder = self._file(name) if name else self._root
        self._check_present()
        found = self._walk(folder, f"{name}/" if name else "")
        wanted = (meta for meta in found if offset is None or meta["path"] > offset)
        while chunk := list(islice(wanted, _LISTED_AT_ONCE)):
            yield chunk

    def delete(self, paths: str | Sequence[str]) -> None:
        """Remove objects.

        Raises:
            FileNotFoundError: One of them is not there; those before it are removed.
        """
        for path in [paths] if isinstance(paths, str) else paths:
            file = self._file(path)
            self.head(path)
            # one that has gone meanwhile: a first try, whose answer was lost, has removed it
            self._sessions.use(lambda share, file=file: share.remove(file))  # type: ignore[misc]

    def _open(self, *, is_new: bool) -> None:
        def step(share: Share) -> bool:
            if is_new and self._root and not share.make_folder(self._root):
                return False
            # a share that is read-only can still be recovered from: it has an .incoming already
            inside = self._below(_INCOMING)
            return share.has_folder(inside) or share.make_folder(inside)

        if not self._sessions.use(step):
            raise FileNotFoundError(errno.ENOENT, f"the folder of {self._place} is not there")
        with suppress(OSError):
            self._sweep()

    def _write(self, data: memoryview) -> str:
        """Bytes in a new incoming file; each try writes one of its own."""

        def step(share: Share) -> str | None:
            incoming = self._below(f"{_INCOMING}\\{self._owner}~{next(self._counter)}")
            return incoming if share.write(incoming, data) else None

        if (incoming := self._sessions.use(step)) is None:
            raise self._gone()
        return incoming

    def _name(self, incoming: str, target: str, *, may_replace: bool) -> bool:
        """Give an incoming file its name; False if that is taken.

        An incoming file that is not there any more has its name: a first try gave it, and only
        its answer was lost.
        """

        def step(share: Share) -> Renamed:
            done = share.rename(incoming, target, may_replace=may_replace)
            if done is Renamed.NO_FOLDER:
                self._make_folders(share, target)
                done = share.rename(incoming, target, may_replace=may_replace)
            return done

        done = self._sessions.use(step)
        if done is Renamed.NO_FILE:
            self._check_present()
        if done is Renamed.NO_FOLDER:
            raise self._gone()
        return done is not Renamed.TAKEN

    def _make_folders(self, share: Share, target: str) -> None:
        """The folders above an object, but never the store's own."""
        below = target.removeprefix(self._below("")).split("\\")[:-1]
        for depth in range(len(below)):
            share.make_folder(self._below("\\".join(below[: depth + 1])))

    def _walk(self, folder: str, prefix: str) -> Iterator[ObjectMeta]:
        entries = self._sessions.use(lambda share: share.entries(folder))
        # A folder sorts as its objects do: by its name and the slash after it.
        for name, entry in sorted((e.name + "/" * e.is_folder, e) for e in entries):
            if name.startswith(".") or entry.is_link or not is_name(prefix + entry.name):
                continue
            if entry.is_folder:
                yield from self._walk(f"{folder}\\{entry.name}".lstrip("\\"), prefix + name)
            else:
                yield _meta(prefix + name, entry)

    def _below(self, path: str) -> str:
        return f"{self._root}\\{path}" if self._root else path

    def _file(self, path: str) -> str:
        """Where an object is; a name that could lead elsewhere is refused."""
        steps = name_steps(path)
        if any(step.endswith(".") for step in steps):  # Windows would leave the dot out
            raise ValueError(f"{path[:200]!r} is not the name of an object on a share")
        return self._below("\\".join(steps))

    def _missing(self, path: str) -> FileNotFoundError:
        self._check_present()
        return FileNotFoundError(errno.ENOENT, "no such object", path)

    def _check_present(self) -> None:
        """Tell a folder that is not there any more from an object that is not there."""
        inside = self._below(_INCOMING)
        if not self._sessions.use(lambda share: share.has_folder(inside)):
            raise self._gone()

    def _gone(self) -> OSError:
        return OSError(errno.ENXIO, f"the folder of {self._place} has gone")

    def _sweep(self) -> None:
        """Remove files of processes of this computer that live no more."""
        folder = self._below(_INCOMING)

        def step(share: Share) -> None:
            for entry in share.entries(folder):
                if not entry.is_folder and is_left_behind(entry.name):
                    share.remove(f"{folder}\\{entry.name}")

        self._sessions.use(step)


def _meta(path: str, entry: Entry) -> ObjectMeta:
    return {
        "path": path,
        "last_modified": entry.modified_at,
        "size": entry.size,
        "e_tag": None,
        "version": None,
    }
