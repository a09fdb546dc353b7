import hashlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.manifest import Manifest
from reconciler.blocks.repository import Repository
from reconciler.blocks.volume import RecoveryPointDisk
from reconciler.model.names import DiskId

BLOCK = 4096
Seal = Callable[[Repository, str, bytes], Manifest]


def block(number: int) -> bytes:
    return number.to_bytes(8, "little") * (BLOCK // 8)


DATA = b"".join(block(n % 7) if n % 5 else bytes(BLOCK) for n in range(200)) + b"tail" * 100


@pytest.fixture
def disk(repository: Repository, seal: Seal) -> RecoveryPointDisk:
    return RecoveryPointDisk(repository, seal(repository, "p1", DATA), DiskId("disk-1"))


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        (0, len(DATA)),
        (0, 1),
        (BLOCK - 1, 2),
        (5 * BLOCK, BLOCK),
        (1, 50 * BLOCK),
        (len(DATA) - 1, 1),
        (len(DATA) - 5000, 10_000),
        (len(DATA), 10),
        (10**12, 10),
        (77, 0),
    ],
)
def test_any_range_reads_as_a_file_would(disk: RecoveryPointDisk, offset: int, length: int) -> None:
    assert disk.size == len(DATA)
    assert disk.read(offset, length) == DATA[offset : offset + length]


def test_negative_ranges_are_refused(disk: RecoveryPointDisk) -> None:
    with pytest.raises(ValueError, match="cannot read"):
        disk.read(-1, 5)


def test_allocated_runs_are_the_blocks_that_are_not_zeros(disk: RecoveryPointDisk) -> None:
    held = [n for n in range(201) if DATA[n * BLOCK : (n + 1) * BLOCK].strip(b"\0")]

    runs = list(disk.allocated_runs())

    assert [n for first, count in runs for n in range(first, first + count)] == held
    assert all(a + n < b for (a, n), (b, _) in pairwise(runs))


def test_runs_go_on_over_leaves(repository: Repository, seal: Seal) -> None:
    manifest = seal(repository, "p2", b"".join(block(1 + n) for n in range(50)))

    assert list(RecoveryPointDisk(repository, manifest, DiskId("disk-1")).allocated_runs()) == [
        (0, 50)
    ]


def test_ids_are_those_of_padded_blocks_and_read_none(
    repository: Repository, disk: RecoveryPointDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [200, 3, 5, 3, 0]
    expected = [
        repository.packs.id_of(
            hashlib.sha256(DATA[n * BLOCK : (n + 1) * BLOCK].ljust(BLOCK, b"\0")).digest()
        )
        for n in wanted
    ]
    disk.ids([0, 200])
    monkeypatch.setattr(FolderStore, "get_range", None)

    assert disk.ids(wanted) == expected
    assert disk.ids([]) == []


def test_consecutive_slots_of_a_pack_are_one_read(
    repository: Repository,
    reader: Callable[[], Repository],
    seal: Seal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = b"".join(block(1 + n) for n in range(500))
    manifest = seal(repository, "p1", data)
    asked: list[str] = []
    get_range = FolderStore.get_range

    def counted(self: FolderStore, path: str, *, start: int, length: int) -> bytes:
        asked.append(path)
        return get_range(self, path, start=start, length=length)

    disk = RecoveryPointDisk(reader(), manifest, DiskId("disk-1"))
    disk.ids(range(500))
    monkeypatch.setattr(FolderStore, "get_range", counted)

    assert disk.read(0, len(data)) == data
    assert len(asked) == 1


def test_small_reads_nearby_do_not_read_again(disk: RecoveryPointDisk, root: Path) -> None:
    assert disk.read(BLOCK, 100) == DATA[BLOCK : BLOCK + 100]
    for pack in root.glob("packs/*/*/*"):
        pack.unlink()

    assert disk.read(BLOCK + 50, 500) == DATA[BLOCK + 50 : BLOCK + 550]
