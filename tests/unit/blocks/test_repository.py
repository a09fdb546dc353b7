import errno
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.keys import TAG_BYTES
from reconciler.blocks.manifest import Manifest
from reconciler.blocks.pack import HEADER_BYTES
from reconciler.blocks.prune import prune
from reconciler.blocks.repository import Repository
from reconciler.blocks.volume import RecoveryPointDisk
from reconciler.errors import (
    BlockDamagedError,
    BlockMissingError,
    RepositoryError,
    RepositoryLockedError,
    RepositoryUnavailableError,
    VolumeFullError,
)
from reconciler.model.names import DataSourceId, DiskId, RecoveryPointId
from reconciler.model.protection import DiskDescription, PointDescription
from reconciler.model.ranges import ByteRange

BLOCK = 4096
DISK = DiskId("disk-1")
SOURCE = DataSourceId("source-1")

Seal = Callable[[Repository, str, bytes], Manifest]
Opened = Callable[[], Repository]
MakeDisk = Callable[[int], DiskDescription]
MakePoint = Callable[[str], PointDescription]


def block(number: int) -> bytes:
    """A block unlike any other, that hardly compresses to nothing."""
    return number.to_bytes(8, "little") * (BLOCK // 8)


def content(blocks: int, first: int = 1) -> bytes:
    return b"".join(block(first + n) for n in range(blocks))


def read(repository: Repository, manifest: Manifest) -> bytes:
    disk = RecoveryPointDisk(repository, manifest, DISK)
    return disk.read(0, disk.size)


def packs(root: Path) -> list[Path]:
    return sorted(root.glob("packs/*/*/*"))


def test_a_sealed_point_is_read_by_another_process(
    repository: Repository, reader: Opened, seal: Seal
) -> None:
    data = content(20) + b"end" * 100
    sealed = seal(repository, "p1", data)

    other = reader()
    assert other.sources() == [SOURCE]
    assert other.manifests(SOURCE) == [RecoveryPointId("p1")]
    assert other.manifest(SOURCE, RecoveryPointId("p1")) == sealed
    assert read(other, sealed) == data


def test_a_second_repository_is_not_made_over_the_first(store: FolderStore) -> None:
    with pytest.raises(RepositoryError, match="already"):
        Repository.create(store)


def test_equal_blocks_are_stored_once_over_points_disks_and_processes(
    opened: Opened, seal: Seal, root: Path
) -> None:
    first = seal(opened(), "p1", content(20) + content(20))
    second = seal(opened(), "p2", content(20, first=3))

    assert first.statistics.blocks_new == 20
    assert second.statistics.blocks_new == 2
    assert len(packs(root)) == 2


def test_zeros_are_never_stored(repository: Repository, seal: Seal, root: Path) -> None:
    manifest = seal(repository, "p1", bytes(1000 * BLOCK))

    assert manifest.disks[0].root == 0
    assert packs(root) == []
    assert read(repository, manifest) == bytes(1000 * BLOCK)


def test_nothing_is_seen_before_the_seal(
    repository: Repository, reader: Opened, make_disk: MakeDisk, make_point: MakePoint
) -> None:
    draft = repository.draft()
    draft.disk(make_disk(8 * BLOCK), None).put(0, content(8))
    draft.flush()
    assert reader().sources() == []

    draft.seal(make_point("p1"))
    assert reader().sources() == [SOURCE]


def test_a_draft_that_is_not_flushed_is_not_sealed(
    repository: Repository, make_disk: MakeDisk, make_point: MakePoint
) -> None:
    draft = repository.draft()
    disk = draft.disk(make_disk(8 * BLOCK), None)
    disk.put(0, content(1))
    with pytest.raises(ValueError, match="flush"):
        draft.seal(make_point("p1"))
    draft.flush()
    disk.put(1, content(1))

    with pytest.raises(ValueError, match="flush"):
        draft.seal(make_point("p1"))


def test_a_sealed_point_is_never_replaced(repository: Repository, seal: Seal) -> None:
    first = seal(repository, "p1", content(2))

    with pytest.raises(RepositoryError, match="never changed"):
        seal(repository, "p1", content(3))
    assert repository.manifest(SOURCE, first.point.id) == first


def test_a_draft_puts_packs_as_they_fill(
    repository: Repository, make_disk: MakeDisk, make_point: MakePoint, root: Path
) -> None:
    draft = repository.draft(pack_bytes=4000)
    disk = draft.disk(make_disk(600 * BLOCK), None)
    for first in range(0, 600, 50):
        disk.put(first, content(50, first=1 + first))
    before_flush = len(packs(root))
    draft.flush()
    manifest = draft.seal(make_point("p1"))

    assert 1 < before_flush <= len(packs(root))
    assert manifest.statistics.bytes_stored == sum(p.stat().st_size for p in packs(root))
    assert read(repository, manifest) == content(600)


@pytest.mark.parametrize(
    ("first", "length"), [(0, 100), (0, 9 * BLOCK), (7, BLOCK + 1), (-1, BLOCK), (8, BLOCK)]
)
def test_parts_of_blocks_are_no_put(
    repository: Repository, make_disk: MakeDisk, first: int, length: int
) -> None:
    disk = repository.draft().disk(make_disk(8 * BLOCK), None)

    with pytest.raises(ValueError, match="whole blocks"):
        disk.put(first, bytes(length))


def test_only_the_last_block_may_be_short_and_holds_nothing_beyond_the_end(
    repository: Repository, make_disk: MakeDisk
) -> None:
    disk = repository.draft().disk(make_disk(BLOCK + 512), None)
    disk.put(1, b"x" * 512)
    disk.put(1, b"x" * 512 + bytes(BLOCK - 512))

    with pytest.raises(ValueError, match="beyond the end"):
        disk.put(1, b"x" * 513 + bytes(BLOCK - 513))


def test_a_reader_cannot_write(reader: Opened) -> None:
    with pytest.raises(RepositoryError, match="reading only"):
        reader().draft()


def test_a_writer_number_is_granted_once(
    store: FolderStore, tmp_path: Path, passphrase: str | None
) -> None:
    assert Repository.claim_writer(store, 7) == 7
    with pytest.raises(RepositoryLockedError):
        Repository.claim_writer(store, 7)
    assert Repository.claim_writer(store) == 8

    with pytest.raises(RepositoryError, match="nobody has claimed"):
        Repository.open(store, cache=tmp_path, writer=9, passphrase=passphrase)


def test_two_processes_with_one_number_do_not_overwrite_each_other(
    opened: Opened, seal: Seal, store: FolderStore, root: Path
) -> None:
    first = opened()
    manifest = seal(first, "p1", content(1))
    grant = (root / "writers/1").read_bytes()
    second = opened()
    seal(second, "p2", content(1, first=100))
    (root / "writers/1").write_bytes(grant)
    third = opened()

    with pytest.raises(RepositoryLockedError, match="another process"):
        seal(third, "p3", content(1, first=200))
    assert read(first, manifest) == content(1)


def test_a_number_is_not_used_again_after_its_pack_was_swept(
    opened: Opened, seal: Seal, root: Path
) -> None:
    seal(opened(), "p1", content(1))
    (before,) = packs(root)
    before.unlink()

    seal(opened(), "p2", content(1, first=2))

    (after,) = packs(root)
    assert after.name != before.name


def test_a_lost_index_is_built_from_the_packs(opened: Opened, seal: Seal, tmp_path: Path) -> None:
    seal(opened(), "p1", content(30))
    for file in (tmp_path / "cache").rglob("*.*"):
        file.unlink()

    assert seal(opened(), "p2", content(31)).statistics.blocks_new == 1


def test_blocks_of_another_writer_are_found(
    opened: Opened, seal: Seal, store: FolderStore, tmp_path: Path, passphrase: str | None
) -> None:
    ours = opened()
    other = Repository.claim_writer(store)
    cache = tmp_path / "other"
    theirs = Repository.open(store, cache=cache, writer=other, passphrase=passphrase)
    seal(theirs, "p1", content(30))

    ours.refresh_index()

    assert seal(ours, "p2", content(30)).statistics.blocks_new == 0


def test_packs_of_a_draft_that_was_killed_are_found_again(
    opened: Opened, seal: Seal, make_disk: MakeDisk
) -> None:
    draft = opened().draft()
    draft.disk(make_disk(30 * BLOCK), None).put(0, content(30))
    draft.flush()  # and then the power goes

    assert seal(opened(), "p1", content(30)).statistics.blocks_new == 0


def test_the_index_is_not_believed(opened: Opened, seal: Seal, root: Path) -> None:
    seal(opened(), "p1", content(5))
    (swept,) = packs(root)
    swept.unlink()

    again = seal(opened(), "p2", content(5))

    assert again.statistics.blocks_new == 5
    assert read(opened(), again) == content(5)


def test_a_damaged_index_costs_space_and_never_data(
    opened: Opened, seal: Seal, tmp_path: Path
) -> None:
    seal(opened(), "p1", content(5))
    for run in (tmp_path / "cache").rglob("*.run"):
        run.write_bytes(b"\x11" * run.stat().st_size)

    again = seal(opened(), "p2", content(6))
    assert read(opened(), again) == content(6)

    for run in (tmp_path / "cache").rglob("*.run"):
        run.write_bytes(b"short")
    assert seal(opened(), "p3", content(6)).statistics.blocks_new == 0


def test_an_index_of_many_packs_stays_in_few_runs(
    opened: Opened, seal: Seal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.blocks.index._MEMORY_ENTRIES", 64)
    repository = opened()
    for point in range(40):
        seal(repository, f"p{point}", content(8, first=1 + 8 * point))

    assert len(list((tmp_path / "cache").rglob("*.run"))) < 8
    assert seal(opened(), "all", content(320)).statistics.blocks_new == 0


def test_a_pack_that_was_written_anew_is_read_as_its_next_generation(
    repository: Repository, seal: Seal, root: Path
) -> None:
    manifest = seal(repository, "p1", content(5))
    assert read(repository, manifest) == content(5)
    (pack,) = packs(root)
    pack.rename(pack.with_suffix(".1"))

    assert read(repository, manifest) == content(5)


def test_a_missing_pack_is_named(repository: Repository, seal: Seal, root: Path) -> None:
    manifest = seal(repository, "p1", content(5))
    (pack,) = packs(root)
    pack.unlink()

    with pytest.raises(BlockMissingError, match="packs/0001/00000/0000001") as caught:
        read(repository, manifest)
    assert caught.value.hint


def test_a_damaged_block_is_named_by_pack_and_slot(
    repository: Repository,
    reader: Opened,
    seal: Seal,
    root: Path,
    flip: Callable[[Path, int], None],
) -> None:
    manifest = seal(repository, "p1", content(5))
    (pack,) = packs(root)
    flip(pack, HEADER_BYTES + 10)

    with pytest.raises(BlockDamagedError, match=r"packs/0001/00000/0000001\.0, slot 0"):
        read(reader(), manifest)


@pytest.mark.parametrize("offset", [0, 1, BLOCK - 1, BLOCK + TAG_BYTES])
def test_damage_of_a_block_that_was_stored_raw_is_found(
    repository: Repository,
    reader: Opened,
    seal: Seal,
    root: Path,
    offset: int,
) -> None:
    noise = hashlib.shake_128(b"noise").digest(2 * BLOCK)
    manifest = seal(repository, "p1", noise)
    (pack,) = packs(root)
    stored = bytearray(pack.read_bytes())
    if not repository.is_encrypted:
        assert stored[HEADER_BYTES : HEADER_BYTES + 2 * BLOCK] == noise
    stored[HEADER_BYTES + offset] ^= 1
    pack.write_bytes(stored)

    with pytest.raises(BlockDamagedError, match=r"does not match its hash|not what was sealed"):
        read(reader(), manifest)


def test_a_block_cut_by_a_new_end_is_not_taken_from_the_base(
    repository: Repository, seal: Seal, make_disk: MakeDisk
) -> None:
    base = seal(repository, "p1", content(5))

    disk = repository.draft().disk(make_disk(2 * BLOCK + 512), base.disks[0])

    assert disk.addresses(0, 3).tolist()[2] == 0
    assert all(disk.addresses(0, 2).tolist())
    assert disk.must_read == (ByteRange(2 * BLOCK, 2 * BLOCK + 512),)


def test_an_address_of_the_wrong_kind_is_refused(repository: Repository, seal: Seal) -> None:
    manifest = seal(repository, "p1", content(5))

    with pytest.raises(BlockMissingError, match="holds no data"):
        repository.packs.data([manifest.disks[0].root])
    with pytest.raises(BlockMissingError, match="holds no node"):
        repository.packs.node(manifest.disks[0].root - 1)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
def test_a_store_that_cannot_take_a_pack_is_unavailable(
    repository: Repository, seal: Seal, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise OSError(code, "no")

    monkeypatch.setattr("reconciler.adapters.stores.write", refuse)

    with pytest.raises(RepositoryUnavailableError) as caught:
        seal(repository, "p1", content(1))
    assert caught.value.hint
    assert repository.sources() == []


def test_a_small_change_looks_at_few_objects(
    opened: Opened, make_disk: MakeDisk, make_point: MakePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = opened().draft(pack_bytes=2000)
    disk = draft.disk(make_disk(2000 * BLOCK), None)
    disk.put(0, content(2000))
    draft.flush()
    base = draft.seal(make_point("p1"))
    asked: list[str] = []
    get_range = FolderStore.get_range

    def counted(self: FolderStore, path: str, *, start: int, length: int) -> bytes:
        asked.append(path)
        return get_range(self, path, start=start, length=length)

    monkeypatch.setattr(FolderStore, "get_range", counted)
    draft = opened().draft()
    disk = draft.disk(make_disk(2000 * BLOCK), base.disks[0])
    disk.put(1234, block(999_999))
    draft.flush()
    manifest = draft.seal(make_point("p2"))

    # A table and a node for each of four levels.
    assert len(asked) <= 2 * base.disks[0].tree.shape.height
    assert manifest.statistics.bytes_stored < 1000


def test_several_threads_make_points_at_once(
    repository: Repository,
    make_disk: MakeDisk,
    make_point: MakePoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("reconciler.blocks.index._MEMORY_ENTRIES", 100)

    def make(number: int) -> tuple[Manifest, bytes]:
        data = content(60, first=1 + 40 * number)  # neighbours share a third
        draft = repository.draft(pack_bytes=600)
        disk = draft.disk(make_disk(len(data)), None)
        for first in range(0, 60, 4):
            disk.put(first, data[first * BLOCK : (first + 4) * BLOCK])
        draft.flush()
        return draft.seal(make_point(f"p{number}")), data

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(make, range(8)))

    assert all(read(repository, manifest) == data for manifest, data in made)


def test_a_draft_stops_at_the_pack_that_has_no_room_and_pruning_asks_for_none(
    store: FolderStore,
    root: Path,
    tmp_path: Path,
    passphrase: str | None,
    seal: Seal,
    make_disk: MakeDisk,
) -> None:
    asked: list[int] = []

    def take_room(size: int) -> None:
        if len(asked) == 3:
            raise VolumeFullError("full", hint="free space")
        asked.append(size)

    repository = Repository.open(
        store, cache=tmp_path / "c", writer=1, passphrase=passphrase, take_room=take_room
    )
    sealed = seal(repository, "p1", content(3))
    assert [file.stat().st_size for file in packs(root)] == asked
    draft = repository.draft(pack_bytes=8 * BLOCK)
    noise = np.random.default_rng(1).bytes(40 * BLOCK)  # it does not get smaller

    def write() -> None:
        draft.disk(make_disk(len(noise)), None).put(0, noise)
        draft.flush()

    with pytest.raises(VolumeFullError), draft:
        write()

    assert sum(file.stat().st_size for file in packs(root)) == sum(asked)
    before = len(packs(root))
    assert prune(repository).packs_deleted == before - 1
    assert read(repository, sealed) == content(3)
