"""When Hyper-V can tell what changed."""

from collections.abc import Callable

import pytest

from reconciler.model.machine import DiskFormat, VirtualDisk, VirtualMachine
from reconciler.model.observed import Observed
from reconciler.plan.tracking import is_tracked

MakeVm = Callable[..., VirtualMachine]
MakeObserved = Callable[..., Observed]


def tracked(observed: Observed) -> bool:
    (report,) = observed.inventory.reports.values()
    return is_tracked(report.facts, report.machines[0])


@pytest.mark.parametrize(("build", "expected"), [(9600, False), (14_393, True), (26_100, True)])
def test_tracking_came_with_server_2016(
    make_vm: MakeVm, make_observed: MakeObserved, build: int, *, expected: bool
) -> None:
    assert tracked(make_observed(make_vm(), os_build=build)) is expected


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("5.0", False),
        ("6.1", False),
        ("6.2", True),
        ("6.10", True),
        ("9", True),
        ("12.0", True),
        ("", False),
        ("254.0 preview", False),
        ("-9.0", False),
    ],
)
def test_a_machine_of_an_old_version_or_an_unknown_one_is_not_tracked(
    make_vm: MakeVm, make_observed: MakeObserved, version: str, *, expected: bool
) -> None:
    assert tracked(make_observed(make_vm(configuration_version=version))) is expected


def test_a_version_of_thousands_of_digits_is_an_unknown_one(
    make_vm: MakeVm, make_observed: MakeObserved
) -> None:
    assert not tracked(make_observed(make_vm(configuration_version="9" * 5000)))


def test_one_old_disk_is_enough_to_lose_tracking(
    make_vm: MakeVm, make_observed: MakeObserved, make_disk: Callable[..., VirtualDisk]
) -> None:
    disks = (make_disk(0), make_disk(1, file_format=DiskFormat.VHD))

    assert not tracked(make_observed(make_vm(disks=disks)))
    assert tracked(make_observed(make_vm(disks=disks[:1])))
