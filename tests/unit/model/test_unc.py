"""Which paths lead to a file server, and to which."""

import pytest

from reconciler.model.unc import UncPath, unc_path


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        (r"\\fs1\vms\erp\disk.vhdx", UncPath("fs1", "vms", r"erp\disk.vhdx")),
        (r"\\FS1.corp.example\d$\x.vhdx", UncPath("FS1.corp.example", "d$", "x.vhdx")),
        (r"\\?\UNC\fs1\vms\disk.vhdx", UncPath("fs1", "vms", "disk.vhdx")),
        (r"\\?\unc\fs1\vms\disk.vhdx", UncPath("fs1", "vms", "disk.vhdx")),
        (r"\\fs1\vms", UncPath("fs1", "vms", "")),
        (r"\\fs1", UncPath("fs1", "", "")),
        ("\\\\", UncPath("", "", "")),
    ],
)
def test_a_path_that_begins_with_a_server_is_taken_apart(path: str, parts: UncPath) -> None:
    assert unc_path(path) == parts


@pytest.mark.parametrize(
    "path",
    [
        r"C:\VMs\disk.vhdx",
        r"\\?\C:\VMs\disk.vhdx",
        r"\\.\PhysicalDrive3",
        r"\\?\Volume{5e12ae00-0000-0000-0000-000000000000}\disk.vhdx",
        r"\VMs\disk.vhdx",
        "//fs1/vms/disk.vhdx",
        "",
    ],
)
def test_a_path_of_the_host_itself_is_none_of_a_file_server(path: str) -> None:
    assert unc_path(path) is None
