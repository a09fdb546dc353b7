"""A merge that has not ended is told once nothing else explains what is seen."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from reconciler.model.machine import NaturalKey, Role, VirtualMachine
from reconciler.model.names import JobId
from reconciler.model.observed import Observed
from reconciler.plan.actions import Severity
from reconciler.plan.index import index
from reconciler.plan.merging import merges_left, unmerged

MakeVm = Callable[..., VirtualMachine]
MakeWorld = Callable[..., Observed]


@pytest.fixture
def erp(make_vm: MakeVm) -> VirtualMachine:
    return make_vm("erp")


def on_a_child(machine: VirtualMachine, ending: str = ".avhdx") -> VirtualMachine:
    return replace(
        machine, disks=tuple(replace(d, path=f"C:\\VMs\\x{ending}") for d in machine.disks)
    )


def test_what_is_merged_shows_nothing(erp: VirtualMachine) -> None:
    assert unmerged(erp, has_checkpoint=False) == ()


def test_a_merge_shows_in_the_status_the_jobs_or_the_files(erp: VirtualMachine) -> None:
    merging = replace(erp, operational_status=("Ok", "MergingDisks"))

    assert unmerged(merging, has_checkpoint=True) == ("MergingDisks",)
    assert unmerged(replace(erp, job_types=(50, 108)), has_checkpoint=True) == ("job type 50",)
    for ending in (".avhdx", ".AVHD"):
        (told,) = unmerged(on_a_child(erp, ending), has_checkpoint=False)
        assert told.endswith(ending)


def test_a_file_that_something_explains_is_no_merge(erp: VirtualMachine) -> None:
    child = on_a_child(erp)
    replica = replace(child, key=NaturalKey(child.id, Role.REPLICA))

    assert unmerged(child, has_checkpoint=True) == ()
    assert unmerged(replace(child, user_checkpoints=1), has_checkpoint=False) == ()
    assert unmerged(replica, has_checkpoint=False) == ()


@pytest.mark.parametrize(
    ("merging", "minutes", "severity"),
    [
        (False, 9, None),
        (False, 11, Severity.WARNING),
        (True, 59, None),
        (True, 61, Severity.INFO),
        (True, 361, Severity.WARNING),
    ],
)
def test_it_is_told_when_it_ought_to_have_ended(
    erp: VirtualMachine,
    make_observed: MakeWorld,
    with_replica: MakeWorld,
    noon: datetime,
    *,
    merging: bool,
    minutes: int,
    severity: Severity | None,
) -> None:
    machine = on_a_child(erp)
    if merging:
        machine = replace(machine, operational_status=("MergingDisks",))
    latest = noon - timedelta(minutes=minutes)
    observed = with_replica(make_observed(machine), machine, latest)
    found = list(merges_left(index(observed), [machine], noon))
    at_work = replace(observed, running={source: JobId("j") for source in observed.sources})

    assert [f.severity for f in found] == ([] if severity is None else [severity])
    assert list(merges_left(index(at_work), [machine], noon)) == []


def test_a_machine_that_we_never_backed_up_is_not_ours_to_tell(
    erp: VirtualMachine, make_observed: MakeWorld, noon: datetime
) -> None:
    machine = on_a_child(erp)
    assert list(merges_left(index(make_observed(machine)), [machine], noon)) == []
