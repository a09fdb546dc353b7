"""Stores whose server is away, refuses us, loses answers or is not the one that was meant."""

import errno
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from reconciler.adapters import cloud_stores
from reconciler.adapters.smb_store import SmbStore
from reconciler.errors import ReconcilerError, RepositoryUnavailableError
from reconciler.model.names import PoolName, VolumeId
from reconciler.policy.storage import Volume as VolumePolicy
from reconciler.ports import ObjectStore
from reconciler.record.entries import Volume
from reconciler.volume_stores import open_store
from tests.azurite import AZURE_KEY
from tests.storage_servers import SMB_LOGIN, Declared
from tests.tcp_proxy import TcpProxy

REMOTE = ["smb", "azure", "azure-sas", "s3"]
CLOUD = REMOTE[1:]
NOBODY = "bm9ib2R5IG5vYm9keSBub2JvZHkgbm9ib2R5IG5vYm9keSE="


class OneCut(TcpProxy):
    """Cuts one connection, in the middle of an answer; those after it are let through."""

    def _passed(self, data: bytes) -> bytes:
        passed = super()._passed(data)
        if len(passed) < len(data):
            self.bytes_until_cut = None
        return passed


def opened(declared: dict[str, Any], *, is_new: bool = True) -> ObjectStore:
    policy = VolumePolicy.model_validate({"name": "main-1"} | declared)
    known = None if is_new else "known"
    volume = Volume(VolumeId("v"), PoolName("main"), policy.name, policy.place, known, 0)
    return open_store(volume, policy)


def through(declared: dict[str, Any], port: int) -> dict[str, Any]:
    """The same place, but reached at another port."""
    ((kind, place),) = declared.items()
    if kind == "smb":
        return {kind: place | {"port": port}}
    parts = urlsplit(place["endpoint"])
    return {kind: place | {"endpoint": f"http://127.0.0.1:{port}{parts.path}"}}


def port_of(declared: dict[str, Any]) -> int:
    ((kind, place),) = declared.items()
    return int(place["port"] if kind == "smb" else urlsplit(place["endpoint"]).port or 0)


def asks(store: ObjectStore) -> Sequence[Callable[[], object]]:
    return (
        lambda: store.put("x", b"x", mode="create"),
        lambda: store.get("x"),
        lambda: store.get_range("x", start=0, length=1),
        lambda: store.head("x"),
        lambda: list(store.list()),
        lambda: list(store.list("x")),
        lambda: store.delete("x"),
    )


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a server that is known to be away."""
    monkeypatch.setitem(cloud_stores.TRIES, "max_retries", 1)


@pytest.fixture
def cutting() -> Iterator[Callable[[int], OneCut]]:
    made: list[OneCut] = []

    def make(port: int) -> OneCut:
        made.append(OneCut(("127.0.0.1", port)))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


@pytest.mark.parametrize("kind", REMOTE)
def test_an_object_whose_answer_was_lost_is_created_all_the_same(
    kind: str, declared: Declared, cutting: Callable[[int], OneCut]
) -> None:
    """Wherever the answers are cut: never 'there is one already' for what we have made."""
    place = declared(kind)
    proxy = cutting(port_of(place))
    store = opened(through(place, proxy.port))
    store.put("packs/first", b"first")
    for cut in range(0, 1000, 90):
        name, data = f"packs/{cut}", bytes([cut % 251]) * 3000
        proxy.cut_after(cut)
        store.put(name, data, mode="create")
        proxy.restore()
        assert bytes(store.get(name).buffer()) == data
    if isinstance(store, SmbStore):
        store.close()


@pytest.mark.parametrize("kind", REMOTE)
def test_reads_go_on_after_a_lost_connection(
    kind: str, declared: Declared, cutting: Callable[[int], OneCut]
) -> None:
    place = declared(kind)
    proxy = cutting(port_of(place))
    store = opened(through(place, proxy.port))
    store.put("x", b"0123456789")

    for cut in (0, 40, 100, 150):
        proxy.cut_after(cut)
        assert bytes(store.get_range("x", start=2, length=3)) == b"234"
        proxy.cut_after(cut)
        assert store.head("x")["size"] == 10
        proxy.restore()
    if isinstance(store, SmbStore):
        store.close()


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("kind", CLOUD)
def test_a_cloud_that_is_away_is_no_missing_object(kind: str, declared: Declared) -> None:
    store = opened(through(declared(kind), 1))

    for ask in asks(store):
        with pytest.raises(OSError, match="cannot be reached") as caught:
            ask()
        assert caught.value.errno == errno.EHOSTUNREACH


@pytest.mark.parametrize("kind", CLOUD)
def test_a_container_that_is_not_there_is_no_missing_object(kind: str, declared: Declared) -> None:
    place = declared(kind)
    ((service, fields),) = place.items()
    name = "container" if service == "azure" else "bucket"
    store = opened({service: fields | {name: "nobody-made-this"}})

    for ask in asks(store):
        with pytest.raises(OSError, match=r"is not there|refuses our key") as caught:
            ask()
        assert caught.value.errno in {errno.ENXIO, errno.EACCES}


@pytest.mark.parametrize(("kind", "secret"), [("azure", "key"), ("s3", "secret")])
def test_a_key_that_is_not_taken_is_said_and_not_shown(
    kind: str, secret: str, declared: Declared, tmp_path: Path
) -> None:
    place = declared(kind)
    (tmp_path / secret).write_text(NOBODY)
    store = opened(place)

    for ask in asks(store):
        with pytest.raises(PermissionError, match="refuses our key") as caught:
            ask()
        assert NOBODY not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_a_signature_is_in_no_error_and_not_in_what_caused_it(
    declared: Declared, tmp_path: Path
) -> None:
    place = declared("azure-sas")
    signature = (tmp_path / "signature").read_text().rpartition("sig=")[2]
    (tmp_path / "signature").write_text(f"sv=2021-12-02&sr=c&sp=r&sig={signature}")
    store = opened(place)

    for ask in asks(store):
        with pytest.raises(PermissionError) as caught:
            ask()
        shown = f"{caught.value!r} {caught.value.__cause__!r} {store!r}"
        assert signature not in shown
        assert signature.replace("%2F", "/") not in shown
        assert caught.value.__suppress_context__


def test_a_key_that_is_none_is_refused_before_anything_is_asked(
    declared: Declared, tmp_path: Path
) -> None:
    place = declared("azure")
    (tmp_path / "key").write_text("this is no key!")

    with pytest.raises(ReconcilerError, match="azure://") as caught:
        opened(place)

    assert caught.value.hint
    assert "this is no key!" not in str(caught.value)
    assert AZURE_KEY not in repr(caught.value.__cause__)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"folder": "none/such"}, "folder of smb://.* is not there"),
        ({"share": "none"}, "is not there"),
        ({"port": 1}, "cannot be reached"),
    ],
)
def test_a_share_that_cannot_be_opened_says_why(
    wrong: dict[str, Any], said: str, declared: Declared
) -> None:
    place = declared("smb")["smb"]

    with pytest.raises(RepositoryUnavailableError, match=said) as caught:
        opened({"smb": place | wrong})

    assert caught.value.hint
    assert SMB_LOGIN[1] not in str(caught.value)


def test_a_password_that_is_not_taken_is_said(declared: Declared, tmp_path: Path) -> None:
    place = declared("smb")
    (tmp_path / "password").write_text("another")

    with pytest.raises(RepositoryUnavailableError, match="does not let us in"):
        opened(place)


def test_the_folder_of_a_known_volume_is_never_made_anew(
    declared: Declared, smb_share: tuple[int, Path]
) -> None:
    place = declared("smb")

    with pytest.raises(RepositoryUnavailableError, match="is not there"):
        opened(place, is_new=False)

    assert not (smb_share[1] / place["smb"]["folder"]).exists()


def test_a_share_s_folder_that_goes_away_is_no_missing_object(
    declared: Declared, smb_share: tuple[int, Path]
) -> None:
    place = declared("smb")
    store = opened(place)
    assert isinstance(store, SmbStore)
    folder = smb_share[1] / place["smb"]["folder"]
    folder.rename(folder.with_name(f"{folder.name}-away"))

    for ask in asks(store):
        with pytest.raises(OSError, match="has gone") as caught:
            ask()
        assert caught.value.errno == errno.ENXIO
    store.close()


def test_a_put_on_a_share_leaves_nothing_but_the_object(
    declared: Declared, smb_share: tuple[int, Path]
) -> None:
    place = declared("smb")
    store = opened(place)
    assert isinstance(store, SmbStore)
    store.put("a/b/c", b"1")
    store.put("a/b/c", b"2", mode="overwrite")
    with pytest.raises(FileExistsError):
        store.put("a/b/c", b"3", mode="create")

    folder = smb_share[1] / place["smb"]["folder"]
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    assert files == [Path("a/b/c")]
    assert (folder / "a/b/c").read_bytes() == b"2"
    store.close()


def test_what_others_keep_on_a_share_is_neither_listed_nor_swept(
    declared: Declared, smb_share: tuple[int, Path]
) -> None:
    place = declared("smb")
    folder = smb_share[1] / place["smb"]["folder"]
    (folder / ".incoming").mkdir(parents=True)
    (folder / ".incoming" / "other~1~00~0").write_bytes(b"half")
    (folder / "a name with blanks").write_bytes(b"x")
    (folder / ".hidden").write_bytes(b"x")

    store = opened(place)
    assert isinstance(store, SmbStore)

    assert list(store.list()) == []
    assert (folder / ".incoming" / "other~1~00~0").exists()
    store.close()
