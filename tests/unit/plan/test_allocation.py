"""What machines may come to take, and what their volumes lack for it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from reconciler.model.machine import VirtualMachine
from reconciler.model.names import DataSourceId, PlanId, PoolName, VolumeId
from reconciler.model.observed import Observed, StoredGrowth, VolumeFacts
from reconciler.plan.allocation import VolumeAllocation, backups_a_day, disk_allocation
from reconciler.plan.planner import Occasion, make_plan
from reconciler.policy.policy_set import PolicySet
from reconciler.policy.protection_group import ProtectionGroup

GIB = 1 << 30
DAY = timedelta(days=1)
ERP = DataSourceId("source-erp")

Make = Callable[..., Observed]
Vm = Callable[..., VirtualMachine]
Group = Callable[..., ProtectionGroup]


def facts(free_bytes: int | None, stored_bytes: int = 0) -> VolumeFacts:
    return VolumeFacts(
        PoolName("main"),
        "main-1",
        VolumeId("volume-1"),
        "/backup/1",
        total_bytes=free_bytes,
        free_bytes=free_bytes,
        stored_bytes=stored_bytes,
    )


def at(hours: int) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours)


@pytest.fixture
def allocated(noon: datetime) -> Callable[..., VolumeAllocation]:
    """What is told of the only volume."""

    def allocate(observed: Observed, *groups: ProtectionGroup) -> VolumeAllocation:
        wanted = PolicySet(groups)
        plan = make_plan(wanted, observed, Occasion(PlanId("plan-1"), noon, "server"))
        (found,) = disk_allocation(wanted, observed, plan)
        return found

    return allocate


@pytest.mark.parametrize(
    ("keys", "is_tracked", "a_day"),
    [
        ({}, True, 1),
        ({"synchronization": "1h"}, True, 25),
        ({"synchronization": "1h"}, False, 1),
        ({"recovery_points": {"times": ["08:00", "18:00"], "weekdays": ["mon"]}}, True, "104/365"),
        (
            {"recovery_points": {"times": ["08:00"], "days_of_month": [1], "months": ["jan"]}},
            True,
            "1/365",
        ),
    ],
)
def test_backups_a_day_are_those_of_the_schedule(
    keys: dict[str, object],
    is_tracked: bool,  # noqa: FBT001
    a_day: str,
    make_group: Group,
) -> None:
    assert backups_a_day(make_group(**keys), is_tracked=is_tracked) == Fraction(a_day)


@pytest.mark.parametrize(
    ("keys", "factor"),
    [
        ({"retention": "5d"}, "1.15"),
        ({"retention": "30d"}, "1.9"),
        ({"retention": "5d", "recovery_points": {"times": ["08:00", "18:00"]}}, "1.3"),
        ({"retention": "5d", "synchronization": "15m"}, "1.5"),
    ],
)
def test_a_new_replica_is_provisioned_by_dpms_formula(
    keys: dict[str, object],
    factor: str,
    make_observed: Make,
    make_vm: Vm,
    make_group: Group,
    allocated: Callable[..., VolumeAllocation],
) -> None:
    found = allocated(make_observed(make_vm(), volumes=(facts(None),)), make_group(**keys))

    (machine,) = found.machines
    assert (machine.basis, machine.reason) == ("formula", "the only volume of its pool")
    assert machine.data_bytes == 64 * GIB
    exact = 64 * GIB * Fraction(factor) * Fraction("1.05")
    assert machine.provision_bytes == -(-exact.numerator // exact.denominator)
    assert found.underprovisioned_bytes == 0


def test_what_should_be_added_is_what_is_to_come_and_has_no_room(
    make_observed: Make, make_vm: Vm, make_group: Group, allocated: Callable[..., VolumeAllocation]
) -> None:
    groups = make_group(retention="5d")
    to_provision = allocated(
        make_observed(make_vm(), volumes=(facts(None),)), groups
    ).provision_bytes
    enough = allocated(make_observed(make_vm(), volumes=(facts(to_provision),)), groups)
    less = allocated(make_observed(make_vm(), volumes=(facts(to_provision - 7),)), groups)

    assert (enough.underprovisioned_bytes, less.underprovisioned_bytes) == (0, 7)


def test_a_replica_that_was_seen_to_grow_goes_on_so(
    make_observed: Make,
    make_vm: Vm,
    make_group: Group,
    with_replica: Make,
    noon: datetime,
    allocated: Callable[..., VolumeAllocation],
) -> None:
    grown = StoredGrowth(20 * GIB, 6 * GIB, noon - 3 * DAY, noon)
    seen = make_observed(make_vm(), volumes=(facts(None),), growth={ERP: grown})
    (machine,) = allocated(with_replica(seen, make_vm()), make_group()).machines

    assert machine.basis == "measured"
    assert machine.stored_bytes == 26 * GIB
    # 2 GiB a day for 30 days
    assert machine.provision_bytes == (20 + 60) * GIB * 105 // 100
    assert machine.to_come_bytes == machine.provision_bytes - machine.stored_bytes


@pytest.mark.parametrize(
    "grown",
    [
        StoredGrowth(20 * GIB, 0, at(0), at(23)),
        StoredGrowth(None, 6 * GIB, at(0), at(200)),
    ],
    ids=["less than a day", "its beginning is not known"],
)
def test_what_says_too_little_of_growth_leaves_the_formula(
    grown: StoredGrowth,
    make_observed: Make,
    make_vm: Vm,
    make_group: Group,
    with_replica: Make,
    allocated: Callable[..., VolumeAllocation],
) -> None:
    seen = make_observed(make_vm(), volumes=(facts(None),), growth={ERP: grown})
    (machine,) = allocated(with_replica(seen, make_vm()), make_group()).machines

    assert machine.basis == "formula"


def test_what_no_group_claims_is_kept_and_grows_no_more(
    make_observed: Make,
    make_vm: Vm,
    make_group: Group,
    with_replica: Make,
    noon: datetime,
    allocated: Callable[..., VolumeAllocation],
) -> None:
    grown = StoredGrowth(20 * GIB, 6 * GIB, noon - 3 * DAY, noon)
    seen = make_observed(make_vm("crm"), volumes=(facts(GIB),), growth={ERP: grown})
    found = allocated(with_replica(seen, make_vm()), make_group(members=[{"name": "none"}]))
    silent = make_observed(silent=["hv1"], volumes=(facts(GIB),), growth={ERP: grown})
    unknown = allocated(with_replica(silent, make_vm()), make_group())

    assert [(m.machine, m.basis) for m in found.machines] == [("erp", "kept")]
    assert (found.provision_bytes, found.underprovisioned_bytes) == (26 * GIB, 0)
    assert [(m.machine, m.basis) for m in unknown.machines] == [("erp", "unknown")]
