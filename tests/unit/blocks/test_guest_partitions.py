"""Partition tables of guests: which volumes are looked at, and which tables are refused."""

from uuid import UUID

import pytest

from reconciler.blocks.guest.bytes import GuestBytes, NotUnderstood
from reconciler.blocks.guest.page_files import Found, page_files
from reconciler.blocks.guest.partitions import partitions
from reconciler.model.ranges import ByteRange
from tests.guest_disks import (
    BASIC_DATA,
    LDM_DATA,
    LDM_METADATA,
    MIB,
    ODD_END,
    RESERVED,
    SECTOR,
    STORAGE_SPACES,
    Memory,
    gpt,
    mbr,
    odd_disk,
    odd_place,
)

SECTORS = (ODD_END + 1) * MIB // SECTOR
PLACE = odd_place("listed")
FIRST, LAST = PLACE.start // SECTOR, PLACE.end // SECTOR - 1
COUNT = LAST - FIRST + 1
ESP = UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")


def with_mbr(*entries: tuple[int, int, int]) -> bytearray:
    """The odd disk under another table."""
    data = odd_disk()
    data[:SECTOR] = mbr(*entries)
    return data


def with_gpt(*entries: tuple[UUID, int, int], **other: int) -> bytearray:
    data = odd_disk() + bytes(MIB)
    for at, part in gpt(SECTORS, entries, **other).values():
        data[at : at + len(part)] = part
    return data


def looked_at(data: bytearray, sector_bytes: int = SECTOR) -> Found:
    return page_files(Memory(data), sector_bytes)


def test_an_ntfs_volume_in_a_primary_partition_is_looked_at() -> None:
    found = looked_at(with_mbr((0x83, 100, 50), (0x07, FIRST, COUNT)))

    assert found.scratch
    assert found.unknown == ()


def test_an_ntfs_volume_in_a_basic_partition_of_a_gpt_is_looked_at() -> None:
    found = looked_at(with_gpt((ESP, 34, 100), (RESERVED, 101, 200), (BASIC_DATA, FIRST, LAST)))

    assert found.scratch
    assert found.unknown == ()


@pytest.mark.parametrize("kind", [0x05, 0x0F, 0x85])
def test_logical_drives_are_told_and_left_alone(kind: int) -> None:
    found = looked_at(with_mbr((kind, FIRST - 1, COUNT + 1)))

    assert found == Found((), ("its extended partition is not looked into",))


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([(0x42, FIRST, COUNT)], "it is a dynamic disk"),
        ([(0x42, 63, 10), (0x07, FIRST, COUNT)], "it is a dynamic disk"),
        ([(0xEE, 1, 33), (0x07, FIRST, COUNT)], "it has partition tables of two kinds"),
        ([(0x07, FIRST, COUNT), (0x83, FIRST + 5, 5)], "its partitions overlap"),
        ([(0x0F, FIRST - 1, 2), (0x07, FIRST, COUNT)], "its partitions overlap"),
        ([(0xEE, 1, SECTORS - 1)], "its GPT has no header"),
    ],
)
def test_a_disk_whose_table_is_not_that_of_a_basic_disk_is_copied_whole(
    entries: list[tuple[int, int, int]], reason: str
) -> None:
    assert looked_at(with_mbr(*entries)) == Found((), (reason,))


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([(LDM_METADATA, 34, 2081), (LDM_DATA, FIRST, LAST)], "it is a dynamic disk"),
        ([(BASIC_DATA, FIRST, LAST), (LDM_DATA, LAST + 1, LAST + 9)], "it is a dynamic disk"),
        ([(STORAGE_SPACES, FIRST, LAST)], "it belongs to a storage pool"),
        ([(BASIC_DATA, FIRST, LAST), (ESP, LAST, LAST + 9)], "its partitions overlap"),
    ],
)
def test_a_gpt_of_a_dynamic_disk_or_a_pool_or_a_broken_one_is_copied_whole(
    entries: list[tuple[UUID, int, int]], reason: str
) -> None:
    assert looked_at(with_gpt(*entries)) == Found((), (reason,))


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"crc": 7}, "the checksum of its GPT is wrong, or it is a copy"),
        ({"here": SECTORS - 1}, "the checksum of its GPT is wrong, or it is a copy"),
        ({"table_crc": 7}, "the checksum of its partitions is wrong"),
        ({"length": 91}, "its GPT has a header of an impossible length"),
        ({"length": 513}, "its GPT has a header of an impossible length"),
        ({"entry": 64}, "its GPT has an impossible size"),
        ({"count": 0}, "its GPT has an impossible size"),
        ({"count": (1 << 32) - 1}, "its GPT has an impossible size"),
        ({"entry": (1 << 32) - 1}, "its GPT has an impossible size"),
        ({"table": (1 << 64) - 1}, "16384 bytes at 9444732965739290426880 are not on the disk"),
    ],
)
def test_a_gpt_that_contradicts_itself_is_refused(other: dict[str, int], reason: str) -> None:
    assert looked_at(with_gpt((BASIC_DATA, FIRST, LAST), **other)) == Found((), (reason,))


@pytest.mark.parametrize("torn", ["header", "table"])
def test_with_a_torn_first_gpt_the_second_is_not_asked(torn: str) -> None:
    data = with_gpt((BASIC_DATA, FIRST, LAST))
    at, part = gpt(SECTORS, [(BASIC_DATA, FIRST, LAST)])[torn]
    assert looked_at(data).scratch
    half = SECTOR // 2 if torn == "header" else 40
    data[at + half : at + len(part)] = bytes(len(part) - half)
    if torn == "header":
        data[at + 16 : at + 20] = b"torn"

    found = looked_at(data)

    assert found.scratch == ()
    assert len(found.unknown) == 1
    assert "checksum" in found.unknown[0]


def test_a_torn_second_gpt_changes_nothing() -> None:
    data = with_gpt((BASIC_DATA, FIRST, LAST))
    whole = looked_at(data)
    at, _ = gpt(SECTORS, [])["second header"]
    data[at : at + SECTOR] = b"torn" * 128

    assert looked_at(data) == whole
    assert whole.scratch


@pytest.mark.parametrize(
    ("first", "unknown"),
    [
        (bytes(512), ("it has no partition table",)),
        (b"\xff" * 510 + b"\x55\xaa", ("it has no partition table",)),
        (mbr(), ()),
    ],
)
def test_a_disk_without_partitions_has_no_page_file(first: bytes, unknown: tuple[str, ...]) -> None:
    data = odd_disk()
    data[:512] = first

    assert looked_at(data) == Found((), unknown)


def test_a_file_system_without_a_partition_table_is_told() -> None:
    data = odd_disk()[PLACE.start : PLACE.end]  # its boot sector has the signature of a table
    data[446:462] = b"\x7e" * 16  # where other boot sectors have code

    assert looked_at(data) == Found((), ("it has no partition table",))


def test_a_partition_that_is_not_all_on_the_disk_is_not_looked_at() -> None:
    found = partitions(GuestBytes(Memory(with_mbr((7, 2048, 100_000_000), (7, 1, 9)))), SECTOR)

    assert found.places == (ByteRange(SECTOR, 10 * SECTOR),)


def test_a_volume_that_is_larger_than_its_partition_is_told() -> None:
    found = looked_at(with_mbr((0x07, FIRST, COUNT - 100)))

    assert found == Found((), (f"volume at {PLACE.start}: it is larger than its partition",))


def test_a_disk_that_is_shorter_than_its_table_is_refused() -> None:
    with pytest.raises(NotUnderstood, match="are not on the disk"):
        partitions(GuestBytes(Memory(mbr((0xEE, 1, 99)))), SECTOR)
