"""Where the bytes of a disk are, state by state and sector by sector."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from reconciler.blocks.vhdx import Extent, open_chain
from reconciler.blocks.vhdx_format import BatShape, BlockState
from reconciler.errors import DiskUnreadableError
from reconciler.lab.disk_tables import DiskPlan, DiskTables
from reconciler.lab.disks import LabDisk
from reconciler.model.machine import DiskFormat, DiskGeometry
from reconciler.model.ranges import ByteRange
from tests.disk_images import DISK_ID, MIB, FolderFiles, noise

BASE = "C:\\VMs\\base.vhdx"
CHILD = "C:\\VMs\\child.avhdx"


@pytest.fixture
def host(tmp_path: Path) -> FolderFiles:
    return FolderFiles(tmp_path)


def make_base(folder: Path, virtual_bytes: int, block_bytes: int = MIB, sector: int = 512) -> None:
    geometry = DiskGeometry(virtual_bytes, sector, 4096, DiskFormat.VHDX, block_bytes)
    LabDisk.create(folder / "base.vhdx", geometry, DISK_ID).close()


def make_child(folder: Path, block_bytes: int = MIB) -> None:
    LabDisk.create_child(folder / "child.avhdx", folder / "base.vhdx", BASE, block_bytes)


def fill(path: Path, block: int, state: int) -> bytes:
    """Give a block a state, with noise where the entry points to."""
    tables = DiskTables(path)
    data = noise(block, tables.shape.block_bytes)
    place = tables.allocate(len(data))
    tables.put(place, data)
    tables.set_entry(tables.payload_index(block), state, place)
    tables.close()
    return data


@pytest.mark.parametrize(
    "state",
    [BlockState.NOT_PRESENT, BlockState.UNDEFINED, BlockState.ZERO, BlockState.UNMAPPED],
)
def test_blocks_that_are_not_present_read_as_zeros_wherever_they_point(
    tmp_path: Path, host: FolderFiles, state: BlockState
) -> None:
    make_base(tmp_path, 4 * MIB)
    fill(tmp_path / "base.vhdx", 1, state)

    chain = open_chain(host, BASE)

    assert chain.read([ByteRange(MIB, 2 * MIB)]) == [bytes(MIB)]
    assert list(chain.allocated(0, 4 * MIB)) == []


@pytest.mark.parametrize(
    ("state", "falls_through"),
    [
        (BlockState.NOT_PRESENT, True),
        (BlockState.UNDEFINED, False),
        (BlockState.ZERO, False),
        (BlockState.UNMAPPED, False),
    ],
)
def test_only_a_block_that_is_not_present_shows_the_parent(
    tmp_path: Path, host: FolderFiles, state: BlockState, *, falls_through: bool
) -> None:
    make_base(tmp_path, 4 * MIB)
    below = fill(tmp_path / "base.vhdx", 1, BlockState.FULLY_PRESENT)
    make_child(tmp_path)
    fill(tmp_path / "child.avhdx", 1, state)

    chain = open_chain(host, CHILD)

    expected = below if falls_through else bytes(MIB)
    assert chain.read([ByteRange(MIB, 2 * MIB)]) == [expected]
    assert bool(list(chain.allocated(0, 4 * MIB))) is falls_through


@pytest.mark.parametrize("sector", [512, 4096])
def test_a_partially_present_block_takes_each_sector_from_its_owner(
    tmp_path: Path, host: FolderFiles, sector: int
) -> None:
    make_base(tmp_path, 4 * MIB, sector=sector)
    below = fill(tmp_path / "base.vhdx", 0, BlockState.FULLY_PRESENT) + bytes(MIB)
    make_child(tmp_path, 2 * MIB)
    above = fill(tmp_path / "child.avhdx", 0, BlockState.PARTIALLY_PRESENT)
    count = 2 * MIB // sector
    bits = (np.frombuffer(noise(7, count), np.uint8) & 1).astype(np.uint8)
    tables = DiskTables(tmp_path / "child.avhdx")
    tables.set_bits(0, bits)
    tables.close()
    cuts = [slice(i * sector, (i + 1) * sector) for i in range(count)]
    expected = b"".join((above if bit else below)[c] for bit, c in zip(bits, cuts, strict=True))

    chain = open_chain(host, CHILD)

    assert chain.read([ByteRange(0, 2 * MIB)]) == [expected]
    assert chain.read([ByteRange(777, MIB + 333)]) == [expected[777 : MIB + 333]]
    assert list(chain.allocated(0, 4 * MIB)) == [ByteRange(0, 2 * MIB)]


def test_the_last_block_may_be_cut_by_the_end_of_disk_and_file(
    tmp_path: Path, host: FolderFiles
) -> None:
    make_base(tmp_path, 3 * MIB - 512, 2 * MIB)
    data = fill(tmp_path / "base.vhdx", 1, BlockState.FULLY_PRESENT)
    with (tmp_path / "base.vhdx").open("r+b") as file:
        file.truncate((tmp_path / "base.vhdx").stat().st_size - MIB - 512)

    chain = open_chain(host, BASE)

    assert chain.read([ByteRange(2 * MIB, 3 * MIB - 512)]) == [data[: MIB - 512]]


def test_a_block_behind_the_end_of_a_cut_file_is_refused(tmp_path: Path, host: FolderFiles) -> None:
    make_base(tmp_path, 4 * MIB)
    fill(tmp_path / "base.vhdx", 2, BlockState.FULLY_PRESENT)
    with (tmp_path / "base.vhdx").open("r+b") as file:
        file.truncate((tmp_path / "base.vhdx").stat().st_size - 512)
    chain = open_chain(host, BASE)

    with pytest.raises(DiskUnreadableError, match="block 2") as caught:
        chain.read([ByteRange(2 * MIB, 2 * MIB + 512)])

    assert BASE in caught.value.message
    assert caught.value.hint


def test_a_child_that_grew_reads_zeros_behind_its_parent(tmp_path: Path, host: FolderFiles) -> None:
    make_base(tmp_path, 2 * MIB)
    below = fill(tmp_path / "base.vhdx", 1, BlockState.FULLY_PRESENT)
    make_child(tmp_path)
    tables = DiskTables(tmp_path / "child.avhdx")
    locator = tables.locator
    tables.close()
    (tmp_path / "child.avhdx").unlink()
    plan = DiskPlan(BatShape(5 * MIB, 512, 2 * MIB, has_parent=True), 4096, UUID(DISK_ID), locator)
    DiskTables.create(tmp_path / "child.avhdx", plan).close()

    chain = open_chain(host, CHILD)

    assert chain.virtual_bytes == 5 * MIB
    assert chain.read([ByteRange(MIB, 5 * MIB)]) == [below + bytes(3 * MIB)]


def test_extents_cover_exactly_what_was_asked_and_neighbours_are_joined(
    tmp_path: Path, host: FolderFiles
) -> None:
    make_base(tmp_path, 8 * MIB)
    for block in (1, 2, 5):
        fill(tmp_path / "base.vhdx", block, BlockState.FULLY_PRESENT)
    chain = open_chain(host, BASE)

    extents = chain.resolve([ByteRange(5 * MIB, 6 * MIB), ByteRange(512, 4 * MIB)])

    first = extents[1].file_offset
    assert extents == [
        Extent(ByteRange(512, MIB), None, 0),
        Extent(ByteRange(MIB, 3 * MIB), 0, first),
        Extent(ByteRange(3 * MIB, 4 * MIB), None, 0),
        Extent(ByteRange(5 * MIB, 6 * MIB), 0, first + 2 * MIB),
    ]


def test_extents_are_joined_over_the_windows_of_a_large_disk(
    tmp_path: Path, host: FolderFiles
) -> None:
    size = 300 << 30
    make_base(tmp_path, size, 32 * MIB)
    chain = open_chain(host, BASE)

    assert chain.resolve([ByteRange(0, size)]) == [Extent(ByteRange(0, size), None, 0)]


def test_ranges_may_overlap_and_come_in_any_order(tmp_path: Path, host: FolderFiles) -> None:
    make_base(tmp_path, 4 * MIB)
    data = fill(tmp_path / "base.vhdx", 1, BlockState.FULLY_PRESENT)
    chain = open_chain(host, BASE)

    ranges = [ByteRange(MIB + 100, MIB + 300), ByteRange(MIB - 5, MIB + 200), ByteRange(0, 9)]

    assert chain.read(ranges) == [data[100:300], bytes(5) + data[:200], bytes(9)]


def test_a_range_behind_the_end_of_the_disk_is_a_mistake_of_the_caller(
    tmp_path: Path, host: FolderFiles
) -> None:
    make_base(tmp_path, 4 * MIB)

    with pytest.raises(ValueError, match="behind the disk's end"):
        open_chain(host, BASE).resolve([ByteRange(0, 4 * MIB + 1)])


def test_a_small_read_of_a_large_disk_reads_little(tmp_path: Path, host: FolderFiles) -> None:
    size = 16 << 40
    make_base(tmp_path, size)
    chain = open_chain(host, BASE)

    chain.read([ByteRange(size // 2, size // 2 + 4096)])
    chain.read([ByteRange(size // 2 + 8 * MIB, size // 2 + 9 * MIB)])

    calls = host.opened[BASE].calls
    assert sum(r.length for _, ranges in calls for r in ranges) < 512 << 10
    assert len(calls) <= 5


def test_reading_scattered_changes_takes_one_read_of_tables_and_one_of_data(
    tmp_path: Path, host: FolderFiles
) -> None:
    make_base(tmp_path, 64 << 30)
    for block in (0, 30_000, 60_000):
        fill(tmp_path / "base.vhdx", block, BlockState.FULLY_PRESENT)
    chain = open_chain(host, BASE)
    before = len(host.opened[BASE].calls)

    chain.read([ByteRange(b * MIB, b * MIB + 65_536) for b in (0, 30_000, 45_000, 60_000)])

    assert len(host.opened[BASE].calls) - before == 2


def test_hashes_are_made_where_the_file_is_unless_a_range_is_in_pieces(
    tmp_path: Path, host: FolderFiles
) -> None:
    make_base(tmp_path, 4 * MIB)
    fill(tmp_path / "base.vhdx", 1, BlockState.FULLY_PRESENT)
    fill(tmp_path / "base.vhdx", 3, BlockState.FULLY_PRESENT)
    chain = open_chain(host, BASE)
    ranges = [
        ByteRange(0, 65_536),
        ByteRange(MIB, MIB + 65_536),
        ByteRange(2 * MIB - 4096, 2 * MIB + 4096),
        ByteRange(3 * MIB, 4 * MIB),
    ]

    hashes = chain.hashes_of(ranges)

    assert hashes == [sha256(data).digest() for data in chain.read(ranges)]
    made = [len(r) for kind, r in host.opened[BASE].calls if kind == "hashes"]
    assert made == [2]


def break_entry(state: int, place: int) -> Callable[[DiskTables], None]:
    return lambda tables: tables.set_entry(1, state, place)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (break_entry(4, 0), "has the state 4"),
        (break_entry(5, 0), "has the state 5"),
        (break_entry(7, 5 * MIB), "has the state 7"),
        (break_entry(6, 0), "on a structure"),
        (break_entry(6, 3 * MIB), "on a structure"),
        (break_entry(6, 1 << 40), "out of the file"),
        (break_entry(6, (1 << 44) - 1 << 20), "out of the file"),
    ],
)
def test_a_block_entry_that_breaks_the_format_is_refused(
    tmp_path: Path, host: FolderFiles, damage: Callable[[DiskTables], None], reason: str
) -> None:
    make_base(tmp_path, 4 * MIB)
    tables = DiskTables(tmp_path / "base.vhdx")
    damage(tables)
    tables.close()
    chain = open_chain(host, BASE)

    assert chain.read([ByteRange(0, MIB)]) == [bytes(MIB)]
    with pytest.raises(DiskUnreadableError, match=reason):
        chain.resolve([ByteRange(MIB, 2 * MIB)])
    with pytest.raises(DiskUnreadableError, match="block 1"):
        list(chain.allocated(0, 4 * MIB))


def test_a_partially_present_block_without_a_bitmap_is_refused(
    tmp_path: Path, host: FolderFiles
) -> None:
    make_base(tmp_path, 4 * MIB)
    make_child(tmp_path)
    fill(tmp_path / "child.avhdx", 2, BlockState.PARTIALLY_PRESENT)

    with pytest.raises(DiskUnreadableError, match="block 2 is partially present without"):
        open_chain(host, CHILD).read([ByteRange(2 * MIB, 3 * MIB)])


def test_the_chain_describes_its_leaf(tmp_path: Path, host: FolderFiles) -> None:
    make_base(tmp_path, 4 * MIB, sector=4096)
    make_child(tmp_path, 2 * MIB)

    chain = open_chain(host, CHILD)

    assert chain.paths == (CHILD, BASE)
    assert chain.virtual_disk_id == DISK_ID
    assert chain.geometry == DiskGeometry(4 * MIB, 4096, 4096, DiskFormat.VHDX, 2 * MIB)
