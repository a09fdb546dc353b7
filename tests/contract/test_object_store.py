"""What every object store does: the same tests over each of them.

- folder: a folder of this computer
- memory: a plain dictionary
- smb: a share of a real Samba (`smbd` of the distribution), not mounted
- azure: Azurite, Microsoft's emulator of Azure Blob, by the account's key; azure-sas: by a shared
  access signature of the container
- s3: the object gateway of a real Ceph cluster (`radosgw` of the distribution) whose only disk is
  in memory: a server that others keep their data on, which checks signatures and conditions

None of the three is the thing itself: neither Windows nor the clouds were to be had.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from obspec import Attributes, GetOptions, ObjectMeta, PutMode, PutResult
from typing_extensions import Buffer

from reconciler.adapters.smb_store import SmbStore
from reconciler.model.names import PoolName, VolumeId
from reconciler.policy.storage import Volume as VolumePolicy
from reconciler.ports import ObjectStore
from reconciler.record.entries import Volume
from reconciler.volume_stores import open_store
from tests.storage_servers import Declared


class _Found:
    def __init__(self, data: bytes, meta: ObjectMeta) -> None:
        self._data = data
        self.meta = meta
        self.attributes: Attributes = {}
        self.range = (0, len(data))

    def buffer(self) -> bytes:
        return self._data

    def __iter__(self) -> Iterator[bytes]:
        yield self._data


class MemoryStore:
    """The shortest store that keeps the contract."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}

    def put(
        self,
        path: str,
        file: IO[bytes] | Path | bytes | Buffer | Iterator[Buffer] | Iterable[Buffer],
        *,
        attributes: Attributes | None = None,
        tags: dict[str, str] | None = None,
        mode: PutMode | None = None,
        use_multipart: bool | None = None,
        chunk_size: int = 0,
        max_concurrency: int = 1,
    ) -> PutResult:
        del attributes, tags, use_multipart, chunk_size, max_concurrency
        if mode == "create" and path in self._objects:
            raise FileExistsError(path)
        if isinstance(file, Path):
            self._objects[path] = file.read_bytes()
        elif isinstance(file, io.IOBase):
            self._objects[path] = file.read()
        elif isinstance(file, bytes | bytearray | memoryview):
            self._objects[path] = bytes(file)
        else:
            assert isinstance(file, Iterable)
            self._objects[path] = b"".join(bytes(part) for part in file)
        return {"e_tag": None, "version": None}

    def get(self, path: str, *, options: GetOptions | None = None) -> _Found:
        assert not options
        return _Found(self._get(path), self.head(path))

    def get_range(
        self, path: str, *, start: int, end: int | None = None, length: int | None = None
    ) -> bytes:
        end = start + length if length is not None else end
        assert end is not None
        if end > len(self._get(path)):
            raise EOFError(path)
        return self._get(path)[start:end]

    def head(self, path: str) -> ObjectMeta:
        size, at = len(self._get(path)), datetime(2025, 1, 1, tzinfo=UTC)
        return {"path": path, "last_modified": at, "size": size, "e_tag": None, "version": None}

    def list(
        self, prefix: str | None = None, *, offset: str | None = None
    ) -> Iterator[Sequence[ObjectMeta]]:
        folder = f"{prefix.strip('/')}/" if prefix else ""
        for path in sorted(self._objects):
            if path.startswith(folder) and path > (offset or ""):
                yield [self.head(path)]

    def delete(self, paths: str | Sequence[str]) -> None:
        for path in [paths] if isinstance(paths, str) else paths:
            self._get(path)
            del self._objects[path]

    def _get(self, path: str) -> bytes:
        if path not in self._objects:
            raise FileNotFoundError(path)
        return self._objects[path]


KINDS = ["folder", "memory", "smb", "azure", "azure-sas", "s3"]
MAKERS = 8


def opened(declared: dict[str, Any]) -> ObjectStore:
    """A new volume's store, as a policy describes it."""
    policy = VolumePolicy.model_validate({"name": "main-1"} | declared)
    volume = Volume(VolumeId("v"), PoolName("main"), policy.name, policy.place, None, 0)
    return open_store(volume, policy)


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, declared: Declared) -> Iterator[ObjectStore]:
    found = MemoryStore() if request.param == "memory" else opened(declared(request.param))
    yield found
    if isinstance(found, SmbStore):
        found.close()


def names(store: ObjectStore, prefix: str | None = None, offset: str | None = None) -> list[str]:
    return [meta["path"] for chunk in store.list(prefix, offset=offset) for meta in chunk]


def test_what_was_put_is_got(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"from a path")
    store.put("a", b"bytes")
    store.put("b", memoryview(b"view"))
    store.put("c", iter([b"in ", b"parts"]))
    store.put("d", io.BytesIO(b"from a stream"))
    store.put("e", tmp_path / "file")
    store.put("f", b"")

    contents = [bytes(store.get(name).buffer()) for name in "abcdef"]
    assert contents == [b"bytes", b"view", b"in parts", b"from a stream", b"from a path", b""]
    assert [store.head(name)["size"] for name in "abcdef"] == [len(data) for data in contents]
    assert b"".join(bytes(part) for part in store.get("c")) == b"in parts"
    assert store.get("c").range == (0, 8)


def test_create_never_replaces_and_overwrite_does(store: ObjectStore) -> None:
    store.put("x", b"one", mode="create")
    with pytest.raises(FileExistsError):
        store.put("x", b"two", mode="create")
    assert bytes(store.get("x").buffer()) == b"one"

    store.put("x", b"three", mode="overwrite")
    store.put("x", b"four")
    assert bytes(store.get("x").buffer()) == b"four"


def test_a_range_is_exact_or_an_error(store: ObjectStore) -> None:
    store.put("x", b"0123456789")

    assert bytes(store.get_range("x", start=2, length=3)) == b"234"
    assert bytes(store.get_range("x", start=2, end=10)) == b"23456789"
    with pytest.raises(EOFError):
        store.get_range("x", start=8, length=3)


def test_missing_objects_are_file_not_found(store: ObjectStore) -> None:
    store.put("there/x", b"x")
    for missing in ("x", "there", "there/x/y", "there/y"):
        with pytest.raises(FileNotFoundError):
            store.get(missing)
        with pytest.raises(FileNotFoundError):
            store.head(missing)
        with pytest.raises(FileNotFoundError):
            store.delete(missing)
        with pytest.raises(FileNotFoundError):
            store.get_range(missing, start=0, length=1)


def test_a_listing_is_sorted_and_goes_by_whole_names(store: ObjectStore) -> None:
    for name in ("b/2", "b.c", "b/1/x", "b-a/1", "a", "b0/1"):
        store.put(name, b"")

    assert names(store) == sorted(["b/2", "b.c", "b/1/x", "b-a/1", "a", "b0/1"])
    assert names(store, "b") == names(store, "b/") == ["b/1/x", "b/2"]
    assert names(store, "b", offset="b/1/x") == ["b/2"]
    assert names(store, "none") == []


def test_deleted_objects_are_gone(store: ObjectStore) -> None:
    for name in ("a", "b", "c"):
        store.put(name, b"")

    store.delete("a")
    store.delete(["b", "c"])

    assert names(store) == []


def test_of_many_that_create_one_object_one_wins_and_its_bytes_stay(store: ObjectStore) -> None:
    def create(number: int) -> int | None:
        try:
            store.put("x", bytes([number]) * 1000, mode="create")
        except FileExistsError:
            return None
        return number

    with ThreadPoolExecutor(MAKERS) as makers:
        winners = [n for n in makers.map(create, range(MAKERS)) if n is not None]

    (winner,) = winners
    assert bytes(store.get("x").buffer()) == bytes([winner]) * 1000


def test_an_object_of_many_requests_is_whole(store: ObjectStore) -> None:
    data = np.random.default_rng(7).bytes((5 << 20) + 3)

    store.put("packs/0001/x", data, mode="create")

    assert bytes(store.get("packs/0001/x").buffer()) == data
    assert b"".join(bytes(part) for part in store.get("packs/0001/x")) == data
    start, length = (1 << 20) - 1, (3 << 20) + 2
    assert (
        bytes(store.get_range("packs/0001/x", start=start, length=length))
        == (data[start : start + length])
    )


def test_a_listing_has_more_names_than_one_answer(store: ObjectStore) -> None:
    many = [f"m/{number:04}" for number in range(1100)]
    with ThreadPoolExecutor(MAKERS) as makers:
        list(makers.map(lambda name: store.put(name, b"x"), many))

    assert names(store) == many
    assert names(store, "m", offset=many[1000]) == many[1001:]


def test_names_that_could_lead_elsewhere_are_refused(store: ObjectStore) -> None:
    if isinstance(store, MemoryStore):
        return
    for name in ("../x", "a//b", "/a", ".hidden", "a\\b", ""):
        with pytest.raises(ValueError, match="not the name of an object"):
            store.put(name, b"x")
        with pytest.raises(ValueError, match="not the name of an object"):
            store.head(name)
