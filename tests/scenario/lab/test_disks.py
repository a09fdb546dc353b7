"""The lab's disks against a plain array of bytes, and against kills at every write."""

import shutil
from contextlib import suppress
from hashlib import shake_128
from pathlib import Path

import pytest

from reconciler.lab.disk_tables import DiskTables
from reconciler.lab.disks import LabDisk
from reconciler.model.machine import DiskFormat, DiskGeometry

MIB = 1 << 20
DISK_ID = "0f0e0d0c-0b0a-4908-8706-050403020100"
SIZE = 9 * MIB - 4096
BASE_HOST_PATH = "C:\\VMs\\base.vhdx"


class KilledError(BaseException):
    """What a kill is to the code that it hits."""


class KilledTables:
    """Lets a number of changes of files through, then ends the process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, changes: int) -> None:
        self.left = changes
        put, allocate = DiskTables.put, DiskTables.allocate

        def counted_put(tables: DiskTables, offset: int, data: bytes | memoryview) -> None:
            self._count()
            put(tables, offset, data)

        def counted_allocate(tables: DiskTables, length: int) -> int:
            self._count()
            return allocate(tables, length)

        monkeypatch.setattr(DiskTables, "put", counted_put)
        monkeypatch.setattr(DiskTables, "allocate", counted_allocate)

    def _count(self) -> None:
        if self.left == 0:
            raise KilledError
        self.left -= 1


def noise(seed: int, length: int) -> bytes:
    return shake_128(seed.to_bytes(8, "little")).digest(length)


def geometry(sector: int = 512, block_bytes: int = MIB) -> DiskGeometry:
    return DiskGeometry(SIZE, sector, 4096, DiskFormat.VHDX, block_bytes)


def make_base(folder: Path) -> bytearray:
    content = bytearray(SIZE)
    disk = LabDisk.create(folder / "base.vhdx", geometry(), DISK_ID)
    for offset, length in ((0, 8192), (2 * MIB - 4096, 2 * MIB), (SIZE - 4096, 4096)):
        content[offset : offset + length] = noise(offset, length)
        disk.write(offset, bytes(content[offset : offset + length]))
    disk.close()
    return content


def make_child(folder: Path) -> None:
    LabDisk.create_child(folder / "child.avhdx", folder / "base.vhdx", BASE_HOST_PATH)


def chain(folder: Path) -> list[Path]:
    return [folder / "base.vhdx", folder / "child.avhdx"]


def whole(paths: list[Path]) -> bytes:
    disk = LabDisk.open(paths)
    try:
        return disk.read(0, SIZE)
    finally:
        disk.close()


@pytest.mark.parametrize("sector", [512, 4096])
def test_a_chain_reads_what_was_written_to_each_of_its_disks(tmp_path: Path, sector: int) -> None:
    names = ["base.vhdx", "one.avhdx", "two.avhdx"]
    paths = [tmp_path / name for name in names]
    content = bytearray(SIZE)
    LabDisk.create(paths[0], geometry(sector), DISK_ID).close()
    for level in range(3):
        if level:
            LabDisk.create_child(paths[level], paths[level - 1], f"C:\\VMs\\{names[level - 1]}")
        disk = LabDisk.open(paths[: level + 1])
        for step in range(4):
            offset = (step * 2 * MIB + level * 4096 + 8192) // 4096 * 4096
            length = 4096 * (level + step * 100 + 1)
            content[offset : offset + length] = noise(level * 10 + step, length)
            disk.write(offset, bytes(content[offset : offset + length]))
        assert disk.read(0, SIZE) == content
        disk.close()

    assert whole(paths) == content


def test_a_child_keeps_id_and_geometry_of_its_parent(tmp_path: Path) -> None:
    make_base(tmp_path)
    make_child(tmp_path)
    disk = LabDisk.open(chain(tmp_path))

    assert disk.virtual_disk_id == DISK_ID
    assert disk.geometry == geometry(block_bytes=2 * MIB)
    disk.close()


def test_merging_gives_the_parent_all_that_the_child_showed(tmp_path: Path) -> None:
    content = make_base(tmp_path)
    make_child(tmp_path)
    disk = LabDisk.open(chain(tmp_path))
    for offset, length in ((512, 512), (3 * MIB, 2 * MIB), (4 * MIB - 512, 1024)):
        content[offset : offset + length] = noise(offset + 1, length)
        disk.write(offset, bytes(content[offset : offset + length]))
    disk.close()

    LabDisk.merge(tmp_path / "child.avhdx", tmp_path / "base.vhdx")

    assert whole(chain(tmp_path)[:1]) == content
    assert whole(chain(tmp_path)) == content


def test_a_parent_that_was_written_to_breaks_the_link(tmp_path: Path) -> None:
    make_base(tmp_path)
    make_child(tmp_path)
    disk = LabDisk.open([tmp_path / "base.vhdx"])
    disk.write(0, b"x" * 512)
    disk.close()

    with pytest.raises(ValueError, match="was not made over its parent"):
        LabDisk.open(chain(tmp_path))


def test_a_grandchild_is_linked_anew_after_its_parent_was_merged(tmp_path: Path) -> None:
    content = make_base(tmp_path)
    make_child(tmp_path)
    leaf = tmp_path / "leaf.avhdx"
    LabDisk.create_child(leaf, tmp_path / "child.avhdx", "C:\\VMs\\child.avhdx")
    LabDisk.merge(tmp_path / "child.avhdx", tmp_path / "base.vhdx")

    LabDisk.relink(leaf, tmp_path / "base.vhdx", BASE_HOST_PATH)

    assert whole([tmp_path / "base.vhdx", leaf]) == content


def test_an_image_of_mostly_zeros_takes_only_the_blocks_of_its_data(tmp_path: Path) -> None:
    disk = LabDisk.create(tmp_path / "base.vhdx", geometry(), DISK_ID)
    empty = (tmp_path / "base.vhdx").stat().st_size
    image = bytes(3 * MIB) + b"x" * 512 + bytes(MIB)

    disk.write_raw_image([(0, image), (6 * MIB, bytes(MIB))])

    assert disk.read(0, SIZE) == image.ljust(SIZE, b"\0")
    disk.close()
    assert (tmp_path / "base.vhdx").stat().st_size == empty + MIB


def test_a_block_that_becomes_full_sector_by_sector_needs_no_bitmap(tmp_path: Path) -> None:
    make_base(tmp_path)
    make_child(tmp_path)
    disk = LabDisk.open(chain(tmp_path))
    for offset in range(0, 2 * MIB, MIB // 2):
        disk.write(offset, noise(offset, MIB // 2))
    disk.close()

    tables = DiskTables(tmp_path / "child.avhdx")
    state, _ = tables.entry(0)
    tables.close()

    assert state == 6


def test_sectors_left_behind_by_a_killed_write_stay_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = make_base(tmp_path)
    make_child(tmp_path)
    disk = LabDisk.open(chain(tmp_path))
    disk.write(8 * MIB, b"y" * 512)
    content[8 * MIB : 8 * MIB + 512] = b"y" * 512
    with monkeypatch.context() as patch:
        # Data, then bits; the entry that would show them is not written any more.
        KilledTables(patch, 3)
        with pytest.raises(KilledError):
            disk.write(2 * MIB, b"lost" * 1024)
    disk.close()
    disk = LabDisk.open(chain(tmp_path))
    assert disk.read(0, SIZE) == content

    disk.write(2 * MIB + 8192, b"kept" * 128)
    content[2 * MIB + 8192 : 2 * MIB + 8704] = b"kept" * 128

    assert disk.read(0, SIZE) == content
    disk.close()


def test_a_write_killed_anywhere_leaves_each_sector_old_or_new_and_can_be_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = make_base(tmp_path)
    make_child(tmp_path)
    offset, data = 2 * MIB - 8192, noise(77, 2 * MIB + 16_384)
    after = bytearray(before)
    after[offset : offset + len(data)] = data
    kept = (tmp_path / "child.avhdx").read_bytes()
    for changes in range(40):
        (tmp_path / "child.avhdx").write_bytes(kept)
        disk = LabDisk.open(chain(tmp_path))
        with monkeypatch.context() as patch:
            KilledTables(patch, changes)
            try:
                disk.write(offset, data)
            except KilledError:
                is_done = False
            else:
                is_done = True
        disk.close()
        seen = whole(chain(tmp_path))
        for at in range(0, SIZE, 512):
            assert seen[at : at + 512] in (before[at : at + 512], after[at : at + 512])
        disk = LabDisk.open(chain(tmp_path))
        disk.write(offset, data)
        disk.close()
        assert whole(chain(tmp_path)) == after
        if is_done:
            return
    raise AssertionError("the write needs more changes than were tried")


def test_a_merge_killed_anywhere_and_once_more_leaves_a_readable_chain_and_can_be_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = make_base(tmp_path)
    make_child(tmp_path)
    disk = LabDisk.open(chain(tmp_path))
    for offset in (512, 5 * MIB, 6 * MIB + 512):
        content[offset : offset + 1024] = noise(offset, 1024)
        disk.write(offset, bytes(content[offset : offset + 1024]))
    disk.close()
    for path in chain(tmp_path):
        shutil.copy(path, path.with_suffix(".kept"))
    for changes in range(40):
        for path in chain(tmp_path):
            shutil.copy(path.with_suffix(".kept"), path)
        with monkeypatch.context() as patch:
            KilledTables(patch, changes)
            try:
                LabDisk.merge(tmp_path / "child.avhdx", tmp_path / "base.vhdx")
            except KilledError:
                is_done = False
            else:
                is_done = True
        assert whole(chain(tmp_path)) == content
        with monkeypatch.context() as patch, suppress(KilledError):
            KilledTables(patch, 1)
            LabDisk.merge(tmp_path / "child.avhdx", tmp_path / "base.vhdx")
        assert whole(chain(tmp_path)) == content
        LabDisk.merge(tmp_path / "child.avhdx", tmp_path / "base.vhdx")
        assert whole(chain(tmp_path)[:1]) == content
        if is_done:
            return
    raise AssertionError("the merge needs more changes than were tried")


def test_a_disk_is_never_made_over_a_file(tmp_path: Path) -> None:
    make_base(tmp_path)

    with pytest.raises(FileExistsError):
        LabDisk.create(tmp_path / "base.vhdx", geometry(), DISK_ID)


@pytest.mark.parametrize(("offset", "length"), [(1, 512), (0, 100), (SIZE, 512), (-512, 512)])
def test_only_whole_sectors_of_the_disk_are_written(
    tmp_path: Path, offset: int, length: int
) -> None:
    disk = LabDisk.create(tmp_path / "base.vhdx", geometry(), DISK_ID)

    with pytest.raises(ValueError, match="not whole sectors"):
        disk.write(offset, bytes(length))
    disk.close()
