"""Azure Blob and S3 as object stores, by obstore; nothing else imports it.

A put is one request, and whole or not there. `mode="create"` is the service's own conditional
write, so two writers cannot both win. Requests have time limits and are repeated a few times; as
the answer to a create may be lost after it was done, each one carries a mark by which it knows its
own object again.
"""

from __future__ import annotations

import errno
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import AzureStore, S3Store

from reconciler.adapters.cloud_errors import CloudAnswer
from reconciler.adapters.durable import CHUNK_BYTES, Content, whole
from reconciler.adapters.object_names import name_steps, range_length
from reconciler.errors import SettingsError

if TYPE_CHECKING:
    from obspec import Attributes, GetOptions, ObjectMeta, PutMode, PutResult
    from obstore.store import AzureConfig, ClientConfig, RetryConfig, S3Config

_MARK: Final = "reconciler"
_CONNECT: Final = timedelta(seconds=10)
_STALLED: Final = timedelta(seconds=30)
_WHOLE_REQUEST: Final = timedelta(minutes=5)
"""64 MiB, the largest object, over two Mbit/s."""
TRIES: Final[RetryConfig] = {
    "max_retries": 4,
    "retry_timeout": timedelta(minutes=2),
    "backoff": {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=10)},
}


@dataclass(frozen=True, slots=True)
class AzurePlace:
    """A container, and how to get in."""

    shown: str
    """What messages call it."""
    account: str
    container: str
    prefix: str
    key: str = field(repr=False)
    sas: str = field(repr=False)
    endpoint: str
    """Empty: Azure's own."""


@dataclass(frozen=True, slots=True)
class S3Place:
    """A bucket, and how to get in."""

    shown: str
    """What messages call it."""
    bucket: str
    prefix: str
    region: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    endpoint: str
    """Empty: Amazon's own."""


def azure_store(place: AzurePlace) -> CloudStore:
    """The store in a container; asks nothing of it yet.

    Raises:
        SettingsError: The key or the signature has not the form of one.
    """
    config: AzureConfig = {"account_name": place.account}
    if place.key:
        config["account_key"] = place.key
    else:
        config["sas_key"] = place.sas.lstrip("?")
    if place.endpoint:
        config["endpoint"] = place.endpoint
    with _well_formed(place.shown):
        store = AzureStore(
            place.container,
            prefix=place.prefix or None,
            config=config,
            client_options=_client(place.endpoint),
            retry_config=TRIES,
        )
    return CloudStore(store, place.shown)


def s3_store(place: S3Place) -> CloudStore:
    """The store in a bucket; asks nothing of it yet.

    Raises:
        SettingsError: What the policy says makes no address.
    """
    config: S3Config = {
        "region": place.region,
        "access_key_id": place.access_key,
        "secret_access_key": place.secret_key,
    }
    if place.endpoint:
        config["endpoint"] = place.endpoint
    with _well_formed(place.shown):
        store = S3Store(
            place.bucket,
            prefix=place.prefix or None,
            config=config,
            client_options=_client(place.endpoint),
            retry_config=TRIES,
        )
    return CloudStore(store, place.shown)


class CloudObject:
    """What a get found; its bytes are on their way."""

    def __init__(self, found: Any, place: str) -> None:
        self._found = found
        self._place = place
        self.meta: ObjectMeta = _meta(found.meta)

    @property
    def attributes(self) -> Attributes:
        """Ours are for us alone."""
        return {}

    @property
    def range(self) -> tuple[int, int]:
        """The whole object."""
        return (0, self.meta["size"])

    def buffer(self) -> bytes:
        """All bytes."""
        with _translated(self._place, self.meta["path"]):
            return bytes(self._found.buffer())

    def __iter__(self) -> Iterator[bytes]:
        with _translated(self._place, self.meta["path"]):
            parts = iter(self._found.stream(min_chunk_size=CHUNK_BYTES))
        while True:
            with _translated(self._place, self.meta["path"]):
                part = next(parts, None)
            if part is None:
                return
            yield bytes(part)


class CloudStore:
    """Objects of a container; several threads and processes may share it.

    Missing objects raise FileNotFoundError, unwanted ones FileExistsError, and everything else,
    a container that is not there too, OSError.
    """

    def __init__(self, store: AzureStore | S3Store, place: str) -> None:
        self._store = store
        self._place = place

    def __repr__(self) -> str:
        return f"CloudStore({self._place!r})"

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
        """Save an object in one request.

        Raises:
            FileExistsError: `mode` is create, and there is one of this name.
        """
        del use_multipart, chunk_size, max_concurrency
        if attributes or tags or isinstance(mode, dict):
            raise NotImplementedError("no attributes, tags or versions are kept")
        name = "/".join(name_steps(path))
        mark = secrets.token_hex(16)
        data = whole(file)
        try:
            with _translated(self._place, name, is_kept=True):
                self._store.put(
                    name,
                    data,
                    attributes={_MARK: mark},
                    mode=mode or "overwrite",
                    use_multipart=False,
                )
        except FileExistsError:
            if self._mark_of(name) != mark:
                raise
        return {"e_tag": None, "version": None}

    def get(self, path: str, *, options: GetOptions | None = None) -> CloudObject:
        """A whole object.

        Raises:
            FileNotFoundError: There is none.
        """
        if options:
            raise NotImplementedError("there is no conditional or partial get")
        name = "/".join(name_steps(path))
        with self._or_missing(name):
            return CloudObject(self._store.get(name), self._place)

    def get_range(
        self, path: str, *, start: int, end: int | None = None, length: int | None = None
    ) -> bytes:
        """Exactly the bytes that were asked for.

        Raises:
            FileNotFoundError: There is no such object.
            EOFError: The object ends before the range does.
        """
        name, wanted = "/".join(name_steps(path)), range_length(start, end, length)
        with self._or_missing(name):
            data = bytes(self._store.get_range(name, start=start, length=wanted))
        if len(data) != wanted:
            raise EOFError(f"{path} ends before byte {start + wanted}")
        return data

    def head(self, path: str) -> ObjectMeta:
        """Name, size and time of an object.

        Raises:
            FileNotFoundError: There is none.
        """
        name = "/".join(name_steps(path))
        with self._or_missing(name):
            return _meta(self._store.head(name))

    def list(
        self, prefix: str | None = None, *, offset: str | None = None
    ) -> Iterator[Sequence[ObjectMeta]]:
        """Objects below a folder, and below its folders.

        Shape: ascending by name over all chunks; names greater than `offset` only.
        """
        name = (prefix or "").strip("/")
        folder = "/".join(name_steps(name)) if name else None
        with _translated(self._place, name):
            chunks = iter(self._store.list(folder, offset=offset))
        last = ""
        while True:
            with _translated(self._place, name):
                chunk = next(chunks, None)
            if chunk is None:
                return
            found = [_meta(each) for each in chunk]
            for meta in found:
                if meta["path"] <= last:
                    raise OSError(errno.EPROTO, f"{self._place} lists its names out of order")
                last = meta["path"]
            yield found

    def delete(self, paths: str | Sequence[str]) -> None:
        """Remove objects.

        Raises:
            FileNotFoundError: One of them is not there; those before it are removed.
        """
        for path in [paths] if isinstance(paths, str) else paths:
            self.head(path)  # some services say nothing of an object that is not there
            with self._or_missing(path):
                self._store.delete(path)

    def check(self) -> None:
        """Look whether the container is there and lets us in."""
        with _translated(self._place, ""):
            next(iter(self._store.list("none/such", chunk_size=1)), None)

    @contextmanager
    def _or_missing(self, name: str) -> Iterator[None]:
        """Tell a container that has gone from an object that is not there."""
        try:
            with _translated(self._place, name):
                yield
        except FileNotFoundError:
            self.check()
            raise

    def _mark_of(self, name: str) -> str | None:
        """By which put an object was made."""
        with self._or_missing(name):
            found = self._store.get(name, options={"head": True})
            mark = found.attributes.get(_MARK)
        return str(mark) if mark is not None else None


@contextmanager
def _translated(place: str, name: str, *, is_kept: bool = False) -> Iterator[None]:
    """With the errors of obstore as those that every store raises.

    Args:
        place: What messages call the store.
        name: The object.
        is_kept: Nothing is looked for, so it is the container that was not found.
    """
    try:
        yield
    except (AlreadyExistsError, PreconditionError):
        raise FileExistsError(errno.EEXIST, "there is one already", name) from None
    except FileNotFoundError as error:
        answer = CloudAnswer(error)
        if is_kept or answer.is_without_container:
            raise OSError(errno.ENXIO, f"{place} is not there") from None
        raise FileNotFoundError(errno.ENOENT, "no such object", name) from None
    except BaseError as error:
        answer = CloudAnswer(error)
        if answer.is_past_the_end:
            raise EOFError(f"{name} ends before the range does") from None
        raise answer.error(place) from None


@contextmanager
def _well_formed(place: str) -> Iterator[None]:
    try:
        yield
    except (BaseError, ValueError):
        raise SettingsError(  # without its cause, which may show the key
            f"nothing can be opened at {place} with what the policy says",
            hint="check endpoint, account and the form of the key or signature",
        ) from None


def _client(endpoint: str) -> ClientConfig:
    return {
        "allow_http": endpoint.startswith("http://"),
        "connect_timeout": _CONNECT,
        "read_timeout": _STALLED,
        "timeout": _WHOLE_REQUEST,
        "user_agent": "reconciler",
    }


def _meta(meta: Any) -> ObjectMeta:
    return {
        "path": meta["path"],
        "last_modified": meta["last_modified"],
        "size": meta["size"],
        "e_tag": None,
        "version": None,
    }
