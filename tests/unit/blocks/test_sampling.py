from collections.abc import Callable
from itertools import count

import pytest

from reconciler.blocks.codec import block_hash
from reconciler.blocks.draft import DraftDisk
from reconciler.blocks.manifest import Manifest
from reconciler.blocks.replica import synchronize
from reconciler.blocks.repository import Repository
from reconciler.blocks.sampling import BLOCKS_SAMPLED, compare_sample
from reconciler.model.protection import DiskDescription
from reconciler.model.ranges import ByteRange
from tests.unit.blocks.test_replica import Source, content, nothing

BLOCK = 4096
Seal = Callable[[Repository, str, bytes], Manifest]
Begin = Callable[[bytes, Source, list[ByteRange]], DraftDisk]


def strides(step: int) -> Callable[[int], int]:
    """Places all over the disk, the same ones each time."""
    numbers = count(step, step)
    return lambda end: next(numbers) % end


@pytest.fixture
def begin(repository: Repository, seal: Seal, make_disk: Callable[[int], DiskDescription]) -> Begin:
    """A draft over a base, synchronized by what the host calls changed."""

    def made(before: bytes, source: Source, changed: list[ByteRange]) -> DraftDisk:
        base = seal(repository, "p1", before)
        disk = repository.draft().disk(make_disk(source.virtual_bytes), base.disks[0])
        synchronize(disk, source, changed, on_progress=nothing)
        return disk

    return made


def test_a_host_that_tells_the_truth_is_believed(repository: Repository, begin: Begin) -> None:
    source = Source(content(300))
    source.data[7 * BLOCK] ^= 1
    changed = [ByteRange(7 * BLOCK, 7 * BLOCK + 512)]
    disk = begin(content(300), source, changed)

    sample = compare_sample(disk, source, repository.packs, changed, strides(37))

    assert len(sample.blocks) == BLOCKS_SAMPLED == len(source.hashed)
    assert 7 not in sample.blocks
    assert sample.differences == ()


def test_a_lie_is_found_with_its_evidence(repository: Repository, begin: Begin) -> None:
    before = content(300)
    source = Source(bytes(b ^ 1 for b in before))  # all of it changed, and nothing was told
    disk = begin(before, source, [])

    sample = compare_sample(disk, source, repository.packs, [], strides(41))

    assert [each.block for each in sample.differences] == list(sample.blocks)
    first = sample.differences[0]
    start = first.block * BLOCK
    id_of = repository.packs.id_of
    assert first.held == id_of(block_hash(before[start : start + BLOCK]))
    assert first.found == id_of(block_hash(source.data[start : start + BLOCK]))
    assert str(first.block) in str(first)


def test_what_was_told_to_have_changed_is_never_sampled(
    repository: Repository, begin: Begin
) -> None:
    source = Source(content(40))
    changed = [ByteRange(0, 35 * BLOCK), ByteRange(36 * BLOCK, 40 * BLOCK)]
    disk = begin(content(40), source, changed)

    sample = compare_sample(disk, source, repository.packs, changed, strides(1))

    assert sample.blocks in {(), (35,)}


def test_places_full_of_zeros_lead_to_the_next_block_that_is_not(
    repository: Repository, begin: Begin
) -> None:
    data = bytes(500 * BLOCK) + content(1) + bytes(100 * BLOCK)
    source = Source(data)
    disk = begin(data, source, [])

    sample = compare_sample(disk, source, repository.packs, [], lambda _: 17)

    assert sample.blocks == (500,)


def test_a_disk_of_less_than_a_block_is_left_alone(repository: Repository, begin: Begin) -> None:
    source = Source(b"x" * 512)
    disk = begin(b"x" * 512, source, [])

    assert compare_sample(disk, source, repository.packs, []).blocks == ()
