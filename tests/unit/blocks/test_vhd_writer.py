"""A recovered VHD: what its file is, step by step, and which disks none can be."""

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.blocks import vhd_format as form
from reconciler.blocks.disk_file import create_disk
from reconciler.blocks.vhd_format import Footer, Header
from reconciler.blocks.vhd_writer import VhdWriter
from reconciler.blocks.vhdx_writer import VhdxWriter
from reconciler.errors import DiskNotSupportedError
from reconciler.model.machine import DiskFormat, DiskGeometry

MIB = 1 << 20
DISK_ID = "0f0e0d0c-0b0a-4908-8706-050403020100"
GEOMETRY = DiskGeometry(9 * MIB, 512, 512, DiskFormat.VHD, 2 * MIB)


def test_the_format_of_the_geometry_decides_what_is_made(tmp_path: Path) -> None:
    vhdx = replace(GEOMETRY, format=DiskFormat.VHDX)

    with create_disk(tmp_path / "a.vhd", GEOMETRY, DISK_ID) as writer:
        assert isinstance(writer, VhdWriter)
    with create_disk(tmp_path / "a.vhdx", vhdx, DISK_ID) as writer:
        assert isinstance(writer, VhdxWriter)


def test_a_new_file_has_footers_at_both_ends_and_only_blocks_that_hold_something(
    tmp_path: Path,
) -> None:
    path = tmp_path / "disk.vhd"
    with VhdWriter(path, GEOMETRY, DISK_ID) as writer:
        writer.write(0, bytes(4 * MIB))
        writer.write(8 * MIB, b"x" * 512)

    data = path.read_bytes()
    footer = Footer.unpacked(data[:512])
    assert footer == Footer.unpacked(data[-512:])
    assert footer
    assert (footer.kind, footer.virtual_bytes) == (form.DYNAMIC, 9 * MIB)
    assert str(footer.unique_id) == DISK_ID
    header = Header.unpacked(data[512:1536])
    assert header
    assert (header.table_entries, header.block_bytes) == (5, 2 * MIB)
    table = data[header.table_offset : header.table_offset + 512]
    assert table[: 4 * 4] == b"\xff" * 16
    place = int.from_bytes(table[16:20], "big") * 512
    assert (place + 512) % 4096 == 0
    assert data[place + 512 : place + 1024] == b"x" * 512
    assert len(data) == place + 512 + 2 * MIB + 512


def test_no_reader_takes_a_file_for_a_disk_before_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "disk.vhd"
    writer = VhdWriter(path, GEOMETRY, DISK_ID)
    writer.write(0, b"x" * 4096)
    writer.abandon()

    data = path.read_bytes()

    assert form.FOOTER_COOKIE not in data
    assert form.HEADER_COOKIE not in data


def test_an_exception_inside_abandons_the_file(tmp_path: Path) -> None:
    path = tmp_path / "disk.vhd"

    def interrupted() -> None:
        with VhdWriter(path, GEOMETRY, DISK_ID) as writer:
            writer.write(0, b"x" * 4096)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert form.FOOTER_COOKIE not in path.read_bytes()


@pytest.mark.parametrize(
    ("geometry", "field"),
    [
        (replace(GEOMETRY, logical_sector_bytes=4096), "logical sector size"),
        (replace(GEOMETRY, format_block_bytes=3 * MIB), "block size"),
        (replace(GEOMETRY, format_block_bytes=4096), "block size"),
        (replace(GEOMETRY, format_block_bytes=512 * MIB), "block size"),
        (replace(GEOMETRY, virtual_bytes=0), "virtual size"),
        (replace(GEOMETRY, virtual_bytes=MIB + 1), "virtual size"),
        (replace(GEOMETRY, virtual_bytes=(2 << 40) + 512), "virtual size"),
    ],
)
def test_a_geometry_that_no_vhd_has_is_refused_before_a_file_is_made(
    tmp_path: Path, geometry: DiskGeometry, field: str
) -> None:
    with pytest.raises(DiskNotSupportedError, match=f"no VHD has the {field}"):
        VhdWriter(tmp_path / "disk.vhd", geometry, DISK_ID)

    assert list(tmp_path.iterdir()) == []


def test_an_id_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DiskNotSupportedError, match="is no virtual disk id"):
        VhdWriter(tmp_path / "disk.vhd", GEOMETRY, "not-one")


@pytest.mark.parametrize(("offset", "length"), [(1, 512), (0, 100), (9 * MIB, 512)])
def test_only_whole_sectors_of_the_disk_are_written(
    tmp_path: Path, offset: int, length: int
) -> None:
    with VhdWriter(tmp_path / "disk.vhd", GEOMETRY, DISK_ID) as writer, pytest.raises(ValueError):  # noqa: PT011
        writer.write(offset, bytes(length))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (40 << 20, (963, 5, 17)),
        (128 << 20, (963, 16, 17)),
        (200 << 20, (825, 16, 31)),
        (256 << 20, (520, 16, 63)),
        (4 << 30, (8322, 16, 63)),
        (1 << 40, (65_535, 16, 255)),
    ],
)
def test_the_geometry_is_that_of_the_specification(
    tmp_path: Path, size: int, expected: tuple[int, int, int]
) -> None:
    path = tmp_path / "disk.vhd"
    VhdWriter(path, replace(GEOMETRY, virtual_bytes=size), DISK_ID).close()

    geometry = path.read_bytes()[56:60]

    assert (int.from_bytes(geometry[:2], "big"), geometry[2], geometry[3]) == expected
