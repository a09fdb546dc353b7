"""Page files are found where libfsntfs finds them, and what is damaged hides nothing else."""

import struct

import pytest

from reconciler.blocks.guest.bytes import GuestBytes, NotUnderstood
from reconciler.blocks.guest.ntfs import NtfsVolume
from reconciler.blocks.guest.page_files import page_files
from reconciler.lab.images.manifest import DiskImage, read_manifest
from reconciler.model.ranges import ByteRange, merged
from tests.guest_disks import (
    FRAGMENTED_BYTES,
    ODD_LOGICAL,
    ODD_PRIMARY,
    Memory,
    extents_by_libfsntfs,
    fragmented,
    odd_disk,
    odd_place,
)

CLUSTER = 4096
SMALL = [image for image in read_manifest().images if image.virtual_bytes < 1 << 30]


@pytest.mark.parametrize(("name", "sector"), [("fragmented-512", 512), ("fragmented-4k", 4096)])
def test_a_page_file_in_pieces_is_where_another_reader_finds_it(name: str, sector: int) -> None:
    data = fragmented(name)
    found = dict(
        NtfsVolume(GuestBytes(Memory(data)), ByteRange(0, FRAGMENTED_BYTES), sector).page_files()
    )

    assert set(found) == {"pagefile.sys", "swapfile.sys"}  # never hiberfil.sys, which is there
    for file, places in found.items():
        assert merged(places) == extents_by_libfsntfs(data, file)
    assert len(found["pagefile.sys"]) > 10


@pytest.mark.parametrize("image", SMALL, ids=lambda image: image.name)
def test_the_page_files_of_the_lab_are_found_behind_their_partition_tables(
    image: DiskImage,
) -> None:
    data = bytearray(image.virtual_bytes)
    for offset, run in image.runs():
        data[offset : offset + len(run)] = run

    found = page_files(Memory(data), image.logical_sector_bytes)

    wanted = [
        ByteRange(at, at + length)
        for part in image.volumes
        if part.file_system == "ntfs"
        for file in part.files
        if file.is_scratch
        for at, length in file.extents
    ]
    assert [each.part for each in found.scratch] == wanted


def odd_volume(name: str) -> NtfsVolume:
    return NtfsVolume(GuestBytes(Memory(odd_disk())), odd_place(name), 512)


def test_a_page_file_that_other_records_list_is_where_another_reader_finds_it() -> None:
    place = odd_place("listed")
    found = dict(odd_volume("listed").page_files())

    assert set(found) == {"pagefile.sys", "swapfile.sys"}
    assert len(found["pagefile.sys"]) == 900  # its own record lists 215
    for file, places in found.items():
        within = [ByteRange(p.start - place.start, p.end - place.start) for p in places]
        assert merged(within) == extents_by_libfsntfs(odd_disk()[place.start : place.end], file)


def test_a_file_table_that_its_first_record_cannot_list_is_read_whole() -> None:
    place = odd_place("scattered")
    reader = odd_volume("scattered")
    found = dict(reader.page_files())

    within = [ByteRange(p.start - place.start, p.end - place.start) for p in found["pagefile.sys"]]
    assert merged(within) == extents_by_libfsntfs(
        odd_disk()[place.start : place.end], "pagefile.sys"
    )


def test_an_index_that_runs_in_a_circle_is_refused() -> None:
    place = odd_place("plain")
    data = odd_disk()[place.start : place.end]
    named = data.index("pagefile.sys".encode("utf-16-le"), data.index(b"INDX"))
    block = named // CLUSTER * CLUSTER
    assert data[block : block + 4] == b"INDX"
    end = block + 24 + int.from_bytes(data[block + 28 : block + 32], "little")
    data[end - 16 : end + 8] = struct.pack(
        "<QHHHHQ", 0, 24, 0, 3, 0, 0
    )  # a last entry, with a node
    data[block + 28 : block + 32] = (end + 8 - block - 24).to_bytes(4, "little")

    with pytest.raises(NotUnderstood, match="in a circle"):
        list(NtfsVolume(GuestBytes(Memory(data)), ByteRange(0, len(data)), 512).page_files())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("compressed", "pagefile.sys is compressed, encrypted or sparse"),
        ("sparse", "pagefile.sys is compressed, encrypted or sparse"),
        ("resident", "a file has its bytes in no order that we know"),
        ("linked", "pagefile.sys has another name, or another folder"),
        ("named", "a part of a file is not where it should be"),
    ],
)
def test_a_page_file_that_windows_would_not_make_is_none(name: str, reason: str) -> None:
    place = odd_place(name)
    assert extents_by_libfsntfs(odd_disk()[place.start : place.end], "pagefile.sys") is not None

    with pytest.raises(NotUnderstood, match=reason):
        list(odd_volume(name).page_files())


def test_of_a_disk_with_odd_volumes_the_others_are_found_and_each_that_is_not_is_told() -> None:
    found = page_files(Memory(odd_disk()), 512)

    listed = odd_place("listed")
    assert {each.what for each in found.scratch} == {"pagefile.sys", "swapfile.sys"}
    assert all(listed.start <= s.part.start < s.part.end <= listed.end for s in found.scratch)
    odd = "pagefile.sys is compressed, encrypted or sparse"
    assert found.unknown == (
        "its extended partition is not looked into",
        f"volume at {odd_place('compressed').start}: {odd}",
        f"volume at {odd_place('sparse').start}: {odd}",
    )


def test_each_volume_of_the_odd_disk_is_one() -> None:
    data = odd_disk()

    assert [data[odd_place(n).start :][3:11] for n in ODD_PRIMARY | ODD_LOGICAL] == [
        b"NTFS    "
    ] * len(ODD_PRIMARY | ODD_LOGICAL)


def test_a_volume_that_bitlocker_locks_is_told() -> None:
    data = odd_disk()
    start = odd_place("listed").start
    data[start + 3 : start + 11] = b"-FVE-FS-"

    found = page_files(Memory(data), 512)

    assert found.scratch == ()
    assert f"volume at {start}: it is locked by BitLocker" in found.unknown


@pytest.mark.parametrize(
    ("step", "most_reads"), [(1, 4096), (512, 4096), (65_536, 64), (1000, 4096)]
)
def test_of_a_disk_no_more_is_read_than_any_real_one_needs(step: int, most_reads: int) -> None:
    memory = Memory(bytes(1 << 20))
    guest = GuestBytes(memory)

    for _ in range(most_reads):
        guest.read(0, step)
    with pytest.raises(NotUnderstood, match="too large"):
        guest.read(0, step)

    assert memory.reads == guest.reads == most_reads
    assert memory.bytes_read == guest.bytes_read <= 4 << 20
    with pytest.raises(NotUnderstood, match="are not on the disk"):
        guest.read(1 << 20, 1)
