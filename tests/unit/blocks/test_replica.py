import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from reconciler.blocks.draft import Draft, DraftDisk
from reconciler.blocks.manifest import Manifest
from reconciler.blocks.prune import prune
from reconciler.blocks.replica import (
    Comparison,
    HashingSource,
    resume,
    synchronize,
    synchronize_by_hash,
)
from reconciler.blocks.repository import Repository
from reconciler.blocks.threads import WORKERS
from reconciler.blocks.verify import verify
from reconciler.blocks.volume import RecoveryPointDisk
from reconciler.errors import BlockDamagedError, DiskUnreadableError
from reconciler.model.names import DataSourceId, DiskId
from reconciler.model.protection import DiskDescription, PointDescription
from reconciler.model.ranges import ByteRange

BLOCK = 4096
DISK = DiskId("disk-1")


class Source:
    """A disk in memory that counts what is asked of it."""

    def __init__(self, data: bytes | bytearray, held: Sequence[ByteRange] | None = None) -> None:
        self.data = bytearray(data)
        self.held = [ByteRange(0, len(data))] if held is None else held
        self.reads: list[list[ByteRange]] = []
        self.hashed: list[ByteRange] = []

    @property
    def virtual_bytes(self) -> int:
        return len(self.data)

    @property
    def bytes_asked(self) -> int:
        return sum(part.length for batch in self.reads for part in batch)

    def read(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        self.reads.append(list(ranges))
        return [bytes(self.data[part.start : part.end]) for part in ranges]

    def allocated(self, start: int, end: int) -> Iterator[ByteRange]:
        for part in self.held:
            if part.start < end and part.end > start:
                yield ByteRange(max(part.start, start), min(part.end, end))

    def hashes_of(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        assert len(ranges) <= 1024
        assert all(part.length == BLOCK for part in ranges)
        self.hashed += ranges
        return [hashlib.sha256(self.data[part.start : part.end]).digest() for part in ranges]


def block(number: int) -> bytes:
    return number.to_bytes(8, "little") * (BLOCK // 8)


def content(blocks: int) -> bytes:
    return b"".join(block(1 + n) for n in range(blocks))


def nothing(bytes_read: int) -> None:
    del bytes_read


class Bench:
    """Drafts with one disk, over an optional base."""

    def __init__(
        self,
        repository: Repository,
        make_disk: Callable[[int], DiskDescription],
        make_point: Callable[[str], PointDescription],
    ) -> None:
        self.repository = repository
        self._make_disk = make_disk
        self._make_point = make_point

    def draft(self, size: int, base: Manifest | None) -> tuple[Draft, DraftDisk]:
        draft = self.repository.draft()
        return draft, draft.disk(self._make_disk(size), base.disks[0] if base else None)

    def sealed(self, draft: Draft, point: str) -> Manifest:
        draft.flush()
        return draft.seal(self._make_point(point))

    def synchronized(
        self, point: str, source: Source, ranges: Sequence[ByteRange], base: Manifest | None = None
    ) -> Manifest:
        draft, disk = self.draft(source.virtual_bytes, base)
        synchronize(disk, source, ranges, on_progress=nothing)
        return self.sealed(draft, point)

    def compared(self, point: str, source: Source, base: Manifest) -> tuple[Manifest, Comparison]:
        draft, disk = self.draft(source.virtual_bytes, base)
        hashing: HashingSource = source
        found = synchronize_by_hash(disk, hashing, self.repository.packs, on_progress=nothing)
        return self.sealed(draft, point), found

    def read(self, manifest: Manifest) -> bytes:
        disk = RecoveryPointDisk(self.repository, manifest, DISK)
        return disk.read(0, disk.size)


@pytest.fixture
def bench(
    repository: Repository,
    make_disk: Callable[[int], DiskDescription],
    make_point: Callable[[str], PointDescription],
) -> Bench:
    return Bench(repository, make_disk, make_point)


def test_without_a_base_the_whole_disk_is_read(bench: Bench) -> None:
    source = Source(content(10) + b"tail" * 128)

    manifest = bench.synchronized("p1", source, [])

    assert bench.read(manifest) == source.data
    assert manifest.statistics.bytes_read == len(source.data)


def test_only_whole_blocks_that_changed_are_read(bench: Bench) -> None:
    source = Source(content(100))
    base = bench.synchronized("p1", source, [])
    source.reads.clear()
    source.data[10 * BLOCK + 5] ^= 1
    source.data[50 * BLOCK - 1 : 50 * BLOCK + 1] = b"xy"
    changed = [
        ByteRange(50 * BLOCK - 1, 50 * BLOCK + 1),
        ByteRange(10 * BLOCK + 5, 10 * BLOCK + 6),
        ByteRange(10 * BLOCK + 2, 10 * BLOCK + 9),
    ]

    manifest = bench.synchronized("p2", source, changed, base)

    (batch,) = source.reads
    assert batch == [
        ByteRange(10 * BLOCK, 11 * BLOCK),
        ByteRange(49 * BLOCK, 51 * BLOCK),
    ]
    assert bench.read(manifest) == source.data
    assert bench.read(base) == content(100)
    assert manifest.statistics.blocks_new == 3


def test_what_the_source_has_not_allocated_becomes_zero_unread(bench: Bench) -> None:
    base = bench.synchronized("p1", Source(content(100)), [])
    held = [ByteRange(10 * BLOCK + 100, 12 * BLOCK), ByteRange(90 * BLOCK, 100 * BLOCK)]
    expected = bytearray(100 * BLOCK)
    for part in held:
        expected[part.start : part.end] = b"x" * part.length
    source = Source(expected, held)

    manifest = bench.synchronized("p2", source, [ByteRange(0, 95 * BLOCK)], base)

    expected[95 * BLOCK :] = content(100)[95 * BLOCK :]
    assert bench.read(manifest) == expected
    assert source.bytes_asked == 7 * BLOCK


def test_ranges_beyond_the_end_are_clipped(bench: Bench) -> None:
    source = Source(content(3) + b"x" * 512)
    base = bench.synchronized("p1", source, [])

    manifest = bench.synchronized("p2", source, [ByteRange(0, 10**9)], base)

    assert bench.read(manifest) == source.data


def test_reads_come_in_batches_of_at_most_four_mebibytes(bench: Bench) -> None:
    source = Source(b"x" * (9 << 20))
    told: list[int] = []
    _, disk = bench.draft(source.virtual_bytes, None)

    bytes_read = synchronize(disk, source, [], on_progress=told.append)

    assert all(sum(part.length for part in batch) <= 4 << 20 for batch in source.reads)
    assert len(told) == 3
    assert told == sorted(told)
    assert told[-1] == 9 << 20
    assert bytes_read == disk.bytes_read == 9 << 20


def test_progress_can_end_the_work(bench: Bench) -> None:
    source = Source(b"x" * (40 << 20))
    _, disk = bench.draft(source.virtual_bytes, None)

    def cancel(bytes_read: int) -> None:
        raise KeyboardInterrupt(bytes_read)

    with pytest.raises(KeyboardInterrupt):
        synchronize(disk, source, [], on_progress=cancel)
    assert len(source.reads) <= WORKERS


@pytest.mark.parametrize("before", [5 * BLOCK, 5 * BLOCK + 512, 40 * BLOCK])
@pytest.mark.parametrize("after", [5 * BLOCK, 5 * BLOCK + 1024, 3 * BLOCK + 512, 100 * BLOCK])
def test_a_disk_that_was_resized_is_right_without_any_changed_range(
    bench: Bench, before: int, after: int
) -> None:
    base = bench.synchronized("p1", Source(content(100)[:before]), [])
    source = Source(content(100)[:after])

    manifest = bench.synchronized("p2", source, [], base)

    assert bench.read(manifest) == source.data
    assert source.bytes_asked <= max(0, after - before) + 2 * BLOCK


def test_a_disk_that_shrank_and_grew_again_does_not_show_old_bytes(bench: Bench) -> None:
    base = bench.synchronized("p1", Source(content(10)), [])
    small = bench.synchronized("p2", Source(content(10)[: 3 * BLOCK + 512]), [], base)

    source = Source(content(10)[: 3 * BLOCK + 512] + bytes(7 * BLOCK - 512))
    assert bench.read(bench.synchronized("p3", source, [], small)) == source.data


def test_a_source_of_another_size_is_refused(bench: Bench) -> None:
    _, disk = bench.draft(10 * BLOCK, None)

    with pytest.raises(DiskUnreadableError, match="instead of"):
        synchronize(disk, Source(content(9)), [], on_progress=nothing)


def test_a_short_answer_is_never_stored(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(content(10))
    monkeypatch.setattr(source, "read", lambda ranges: [b"x" * 5 for _ in ranges])
    _, disk = bench.draft(10 * BLOCK, None)

    with pytest.raises(DiskUnreadableError, match="short"):
        synchronize(disk, source, [], on_progress=nothing)


def test_a_comparison_reads_only_what_differs(bench: Bench) -> None:
    source = Source(content(3000) + b"x" * 512)
    base = bench.synchronized("p1", source, [])
    source.reads.clear()
    for changed in (7, 1500, 2999):
        source.data[changed * BLOCK] ^= 1

    manifest, found = bench.compared("p2", source, base)

    assert bench.read(manifest) == source.data
    assert found == Comparison(3001, 3, 3 * BLOCK)
    assert source.bytes_asked == 3 * BLOCK + 512
    assert len(source.hashed) == 3000


def test_a_comparison_sees_a_changed_tail_and_lost_allocation(bench: Bench) -> None:
    base = bench.synchronized("p1", Source(content(100) + b"x" * 512), [])
    data = bytearray(content(100) + b"y" * 512)
    data[: 40 * BLOCK] = bytes(40 * BLOCK)
    source = Source(data, [ByteRange(40 * BLOCK, len(data))])

    manifest, found = bench.compared("p2", source, base)

    assert bench.read(manifest) == data
    assert found == Comparison(101, 41, 512)


def test_a_comparison_does_not_look_at_what_neither_side_holds(bench: Bench) -> None:
    source = Source(bytes(5000 * BLOCK), [])
    base = bench.synchronized("p1", source, [])

    _, found = bench.compared("p2", source, base)

    assert found == Comparison(0, 0, 0)
    assert source.hashed == []


def test_a_wrong_number_of_hashes_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(content(10))
    base = bench.synchronized("p1", source, [])
    monkeypatch.setattr(source, "hashes_of", lambda ranges: [b"x" * 32] * (len(ranges) - 1))

    with pytest.raises(DiskUnreadableError, match="hashes"):
        bench.compared("p2", source, base)


def test_a_damaged_block_is_copied_anew_after_verify_has_found_it(
    bench: Bench, root: Path, flip: Callable[[Path, int], None]
) -> None:
    source = Source(content(30))
    base = bench.synchronized("p1", source, [])
    (pack,) = root.glob("packs/*/*/*")
    flip(pack, 64 + 10)
    (finding,) = verify(bench.repository, [base], read_blocks=True)
    assert (finding.first_block, finding.block_count) == (0, 1)

    manifest, found = bench.compared("p2", source, base)

    assert found.blocks_differing == 1
    assert bench.read(manifest) == source.data
    with pytest.raises(BlockDamagedError):
        bench.read(base)
    assert list(verify(bench.repository, [manifest], read_blocks=True)) == []


def interrupted(bench: Bench, make_disk: Callable[[int], DiskDescription], source: Source) -> None:
    """A copy that ended after 700 blocks; what was read until then is durable."""
    with bench.repository.draft(COPIED, pack_bytes=50 * BLOCK) as draft:
        disk = draft.disk(make_disk(source.virtual_bytes), None)
        for first in range(0, 700, 100):
            piece = ByteRange(first * BLOCK, (first + 100) * BLOCK)
            disk.put(first, source.read([piece])[0])
        draft.flush()
    source.reads.clear()


COPIED = DataSourceId("source-1")


def many(blocks: int) -> bytes:
    """Blocks that do not compress, so that packs fill."""
    return hashlib.shake_128(b"many").digest(blocks * BLOCK)


def test_what_an_interrupted_draft_has_stored_is_not_read_again(
    bench: Bench, make_disk: Callable[[int], DiskDescription], opened: Callable[[], Repository]
) -> None:
    source = Source(many(1000) + b"tail" * 128)
    interrupted(bench, make_disk, source)
    bench.repository = opened()
    source.data[5 * BLOCK] ^= 1  # the machine goes on meanwhile
    told: list[int] = []

    with bench.repository.draft(COPIED) as draft:
        assert draft.is_resumed
        disk = draft.disk(make_disk(source.virtual_bytes), None)
        read = resume(disk, source, [], on_progress=told.append)
        manifest = bench.sealed(draft, "p1")

    assert source.bytes_asked <= (1 + 300 + 2) * BLOCK
    assert read >= 301 * BLOCK
    assert bench.read(manifest) == source.data
    assert told == sorted(told)
    assert told[-1] == len(source.data)  # what need not be read is done as well
    assert list(verify(bench.repository, [manifest], read_blocks=True)) == []


def test_a_resumed_copy_of_ranges_leaves_the_rest_as_the_base_has_it(
    bench: Bench, make_disk: Callable[[int], DiskDescription]
) -> None:
    source = Source(many(40))
    base = bench.synchronized("p1", source, [])
    before = bytes(source.data)
    source.data[0:BLOCK] = many(41)[-BLOCK:]
    source.data[9 * BLOCK : 10 * BLOCK] = source.data[20 * BLOCK : 21 * BLOCK]
    source.data[30 * BLOCK : 31 * BLOCK] = bytes(BLOCK)
    source.data[35 * BLOCK : 36 * BLOCK] = b"x" * BLOCK  # but nobody tells
    source.reads.clear()
    told = [ByteRange(at * BLOCK, (at + 1) * BLOCK) for at in (0, 9, 30)]

    draft, disk = bench.draft(source.virtual_bytes, base)
    resume(disk, source, told, on_progress=nothing)
    manifest = bench.sealed(draft, "p2")

    assert source.reads == [[ByteRange(0, BLOCK)]]  # one is stored elsewhere, one is zeros
    expected = bytearray(source.data)
    expected[35 * BLOCK : 36 * BLOCK] = before[35 * BLOCK : 36 * BLOCK]
    assert bench.read(manifest) == expected


def test_a_resumed_copy_does_not_build_on_what_is_condemned(
    bench: Bench,
    make_disk: Callable[[int], DiskDescription],
    make_point: Callable[[str], PointDescription],
) -> None:
    source = Source(many(40))
    gone = bench.synchronized("gone", source, [])
    bench.repository.drop(COPIED, [gone.point.id])
    with bench.repository.draft():
        assert prune(bench.repository).waits_for
        source.reads.clear()
        draft = bench.repository.draft(COPIED)
        disk = draft.disk(make_disk(source.virtual_bytes), None)
        resume(disk, source, [], on_progress=nothing)
        draft.flush()
        manifest = draft.seal(make_point("p1"))
    prune(bench.repository)

    assert source.bytes_asked == 40 * BLOCK
    assert bench.read(manifest) == source.data


def test_a_resumed_copy_of_a_disk_that_was_resized_is_refused(bench: Bench) -> None:
    _, disk = bench.draft(20 * BLOCK, None)

    with pytest.raises(DiskUnreadableError, match="instead of"):
        resume(disk, Source(content(10)), [], on_progress=nothing)
