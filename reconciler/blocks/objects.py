"""A store as the block engine sees it: bounded reads, whole writes, our errors."""

import errno
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from typing_extensions import Buffer

from reconciler.errors import BlockDamagedError, RepositoryUnavailableError
from reconciler.ports import ObjectStore

if TYPE_CHECKING:
    from obspec import ObjectMeta

Result = TypeVar("Result")

_MOST_SEAL_BYTES: Final = 64

_HINTS: Final = {
    errno.ENOSPC: "free space on the volume, or give the pool another one",
    errno.EDQUOT: "raise the quota of the volume, or give the pool another one",
    errno.EROFS: "the volume is mounted read-only: look for disk errors, then mount it for writing",
    errno.EACCES: "give the account of the reconciler rights to read and write the volume",
    errno.EPERM: "give the account of the reconciler rights to read and write the volume",
    errno.EIO: "look for disk errors in the log of the system",
    errno.ENXIO: "mount the volume",
}
_HINT: Final = "check that the volume is mounted and reachable"


class DocumentSeal(Protocol):
    """What seals documents under their names."""

    def seal_document(self, name: str, data: bytes) -> bytes:
        """The stored form."""
        ...

    def open_document(self, name: str, sealed: bytes) -> bytes:
        """The plain form.

        Raises:
            BlockDamagedError: It is not what was sealed.
        """
        ...


class Objects:
    """Reads and writes whole objects, and names the object in every error.

    A missing object stays FileNotFoundError and an unwanted one FileExistsError: only the caller
    knows what they mean. Everything else that a store says is RepositoryUnavailableError.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._seal: DocumentSeal | None = None

    def seal_with(self, seal: "DocumentSeal | None") -> None:
        """Seal and open documents from here on, in an encrypted repository."""
        self._seal = seal

    def document(self, name: str, most_bytes: int) -> bytes:
        """A document in its plain form; raises as `get` does."""
        data = self.get(name, most_bytes + _MOST_SEAL_BYTES)
        return data if self._seal is None else self._seal.open_document(name, data)

    def put_document(self, name: str, data: bytes) -> None:
        """Write or replace a document."""
        self.put(name, self._sealed(name, data))

    def create_document(self, name: str, data: bytes) -> None:
        """Write a document.

        Raises:
            FileExistsError: There is one of this name; it was left alone.
        """
        self.create(name, self._sealed(name, data))

    def _sealed(self, name: str, data: bytes) -> bytes:
        return data if self._seal is None else self._seal.seal_document(name, data)

    def get(self, name: str, most_bytes: int) -> bytes:
        """A whole object.

        Raises:
            FileNotFoundError: There is none.
            BlockDamagedError: It is larger than anything of its kind may be.
        """

        def read() -> bytes | None:
            result = self._store.get(name)
            return None if result.meta["size"] > most_bytes else bytes(result.buffer())

        if (data := _translated(name, read)) is None:
            raise damaged(f"{name} is larger than {most_bytes} bytes")
        return data

    def get_range(self, name: str, start: int, length: int) -> bytes:
        """Part of an object, of exactly `length` bytes.

        Raises:
            FileNotFoundError: There is no such object.
            BlockDamagedError: It ends before the range does.
        """

        def read() -> bytes:
            return bytes(self._store.get_range(name, start=start, length=length))

        try:
            data = _translated(name, read)
        except EOFError:
            data = b""
        if len(data) != length:
            raise damaged(f"{name} ends before byte {start + length}")
        return data

    def read_into(self, name: str, start: int, target: memoryview) -> None:
        """As `get_range`, into a buffer that is used again: new memory costs as much as a copy."""
        read = getattr(self._store, "get_range_into", None)
        if read is None:
            target[:] = self.get_range(name, start, len(target))
        elif _translated(name, lambda: read(name, start=start, target=target)) != len(target):
            raise damaged(f"{name} ends before byte {start + len(target)}")

    def size(self, name: str) -> int:
        """Units: bytes.

        Raises:
            FileNotFoundError: There is no such object.
        """
        return _translated(name, lambda: self._store.head(name)["size"])

    def modified_at(self, name: str) -> datetime:
        """When it was written last, by the clock of the store.

        Raises:
            FileNotFoundError: There is no such object.
        """
        return _translated(name, lambda: self._store.head(name)["last_modified"])

    def put(self, name: str, data: Buffer) -> None:
        """Write or replace a whole object; durable on return."""
        _translated(name, lambda: self._store.put(name, data, mode="overwrite"), missing_is_us=True)

    def create(self, name: str, data: Buffer) -> None:
        """Write a whole object; durable on return.

        Raises:
            FileExistsError: There is one of this name; it was left alone.
        """
        _translated(name, lambda: self._store.put(name, data, mode="create"), missing_is_us=True)

    def names(self, prefix: str) -> Iterator[str]:
        """Names of the objects below a folder; none when the folder does not exist.

        Shape: in the order of the store, with the prefix.
        """
        yield from (name for name, _ in self.sizes(prefix))

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """As `names`, with the size of each.

        Units: bytes.
        """
        yield from ((meta["path"], meta["size"]) for meta in self._listed(prefix))

    def stamps(self, prefix: str) -> Iterator[tuple[str, str]]:
        """As `names`, with what tells an object from another one that had the name before."""
        for meta in self._listed(prefix):
            yield meta["path"], f"{meta['size']} {meta['last_modified'].timestamp()}"

    def _listed(self, prefix: str) -> "Iterator[ObjectMeta]":
        listing = _translated(prefix, lambda: iter(self._store.list(prefix)))
        while (chunk := _translated(prefix, lambda: next(listing, None))) is not None:
            yield from chunk

    def settle(self, folder: str) -> None:
        """Make durable what is found in a folder, before anything is built on it.

        A process that died while it put an object may have left it seen and not durable; stores
        that are not folders show none such.
        """
        if (settle := getattr(self._store, "settle", None)) is not None:
            _translated(folder, lambda: settle(folder))

    def delete(self, name: str) -> None:
        """Remove an object, durably on return; one that is gone already is no error."""
        with suppress(FileNotFoundError):
            _translated(name, lambda: self._store.delete(name))


def damaged(message: str, **facts: object) -> BlockDamagedError:
    """The error for stored bytes that are not what was written."""
    return BlockDamagedError(
        message,
        hint="verify the repository, then request a consistency check of the machines it names",
        **facts,
    )


def _translated(name: str, call: Callable[[], Result], *, missing_is_us: bool = False) -> Result:
    """What `call` returns, with the errors of a store as ours."""
    try:
        return call()
    except FileExistsError:
        raise
    except FileNotFoundError as error:
        if not missing_is_us:
            raise
        raise _unavailable(name, error) from error
    except OSError as error:
        raise _unavailable(name, error) from error


def _unavailable(name: str, error: OSError) -> RepositoryUnavailableError:
    hint = _HINTS.get(error.errno or 0, _HINT)
    reason = error.strerror or str(error)
    return RepositoryUnavailableError(f"{name}: {reason}", hint=hint, object=name)
