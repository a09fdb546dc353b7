"""The lab's VHDs against a plain array of bytes, and against kills at every write."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from hashlib import shake_128
from pathlib import Path
from typing import Any

import pytest

from reconciler import agent_contract as contract
from reconciler.lab.create import create_lab
from reconciler.lab.definition import HostDefinition, LabDefinition
from reconciler.lab.disks import LabDisk
from reconciler.lab.full_lab import VHD_01
from reconciler.lab.host import LabHost
from reconciler.lab.vhd_layer import VhdLayer
from reconciler.lab.wire.body import AgentError
from reconciler.model.machine import DiskFormat, DiskGeometry
from tests.lab_calls import (
    assert_disks_equal_shadows,
    call,
    checkpoint,
    do,
    machines,
    reference_point,
)

MIB = 1 << 20
DISK_ID = "0f0e0d0c-0b0a-4908-8706-050403020100"
SIZE = 9 * MIB - 512
GEOMETRY = DiskGeometry(SIZE, 512, 512, DiskFormat.VHD, MIB)
BASE_HOST_PATH = "C:\\VMs\\base.vhd"


class KilledError(BaseException):
    """What a kill is to the code that it hits."""


class KilledFile:
    """Lets a number of changes of files through, then ends the process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, changes: int) -> None:
        self.left = changes
        put = VhdLayer.put

        def counted_put(layer: VhdLayer, offset: int, data: bytes | memoryview) -> None:
            if self.left == 0:
                raise KilledError
            self.left -= 1
            put(layer, offset, data)

        monkeypatch.setattr(VhdLayer, "put", counted_put)


def noise(seed: int, length: int) -> bytes:
    return shake_128(seed.to_bytes(8, "little")).digest(length)


def write(disk: LabDisk, content: bytearray, *places: tuple[int, int]) -> None:
    for offset, length in places:
        content[offset : offset + length] = noise(offset + length, length)
        disk.write(offset, bytes(content[offset : offset + length]))


def make_base(folder: Path) -> bytearray:
    content = bytearray(SIZE)
    disk = LabDisk.create(folder / "base.vhd", GEOMETRY, DISK_ID)
    write(disk, content, (0, 8192), (2 * MIB - 512, 2 * MIB), (SIZE - 512, 512))
    disk.close()
    return content


def make_child(folder: Path) -> None:
    LabDisk.create_child(folder / "child.avhd", folder / "base.vhd", BASE_HOST_PATH)


def chain(folder: Path) -> list[Path]:
    return [folder / "base.vhd", folder / "child.avhd"]


def whole(paths: list[Path]) -> bytes:
    disk = LabDisk.open(paths)
    try:
        return disk.read(0, SIZE)
    finally:
        disk.close()


def test_a_child_shows_its_parent_but_for_what_was_written_to_it(tmp_path: Path) -> None:
    content = make_base(tmp_path)
    make_child(tmp_path)
    before = (tmp_path / "base.vhd").read_bytes()
    disk = LabDisk.open(chain(tmp_path))
    write(disk, content, (512, 512), (MIB - 512, 3 * MIB), (SIZE - 1024, 1024))

    assert disk.read(0, SIZE) == content
    assert disk.virtual_disk_id == DISK_ID
    assert disk.geometry.format_block_bytes == 2 * MIB
    disk.close()
    assert (tmp_path / "base.vhd").read_bytes() == before


def test_merging_gives_the_parent_all_that_the_child_showed(tmp_path: Path) -> None:
    content = make_base(tmp_path)
    make_child(tmp_path)
    disk = LabDisk.open(chain(tmp_path))
    write(disk, content, (512, 512), (3 * MIB, 2 * MIB), (4 * MIB - 512, 1024))
    disk.close()

    LabDisk.merge(tmp_path / "child.avhd", tmp_path / "base.vhd")

    assert whole(chain(tmp_path)[:1]) == content
    assert whole(chain(tmp_path)) == content


def test_another_disk_is_no_parent_and_neither_is_a_vhdx(tmp_path: Path) -> None:
    make_base(tmp_path)
    make_child(tmp_path)
    other = tmp_path / "other"
    LabDisk.create(other, GEOMETRY, "0f0e0d0c-0b0a-4908-8706-050403020101").close()
    with pytest.raises(ValueError, match="was not made over its parent"):
        LabDisk.open([other, tmp_path / "child.avhd"])
    other.unlink()
    vhdx = DiskGeometry(9 * MIB, 512, 4096, DiskFormat.VHDX, MIB)
    LabDisk.create(other, vhdx, DISK_ID).close()

    with pytest.raises(ValueError, match="was not made over its parent"):
        LabDisk.open([other, tmp_path / "child.avhd"])


def test_a_grandchild_is_linked_anew_after_its_parent_was_merged(tmp_path: Path) -> None:
    content = make_base(tmp_path)
    make_child(tmp_path)
    leaf = tmp_path / "leaf.avhd"
    LabDisk.create_child(leaf, tmp_path / "child.avhd", "C:\\VMs\\child.avhd")
    LabDisk.merge(tmp_path / "child.avhd", tmp_path / "base.vhd")

    LabDisk.relink(leaf, tmp_path / "base.vhd", BASE_HOST_PATH)

    assert whole([tmp_path / "base.vhd", leaf]) == content


@pytest.mark.parametrize("has_child", [True, False])
def test_a_write_that_is_killed_anywhere_can_be_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_child: bool
) -> None:
    places = [(512, 1024), (4 * MIB - 512, 2 * MIB), (6 * MIB, 512)]
    content = make_base(tmp_path)
    make_child(tmp_path)
    paths = chain(tmp_path)[: 2 if has_child else 1]
    kept = paths[-1].with_suffix(".kept")
    shutil.copy(paths[-1], kept)
    before = bytes(content)
    for changes in range(40):
        shutil.copy(kept, paths[-1])
        content[:] = before
        disk = LabDisk.open(paths)
        is_done = False
        with monkeypatch.context() as patch, suppress(KilledError):
            KilledFile(patch, changes)
            write(disk, content, *places)
            is_done = True
        disk.close()
        seen = whole(paths)
        untouched = [(0, 512), (1536, 4 * MIB - 2048), (6 * MIB + 512, 3 * MIB - 1024)]
        assert all(seen[at : at + n] == before[at : at + n] for at, n in untouched)

        disk = LabDisk.open(paths)
        write(disk, content, *places)
        disk.close()
        assert whole(paths) == content
        if is_done:
            assert changes > 5
            return
    raise AssertionError("the write needs more changes than were tried")


def test_a_merge_that_is_killed_anywhere_can_be_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = make_base(tmp_path)
    make_child(tmp_path)
    disk = LabDisk.open(chain(tmp_path))
    write(disk, content, (512, 1024), (5 * MIB, 1024), (6 * MIB + 512, 1024))
    disk.close()
    for path in chain(tmp_path):
        shutil.copy(path, path.with_suffix(".kept"))
    for changes in range(40):
        for path in chain(tmp_path):
            shutil.copy(path.with_suffix(".kept"), path)
        is_done = False
        with monkeypatch.context() as patch, suppress(KilledError):
            KilledFile(patch, changes)
            LabDisk.merge(tmp_path / "child.avhd", tmp_path / "base.vhd")
            is_done = True
        assert whole(chain(tmp_path)) == content
        LabDisk.merge(tmp_path / "child.avhd", tmp_path / "base.vhd")
        assert whole(chain(tmp_path)[:1]) == content
        if is_done:
            assert changes > 5
            return
    raise AssertionError("the merge needs more changes than were tried")


def test_a_vhd_has_no_log_and_no_sectors_of_4096(tmp_path: Path) -> None:
    make_base(tmp_path)
    disk = LabDisk.open(chain(tmp_path)[:1])
    with pytest.raises(TypeError, match="has no log"):
        disk.leave_pending_log(0, bytes(512))
    disk.close()

    geometry = DiskGeometry(MIB, 4096, 4096, DiskFormat.VHD, MIB)
    with pytest.raises(ValueError, match="no VHD has the geometry"):
        LabDisk.create(tmp_path / "other.vhd", geometry, DISK_ID)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[LabHost]:
    create_lab(tmp_path, LabDefinition((HostDefinition("hv1", (VHD_01,)),)))
    with LabHost(tmp_path, "hv1") as made:
        yield made


def drive(host: LabHost) -> Mapping[str, Any]:
    (shown,) = machines(host)[VHD_01.name]["HardDrives"]
    return dict(shown)


def test_the_host_shows_its_vhd_as_hyper_v_does(host: LabHost) -> None:
    shown = drive(host)

    assert (shown["VhdFormat"], shown["VhdType"]) == ("VHD", "Dynamic")
    assert (shown["BlockSize"], shown["LogicalSectorSize"], shown["PhysicalSectorSize"]) == (
        2 * MIB,
        512,
        512,
    )


def test_a_checkpoint_makes_an_avhd_that_is_merged_when_it_goes(
    host: LabHost, tmp_path: Path
) -> None:
    before = drive(host)["Path"]
    point = checkpoint(host, VHD_01.vm_id)
    live = drive(host)
    host.guest_write(VHD_01.name, 200_000)

    assert live["Path"].endswith(".avhd")
    assert (live["VhdFormat"], live["VhdType"]) == ("VHD", "Differencing")
    assert_disks_equal_shadows(tmp_path, "hv1")

    do(host, contract.START_CHECKPOINT_REMOVAL, VHD_01.vm_id, CheckpointId=point)

    assert drive(host)["Path"] == before
    assert [path.name for path in tmp_path.rglob("*.*vhd")] == ["vhd-01.vhd"]
    assert_disks_equal_shadows(tmp_path, "hv1")


def test_a_reference_point_tracks_no_vhd(host: LabHost) -> None:
    point = reference_point(host, VHD_01.vm_id)
    host.guest_write(VHD_01.name, 50_000)
    held = checkpoint(host, VHD_01.vm_id)
    (shown,) = (p for p in call(host, contract.GET_CHECKPOINT) if p["CheckpointId"] == held)
    (kept,) = shown["HardDrives"]

    assert [disk["RctId"] for disk in point["Disks"]] == [""]
    with pytest.raises(AgentError):
        call(
            host,
            contract.GET_DISK_CHANGE,
            Path=kept["Path"],
            LimitId="",
            Offset=0,
            Length=kept["Size"],
        )
