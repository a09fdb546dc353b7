"""A converted disk holds the same bytes, takes no room for zeros, and is whole or not there."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.blocks import disk_convert
from reconciler.blocks.disk_chain import DiskChain
from reconciler.blocks.disk_convert import Target, bytes_to_copy, convert_disk
from reconciler.blocks.disk_file import create_disk
from reconciler.blocks.disk_local import LocalFiles
from reconciler.blocks.disk_source import FileFormat, named_format, open_source
from reconciler.blocks.vhdx_format import BlockState
from reconciler.errors import (
    DiskNotSupportedError,
    DiskUnreadableError,
    ReconcilerError,
    RecoveryError,
    TargetExistsError,
    TargetFullError,
)
from reconciler.model.machine import DiskFormat, DiskGeometry
from reconciler.model.ranges import ByteRange
from tests.disk_images import DISK_ID, MIB, NAMES, build_chain, noise

SIZE = 9 * MIB + 512
WRITES = [(0, 0, 3000), (0, 17_000, 1432), (1, 4096, 16), (2, 8, 1), (2, 18_432, 1)]
GEOMETRIES = {
    FileFormat.VHD: DiskGeometry(SIZE, 512, 512, DiskFormat.VHD, MIB),
    FileFormat.VHDX: DiskGeometry(SIZE, 512, 4096, DiskFormat.VHDX, MIB),
}
TARGETS = {
    "raw": Target(Path("new.raw"), FileFormat.RAW),
    "vhd": Target(Path("new.vhd"), FileFormat.VHD),
    "fixed": Target(Path("new.vhd"), FileFormat.VHD, is_fixed=True),
    "vhdx": Target(Path("new.vhdx"), FileFormat.VHDX),
}


def source(folder: Path, kind: FileFormat) -> tuple[Path, bytes]:
    if kind is not FileFormat.RAW:
        content = build_chain(folder, GEOMETRIES[kind], WRITES)
        return folder / NAMES[GEOMETRIES[kind].format][-1], content
    content = noise(1, MIB) + bytes(SIZE - MIB - 700) + noise(2, 300)
    (folder / "disk.raw").write_bytes(content)
    return folder / "disk.raw", content.ljust(SIZE, b"\0")


def target(folder: Path, name: str) -> Target:
    wanted = TARGETS[name]
    return Target(folder / wanted.path, wanted.format, wanted.is_fixed)


def convert(path: Path, to: Target) -> list[int]:
    progress: list[int] = []
    with LocalFiles() as files:
        disk = open_source(files, path)
        convert_disk(disk, to, progress.append)
        assert sum(progress) == bytes_to_copy(disk)
    return progress


@contextmanager
def opened(path: Path) -> Iterator[DiskChain]:
    with LocalFiles() as files:
        yield open_source(files, path)


def whole(path: Path) -> bytes:
    with opened(path) as disk:
        return b"".join(disk.read([ByteRange(0, disk.virtual_bytes)]))


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", list(TARGETS))
@pytest.mark.parametrize("kind", list(FileFormat))
def test_every_format_becomes_every_other_with_all_bytes(
    tmp_path: Path, kind: FileFormat, name: str
) -> None:
    path, content = source(tmp_path, kind)
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.iterdir()}
    to = target(tmp_path, name)

    convert(path, to)

    assert whole(to.path) == content
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in before} == before
    assert set(tmp_path.iterdir()) == {*before, to.path}


@pytest.mark.parametrize("name", list(TARGETS))
def test_zeros_take_no_room_even_if_the_source_stored_them(tmp_path: Path, name: str) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(24 * MIB) + noise(1, 4096) + bytes(8 * MIB))
    to = target(tmp_path, name)

    convert(path, to)

    assert to.path.stat().st_blocks * 512 < 2 * MIB
    assert whole(to.path) == path.read_bytes()


def test_a_new_disk_has_an_id_of_its_own_and_keeps_blocks_and_sectors_of_its_format(
    tmp_path: Path,
) -> None:
    path, _ = source(tmp_path, FileFormat.VHDX)
    same, other = target(tmp_path, "vhdx"), target(tmp_path, "vhd")
    convert(path, same)
    convert(path, other)

    with opened(path) as old, opened(same.path) as new:
        assert new.geometry == old.geometry
        assert new.virtual_disk_id != old.virtual_disk_id
    with opened(other.path) as new:
        assert new.geometry == DiskGeometry(SIZE, 512, 512, DiskFormat.VHD, 2 * MIB)
        assert new.virtual_disk_id != DISK_ID


def test_a_disk_of_4_kib_sectors_becomes_a_vhdx_and_no_vhd(tmp_path: Path) -> None:
    path = tmp_path / "disk.vhdx"
    geometry = DiskGeometry(4 * MIB, 4096, 4096, DiskFormat.VHDX, MIB)
    with create_disk(path, geometry, DISK_ID) as writer:
        writer.write(MIB, noise(1, 4096))

    with pytest.raises(DiskNotSupportedError, match="sectors of 4096") as caught:
        convert(path, target(tmp_path, "vhd"))
    assert "VHDX or a raw disk" in caught.value.hint
    convert(path, target(tmp_path, "vhdx"))

    with opened(tmp_path / "new.vhdx") as new:
        assert new.geometry == geometry
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["disk.vhdx", "new.vhdx"]


def test_more_than_a_vhd_can_hold_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        file.truncate((2 << 40) + 512)

    with pytest.raises(DiskNotSupportedError, match="cannot be a VHD"):
        convert(path, target(tmp_path, "vhd"))


@pytest.mark.parametrize("taken", ["new.vhdx", "new.vhdx.partial"])
@pytest.mark.parametrize("how", ["file", "link to nothing"])
def test_nothing_is_overwritten(tmp_path: Path, taken: str, how: str) -> None:
    path, _ = source(tmp_path, FileFormat.RAW)
    there = tmp_path / taken
    if how == "file":
        there.write_bytes(b"mine")
    else:
        there.symlink_to(tmp_path / "nowhere")

    with pytest.raises(TargetExistsError) as caught:
        convert(path, target(tmp_path, "vhdx"))

    assert taken in caught.value.message
    assert os.path.lexists(there)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_came_to_be_there_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_links: bool
) -> None:
    path, _ = source(tmp_path, FileFormat.RAW)
    to = target(tmp_path, "raw")
    if not has_links:
        monkeypatch.setattr(Path, "hardlink_to", no_links)

    def meanwhile(_done: int) -> None:
        to.path.write_bytes(b"mine")

    with opened(path) as disk, pytest.raises(TargetExistsError):
        convert_disk(disk, to, meanwhile)

    assert to.path.read_bytes() == b"mine"
    assert set(tmp_path.iterdir()) == {path, to.path}


def no_links(_self: Path, _target: Path) -> None:
    raise PermissionError("no links here")


def test_a_file_system_without_links_gets_the_disk_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, content = source(tmp_path, FileFormat.VHD)
    monkeypatch.setattr(Path, "hardlink_to", no_links)

    convert(path, target(tmp_path, "vhdx"))

    assert whole(tmp_path / "new.vhdx") == content
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("name", list(TARGETS))
@pytest.mark.parametrize(
    "fault", [KeyboardInterrupt(), DiskUnreadableError("gone", hint="look"), OSError(28, "full")]
)
def test_a_conversion_that_fails_leaves_nothing(
    tmp_path: Path, name: str, fault: BaseException
) -> None:
    path, _ = source(tmp_path, FileFormat.VHDX)
    before = set(tmp_path.iterdir())

    def fail(_done: int) -> None:
        raise fault

    expected = TargetFullError if isinstance(fault, OSError) else type(fault)
    with opened(path) as disk, pytest.raises(expected):
        convert_disk(disk, target(tmp_path, name), fail)

    assert set(tmp_path.iterdir()) == before


def test_a_target_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    path, _ = source(tmp_path, FileFormat.RAW)

    with pytest.raises(RecoveryError, match="cannot be written") as caught:
        convert(path, Target(tmp_path / "no" / "new.raw", FileFormat.RAW))
    assert caught.value.hint
    with largest_file(MIB // 2), pytest.raises(RecoveryError, match="cannot be written"):
        convert(path, target(tmp_path, "vhdx"))
    assert list(tmp_path.iterdir()) == [path]


def test_blocks_that_share_one_place_cannot_fill_the_target(tmp_path: Path) -> None:
    path = tmp_path / "bomb.vhdx"
    geometry = DiskGeometry(1 << 30, 512, 4096, DiskFormat.VHDX, MIB)
    with create_disk(path, geometry, DISK_ID) as writer:
        writer.write(0, b"x" * MIB)
    with path.open("r+b") as file:
        file.seek(3 * MIB)
        file.write((4 << 20 | BlockState.FULLY_PRESENT).to_bytes(8, "little") * 1024)

    with opened(path) as disk, pytest.raises(DiskUnreadableError, match="blocks overlap"):
        bytes_to_copy(disk)


def test_a_raw_source_that_shrinks_meanwhile_is_an_error_and_not_zeros(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    path.write_bytes(noise(1, 2 * disk_convert.PIECE_BYTES))

    def shrink(_done: int) -> None:
        os.truncate(path, disk_convert.PIECE_BYTES)

    with opened(path) as disk, pytest.raises(DiskUnreadableError, match="ends at"):
        convert_disk(disk, target(tmp_path, "vhdx"), shrink)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.RAW", "raw"), ("a.img", "raw"), ("a.AVHDX", "vhdx"), ("a.vhdx", "vhdx"), ("b.vhd", "vhd")],
)
def test_a_name_tells_the_format(name: str, kind: str) -> None:
    assert named_format(Path(name)) == kind


def test_a_name_that_tells_nothing_is_refused() -> None:
    with pytest.raises(ReconcilerError, match="does not say") as caught:
        named_format(Path("disk.qcow2"))
    assert "--format" in caught.value.hint
