"""Laws of the repository: every point reads back, is small to make, and never lies."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.manifest import Manifest
from reconciler.blocks.prune import Pruned, prune
from reconciler.blocks.repository import Repository
from reconciler.blocks.verify import verify
from reconciler.blocks.volume import RecoveryPointDisk
from reconciler.errors import RepositoryError
from reconciler.model.machine import ControllerSlot, DiskFormat, DiskGeometry, NaturalKey, Role
from reconciler.model.names import (
    DataSourceId,
    DiskId,
    GroupName,
    HostName,
    JobId,
    RecoveryPointId,
    VmId,
)
from reconciler.model.protection import (
    Cause,
    CauseKind,
    Consistency,
    DiskDescription,
    PointDescription,
)
from tests.block_machine import assert_only_used_packs

BLOCK = 4096
FAN_OUT = 4
NODE = FAN_OUT * 8
SOURCE = DataSourceId("source")
DISK = DiskId("disk")
PER_SLOT = 48 + 16
PER_PACK = 64 + 144 + 16
KEY = "5e" * 32

GEOMETRY = DiskGeometry(1, 512, 4096, DiskFormat.VHDX, 1 << 20)
DESCRIPTION = DiskDescription(DISK, ControllerSlot("SCSI", 0, 0), "v", GEOMETRY)
POINT = PointDescription(
    id=RecoveryPointId("p"),
    source=SOURCE,
    key=NaturalKey(VmId("vm"), Role.PRIMARY),
    machine_name="vm",
    host=HostName("hv1"),
    group=GroupName("g"),
    cause=Cause(CauseKind.REQUEST, None),
    consistency=Consistency.CRASH,
    captured_at=datetime(2025, 1, 1, tzinfo=UTC),
    job=JobId("j"),
    policy_digest="",
    policy_commit="",
    base=None,
)


@dataclass(frozen=True)
class Generation:
    """What happens to a disk before its next recovery point."""

    size: int
    writes: tuple[tuple[int, int], ...]
    """Block and what to fill it with; 0 makes zeros."""
    cleared: tuple[int, int]


PASSPHRASES = st.sampled_from([None, KEY])
SIZES = st.integers(1, 80 * 8).map(lambda sectors: sectors * 512)
GENERATIONS = st.lists(
    st.builds(
        Generation,
        size=SIZES,
        writes=st.lists(st.tuples(st.integers(0, 79), st.integers(0, 12)), max_size=12).map(tuple),
        cleared=st.tuples(st.integers(0, 80), st.integers(0, 80)),
    ),
    min_size=1,
    max_size=5,
)


def filled(number: int) -> bytes:
    """Zeros for 0; odd numbers compress to nothing, even ones not at all."""
    if number % 2 == 0 and number:
        return hashlib.shake_128(number.to_bytes(4, "little")).digest(BLOCK)
    return number.to_bytes(8, "little") * (BLOCK // 8)


@contextmanager
def opened(passphrase: str | None) -> Iterator[tuple[Repository, Path]]:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "store"
        root.mkdir()
        store = FolderStore(root)
        Repository.create(store, block_bytes=BLOCK, node_fan_out=FAN_OUT, passphrase=passphrase)
        Repository.claim_writer(store)
        yield writer_of(root), root


def reader_of(root: Path) -> Repository:
    # A passphrase is no harm where nothing is encrypted.
    return Repository.open(FolderStore(root), cache=root, writer=None, passphrase=KEY)


def writer_of(root: Path) -> Repository:
    cache = root.parent / "cache"
    return Repository.open(FolderStore(root), cache=cache, writer=1, passphrase=KEY)


class Disk:
    """The brute force: a disk as bytes, and its sealed copies."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.data = bytearray()
        self.sealed: list[tuple[Manifest, bytes]] = []

    def next(self, change: Generation) -> Manifest:
        """Change the disk as told, and seal a recovery point with the same changes."""
        before = len(self.data)
        self.data = self.data[: change.size].ljust(change.size, b"\0")
        base = self.sealed[-1][0].disks[0] if self.sealed else None
        description = replace(DESCRIPTION, geometry=replace(GEOMETRY, virtual_bytes=change.size))
        draft = self.repository.draft()
        disk = draft.disk(description, base)
        end = -(-change.size // BLOCK)
        first, last = (min(number, end) for number in sorted(change.cleared))
        disk.clear(first, last)
        self.data[first * BLOCK : last * BLOCK] = bytes(
            min(last * BLOCK, change.size) - min(first * BLOCK, change.size)
        )
        touched = {number: kind for number, kind in change.writes if number < end}
        for number, kind in touched.items():
            at = number * BLOCK
            self.data[at : at + BLOCK] = filled(kind)[: change.size - at]
        unknown = (
            [r.start // BLOCK for r in disk.must_read if base] if before != change.size else []
        )
        for number in sorted({*touched, *unknown}):
            disk.put(number, bytes(self.data[number * BLOCK : (number + 1) * BLOCK]))
        draft.flush()
        name = RecoveryPointId(f"p{len(self.sealed)}")
        manifest = draft.seal(replace(POINT, id=name))
        self.sealed.append((manifest, bytes(self.data)))
        return manifest


def read(repository: Repository, manifest: Manifest) -> bytes:
    disk = RecoveryPointDisk(repository, manifest, DISK)
    return disk.read(0, disk.size)


@settings(max_examples=40, deadline=None)
@given(GENERATIONS, PASSPHRASES)
def test_every_sealed_point_reads_back_exactly(
    changes: list[Generation], passphrase: str | None
) -> None:
    with opened(passphrase) as (repository, root):
        disk = Disk(repository)
        for change in changes:
            disk.next(change)

        other = reader_of(root)
        for manifest, data in disk.sealed:
            again = other.manifest(SOURCE, manifest.point.id)
            assert again == manifest
            assert read(other, again) == data
            held = [
                number
                for first, count in RecoveryPointDisk(other, again, DISK).allocated_runs()
                for number in range(first, first + count)
            ]
            blocks = range(again.disks[0].block_count)
            assert held == [b for b in blocks if any(data[b * BLOCK : (b + 1) * BLOCK])]
        manifests = [manifest for manifest, _ in disk.sealed]
        assert list(verify(other, manifests, read_blocks=True)) == []


def assert_little_is_of_no_use(repository: Repository, root: Path) -> None:
    points = repository.manifests(SOURCE)
    assert_only_used_packs(repository, root, [repository.manifest(SOURCE, p) for p in points])


@settings(max_examples=40, deadline=None)
@given(GENERATIONS, PASSPHRASES, st.data())
def test_whatever_expires_all_other_points_read_back_and_new_ones_can_be_made(
    changes: list[Generation], passphrase: str | None, data: st.DataObject
) -> None:
    with opened(passphrase) as (first, root):
        disk = Disk(first)
        left: list[tuple[Manifest, bytes]] = []
        for change in [*changes, *changes]:
            disk.next(change)
            left.append(disk.sealed[-1])
            if data.draw(st.booleans(), label="reopened"):
                disk.repository = writer_of(root)
            older = [manifest.point.id for manifest, _ in left[:-1]]
            expired = data.draw(st.sets(st.sampled_from(older)) if older else st.just(set()))
            disk.repository.drop(SOURCE, sorted(expired))
            left = [each for each in left if each[0].point.id not in expired]
            if data.draw(st.booleans(), label="swept"):
                prune(disk.repository)

        repository = disk.repository
        before = repository.stored_bytes()
        pruned = prune(repository)
        assert not pruned.waits_for
        assert pruned.bytes_freed == before - repository.stored_bytes() >= 0
        assert prune(repository) == Pruned()
        assert_little_is_of_no_use(repository, root)
        disk.next(changes[0])
        other = reader_of(root)
        for manifest, content in [*left, disk.sealed[-1]]:
            assert read(other, manifest) == content
        manifests = [manifest for manifest, _ in left]
        assert list(verify(other, manifests, read_blocks=True)) == []
        repository.drop(SOURCE, repository.manifests(SOURCE))
        assert not prune(repository).waits_for
        assert repository.stored_bytes() == 0


@settings(max_examples=20, deadline=None)
@given(GENERATIONS, PASSPHRASES)
def test_equal_blocks_are_stored_once(changes: list[Generation], passphrase: str | None) -> None:
    with opened(passphrase) as (repository, _):
        disk = Disk(repository)
        stored = sum(disk.next(change).statistics.blocks_new for change in changes)

        blocks = {
            data[at : at + BLOCK].ljust(BLOCK, b"\0")
            for _, data in disk.sealed
            for at in range(0, len(data), BLOCK)
        }
        assert stored <= len(blocks - {bytes(BLOCK)}) + sum(
            1 for change in changes if change.size % BLOCK
        )


@settings(max_examples=15, deadline=None)
@given(st.sets(st.integers(0, 199), min_size=1, max_size=10), PASSPHRASES)
def test_a_small_change_stores_only_its_blocks_and_the_way_to_them(
    changed: set[int], passphrase: str | None
) -> None:
    with opened(passphrase) as (repository, _):
        disk = Disk(repository)
        everything = tuple((number, 1000 + number) for number in range(200))
        base = disk.next(Generation(200 * BLOCK, everything, (0, 0)))
        height = base.disks[0].tree.shape.height

        writes = tuple((number, 5000 + 2 * number) for number in changed)
        manifest = disk.next(Generation(200 * BLOCK, writes, (0, 0)))

        assert manifest.statistics.blocks_new == len(changed)
        bound = len(changed) * (BLOCK + PER_SLOT + height * (NODE + PER_SLOT)) + PER_PACK
        assert manifest.statistics.bytes_stored <= bound


@settings(max_examples=40, deadline=None)
@given(PASSPHRASES, st.data())
def test_damage_of_any_byte_is_told_or_harmless_and_never_read(
    passphrase: str | None, data: st.DataObject
) -> None:
    with opened(passphrase) as (repository, root):
        disk = Disk(repository)
        disk.next(
            Generation(30 * BLOCK, tuple((n, n) for n in range(1, 30)), (0, 0))
        )  # half of them raw
        disk.next(Generation(30 * BLOCK, ((3, 0), (7, 77)), (10, 12)))
        objects = sorted(p for p in root.rglob("*") if p.is_file() and p.parent.name != "writers")
        file = data.draw(st.sampled_from(objects), label="object")
        content = bytearray(file.read_bytes())
        at = data.draw(st.integers(0, len(content) - 1), label="byte")
        content[at] ^= data.draw(st.integers(1, 255), label="flip")
        file.write_bytes(content)

        told = False
        try:
            damaged = reader_of(root)
            for manifest, expected in disk.sealed:
                again = damaged.manifest(SOURCE, manifest.point.id)
                told |= any(verify(damaged, [again], read_blocks=True))
                assert read(damaged, again) == expected
        except RepositoryError:
            told = True
        assert told or "packs" in file.parts  # a pack may hold bits that zstd does not look at
