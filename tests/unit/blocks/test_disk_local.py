"""Files on this machine: read as those of hosts, and never more than files."""

import os
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from reconciler.blocks.disk_local import LocalFile, LocalFiles
from reconciler.errors import DiskUnreadableError
from reconciler.model.ranges import ByteRange
from tests.disk_images import MIB, noise


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    path.write_bytes(noise(1, 4 * MIB))
    return path


def test_ranges_come_back_whole_and_hashed_to_any_number_of_threads(path: Path) -> None:
    content = path.read_bytes()
    places = [ByteRange(at * 4096, at * 4096 + 70_000) for at in range(1000)]
    with LocalFiles() as files, ThreadPoolExecutor(4) as pool:
        file = files.open(str(path))
        read = list(pool.map(lambda place: file.read([place]), places))
        hashed = file.hashes(places)

    assert read == [[content[p.start : p.end]] for p in places]
    assert hashed == [sha256(part).digest() for (part,) in read]


def test_nothing_is_read_behind_the_end(path: Path) -> None:
    with LocalFiles() as files, pytest.raises(DiskUnreadableError, match="ends at 4194304"):
        files.open(str(path)).read([ByteRange(0, 9), ByteRange(4 * MIB - 1, 4 * MIB + 1)])


def test_files_are_closed_together(path: Path) -> None:
    with LocalFiles() as files:
        file = files.open(str(path))

    with pytest.raises(ValueError, match="closed"):
        file.read([ByteRange(0, 1)])


@pytest.mark.parametrize("name", ["gone", "folder", "pipe", "nul\0", "/dev/null"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(DiskUnreadableError) as caught:
        LocalFile(f"{tmp_path}/{name}" if name != "/dev/null" else name)
    assert caught.value.hint


def test_holes_are_told_where_the_file_system_knows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as sparse:
        sparse.truncate(8 * MIB)
        for at in (MIB, 4 * MIB):
            sparse.seek(at)
            sparse.write(b"x" * MIB)
    with LocalFiles() as files:
        file = files.open(str(path))
        told = list(file.data_ranges(0, 9 * MIB))
        part = list(file.data_ranges(MIB + 4096, 4 * MIB + 4096))
        none = list(file.data_ranges(6 * MIB, 8 * MIB))
        monkeypatch.delattr(os, "SEEK_DATA")
        all_of_it = list(file.data_ranges(0, 9 * MIB))
        nothing = list(file.data_ranges(8 * MIB, 9 * MIB))

    assert told == [ByteRange(MIB, 2 * MIB), ByteRange(4 * MIB, 5 * MIB)]
    assert part == [ByteRange(MIB + 4096, 2 * MIB), ByteRange(4 * MIB, 4 * MIB + 4096)]
    assert (none, nothing) == ([], [])
    assert all_of_it == [ByteRange(0, 8 * MIB)]
