"""Damaged blocks come back from where they still are; what nobody has is missed by name."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.heal import Healed, heal
from reconciler.blocks.manifest import Manifest
from reconciler.blocks.repository import Repository
from reconciler.blocks.verify import Verification
from reconciler.blocks.volume import RecoveryPointDisk
from reconciler.model.names import DiskId

BLOCK = 4096
DATA = b"".join((1 + n).to_bytes(8, "little") * (BLOCK // 8) for n in range(40))
Seal = Callable[[Repository, str, bytes], Manifest]
Flip = Callable[[Path, int], None]
Open = Callable[[Path], Repository]


@pytest.fixture(params=[None, "ab" * 32], ids=["plain", "encrypted"])
def open_at(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens the repository of a folder for writing, each folder with a cache of its own."""

    def opened(folder: Path) -> Repository:
        store = FolderStore(folder)
        if not (folder / "repository.json").exists():
            Repository.create(store, block_bytes=BLOCK, node_fan_out=8, passphrase=request.param)
            Repository.claim_writer(store)
        cache = tmp_path / f"cache-{folder.name}"
        return Repository.open(store, cache=cache, writer=1, passphrase=request.param)

    return opened


@pytest.fixture
def place(tmp_path: Path) -> Callable[[str], Path]:
    def made(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        return folder

    return made


def pack_of(folder: Path) -> Path:
    (pack,) = folder.glob("packs/*/*/*")
    return pack


def damage(repository: Repository, manifest: Manifest) -> dict[int, tuple[int, ...]]:
    verification = Verification(repository, [manifest])
    list(verification.findings(list))
    return verification.looked.damaged


def read(repository: Repository, manifest: Manifest) -> bytes:
    disk = RecoveryPointDisk(repository, manifest, DiskId("disk-1"))
    return disk.read(0, disk.size)


def broken(
    open_at: Open, folder: Path, manifest: Manifest
) -> Iterator[tuple[int, tuple[int, ...]]]:
    yield from damage(open_at(folder), manifest).items()


def test_a_block_comes_back_from_a_copy_of_the_repository(
    open_at: Open, place: Callable[[str], Path], seal: Seal, flip: Flip, tmp_path: Path
) -> None:
    root = place("root")
    manifest = seal(open_at(root), "p1", DATA)
    shutil.copytree(root, tmp_path / "copy")
    flip(pack_of(root), 64 + 5)
    ((number, slots),) = broken(open_at, root, manifest)
    repository = open_at(root)

    healed = heal(repository, number, slots, [open_at(tmp_path / "copy")])

    assert (slots, healed) == ((0,), Healed(1, 0))
    assert pack_of(root).name.endswith(".1")
    assert read(open_at(root), manifest) == read(repository, manifest) == DATA
    assert damage(open_at(root), manifest) == {}


def test_a_block_that_was_stored_again_heals_the_points_that_lost_it(
    open_at: Open, place: Callable[[str], Path], seal: Seal, flip: Flip
) -> None:
    root = place("root")
    manifest = seal(open_at(root), "p1", DATA)
    flip(pack_of(root), 64 + 5)
    repository = open_at(root)
    ((number, slots),) = damage(repository, manifest).items()
    seal(repository, "p2", DATA[:BLOCK])  # what a consistency check does

    assert heal(repository, number, slots, []) == Healed(1, 0)
    assert read(open_at(root), manifest) == DATA


def test_a_pack_of_which_a_block_is_found_nowhere_stays_until_a_donor_turns_up(
    open_at: Open, place: Callable[[str], Path], seal: Seal, flip: Flip, tmp_path: Path
) -> None:
    root = place("root")
    manifest = seal(open_at(root), "p1", DATA)
    shutil.copytree(root, tmp_path / "copy")
    flip(pack_of(root), 64 + 5)
    before = pack_of(root).read_bytes()
    repository = open_at(root)
    ((number, slots),) = damage(repository, manifest).items()

    assert heal(repository, number, slots, []) == Healed(0, 1)
    assert pack_of(root).read_bytes() == before
    assert heal(repository, number, slots, [open_at(tmp_path / "copy")]) == Healed(1, 0)
    assert read(open_at(root), manifest) == DATA


@pytest.mark.parametrize("offset", [3, -1, -200])
def test_a_pack_of_which_nothing_can_be_trusted_comes_back_whole(
    open_at: Open, place: Callable[[str], Path], seal: Seal, flip: Flip, tmp_path: Path, offset: int
) -> None:
    root = place("root")
    manifest = seal(open_at(root), "p1", DATA)
    shutil.copytree(root, tmp_path / "copy")
    flip(pack_of(root), offset)
    repository = open_at(root)
    ((number, slots),) = damage(repository, manifest).items()

    heal(repository, number, slots, [open_at(tmp_path / "copy")])

    assert slots == ()
    assert read(open_at(root), manifest) == DATA
    assert damage(open_at(root), manifest) == {}


def test_a_pack_that_is_gone_comes_back_from_a_copy(
    open_at: Open, place: Callable[[str], Path], seal: Seal, tmp_path: Path
) -> None:
    root = place("root")
    manifest = seal(open_at(root), "p1", DATA)
    shutil.copytree(root, tmp_path / "copy")
    pack_of(root).unlink()
    repository = open_at(root)
    ((number, slots),) = damage(repository, manifest).items()

    heal(repository, number, slots, [open_at(tmp_path / "copy")])

    assert read(open_at(root), manifest) == DATA
