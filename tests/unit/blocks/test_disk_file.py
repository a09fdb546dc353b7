"""The format of a disk is told by its name and its content together."""

from pathlib import Path
from uuid import UUID

import pytest

from reconciler.blocks import vhd_format as form
from reconciler.blocks.disk_file import create_disk, open_disk
from reconciler.blocks.vhd_format import Footer
from reconciler.errors import DiskNotSupportedError, DiskUnreadableError
from reconciler.lab.disks import LabDisk
from reconciler.model.machine import DiskFormat, DiskGeometry
from reconciler.model.ranges import ByteRange
from tests.disk_images import DISK_ID, MIB, MemoryHost

FAKE_FOOTER = Footer(form.FIXED, MIB, UUID(int=7)).packed()


def disk(folder: Path, kind: DiskFormat) -> bytes:
    path = folder / f"made.{kind.value.lower()}"
    geometry = DiskGeometry(4 * MIB, 512, 512, kind, 2 * MIB)
    with create_disk(path, geometry, DISK_ID) as writer:
        writer.write(0, b"x" * 512)
    return path.read_bytes()


def fixed_vhd(content: bytes) -> bytes:
    return content + Footer(form.FIXED, len(content), UUID(DISK_ID)).packed()


@pytest.mark.parametrize("kind", list(DiskFormat))
@pytest.mark.parametrize("name", ["disk.{}", "DISK.A{}", "disk.bak"])
def test_a_disk_of_either_format_is_opened(tmp_path: Path, kind: DiskFormat, name: str) -> None:
    named = name.format(kind.value)

    chain = open_disk(MemoryHost({named: disk(tmp_path, kind)}), f"C:\\{named}")

    assert chain.geometry.format is kind
    assert chain.read([ByteRange(0, 512)]) == [b"x" * 512]


def test_a_guest_cannot_make_its_fixed_vhd_a_vhdx(tmp_path: Path) -> None:
    content = disk(tmp_path, DiskFormat.VHDX)

    chain = open_disk(MemoryHost({"a.vhd": fixed_vhd(content)}), "C:\\a.vhd")

    assert chain.geometry.format is DiskFormat.VHD
    assert chain.read([ByteRange(0, 512)]) == [content[:512]]


def test_a_guest_cannot_make_its_vhdx_a_vhd(tmp_path: Path) -> None:
    data = disk(tmp_path, DiskFormat.VHDX)
    data = data[:-512] + FAKE_FOOTER

    chain = open_disk(MemoryHost({"a.vhdx": data}), "C:\\a.vhdx")

    assert chain.geometry.format is DiskFormat.VHDX


@pytest.mark.parametrize("name", ["a.vhdx", "a.bak"])
def test_content_that_contradicts_the_name_is_refused(tmp_path: Path, name: str) -> None:
    both = fixed_vhd(disk(tmp_path, DiskFormat.VHDX)) if name == "a.bak" else None
    data = both or disk(tmp_path, DiskFormat.VHD)

    with pytest.raises(DiskUnreadableError, match=r"by its content it is .*VHD") as caught:
        open_disk(MemoryHost({name: data}), f"C:\\{name}")

    assert ".avhd" in caught.value.hint


@pytest.mark.parametrize("data", [b"", bytes(100), bytes(4096)])
def test_what_is_no_disk_is_refused(data: bytes) -> None:
    with pytest.raises(DiskUnreadableError, match="neither a VHD nor a VHDX"):
        open_disk(MemoryHost({"a.vhd": data}), "C:\\a.vhd")


def test_a_vhdx_over_a_vhd_is_refused(tmp_path: Path) -> None:
    geometry = DiskGeometry(4 * MIB, 512, 4096, DiskFormat.VHDX, MIB)
    LabDisk.create(tmp_path / "base.vhdx", geometry, DISK_ID).close()
    LabDisk.create_child(tmp_path / "child.avhdx", tmp_path / "base.vhdx", "C:\\base.vhdx")
    child = (tmp_path / "child.avhdx").read_bytes()
    files = {"child.avhdx": child, "base.vhdx": disk(tmp_path, DiskFormat.VHD)}

    with pytest.raises(DiskNotSupportedError, match="formats do not mix"):
        open_disk(MemoryHost(files), "C:\\child.avhdx")
