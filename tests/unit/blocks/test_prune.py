"""Packs go when no recovery point refers to them, and never a moment earlier."""

import gc
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.blocks.condemned import Condemned
from reconciler.blocks.layout import pack_name, pack_number
from reconciler.blocks.manifest import Manifest
from reconciler.blocks.objects import Objects
from reconciler.blocks.prune import Pruned, prune
from reconciler.blocks.repository import Repository
from reconciler.blocks.rewrite import without
from reconciler.blocks.verify import verify
from reconciler.blocks.volume import RecoveryPointDisk
from reconciler.errors import (
    BlockDamagedError,
    BlockMissingError,
    RepositoryError,
)
from reconciler.model.names import DataSourceId, RecoveryPointId, ReferencePointId
from reconciler.model.protection import DiskDescription, Head, PointDescription

BLOCK = 4096
SOURCE = DataSourceId("source-1")

Seal = Callable[[Repository, str, bytes], Manifest]
SealOn = Callable[[str, Manifest, int, bytes], Manifest]


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
    pruned = prune(repository)

    assert pruned.packs_deleted == 1
    assert pruned.bytes_freed == before - repository.stored_bytes() > 0
    assert repository.stored_bytes() == sum(file.stat().st_size for file in packs(root))
    assert read(repository, kept) == content(20, first=100)
    assert list(verify(repository, [kept], read_blocks=True)) == []


@pytest.fixture
def sealed_on(
    repository: Repository,
    make_disk: Callable[[int], DiskDescription],
    make_point: Callable[[str], PointDescription],
) -> SealOn:
    """Seals a point that differs from a base from one block on."""

    def make(name: str, base: Manifest, first: int, data: bytes) -> Manifest:
        with repository.draft(SOURCE, base=base.point.id) as draft:
            draft.disk(make_disk(100 * BLOCK), base.disks[0]).put(first, data)
            draft.flush()
            return draft.seal(make_point(name))

    return make


def test_a_pack_is_written_anew_when_enough_of_it_is_of_no_use(
    repository: Repository, seal: Seal, root: Path, sealed_on: SealOn
) -> None:
    base = seal(repository, "p1", content(100))
    kept = sealed_on("p2", base, 1, content(99, first=500))
    before = {file.name: file.stat().st_size for file in packs(root)}
    repository.drop(SOURCE, [point("p1")])

    pruned = prune(repository)

    assert (pruned.packs_deleted, pruned.packs_rewritten) == (0, 1)
    after = {file.name: file.stat().st_size for file in packs(root)}
    assert set(after) == {"0000001.1", "0000002.0"}
    assert after["0000001.1"] < before["0000001.0"] // 2
    assert pruned.bytes_freed == sum(before.values()) - sum(after.values())
    assert read(repository, kept) == content(1) + content(99, first=500)
    assert list(verify(repository, [kept], read_blocks=True)) == []
    again = seal(repository, "again", content(100))
    assert again.statistics.blocks_new == 99  # and nobody finds what was dropped
    assert read(repository, again) == content(100)


def test_a_pack_is_left_as_it_is_when_little_of_it_is_of_no_use(
    repository: Repository, seal: Seal, root: Path, sealed_on: SealOn
) -> None:
    base = seal(repository, "p1", content(100))
    kept = sealed_on("p2", base, 80, content(20, first=500))
    files = packs(root)
    repository.drop(SOURCE, [point("p1")])

    assert prune(repository) == Pruned()
    assert packs(root) == files
    third = sealed_on("p3", kept, 60, content(20, first=600))
    repository.drop(SOURCE, [point("p2")])

    assert prune(repository).packs_rewritten == 1  # now it is worth it
    assert read(repository, third) == content(60) + content(20, first=600) + content(20, first=500)


def test_what_little_is_of_no_use_is_found_again(
    repository: Repository, seal: Seal, sealed_on: SealOn
) -> None:
    base = seal(repository, "p1", content(100))
    sealed_on("p2", base, 80, content(20, first=500))
    repository.drop(SOURCE, [point("p1")])
    assert prune(repository) == Pruned()

    assert seal(repository, "again", content(100)).statistics.blocks_new == 0


def test_a_kill_after_a_pack_was_written_anew_leaves_nothing_to_stay(
    repository: Repository,
    seal: Seal,
    root: Path,
    sealed_on: SealOn,
    tmp_path: Path,
    opened: Callable[[], Repository],
) -> None:
    base = seal(repository, "p1", content(100))
    kept = sealed_on("p2", base, 1, content(99, first=500))
    repository.drop(SOURCE, [point("p1")])
    (before,) = (file for file in packs(root) if file.name == "0000001.0")
    old = before.read_bytes()

    class Killed(BaseException):
        pass

    def kill(_: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        prune(repository, kill)
    before.write_bytes(old)  # as if its deletion had not come about

    heir = opened()
    pruned = prune(heir)
    assert (pruned.packs_rewritten, pruned.bytes_freed) == (0, len(old))
    assert {file.name for file in packs(root)} == {"0000001.1", "0000002.0"}
    assert read(heir, kept) == content(1) + content(99, first=500)


def test_nothing_is_deleted_that_an_open_draft_may_use(
    repository: Repository, seal: Seal, make_disk: Callable[[int], DiskDescription]
) -> None:
    seal(repository, "p1", content(20))
    repository.drop(SOURCE, [point("p1")])
    before = repository.stored_bytes()
    draft = repository.draft()
    draft.disk(make_disk(20 * BLOCK), None).put(0, content(20))  # finds all blocks of p1

    assert "is being made" in prune(repository).waits_for
    assert repository.stored_bytes() == before

    draft.drop()
    assert prune(repository).packs_deleted == 1


def test_a_draft_that_nobody_holds_any_more_is_in_nobodys_way(
    repository: Repository, seal: Seal, make_disk: Callable[[int], DiskDescription]
) -> None:
    seal(repository, "p1", content(20))
    repository.drop(SOURCE, [point("p1")])
    repository.draft(DataSourceId("s")).disk(make_disk(BLOCK), None)
    gc.collect()

    assert prune(repository).packs_deleted == 1


def test_what_is_of_no_use_stays_for_its_grace(
    repository: Repository, seal: Seal, root: Path
) -> None:
    seal(repository, "p1", content(20))
    repository.drop(SOURCE, [point("p1")])
    hour = timedelta(hours=1)

    assert "1:00:00" in prune(repository, grace=hour).waits_for
    assert prune(repository, grace=hour).packs_deleted == 0
    (condemned,) = (root / "condemned").iterdir()
    then = condemned.stat().st_mtime - hour.total_seconds()
    os.utime(condemned, (then, then))
    assert prune(repository, grace=hour).packs_deleted == 1


def test_backups_go_on_while_packs_are_deleted(repository: Repository, seal: Seal) -> None:
    seal(repository, "p1", content(20))
    repository.drop(SOURCE, [point("p1")])
    made: list[Manifest] = []

    prune(repository, lambda _: made.append(seal(repository, "p2", content(20))))

    assert made[0].statistics.blocks_new == 20  # nothing is found any more, gone or not
    assert read(repository, made[0]) == content(20)
    assert prune(repository) == Pruned()
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
    prune(repository)

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
        prune(repository, kill)
    heir = opened()
    again = seal(heir, "p3", content(20))

    assert again.statistics.blocks_new == 20
    assert prune(heir).packs_deleted == 1
    assert read(heir, again) == content(20)


def test_a_large_index_forgets_as_well(
    repository: Repository, seal: Seal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.blocks.index._MEMORY_ENTRIES", 10)
    for number in range(6):
        seal(repository, f"p{number}", content(20, first=1 + 100 * number))
    repository.drop(SOURCE, [point(f"p{number}") for number in (1, 4)])

    assert prune(repository).packs_deleted == 2
    for number in range(6):
        is_new = number in {1, 4}
        again = seal(repository, f"again{number}", content(20, first=1 + 100 * number))
        assert again.statistics.blocks_new == (20 if is_new else 0)
        assert read(repository, again) == content(20, first=1 + 100 * number)


def test_points_of_another_writer_count_as_users_and_its_packs_are_left_alone(
    repository: Repository, other: Repository, seal: Seal, root: Path
) -> None:
    seal(repository, "p1", content(20))
    other.refresh_index()
    theirs = seal(other, "theirs", content(20) + content(5, first=900))  # shares all of p1
    gone = seal(other, "gone", content(5, first=700))
    repository.drop(SOURCE, [point("p1"), gone.point.id])
    files = packs(root)

    assert prune(repository).packs_deleted == 0
    assert packs(root) == files
    assert read(other, theirs) == content(20) + content(5, first=900)

    assert prune(other).packs_deleted == 1
    assert len(packs(root)) == len(files) - 1


def test_what_another_server_is_about_to_use_waits_for_it(
    repository: Repository,
    other: Repository,
    seal: Seal,
    make_disk: Callable[[int], DiskDescription],
    make_point: Callable[[str], PointDescription],
) -> None:
    seal(repository, "gone", content(5))
    repository.drop(SOURCE, [point("gone")])
    other.refresh_index()
    draft = other.draft(DataSourceId("theirs"))
    draft.disk(make_disk(5 * BLOCK), None).put(0, content(5))  # found, not stored

    waiting = prune(repository)
    assert waiting.packs_deleted == 0
    assert "theirs" in waiting.waits_for
    draft.flush()
    theirs = draft.seal(replace(make_point("theirs"), source=DataSourceId("theirs")))
    assert theirs.statistics.blocks_new == 0

    assert prune(repository) == Pruned()
    assert read(repository, theirs) == content(5)
    repository.drop(theirs.point.source, [theirs.point.id])
    assert prune(repository).packs_deleted == 1


def test_what_is_condemned_is_found_by_nobody_who_begins_afterwards(
    repository: Repository,
    other: Repository,
    seal: Seal,
    make_disk: Callable[[int], DiskDescription],
) -> None:
    seal(repository, "gone", content(5))
    repository.drop(SOURCE, [point("gone")])
    other.refresh_index()
    with repository.draft() as before:
        before.disk(make_disk(5 * BLOCK), None)
        assert prune(repository).waits_for
        theirs = seal(other, "theirs", content(5))
        assert theirs.statistics.blocks_new == 5

    assert prune(repository).packs_deleted == 1
    assert read(other, theirs) == content(5)
    again = seal(other, "again", content(5))
    assert again.statistics.blocks_new == 0
    assert read(repository, again) == content(5)


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
        prune(opened())
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
        prune(opened())
    assert packs(root) == [first]


def test_objects_of_other_names_are_left_alone(repository: Repository, root: Path) -> None:
    strange = root / "packs" / "0001" / "00000" / "notes.txt"
    strange.parent.mkdir(parents=True)
    strange.write_text("mine")

    assert prune(repository).packs_deleted == 0
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
    assert prune(repository).packs_deleted == 2  # p2 has nodes of its own
    assert packs(root) == []


def test_a_reader_cannot_delete(reader: Callable[[], Repository]) -> None:
    with pytest.raises(RepositoryError):
        prune(reader())
    with pytest.raises(RepositoryError):
        reader().drop(SOURCE, [point("p1")])
    with pytest.raises(RepositoryError):
        reader().remove_head(SOURCE)


def test_a_pack_that_is_healed_meanwhile_is_written_anew_after_that(
    repository: Repository, seal: Seal, root: Path, sealed_on: SealOn
) -> None:
    one = seal(repository, "p1", content(100))
    two = seal(repository, "p2", content(100, first=500))
    kept = [
        sealed_on("p3", one, 1, content(99, first=1000)),
        sealed_on("p4", two, 1, content(99, first=2000)),
    ]
    repository.drop(SOURCE, [point("p1"), point("p2")])
    second = pack_number(1, 2)

    def heal(_: int) -> None:
        if (root / pack_name(second, 0)).exists():
            data = memoryview((root / pack_name(second, 0)).read_bytes())
            table = repository.packs.table(second)
            anew = without(repository.packs.identity(second), table, data, [], 1)
            repository.replace_pack(second, 1, anew)

    assert prune(repository, heal).packs_rewritten == 2
    assert [file.name for file in packs(root)][:2] == ["0000001.1", "0000002.2"]
    assert list(verify(repository, kept, read_blocks=True)) == []


def test_what_was_found_of_use_just_in_time_is_looked_at_again_though_the_process_was_killed(
    repository: Repository,
    other: Repository,
    seal: Seal,
    make_disk: Callable[[int], DiskDescription],
    make_point: Callable[[str], PointDescription],
    opened: Callable[[], Repository],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seal(repository, "gone", content(20))
    other.refresh_index()
    repository.drop(SOURCE, [point("gone")])
    draft = other.draft()
    draft.disk(make_disk(2 * BLOCK), None).put(0, content(2))
    draft.flush()
    assert prune(repository).waits_for
    kept = draft.seal(make_point("kept"))
    carried_out = Condemned.carried_out

    class Killed(BaseException):
        pass

    def killed(condemned: Condemned) -> None:
        carried_out(condemned)
        raise Killed

    monkeypatch.setattr(Condemned, "carried_out", killed)
    with pytest.raises(Killed):
        prune(repository)
    monkeypatch.undo()

    assert prune(opened()).packs_rewritten == 1
    assert read(repository, kept) == content(2)


def test_a_point_that_takes_over_from_its_base_while_they_are_listed_is_not_missed(
    repository: Repository,
    other: Repository,
    seal: Seal,
    make_disk: Callable[[int], DiskDescription],
    make_point: Callable[[str], PointDescription],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seal(repository, "gone", content(20))
    other.refresh_index()
    repository.drop(SOURCE, [point("gone")])
    before = other.draft(SOURCE)
    before.disk(make_disk(20 * BLOCK), None).put(0, content(20))
    before.flush()
    assert prune(repository).waits_for
    base = before.seal(make_point("base"))
    draft = other.draft(SOURCE, base=base.point.id)
    draft.disk(make_disk(20 * BLOCK), base.disks[0]).put(0, content(1, first=900))
    draft.flush()
    stamps, made = Objects.stamps, list[Manifest]()

    def racing(objects: Objects, prefix: str) -> Iterator[tuple[str, str]]:
        found = list(stamps(objects, prefix))
        if not made:
            made.append(draft.seal(make_point("made")))
            other.drop(SOURCE, [base.point.id])
            found = [each for each in found if not each[0].endswith("/base")]
        yield from found

    monkeypatch.setattr(Objects, "stamps", racing)
    prune(repository)

    assert read(other, made[0]) == content(1, 900) + content(19, 2)
    assert list(verify(other, made, read_blocks=True)) == []


def test_drafts_of_others_wait_for_nobody_once_nothing_is_condemned(
    repository: Repository, other: Repository, seal: Seal
) -> None:
    seal(repository, "p1", content(20))
    repository.drop(SOURCE, [point("p1")])
    with other.draft(DataSourceId("theirs")):
        assert prune(repository).waits_for
        assert "theirs" in prune(repository).waits_for
    assert prune(repository).packs_deleted == 1
    with other.draft(DataSourceId("theirs")):
        assert prune(repository) == Pruned()
