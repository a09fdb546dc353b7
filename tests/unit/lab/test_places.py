"""Where files of a host are in the lab folder, and which machines are tracked."""

from pathlib import Path

import pytest

from reconciler.lab.book import is_remote, local_path
from reconciler.lab.tracking import can_track

HOST = Path("lab/hvc1")


@pytest.mark.parametrize(
    ("path", "cluster", "place"),
    [
        ("C:\\VMs\\a\\a.vhdx", "", "lab/hvc1/files/C/VMs/a/a.vhdx"),
        ("C:\\VMs\\a\\a.vhdx", "hvcluster", "lab/hvc1/files/C/VMs/a/a.vhdx"),
        (
            "C:\\ClusterStorage\\Volume1\\a.vhdx",
            "hvcluster",
            "lab/hvcluster/files/C/ClusterStorage/Volume1/a.vhdx",
        ),
        (
            "C:\\ClusterStorage\\Volume1\\a.vhdx",
            "",
            "lab/hvc1/files/C/ClusterStorage/Volume1/a.vhdx",
        ),
        ("\\\\files1\\vms\\a\\a.vhdx", "", "lab/files1/vms/a/a.vhdx"),
        ("\\\\files1\\vms\\a\\a.vhdx", "hvcluster", "lab/files1/vms/a/a.vhdx"),
    ],
)
def test_a_path_leads_to_the_folder_of_the_host_the_cluster_or_the_server(
    path: str, cluster: str, place: str
) -> None:
    assert local_path(HOST, path, cluster) == Path(place)


def test_only_a_path_with_a_server_is_remote() -> None:
    assert is_remote("\\\\files1\\vms\\a.vhdx")
    assert not is_remote("C:\\ClusterStorage\\a.vhdx")
    assert not is_remote("")


@pytest.mark.parametrize(
    ("os_build", "version", "is_tracked"),
    [
        (20_348, "10.0", True),
        (14_393, "6.2", True),
        (14_393, "6.1", False),
        (20_348, "5.0", False),
        (9_600, "5.0", False),
        (9_600, "8.0", False),
        (20_348, "new", False),
    ],
)
def test_both_host_and_machine_must_be_new_enough_to_be_tracked(
    os_build: int, version: str, *, is_tracked: bool
) -> None:
    assert can_track(os_build, version) is is_tracked
