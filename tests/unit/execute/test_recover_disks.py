"""A target that cannot take a recovery is told, and left as it was."""

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from reconciler.errors import RecoveryError, TargetExistsError, TargetFullError
from reconciler.execute import recover_disks
from reconciler.model.machine import ControllerSlot, DiskFormat, DiskGeometry
from reconciler.model.names import DiskId
from reconciler.model.protection import DiskDescription

GEOMETRY = DiskGeometry(1 << 30, 512, 4096, DiskFormat.VHDX, 1 << 20)


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def written_until_it_fails(target: Path, number: int) -> None:
    """A recovery that writes a disk, and then meets an error of the system."""
    with recover_disks.empty_folder(target) as written:
        (target / "disk.vhdx").write_bytes(b"x")
        written.append(target / "disk.vhdx")
        (target.parent / "notes.txt").write_text("mine")
        raise OSError(number, os.strerror(number))


def test_a_target_without_room_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10, 9, 1))

    with pytest.raises(TargetFullError, match="need 2 bytes") as refused:
        recover_disks.require_room(tmp_path, 2)

    assert "another folder" in refused.value.hint
    recover_disks.require_room(tmp_path, 1)


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, TargetFullError), (errno.EDQUOT, TargetFullError), (errno.EIO, RecoveryError)],
)
def test_a_target_that_fails_on_the_way_keeps_nothing_of_ours(
    tmp_path: Path, number: int, kind: type[RecoveryError]
) -> None:
    target = tmp_path / "a" / "b"

    with pytest.raises(kind, match=str(target)):
        written_until_it_fails(target, number)

    assert not target.exists()
    assert [path.name for path in target.parent.iterdir()] == ["notes.txt"]


def test_a_folder_that_was_there_stays_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir(mode=0o700)
    before = target.stat()

    with pytest.raises(TargetFullError):
        written_until_it_fails(target, errno.ENOSPC)

    assert (target.stat().st_ino, target.stat().st_mode) == (before.st_ino, before.st_mode)
    assert list(target.iterdir()) == []


@pytest.mark.parametrize(
    "make", [lambda p: p.write_text("x"), lambda p: (p / "x").mkdir(parents=True)]
)
def test_a_file_or_a_folder_that_holds_something_is_no_target(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    target = tmp_path / "target"
    make(target)

    with pytest.raises(TargetExistsError), recover_disks.empty_folder(target):
        raise AssertionError("it was taken")

    assert target.exists()


@pytest.mark.parametrize(
    ("name", "controller", "expected"),
    [
        ("fin-sql01", "SCSI", "fin-sql01-SCSI-0-1.vhdx"),
        ("../../etc/passwd", "SCSI", "_.._etc_passwd-SCSI-0-1.vhdx"),
        ("a/b\\c:d", "../x", "a_b_c_d-_x-0-1.vhdx"),
        ("", "SCSI", "machine-SCSI-0-1.vhdx"),
        ("x" * 300, "SCSI", "x" * 100 + "-SCSI-0-1.vhdx"),
    ],
)
def test_a_name_from_a_host_leads_nowhere_else(name: str, controller: str, expected: str) -> None:
    disk = DiskDescription(DiskId("d"), ControllerSlot(controller, 0, 1), "id", GEOMETRY)

    assert recover_disks.file_name(name, disk) == expected


def test_a_disk_is_named_after_its_format() -> None:
    vhd = replace(GEOMETRY, format=DiskFormat.VHD)
    disk = DiskDescription(DiskId("d"), ControllerSlot("IDE", 1, 0), "id", vhd)

    assert recover_disks.file_name("erp", disk) == "erp-IDE-1-0.vhd"
