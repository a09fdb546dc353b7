"""The committed images against libraries that know the file systems."""

import hashlib
from pathlib import Path

import pyfsext  # type: ignore[import-not-found]
import pyfsntfs  # type: ignore[import-not-found]
import pytest

from reconciler.lab.images.content import Content, make_content
from reconciler.lab.images.manifest import ImageVolume, disk_image, read_manifest
from reconciler.lab.images.sparse import pack_runs, unpack_runs
from reconciler.lab.shadow import create_shadow, hash_shadow
from reconciler.model.ranges import ByteRange

NAMES = [image.name for image in read_manifest().images]


class VolumeFile:
    """One volume of a raw disk as the libraries want to read it."""

    def __init__(self, raw: Path, offset: int, size: int) -> None:
        self._stream = raw.open("rb")
        self._begin, self._size, self._position = offset, size, 0

    def read(self, size: int) -> bytes:
        self._stream.seek(self._begin + self._position)
        data = self._stream.read(min(size, self._size - self._position))
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> None:
        self._position = (0, self._position, self._size)[whence] + offset

    def get_offset(self) -> int:
        return self._position

    def get_size(self) -> int:
        return self._size

    def close(self) -> None:
        self._stream.close()


@pytest.fixture(params=NAMES)
def raw_disk(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    image = disk_image(request.param)
    raw = tmp_path / "raw"
    create_shadow(raw, image.virtual_bytes, image.runs())
    return image.name, raw


def content_hashes(raw: Path, volume: ImageVolume) -> dict[str, str]:
    library = pyfsntfs if volume.file_system == "ntfs" else pyfsext
    file = VolumeFile(raw, volume.offset, volume.length)
    opened = library.volume()
    opened.open_file_object(file)
    hashes = {}
    for known in volume.files:
        entry = opened.get_file_entry_by_path(known.path)
        assert entry.size == known.size
        data = entry.read_buffer(known.size) if known.size else b""
        hashes[known.path] = hashlib.sha256(data).hexdigest()
    opened.close()
    file.close()
    return hashes


def test_a_library_finds_every_known_file_with_the_bytes_of_the_manifest(
    raw_disk: tuple[str, Path],
) -> None:
    name, raw = raw_disk

    for volume in disk_image(name).volumes:
        expected = {file.path: file.sha256 for file in volume.files}
        assert content_hashes(raw, volume) == expected


def test_extents_lead_to_the_bytes_of_their_file(raw_disk: tuple[str, Path]) -> None:
    name, raw = raw_disk

    for file in disk_image(name).files():
        if file.extents:
            places = file.places(ByteRange(0, file.size))
            assert hash_shadow(raw, places) == file.sha256


def test_a_disk_begins_and_ends_with_a_partition_table(raw_disk: tuple[str, Path]) -> None:
    _, raw = raw_disk

    with raw.open("rb") as stream:
        stream.seek(512)
        assert stream.read(8) == b"EFI PART"
        stream.seek(-512, 2)
        assert stream.read(8) == b"EFI PART"


def test_the_page_file_lies_in_one_piece() -> None:
    (page_file,) = (f for f in disk_image("fin-sql01-disk0").files() if f.is_scratch)

    assert len(page_file.extents) == 1


def test_all_images_together_hold_some_fifty_mebibytes() -> None:
    held = sum(len(data) for name in NAMES for _, data in disk_image(name).runs())

    assert 40 << 20 < held < 60 << 20


@pytest.mark.parametrize("kind", Content)
def test_content_is_repeatable_and_exactly_as_long_as_asked(kind: Content) -> None:
    assert make_content(kind, "a", 10_001) == make_content(kind, "a", 10_001)
    assert len(make_content(kind, "a", 10_001)) == 10_001


def test_runs_survive_packing_and_damage_is_refused() -> None:
    runs = [(0, b"abc"), (1 << 40, b"x" * 100)]

    assert list(unpack_runs(pack_runs(runs))) == runs
    with pytest.raises(ValueError, match="not a sparse image"):
        list(unpack_runs(b"no image at all"))
