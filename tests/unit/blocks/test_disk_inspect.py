"""What is told of a disk on this machine, and that looking at it changes nothing."""

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from reconciler.blocks import vhdx, vhdx_format
from reconciler.blocks.disk_census import count_blocks
from reconciler.blocks.disk_file import create_disk
from reconciler.blocks.disk_inspect import DiskReport, inspect_disk
from reconciler.blocks.disk_local import LocalFiles
from reconciler.blocks.disk_pieces import Offsets
from reconciler.blocks.disk_source import FileFormat, open_source
from reconciler.blocks.vhdx_format import BlockState
from reconciler.errors import DiskNotSupportedError, DiskUnreadableError
from reconciler.lab.disks import LabDisk
from reconciler.model.machine import DiskFormat, DiskGeometry
from reconciler.model.ranges import ByteRange, total_bytes
from tests.disk_images import DISK_ID, FOLDER, MIB, NAMES, build_chain, noise

VHDX = DiskGeometry(9 * MIB, 512, 4096, DiskFormat.VHDX, MIB)
VHD = DiskGeometry(9 * MIB, 512, 512, DiskFormat.VHD, MIB)
BAT = 3 * MIB


def chain(folder: Path, geometry: DiskGeometry) -> Path:
    build_chain(folder, geometry, [(0, 0, 3000), (1, 4096, 16), (2, 8, 1)])
    return folder / NAMES[geometry.format][-1]


def poke(path: Path, at: int, new: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at, os.SEEK_END if at < 0 else os.SEEK_SET)
        file.write(new)


def entry(state: int, mib: int) -> bytes:
    return (mib << 20 | state).to_bytes(8, "little")


@pytest.mark.parametrize(
    ("geometry", "allocated"), [(VHD, 3 * MIB), (VHDX, 4 * MIB)], ids=["vhd", "vhdx"]
)
def test_a_chain_is_told_from_its_leaf_to_its_base(
    tmp_path: Path, geometry: DiskGeometry, allocated: int
) -> None:
    leaf = chain(tmp_path, geometry)

    report = inspect_disk(leaf)

    assert report.problems == []
    assert [Path(file.path).name for file in report.files] == list(NAMES[geometry.format][::-1])
    assert [file.kind for file in report.files] == ["differencing", "differencing", "dynamic"]
    assert {file.virtual_bytes for file in report.files} == {9 * MIB}
    assert [file.stored_blocks for file in report.files] == [1, 1, 2]
    assert [file.file_bytes for file in report.files] == [
        Path(file.path).stat().st_size for file in report.files
    ]
    assert report.allocated_bytes == allocated
    for child, parent in zip(report.files, report.files[1:], strict=False):
        named = child.parent.get("parent_linkage", "").strip("{}") or child.parent["unique_id"]
        assert named in parent.ids.values()


def test_a_log_that_waits_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    leaf = chain(tmp_path, VHDX)
    disk = LabDisk.open([tmp_path / name for name in NAMES[DiskFormat.VHDX]])
    disk.leave_pending_log(6 * MIB, noise(1, 4096))

    first, second, _ = inspect_disk(leaf).files

    assert (first.log, second.log) == ("replay pending", "empty")
    assert first.pending_updates > 0
    assert first.stored_blocks == 2, "the log is what says so"


@pytest.mark.parametrize("geometry", [VHD, VHDX], ids=["vhd", "vhdx"])
def test_nothing_is_changed(tmp_path: Path, geometry: DiskGeometry) -> None:
    leaf = chain(tmp_path, geometry)
    if geometry is VHDX:
        paths = [tmp_path / name for name in NAMES[DiskFormat.VHDX]]
        LabDisk.open(paths).leave_pending_log(6 * MIB, noise(1, 4096))
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.iterdir()}
    for path in before:
        path.chmod(0o400)

    assert inspect_disk(leaf).problems == []
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.iterdir()} == before


def test_blocks_of_all_states_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "disk.vhdx"
    with create_disk(path, VHDX, DISK_ID) as writer:
        writer.write(0, b"x" * 512)
    states = [BlockState.UNDEFINED, BlockState.ZERO, BlockState.UNMAPPED, BlockState.UNMAPPED]
    for block, state in enumerate(states, start=1):
        poke(path, BAT + 8 * block, entry(state, 0))

    (file,) = inspect_disk(path).files

    assert {state: count for state, count in file.blocks.items() if count} == {
        "fully_present": 1,
        "undefined": 1,
        "zero": 1,
        "unmapped": 2,
        "not_present": 4,
    }
    assert file.stored_blocks == 1


@pytest.mark.parametrize(
    ("new", "told"),
    [
        (entry(BlockState.FULLY_PRESENT, 4), "has two blocks at 4194304 and 4194304"),
        (entry(BlockState.FULLY_PRESENT, 2), "block 1 is at MiB 2: out of the file's"),
        (entry(BlockState.FULLY_PRESENT, 99), "block 1 is at MiB 99: out of the file's"),
        (entry(4, 0), "block 1 has the state 4"),
        (entry(BlockState.PARTIALLY_PRESENT, 4), "block 1 has the state 7"),
    ],
)
def test_what_is_wrong_with_a_block_table_is_told(tmp_path: Path, new: bytes, told: str) -> None:
    path = tmp_path / "disk.vhdx"
    with create_disk(path, VHDX, DISK_ID) as writer:
        writer.write(0, b"x" * 512)
    poke(path, BAT + 8, new)

    report = inspect_disk(path)

    assert told in report.problems[0]
    assert report.allocated_bytes is None


def test_two_blocks_of_a_vhd_that_overlap_are_told(tmp_path: Path) -> None:
    path = tmp_path / "disk.vhd"
    with create_disk(path, VHD, DISK_ID) as writer:
        writer.write(0, b"x" * 512)
        writer.write(MIB, b"y" * 512)
    first = int.from_bytes(path.read_bytes()[1536:1540], "big")
    poke(path, 1540, (first + 8).to_bytes(4, "big"))

    assert (
        f"has two blocks at {first * 512} and {first * 512 + 4096}"
        in (inspect_disk(path).problems[0])
    )


@pytest.mark.parametrize("geometry", [VHD, VHDX], ids=["vhd", "vhdx"])
def test_a_missing_parent_leaves_the_rest_to_be_told(
    tmp_path: Path, geometry: DiskGeometry
) -> None:
    leaf = chain(tmp_path, geometry)
    (tmp_path / NAMES[geometry.format][0]).unlink()

    report = inspect_disk(leaf)

    assert len(report.files) == 2
    assert "no parent of" in report.problems[0]
    assert report.allocated_bytes is None


def problems(report: DiskReport) -> list[str]:
    assert report.allocated_bytes is not None, "it can be read all the same"
    return [problem.split(": ")[1] for problem in report.problems]


def test_copies_that_are_damaged_are_told_although_the_disk_can_be_read(tmp_path: Path) -> None:
    vhdx_file, vhd_file = tmp_path / "disk.vhdx", tmp_path / "disk.vhd"
    create_disk(vhdx_file, VHDX, DISK_ID).close()
    create_disk(vhd_file, VHD, DISK_ID).close()
    poke(vhdx_file, vhdx_format.HEADER_OFFSETS[0] + 8, b"\xff")
    poke(vhdx_file, vhdx_format.REGION_TABLE_OFFSETS[1] + 8, b"\xff")
    poke(vhd_file, -100, b"\xff")

    assert problems(inspect_disk(vhdx_file)) == [
        "one of the two headers is not valid, the other one is used",
        "one of the two region tables is not valid, the other one is used",
    ]
    assert problems(inspect_disk(vhd_file)) == [
        "the footer is not valid, its copy at the file's start is used"
    ]
    poke(vhd_file, -100, b"\0")
    poke(vhd_file, 100, b"\xff")
    assert problems(inspect_disk(vhd_file)) == [
        "the footer's copy at the file's start is not valid"
    ]


def test_a_raw_disk_is_told_by_its_name_or_by_word_and_by_nothing_else(tmp_path: Path) -> None:
    inner = tmp_path / "inner.vhdx"
    create_disk(inner, VHDX, DISK_ID).close()
    guest, unnamed = tmp_path / "guest.img", tmp_path / "disk.bin"
    guest.write_bytes(inner.read_bytes())
    unnamed.write_bytes(b"z" * 1000)

    assert inspect_disk(guest).format is FileFormat.RAW
    report = inspect_disk(unnamed, FileFormat.RAW)
    assert (report.files[0].virtual_bytes, report.files[0].file_bytes) == (1024, 1000)
    with pytest.raises(DiskUnreadableError, match="neither a VHD nor a VHDX"):
        inspect_disk(unnamed)


def test_holes_of_a_raw_disk_are_not_allocated(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        file.truncate(64 * MIB)
        file.seek(32 * MIB)
        file.write(b"x" * MIB)

    assert inspect_disk(path).allocated_bytes == MIB


def test_a_damaged_or_unknown_file_is_an_error(tmp_path: Path) -> None:
    empty, wrong = tmp_path / "empty.raw", tmp_path / "wrong.vhdx"
    empty.write_bytes(b"")
    with create_disk(tmp_path / "a.vhd", VHD, DISK_ID) as writer:
        writer.write(0, noise(1, MIB))
    wrong.write_bytes((tmp_path / "a.vhd").read_bytes())

    for path in (empty, wrong, tmp_path / "gone.vhd", tmp_path):
        with pytest.raises(DiskUnreadableError) as caught:
            inspect_disk(path)
        assert caught.value.hint
    with pytest.raises(DiskNotSupportedError):
        inspect_disk(wrong, FileFormat.VHDX)


def test_a_pipe_that_a_disk_calls_its_parent_is_not_waited_for(tmp_path: Path) -> None:
    leaf = chain(tmp_path, VHDX)
    parent = tmp_path / NAMES[DiskFormat.VHDX][1]
    parent.unlink()
    os.mkfifo(parent)

    assert "is no file" in inspect_disk(leaf).problems[0]


def test_parents_that_were_copied_beside_their_child_are_found(tmp_path: Path) -> None:
    """Be it that their folders stand to each other as on the host, or that all are in one."""
    (tmp_path / "a").mkdir()
    base, child = tmp_path / "a" / "base.vhdx", tmp_path / "child.avhdx"
    LabDisk.create(base, VHDX, DISK_ID).close()
    LabDisk.create_child(child, base, f"{FOLDER}deep\\base.vhdx")

    assert [f.path for f in inspect_disk(child).files] == [str(child), str(base)]
    moved = base.rename(tmp_path / "base.vhdx")
    assert [f.path for f in inspect_disk(child).files] == [str(child), str(moved)]


def test_a_64_tib_disk_in_blocks_of_1_mib_is_read_in_little_memory(tmp_path: Path) -> None:
    """Its block table has 512 MiB."""
    path = tmp_path / "large.vhdx"
    size = 64 << 40
    with create_disk(path, DiskGeometry(size, 512, 4096, DiskFormat.VHDX, MIB), DISK_ID) as writer:
        for place in range(0, size, 1 << 40):
            writer.write(place, noise(place >> 40, 512))
    tracemalloc.start()
    try:
        with LocalFiles() as files:
            disk = open_source(files, path)
            assert total_bytes(disk.allocated(0, 4 << 40)) == 4 * MIB
            for place in range(0, size, 1 << 40):
                assert disk.read([ByteRange(place, place + 512)]) == [noise(place >> 40, 512)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 64 * MIB


class ManyBlocks:
    """A table with a wrong entry on every page but the first."""

    path, block_bytes, span_bytes, blocks = "C:\\a.vhdx", MIB, MIB, 8192 * 20

    def census(self, first: int, last: int) -> tuple[dict[str, int], Offsets]:
        if first:
            raise DiskUnreadableError(f"block {first} is wrong", hint="look")
        return {"zero": last - first}, np.empty(0, np.int64)


def test_wrong_entries_are_told_page_by_page_up_to_a_few() -> None:
    census = count_blocks(ManyBlocks())

    assert census.states["zero"] == 8192
    assert len(census.problems) == 11
    assert census.problems[0] == "block 8192 is wrong"
    assert "on 9 more pages" in census.problems[-1]


def test_logs_of_a_chain_that_hold_too_much_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaf = chain(tmp_path, VHDX)
    disk = LabDisk.open([tmp_path / name for name in NAMES[DiskFormat.VHDX]])
    disk.leave_pending_log(6 * MIB, noise(1, 4096))
    monkeypatch.setattr(vhdx, "MAX_PENDING_BYTES", 4095)

    with LocalFiles() as files, pytest.raises(DiskUnreadableError, match="hold more than 4095"):
        open_source(files, leaf)
