"""A recovered disk is a true one, takes no room for zeros, and is none until it is closed."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.blocks.vhdx import DiskChain, open_chain
from reconciler.blocks.vhdx_format import MIB
from reconciler.blocks.vhdx_writer import VhdxWriter
from reconciler.errors import DiskNotSupportedError, DiskUnreadableError
from reconciler.model.machine import DiskFormat, DiskGeometry
from reconciler.model.ranges import ByteRange
from tests.disk_images import DISK_ID, FolderFiles, noise

GEOMETRY = DiskGeometry(64 * MIB + 4096, 512, 4096, DiskFormat.VHDX, 2 * MIB)


def opened(path: Path) -> DiskChain:
    return open_chain(FolderFiles(path.parent), str(path))


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_was_written_in_any_order_is_read_and_the_rest_is_zeros(tmp_path: Path) -> None:
    content = bytearray(GEOMETRY.virtual_bytes)
    with VhdxWriter(tmp_path / "disk.vhdx", GEOMETRY, DISK_ID) as writer:
        for offset, length in ((64 * MIB, 4096), (MIB, 3 * MIB), (512, 512), (2 * MIB, 512)):
            content[offset : offset + length] = noise(offset, length)
            writer.write(offset, content[offset : offset + length])

    chain = opened(tmp_path / "disk.vhdx")

    assert chain.read([ByteRange(0, GEOMETRY.virtual_bytes)]) == [content]
    assert chain.geometry == GEOMETRY
    assert chain.virtual_disk_id == DISK_ID
    assert list(chain.allocated(0, GEOMETRY.virtual_bytes)) == [
        ByteRange(0, 4 * MIB),
        ByteRange(64 * MIB, 64 * MIB + 4096),
    ]


def test_zeros_take_no_room_but_do_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "disk.vhdx"
    with VhdxWriter(path, GEOMETRY, DISK_ID) as writer:
        empty = writer.file_bytes
        writer.write(0, bytes(8 * MIB))
        assert writer.file_bytes == empty
        writer.write(0, b"x" * 4096)
        writer.write(0, bytes(512))

    assert opened(path).read([ByteRange(0, 1024)]) == [bytes(512) + b"x" * 512]


def test_blocks_of_a_sparse_file_stay_sparse(tmp_path: Path) -> None:
    path = tmp_path / "disk.vhdx"
    with VhdxWriter(path, replace(GEOMETRY, format_block_bytes=32 * MIB), DISK_ID) as writer:
        writer.write(0, b"x" * 4096)
        writer.write(40 * MIB, b"x" * 4096)

    assert path.stat().st_size > 64 * MIB
    assert path.stat().st_blocks * 512 < 2 * MIB


def test_entries_of_many_chunks_stand_where_bitmaps_would_interleave(tmp_path: Path) -> None:
    path = tmp_path / "disk.vhdx"
    size = 2 << 40
    places = [0, 4095 * MIB, 4096 * MIB, (1 << 40) + MIB, size - MIB]
    with VhdxWriter(
        path, replace(GEOMETRY, virtual_bytes=size, format_block_bytes=MIB), DISK_ID
    ) as w:
        for place in places:
            w.write(place, noise(place, 4096))

    chain = opened(path)

    wanted = [ByteRange(place, place + 4096) for place in places]
    assert chain.read(wanted) == [noise(place, 4096) for place in places]
    assert sum(r.length for r in chain.allocated(0, size)) == len(places) * MIB


@pytest.mark.parametrize(
    "geometry",
    [replace(GEOMETRY, format_block_bytes=0), replace(GEOMETRY, format=DiskFormat.VHD)],
)
def test_a_disk_that_was_none_of_blocks_gets_blocks_of_32_mib(
    tmp_path: Path, geometry: DiskGeometry
) -> None:
    VhdxWriter(tmp_path / "disk.vhdx", geometry, DISK_ID).close()

    assert opened(tmp_path / "disk.vhdx").format_block_bytes == 32 * MIB


def test_an_abandoned_file_is_no_vhdx(tmp_path: Path) -> None:
    path = tmp_path / "disk.vhdx"
    writer = VhdxWriter(path, GEOMETRY, DISK_ID)
    writer.write(0, b"x" * 4096)
    writer.abandon()

    with pytest.raises(DiskUnreadableError):
        opened(path)


def test_an_exception_inside_abandons_the_file(tmp_path: Path) -> None:
    path = tmp_path / "disk.vhdx"

    def interrupted() -> None:
        with VhdxWriter(path, GEOMETRY, DISK_ID) as writer:
            writer.write(0, b"x" * 4096)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    with pytest.raises(DiskUnreadableError):
        opened(path)


def test_until_the_data_is_synced_there_are_no_headers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "disk.vhdx"
    writer = VhdxWriter(path, GEOMETRY, DISK_ID)
    writer.write(0, b"x" * 4096)
    synced = []

    def fail(descriptor: int) -> None:
        synced.append(descriptor)
        raise OSError(5, "input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="input/output error"):
        writer.close()

    assert len(synced) == 1
    with pytest.raises(DiskUnreadableError, match="header"):
        opened(path)


def test_a_full_disk_is_the_callers_to_explain_and_the_file_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "disk.vhdx"
    writer = VhdxWriter(path, GEOMETRY, DISK_ID)

    with largest_file(6 * MIB), pytest.raises(OSError, match="too large"):
        writer.write(0, b"x" * 8 * MIB)

    with pytest.raises(ValueError, match="closed file"):
        writer.write(0, b"x" * 4096)
    with pytest.raises(DiskUnreadableError):
        opened(path)


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "disk.vhdx"
    path.write_bytes(b"precious")

    with pytest.raises(FileExistsError):
        VhdxWriter(path, GEOMETRY, DISK_ID)

    assert path.read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"virtual_bytes": 0}, "virtual size"),
        ({"virtual_bytes": 1000}, "virtual size"),
        ({"virtual_bytes": (64 << 40) + 512}, "virtual size"),
        ({"logical_sector_bytes": 520}, "logical sector size"),
        ({"physical_sector_bytes": 0}, "physical sector size"),
        ({"format_block_bytes": 3 * MIB}, "block size"),
        ({"format_block_bytes": 512 * MIB}, "block size"),
    ],
)
def test_a_geometry_that_no_vhdx_has_leaves_no_file(
    tmp_path: Path, changes: dict[str, int], field: str
) -> None:
    geometry = DiskGeometry(**{**_fields(GEOMETRY), **changes}, format=DiskFormat.VHDX)

    with pytest.raises(DiskNotSupportedError, match=field):
        VhdxWriter(tmp_path / "disk.vhdx", geometry, DISK_ID)

    assert not list(tmp_path.iterdir())


def _fields(geometry: DiskGeometry) -> dict[str, int]:
    return {
        "virtual_bytes": geometry.virtual_bytes,
        "logical_sector_bytes": geometry.logical_sector_bytes,
        "physical_sector_bytes": geometry.physical_sector_bytes,
        "format_block_bytes": geometry.format_block_bytes,
    }


def test_an_id_that_is_no_guid_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(DiskNotSupportedError, match="no virtual disk id"):
        VhdxWriter(tmp_path / "disk.vhdx", GEOMETRY, "disk-1")

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("offset", "length"), [(1, 512), (0, 511), (-512, 512), (GEOMETRY.virtual_bytes, 512)]
)
def test_a_write_that_is_no_sectors_of_the_disk_is_a_mistake_of_the_caller(
    tmp_path: Path, offset: int, length: int
) -> None:
    with (
        VhdxWriter(tmp_path / "disk.vhdx", GEOMETRY, DISK_ID) as writer,
        pytest.raises(ValueError, match="are not"),
    ):
        writer.write(offset, bytes(length))
