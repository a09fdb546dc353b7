from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.blocks.manifest import Manifest
from reconciler.blocks.repository import Repository
from reconciler.blocks.restore import RawFile, restore
from reconciler.blocks.volume import RecoveryPointDisk
from reconciler.errors import BlockDamagedError, JobStoppedError
from reconciler.model.names import DiskId

BLOCK = 4096
Seal = Callable[[Repository, str, bytes], Manifest]


def block(number: int) -> bytes:
    return number.to_bytes(8, "little") * (BLOCK // 8)


# Repeats, holes, more than one step of 4 MiB, and a short tail.
DATA = b"".join(block(n % 700) if n % 5 else bytes(BLOCK) for n in range(3000)) + b"tail" * 128


@pytest.fixture
def disk(repository: Repository, seal: Seal) -> RecoveryPointDisk:
    return RecoveryPointDisk(repository, seal(repository, "p1", DATA), DiskId("disk-1"))


def test_a_raw_file_is_the_disk_with_its_holes(disk: RecoveryPointDisk, tmp_path: Path) -> None:
    file = tmp_path / "disk.raw"

    with RawFile(file, disk.size) as raw:
        restore(disk, raw.write)

    assert file.read_bytes() == DATA
    assert file.stat().st_blocks * 512 < len(DATA)


def test_only_what_is_not_zeros_is_written_and_told(disk: RecoveryPointDisk) -> None:
    result, told = bytearray(len(DATA)), list[int]()

    def write(offset: int, data: memoryview) -> None:
        assert any(data[:BLOCK])
        result[offset : offset + len(data)] = data

    restore(disk, write, on_progress=told.append)

    assert result == DATA
    assert sum(told) == disk.held_bytes() < len(DATA)


def test_a_damaged_block_ends_it(
    repository: Repository, seal: Seal, root: Path, flip: Callable[[Path, int], None]
) -> None:
    disk = RecoveryPointDisk(repository, seal(repository, "p1", DATA), DiskId("disk-1"))
    flip(min(root.glob("packs/*/*/*")), 64 + 3)

    with pytest.raises(BlockDamagedError, match="slot 0"):
        restore(disk, lambda *_: None)


def test_progress_can_end_it(disk: RecoveryPointDisk) -> None:
    def stop(_: int) -> None:
        raise JobStoppedError("asked to stop", hint="none")

    with pytest.raises(JobStoppedError):
        restore(disk, lambda *_: None, on_progress=stop)
