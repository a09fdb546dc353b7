"""Page files are found where libfsntfs finds them, and what is damaged hides nothing else."""

import io
from pathlib import Path

import pyfsntfs  # type: ignore[import-not-found]
import pytest

from reconciler.blocks.guest.bytes import GuestBytes, NotUnderstood
from reconciler.blocks.guest.ntfs import NtfsVolume
from reconciler.blocks.guest.page_files import page_files
from reconciler.lab.dice import Dice
from reconciler.lab.images.manifest import DiskImage, read_manifest
from reconciler.lab.images.sparse import unpack_runs
from reconciler.model.ranges import ByteRange, merged

IMAGES = Path(__file__).parents[2] / "images"
SIZE = 16 << 20
SMALL = [image for image in read_manifest().images if image.virtual_bytes < 1 << 30]


class Memory:
    """A disk in memory."""

    def __init__(self, data: bytes | bytearray) -> None:
        self.data = data
        self.size = len(data)

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self.data[offset : offset + length])


def volume(name: str) -> bytearray:
    data = bytearray(SIZE)
    for offset, run in unpack_runs((IMAGES / f"{name}.runs.zst").read_bytes()):
        data[offset : offset + len(run)] = run
    return data


@pytest.mark.parametrize(("name", "sector"), [("fragmented-512", 512), ("fragmented-4k", 4096)])
def test_a_page_file_in_pieces_is_where_another_reader_finds_it(name: str, sector: int) -> None:
    data = volume(name)
    found = dict(NtfsVolume(GuestBytes(Memory(data)), ByteRange(0, SIZE), sector).page_files())
    other = pyfsntfs.volume()
    other.open_file_object(io.BytesIO(bytes(data)))

    assert set(found) == {"pagefile.sys", "swapfile.sys"}  # never hiberfil.sys, which is there
    for file, places in found.items():
        entry = other.get_file_entry_by_path(f"\\{file}")
        extents = [entry.get_extent(i)[:2] for i in range(entry.number_of_extents)]
        assert merged(places) == merged(ByteRange(at, at + length) for at, length in extents)
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


@pytest.mark.parametrize("seed", range(20))
def test_damage_is_refused_or_changes_nothing_it_should_not(seed: int) -> None:
    dice = Dice(str(seed))
    data = volume("fragmented-512")
    table = data.index(b"FILE0", 4096)
    for _ in range(200):
        broken = Memory(bytearray(data))
        for _ in range(dice.between(1, 5)):
            at = dice.pick((dice.below(512), table + dice.below(1024 * 80)))
            broken.data[at] = dice.below(256)  # type: ignore[index]
        try:
            reader = NtfsVolume(GuestBytes(broken), ByteRange(0, SIZE), 512)
            places = [place for _, found in reader.page_files() for place in found]
        except NotUnderstood:
            continue
        assert all(0 <= place.start < place.end <= SIZE for place in places)
