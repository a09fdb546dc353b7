import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.adapters.durable import host_label
from reconciler.adapters.stores import FolderStore
from reconciler.errors import RepositoryUnavailableError
from reconciler.ports import ObjectStore


def test_a_folder_store_is_an_object_store(tmp_path: Path) -> None:
    store: ObjectStore = FolderStore(tmp_path)

    store.put("a/b", b"x")

    assert bytes(store.get("a/b").buffer()) == b"x"


def test_a_folder_that_is_not_there_is_never_created(tmp_path: Path) -> None:
    with pytest.raises(RepositoryUnavailableError) as caught:
        FolderStore(tmp_path / "unmounted")

    assert caught.value.hint
    assert not (tmp_path / "unmounted").exists()


def test_a_folder_that_goes_away_is_not_a_missing_object(tmp_path: Path) -> None:
    root = tmp_path / "volume"
    root.mkdir()
    store = FolderStore(root)
    root.rename(tmp_path / "elsewhere")
    root.mkdir()

    for read in (
        lambda: store.head("x"),
        lambda: store.get_range("x", start=0, length=1),
        lambda: list(store.list()),
        lambda: store.put("x", b""),
    ):
        with pytest.raises(OSError, match="has gone") as caught:
            read()
        assert caught.value.errno == errno.ENXIO


@pytest.mark.parametrize(
    "name",
    [
        *("", "/x", "x/", "a//b", "..", "a/../b", ".hidden", "a\\b", "a b", "é", "a\n"),
        "a/" + "x" * 256,
        "/".join(["abcdefgh"] * 200),
    ],
)
def test_a_name_that_could_lead_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    store = FolderStore(tmp_path)

    with pytest.raises(ValueError, match="not the name of an object"):
        store.put(name, b"x")
    with pytest.raises(ValueError, match="not the name of an object"):
        store.head(name)


def test_a_put_leaves_nothing_but_the_object(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("a/b/c", b"1")
    store.put("a/b/c", b"2", mode="overwrite")
    with pytest.raises(FileExistsError):
        store.put("a/b/c", b"3", mode="create")

    files = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [Path("a/b/c")]


def test_a_put_that_fails_midway_leaves_the_object_before(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("x", b"before")

    def parts() -> "list[bytes]":
        raise OSError(errno.EIO, "the source broke")

    with pytest.raises(OSError, match="broke"):
        store.put("x", (part for _ in range(1) for part in parts()))

    assert bytes(store.get("x").buffer()) == b"before"
    assert list((tmp_path / ".incoming").iterdir()) == []


def test_what_a_dead_process_left_is_swept_and_what_others_write_is_not(tmp_path: Path) -> None:
    FolderStore(tmp_path)
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    incoming = tmp_path / ".incoming"
    dead, alive = incoming / f"{host_label()}~{ended}~00~0", incoming / f"{host_label()}~1~00~0"
    foreign, unknown = incoming / f"other~{ended}~00~0", incoming / "whatever"
    for file in (dead, alive, foreign, unknown):
        file.write_bytes(b"half")

    FolderStore(tmp_path)

    assert {path.name for path in incoming.iterdir()} == {alive.name, foreign.name, unknown.name}


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    tmp_path.chmod(0o500)

    store = FolderStore(tmp_path)

    assert bytes(store.get("x").buffer()) == b"x"
    with pytest.raises(OSError, match=r"x|denied|gone"):
        store.put("y", b"y")
    tmp_path.chmod(0o700)


def test_links_in_the_folder_are_not_followed_by_a_listing(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"")
    (root / "link").symlink_to(tmp_path / "outside")
    store = FolderStore(root)

    assert [meta for chunk in store.list() for meta in chunk] == []


def test_what_a_folder_cannot_keep_is_refused(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)

    with pytest.raises(NotImplementedError):
        store.put("x", b"", attributes={"Content-Type": "text/plain"})
    with pytest.raises(NotImplementedError):
        store.put("x", b"", mode={"e_tag": "1"})
    with pytest.raises(NotImplementedError):
        store.get("x", options={"head": True})
