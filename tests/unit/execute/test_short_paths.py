"""A recovery whose paths would be too long for Windows is refused before anything is written."""

from collections.abc import Callable
from pathlib import PurePosixPath, PureWindowsPath

import pytest

from reconciler.errors import RecoveryError
from reconciler.execute.recover_disks import require_short_paths
from reconciler.model.machine import VirtualDisk
from reconciler.model.names import DiskId
from reconciler.model.protection import DiskDescription


@pytest.fixture
def disk(make_disk: Callable[..., VirtualDisk]) -> DiskDescription:
    made = make_disk()
    return DiskDescription(DiskId("d"), made.slot, made.virtual_disk_id, made.geometry)


def test_a_path_that_windows_cannot_open_is_refused(disk: DiskDescription) -> None:
    with pytest.raises(RecoveryError, match="260 characters") as refused:
        require_short_paths("erp", PureWindowsPath("C:\\" + "x" * 250), [disk])
    assert "shorter" in refused.value.hint


def test_short_ones_and_those_of_other_systems_pass(disk: DiskDescription) -> None:
    require_short_paths("erp", PureWindowsPath("C:\\back"), [disk])
    require_short_paths("erp", PurePosixPath("/" + "x" * 250), [disk])
