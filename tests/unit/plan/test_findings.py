"""What a person should know of hosts, groups and members."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.model.machine import (
    ControllerSlot,
    HostVolume,
    PassThroughDisk,
    Role,
    SharedDisk,
    VirtualDisk,
    VirtualMachine,
)
from reconciler.model.observed import Observed
from reconciler.plan.actions import CreateReplica, Finding, Plan, Severity
from reconciler.policy.protection_group import ProtectionGroup

MakeVm = Callable[..., VirtualMachine]
MakeGroup = Callable[..., ProtectionGroup]
MakeObserved = Callable[..., Observed]
PlanOf = Callable[..., Plan]
OTHERS = {"members": [{"name": "crm"}]}


def found(plan: Plan, code: str) -> list[Finding]:
    return [finding for finding in plan.findings if finding.code == code]


def test_a_physical_disk_is_told_and_the_rest_is_backed_up(
    plan_of: PlanOf, make_vm: MakeVm, make_observed: MakeObserved
) -> None:
    physical = tuple(PassThroughDisk(ControllerSlot("SCSI", 0, n), n + 4) for n in (3, 4))
    plan = plan_of(make_observed(make_vm(pass_through=physical)))

    assert [type(action) for action in plan.actions] == [CreateReplica]
    first, second = found(plan, "disk.pass_through")
    assert first.message.startswith("the disk at SCSI 0:3 is the host's physical disk 7: ")
    assert second.message.startswith("the disk at SCSI 0:4 is the host's physical disk 8: ")
    assert "from inside the guest" in first.hint
    assert (first.severity, first.host) == (Severity.WARNING, "hv1")


def test_a_shared_disk_is_told_and_the_rest_is_backed_up(
    plan_of: PlanOf, make_vm: MakeVm, make_observed: MakeObserved
) -> None:
    shared = (SharedDisk(ControllerSlot("SCSI", 0, 3), "D:\\quorum.vhds"),)
    plan = plan_of(make_observed(make_vm(shared=shared)))

    assert [type(action) for action in plan.actions] == [CreateReplica]
    (finding,) = found(plan, "disk.shared")
    assert "SCSI 0:3 is shared with other machines (D:\\quorum.vhds)" in finding.message
    assert "from inside the guests" in finding.hint
    assert (finding.severity, finding.host) == (Severity.WARNING, "hv1")


@pytest.mark.parametrize(("count", "told"), [(1, "1 checkpoint "), (3, "3 checkpoints ")])
def test_the_users_checkpoints_are_told_to_be_no_part_of_backups(
    plan_of: PlanOf, make_vm: MakeVm, make_observed: MakeObserved, count: int, told: str
) -> None:
    plan = plan_of(make_observed(make_vm(user_checkpoints=count)))

    (finding,) = found(plan, "machine.user_checkpoints")
    assert told in finding.message
    assert finding.severity is Severity.INFO
    assert [type(action) for action in plan.actions] == [CreateReplica]


def test_machines_of_no_group_are_listed_once_a_host(
    plan_of: PlanOf,
    make_vm: MakeVm,
    make_group: MakeGroup,
    make_observed: MakeObserved,
    with_replica: MakeObserved,
) -> None:
    names = [f"m{n:02}" for n in range(12)]
    machines = [make_vm(name) for name in reversed(names)] + [make_vm("web", "hv2")]
    observed = make_observed(*machines, make_vm("crm"), make_vm("gone"))
    plan = plan_of(with_replica(observed, make_vm("gone")), make_group(**OTHERS))

    first, second = found(plan, "host.unclaimed_machines")
    assert (first.about, second.about) == ("hv1", "hv2")
    assert first.message == (
        f"no group claims 12 machines of it: {', '.join(names[:10])} and 2 more"
    )
    assert second.message == "no group claims 1 machine of it: web"
    assert {first.severity, second.severity} == {Severity.INFO}


def test_the_copy_of_a_test_failover_is_nobodys_business(
    plan_of: PlanOf, make_vm: MakeVm, make_group: MakeGroup, make_observed: MakeObserved
) -> None:
    observed = make_observed(make_vm("crm"), make_vm(role=Role.TEST_REPLICA))

    assert found(plan_of(observed, make_group(**OTHERS)), "host.unclaimed_machines") == []


def test_while_a_policy_is_broken_nobody_is_said_to_be_unclaimed(
    plan_of: PlanOf, make_vm: MakeVm, make_group: MakeGroup, make_observed: MakeObserved
) -> None:
    observed = make_observed(make_vm(), make_vm("crm"))

    assert found(plan_of(observed, make_group(**OTHERS)), "host.unclaimed_machines")
    assert plan_of(observed, make_group(**OTHERS), has_hole=True).findings == ()


def test_online_protection_is_told_to_be_missing_once_a_group(
    plan_of: PlanOf, make_vm: MakeVm, make_group: MakeGroup, make_observed: MakeObserved
) -> None:
    groups = (
        make_group("a", members=[{"name": "*"}], online={"enabled": True}),
        make_group("b", members=[{"name": "nothing"}], online={"enabled": False}),
        make_group("c", members=[{"name": "nothing"}]),
    )
    plan = plan_of(make_observed(make_vm(), make_vm("crm"), silent=["hv2"]), *groups)

    (finding,) = found(plan, "online.not_available")
    assert (finding.about, finding.severity) == ("a", Severity.INFO)


def test_deduplicated_volumes_are_told_once_each_with_their_machines(
    plan_of: PlanOf,
    make_vm: MakeVm,
    make_observed: MakeObserved,
    make_disk: Callable[..., VirtualDisk],
    with_host: MakeObserved,
) -> None:
    elsewhere = replace(make_disk(of="web"), path="E:\\web.vhdx")
    machines = (make_vm(), make_vm("crm"), make_vm("web", disks=(elsewhere,)))
    volumes = (
        HostVolume("d:\\", 1, 1, is_deduplicated=True),
        HostVolume("E:\\", 1, 1),
        HostVolume("F:\\", 1, 1, is_deduplicated=True),
    )
    plan = plan_of(with_host(make_observed(*machines), "hv1", volumes=volumes))

    (finding,) = found(plan, "volume.deduplicated")
    assert (finding.about, finding.severity) == ("hv1", Severity.INFO)
    assert finding.message == (
        "disks of crm, erp are on the deduplicated volume d:\\: all sizes are the logical ones"
    )
