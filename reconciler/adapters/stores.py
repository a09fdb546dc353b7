"""A folder as an object store that a power cut cannot surprise.

A put writes a file in `.incoming`, syncs it, gives it its name in one step and syncs the folder:
under its final name an object is whole and stays. obstore's own local store does not sync.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconciler.adapters.durable import (
    CHUNK_BYTES,
    Content,
    host_label,
    is_left_behind,
    read_range,
    read_range_into,
    sync_folder,
    sync_folders,
    write,
)
from reconciler.adapters.object_names import name_steps, range_length
from reconciler.errors import RepositoryUnavailableError

if TYPE_CHECKING:
    from obspec import Attributes, GetOptions, ObjectMeta, PutMode, PutResult

_INCOMING: Final = ".incoming"
_NO_OBJECT: Final = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_LISTED_AT_ONCE: Final = 1000


class FolderObject:
    """What a get found; its bytes are read when they are asked for."""

    def __init__(self, file: Path, meta: ObjectMeta) -> None:
        self._file = file
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
        return self._file.read_bytes()

    def __iter__(self) -> Iterator[bytes]:
        with self._file.open("rb") as file:
            while data := file.read(CHUNK_BYTES):
                yield data


class FolderStore:
    """Objects as files below a folder that exists; several threads and processes may share it.

    Missing objects raise FileNotFoundError, unwanted ones FileExistsError, a folder that has gone
    and everything else that the system says OSError.
    """

    def __init__(self, root: Path) -> None:
        """Open the store, and remove what puts of dead processes have left.

        Raises:
            RepositoryUnavailableError: The folder is not there.
        """
        if not root.is_dir():
            raise RepositoryUnavailableError(
                f"the folder {root} is not there",
                hint="mount the volume, or create the folder if the pool is new",
            )
        self._root = root.resolve()
        self._incoming = self._root / _INCOMING
        with suppress(OSError):  # a read-only volume can still be recovered from
            self._incoming.mkdir(exist_ok=True)
        self._is_marked = self._incoming.is_dir()
        self._owner = f"{host_label()}~{os.getpid()}~{secrets.token_hex(8)}"
        self._counter = count()
        self._known: set[Path] = set()
        """Folders that are durable themselves."""
        self._sweep()

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
        """Save an object; on return it survives a power cut.

        Raises:
            FileExistsError: `mode` is create, and there is one of this name.
        """
        del use_multipart, chunk_size, max_concurrency
        if attributes or tags or isinstance(mode, dict):
            raise NotImplementedError("a folder keeps no attributes, tags or versions")
        target = self._file(path)
        self._check_present()
        incoming = self._incoming / f"{self._owner}~{next(self._counter)}"
        try:
            write(incoming, file)
            self._make_folder(target.parent)
            if mode == "create":
                os.link(incoming, target)  # unlike a rename it never replaces
            else:
                incoming.replace(target)
            self._sync(target.parent)
        finally:
            incoming.unlink(missing_ok=True)
        return {"e_tag": None, "version": None}

    def settle(self, folder: str) -> None:
        """Make durable what is found in a folder: who put it may have died before it was."""
        with suppress(FileNotFoundError):
            sync_folders(self._file(folder), self._root)

    def get(self, path: str, *, options: GetOptions | None = None) -> FolderObject:
        """A whole object.

        Raises:
            FileNotFoundError: There is none.
        """
        if options:
            raise NotImplementedError("a folder knows no conditional or partial get")
        return FolderObject(self._file(path), self.head(path))

    def get_range(
        self, path: str, *, start: int, end: int | None = None, length: int | None = None
    ) -> bytes:
        """Exactly the bytes that were asked for.

        Raises:
            FileNotFoundError: There is no such object.
            EOFError: The object ends before the range does.
        """
        length = range_length(start, end, length)
        try:
            data = read_range(self._file(path), start, length)
        except _NO_OBJECT as error:
            raise self._missing(path) from error
        if len(data) != length:
            raise EOFError(f"{path} ends before byte {start + length}")
        return data

    def get_range_into(self, path: str, *, start: int, target: memoryview) -> int:
        """Bytes into a buffer: what only a store on this machine can do. Returns how many.

        Raises:
            FileNotFoundError: There is no such object.
        """
        try:
            return read_range_into(self._file(path), start, target)
        except _NO_OBJECT as error:
            raise self._missing(path) from error

    def head(self, path: str) -> ObjectMeta:
        """Name, size and time of an object.

        Raises:
            FileNotFoundError: There is none.
        """
        file = self._file(path)
        try:
            found = file.stat()
        except _NO_OBJECT as error:
            raise self._missing(path) from error
        if not stat.S_ISREG(found.st_mode):
            raise self._missing(path)
        return _meta(path, found)

    def list(
        self, prefix: str | None = None, *, offset: str | None = None
    ) -> Iterator[Sequence[ObjectMeta]]:
        """Objects below a folder, and below its folders.

        Shape: ascending by name over all chunks; names greater than `offset` only.
        """
        name = (prefix or "").strip("/")
        folder = self._file(name) if name else self._root
        self._check_present()
        found = _walk(folder, f"{name}/" if name else "")
        wanted = (meta for meta in found if offset is None or meta["path"] > offset)
        while chunk := list(islice(wanted, _LISTED_AT_ONCE)):
            yield chunk

    def delete(self, paths: str | Sequence[str]) -> None:
        """Remove objects; on return they stay removed.

        Raises:
            FileNotFoundError: One of them is not there; those before it are removed.
        """
        for path in [paths] if isinstance(paths, str) else paths:
            file = self._file(path)
            self.head(path)
            file.unlink()
            sync_folder(file.parent)

    def _file(self, path: str) -> Path:
        """Where an object is; a name that could lead elsewhere is refused."""
        return self._root.joinpath(*name_steps(path))

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            self._known.discard(folder)
            folder.mkdir(parents=True, exist_ok=True)

    def _sync(self, folder: Path) -> None:
        if folder in self._known:
            sync_folder(folder)
            return
        # A folder that is there may have been made by a process that died before it was durable.
        sync_folders(folder, self._root)
        self._known.add(folder)

    def _missing(self, path: str) -> FileNotFoundError:
        self._check_present()
        return FileNotFoundError(errno.ENOENT, "no such object", path)

    def _check_present(self) -> None:
        """Tell a volume that is not mounted any more from an object that is not there."""
        if not (self._incoming if self._is_marked else self._root).is_dir():
            raise OSError(errno.ENXIO, "the folder of the store has gone", str(self._root))

    def _sweep(self) -> None:
        """Remove files of processes of this machine that live no more."""
        if not self._is_marked:
            return
        with suppress(OSError):
            for file in list(self._incoming.iterdir()):
                if is_left_behind(file.name):
                    file.unlink(missing_ok=True)


def _walk(folder: Path, prefix: str) -> Iterator[ObjectMeta]:
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    # A folder sorts as its objects do: by its name and the slash after it.
    named = sorted((e.name + "/" * e.is_dir(follow_symlinks=False), e) for e in entries)
    for name, entry in named:
        if name.startswith("."):
            continue
        if name.endswith("/"):
            yield from _walk(folder / entry.name, prefix + name)
        elif entry.is_file(follow_symlinks=False):
            with suppress(FileNotFoundError):  # deleted while we looked
                yield _meta(prefix + name, entry.stat())


def _meta(path: str, found: os.stat_result) -> ObjectMeta:
    return {
        "path": path,
        "last_modified": datetime.fromtimestamp(found.st_mtime, UTC),
        "size": found.st_size,
        "e_tag": None,
        "version": None,
    }
