"""Packs go when no recovery point refers to them, and never a moment earlier."""

import os
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.manifest import Manifest
from reconciler.blocks.prune import delete_unused_packs
from reconciler.blocks.repository import Repository
from reconciler.blocks.verify import verify
from reconciler.blocks.volume import RecoveryPointDisk
from reconciler.errors import (
    BlockDamagedError,
    BlockMissingError,
    RepositoryError,
    RepositoryLockedError,
)
from reconciler.model.names import DataSourceId, RecoveryPointId, ReferencePointId
from reconciler.model.protection import DiskDescription, Head, PointDescription

BLOCK = 4096
SOURCE = DataSourceId("source-1")

Seal = Callable[[Repository, str, bytes], Manifest]


def content(blocks: int, first: int = 1) -> bytes:
    return b"".join((first + n).to_bytes(8, "little") * (BLOCK // 8) for n in range(blocks))


def point(name: str) -> RecoveryPointId:
    return RecoveryPointId(name)


def read(repository: Repository, manifest: Manifest) -> bytes:
    disk = RecoveryPointDisk(repository, manifest, manifest.disks[0].description.id)
    return disk.read(0, disk.size)


def packs(root: Path) -> list[Path]:
    return sorted(root.glob("packs/*/*/*"))


def test_the_packs_of_a_point_go_with_it_and_no_others(
    repository: Repository, seal: Seal, root: Path
) -> None:
    seal(repository, "p1", content(20))
    kept = seal(repository, "p2", content(20, first=100))
    before = repository.stored_bytes()

    repository.drop(SOURCE, [point("p1")])
    pruned = delete_unused_packs(repository)

    assert pruned.packs_deleted == 1
    assert (pruned.bytes_before, pruned.bytes_after) == (before, repository.stored_bytes())
    assert pruned.bytes_after == sum(file.stat().st_size for file in packs(root)) < before
    assert read(repository, kept) == content(20, first=100)
    assert list(verify(repository, [kept], read_blocks=True)) == []


def test_a_pack_stays_whole_as_long_as_one_point_uses_a_block_of_it(
    repository: Repository,
    seal: Seal,
    make_disk: Callable[[int], DiskDescription],
    make_point: Callable[[str], PointDescription],
) -> None:
    base = seal(repository, "p1", content(100))
    with repository.draft() as draft:
        draft.disk(make_disk(100 * BLOCK), base.disks[0]).put(1, content(99, first=500))
        draft.flush()
        kept = draft.seal(make_point("p2"))
    repository.drop(SOURCE, [point("p1")])

    assert delete_unused_packs(repository).packs_deleted == 0
    assert read(repository, kept) == content(1) + content(99, first=500)


def test_nothing_is_deleted_while_a_draft_is_open(
    repository: Repository, seal: Seal, make_disk: Callable[[int], DiskDescription]
) -> None:
    seal(repository, "p1", content(20))
    repository.drop(SOURCE, [point("p1")])
    before = repository.stored_bytes()
    draft = repository.draft()
    draft.disk(make_disk(20 * BLOCK), None).put(0, content(20))  # finds all blocks of p1

    with pytest.raises(RepositoryLockedError):
        delete_unused_packs(repository)
    assert repository.stored_bytes() == before

    draft.drop()
    assert delete_unused_packs(repository).packs_deleted == 1


def test_a_draft_that_nobody_holds_any_more_is_in_nobodys_way(
    repository: Repository, make_disk: Callable[[int], DiskDescription]
) -> None:
    repository.draft().disk(make_disk(BLOCK), None)

    assert delete_unused_packs(repository).packs_deleted == 0


def test_a_draft_waits_until_packs_are_deleted(repository: Repository, seal: Seal) -> None:
    seal(repository, "p1", content(20))
    repository.drop(SOURCE, [point("p1")])
    made: list[Manifest] = []

    def backup() -> None:
        made.append(seal(repository, "p2", content(20)))

    thread = Thread(target=backup)

    def start_one(_: int) -> None:
        thread.start()
        assert not made

    delete_unused_packs(repository, start_one)
    thread.join(10)
    assert read(repository, made[0]) == content(20)


def test_a_dropped_draft_is_never_sealed(
    repository: Repository, make_point: Callable[[str], PointDescription]
) -> None:
    draft = repository.draft()
    draft.drop()

    with pytest.raises(ValueError, match="dropped"):
        draft.seal(make_point("p1"))


def test_what_was_deleted_is_not_found_again_but_stored_anew(
    repository: Repository, seal: Seal, opened: Callable[[], Repository]
) -> None:
    seal(repository, "p1", content(20))
    repository.drop(SOURCE, [point("p1")])
    delete_unused_packs(repository)

    again = seal(repository, "p2", content(20))
    another = seal(repository, "p3", content(20))

    assert again.statistics.blocks_new == 20
    assert another.statistics.blocks_new == 0  # and found where it is now
    for each in (repository, opened()):
        assert read(each, again) == read(each, another) == content(20)


def test_what_was_deleted_before_a_kill_is_not_found_by_the_next_process(
    repository: Repository, seal: Seal, opened: Callable[[], Repository]
) -> None:
    seal(repository, "p1", content(20))
    seal(repository, "p2", content(20, first=100))
    repository.drop(SOURCE, [point("p1"), point("p2")])

    class Killed(BaseException):
        pass

    def kill(_: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        delete_unused_packs(repository, kill)
    heir = opened()
    again = seal(heir, "p3", content(20))

    assert again.statistics.blocks_new == 20
    assert delete_unused_packs(heir).packs_deleted == 1
    assert read(heir, again) == content(20)


def test_a_large_index_forgets_as_well(
    repository: Repository, seal: Seal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.blocks.index._MEMORY_ENTRIES", 10)
    for number in range(6):
        seal(repository, f"p{number}", content(20, first=1 + 100 * number))
    repository.drop(SOURCE, [point(f"p{number}") for number in (1, 4)])

    assert delete_unused_packs(repository).packs_deleted == 2
    for number in range(6):
        is_new = number in {1, 4}
        again = seal(repository, f"again{number}", content(20, first=1 + 100 * number))
        assert again.statistics.blocks_new == (20 if is_new else 0)
        assert read(repository, again) == content(20, first=1 + 100 * number)


@pytest.fixture
def long_ago(root: Path) -> Callable[[int, int], None]:
    """Makes it look as if a writer had signed in so many days ago."""

    def make(writer: int, days: int) -> None:
        (grant,) = (path for path in (root / "writers").iterdir() if int(path.name) == writer)
        then = grant.stat().st_mtime - days * 86_400
        os.utime(grant, (then, then))

    return make


def test_points_of_another_writer_count_as_users_and_its_packs_are_left_alone(
    repository: Repository,
    store: FolderStore,
    seal: Seal,
    tmp_path: Path,
    root: Path,
    passphrase: str | None,
    long_ago: Callable[[int, int], None],
) -> None:
    seal(repository, "p1", content(20))
    number = Repository.claim_writer(store)
    other = Repository.open(store, cache=tmp_path / "other", writer=number, passphrase=passphrase)
    theirs = seal(other, "theirs", content(20) + content(5, first=900))  # shares all of p1
    gone = seal(other, "gone", content(5, first=700))
    repository.drop(SOURCE, [point("p1"), gone.point.id])
    files = packs(root)
    long_ago(number, 31)

    assert delete_unused_packs(repository).packs_deleted == 0
    assert packs(root) == files
    assert read(other, theirs) == content(20) + content(5, first=900)


def test_nothing_is_deleted_while_another_server_writes_here(
    repository: Repository,
    store: FolderStore,
    seal: Seal,
    tmp_path: Path,
    passphrase: str | None,
    long_ago: Callable[[int, int], None],
) -> None:
    gone = seal(repository, "gone", content(5, first=700))
    repository.drop(SOURCE, [gone.point.id])
    number = Repository.claim_writer(store)
    other = Repository.open(store, cache=tmp_path / "other", writer=number, passphrase=passphrase)
    seal(other, "theirs", content(20))

    long_ago(number, 29)
    with pytest.raises(RepositoryLockedError, match=f"writer {number}"):
        delete_unused_packs(repository)
    long_ago(number, 2)
    assert delete_unused_packs(repository).packs_deleted == 1


def test_a_writer_that_never_wrote_keeps_nothing(
    repository: Repository, store: FolderStore, seal: Seal
) -> None:
    gone = seal(repository, "gone", content(5, first=700))
    repository.drop(SOURCE, [gone.point.id])
    Repository.claim_writer(store)

    assert delete_unused_packs(repository).packs_deleted == 1


@pytest.mark.parametrize("part", ["manifests", "packs"])
def test_nothing_is_deleted_when_a_point_cannot_be_read(
    repository: Repository,
    seal: Seal,
    opened: Callable[[], Repository],
    root: Path,
    flip: Callable[[Path, int], None],
    part: str,
) -> None:
    seal(repository, "p1", content(20))
    seal(repository, "p2", content(20, first=100))
    repository.drop(SOURCE, [point("p1")])
    files = packs(root)
    flip(next((root / "manifests").glob("*/*")) if part == "manifests" else files[1], -40)

    with pytest.raises(BlockDamagedError, match="p2"):
        delete_unused_packs(opened())
    assert packs(root) == files


def test_nothing_is_deleted_when_a_node_is_gone(
    repository: Repository, seal: Seal, opened: Callable[[], Repository], root: Path
) -> None:
    seal(repository, "p1", content(20))
    seal(repository, "p2", content(20, first=100))
    repository.drop(SOURCE, [point("p1")])
    first, second = packs(root)
    second.unlink()

    with pytest.raises(BlockMissingError, match="p2"):
        delete_unused_packs(opened())
    assert packs(root) == [first]


def test_objects_of_other_names_are_left_alone(repository: Repository, root: Path) -> None:
    strange = root / "packs" / "0001" / "00000" / "notes.txt"
    strange.parent.mkdir(parents=True)
    strange.write_text("mine")

    assert delete_unused_packs(repository).packs_deleted == 0
    assert strange.read_text() == "mine"


def test_the_head_is_dropped_only_after_it_was_removed(
    repository: Repository, seal: Seal, root: Path
) -> None:
    seal(repository, "p1", content(3))
    seal(repository, "p2", content(3))
    repository.set_head(Head(SOURCE, point("p2"), ReferencePointId("r"), {}))

    with pytest.raises(RepositoryError, match="head"):
        repository.drop(SOURCE, [point("p1"), point("p2")])
    assert repository.manifests(SOURCE) == ["p1", "p2"]

    repository.remove_head(SOURCE)
    repository.remove_head(SOURCE)
    repository.drop(SOURCE, [point("p1"), point("p2")])
    repository.drop(SOURCE, [point("p1"), point("p2")])
    assert repository.manifests(SOURCE) == []
    assert repository.head(SOURCE) is None
    assert delete_unused_packs(repository).packs_deleted == 2  # p2 has nodes of its own
    assert packs(root) == []


def test_a_reader_cannot_delete(reader: Callable[[], Repository]) -> None:
    with pytest.raises(RepositoryError):
        delete_unused_packs(reader())
    with pytest.raises(RepositoryError):
        reader().drop(SOURCE, [point("p1")])
    with pytest.raises(RepositoryError):
        reader().remove_head(SOURCE)
