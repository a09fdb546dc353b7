"""Who belongs to a group, and who is claimed or seen once too often."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from reconciler.model.machine import Inventory, Role, VirtualMachine
from reconciler.model.observed import Observed
from reconciler.plan.actions import Severity
from reconciler.plan.members import Membership, membership
from reconciler.policy.policy_set import PolicySet
from reconciler.policy.protection_group import ProtectionGroup

MakeVm = Callable[..., VirtualMachine]
MakeGroup = Callable[..., ProtectionGroup]
MakeObserved = Callable[..., Observed]


def names(found: Membership) -> list[tuple[str, str]]:
    return [(m.group.name, m.machine.name) for m in found.members]


def codes(found: Membership) -> list[tuple[str, str]]:
    return [(f.code, f.about) for f in found.findings]


def test_members_are_sorted_by_group_then_host_then_name(
    make_vm: MakeVm, make_group: MakeGroup, make_observed: MakeObserved
) -> None:
    groups = (
        make_group("all-of-hv2", members=[{"host": "hv2"}]),
        make_group("some", members=[{"name": "erp"}, {"name": "CRM*"}]),
    )
    machines = [make_vm("web", "hv2"), make_vm("db", "hv2"), make_vm("erp"), make_vm("crm-1")]
    found = membership(PolicySet(groups), make_observed(*machines, make_vm("unclaimed")))

    assert names(found) == [
        ("all-of-hv2", "db"),
        ("all-of-hv2", "web"),
        ("some", "crm-1"),
        ("some", "erp"),
    ]
    assert found.findings == ()


def test_a_machine_that_two_groups_claim_belongs_to_neither(
    make_vm: MakeVm, make_group: MakeGroup, make_observed: MakeObserved
) -> None:
    groups = (make_group("sales", members=[{"name": "e*"}]), make_group("finance"))
    found = membership(PolicySet(groups), make_observed(make_vm("erp"), make_vm("crm")))

    assert names(found) == [("finance", "crm")]
    assert codes(found) == [("blocked.claimed_twice", "erp")]
    (finding,) = found.findings
    assert finding.message == "it is claimed by more than one group: finance, sales"
    assert finding.severity is Severity.ERROR


def test_a_machine_on_two_hosts_is_not_protected_from_either(
    make_vm: MakeVm, make_group: MakeGroup, make_observed: MakeObserved
) -> None:
    observed = make_observed(make_vm(host="hv2"), make_vm(host="hv1"))
    found = membership(PolicySet((make_group(members=[{"host": "hv1"}]),)), observed)

    assert names(found) == []
    assert codes(found) == [("blocked.seen_twice", "erp")]
    (finding,) = found.findings
    assert finding.message.endswith("is registered on more than one host: hv1, hv2")
    assert finding.severity is Severity.ERROR


def test_two_sightings_that_nobody_claims_are_nobodys_business(
    make_vm: MakeVm, make_group: MakeGroup, make_observed: MakeObserved
) -> None:
    observed = make_observed(make_vm(), make_vm(host="hv2"), make_vm("crm"))
    found = membership(PolicySet((make_group(members=[{"name": "crm"}]),)), observed)

    assert (names(found), found.findings) == ([("finance", "crm")], ())


def test_the_copy_that_hyperv_replica_keeps_is_another_machine(
    make_vm: MakeVm, make_group: MakeGroup, make_observed: MakeObserved
) -> None:
    observed = make_observed(make_vm(), make_vm(host="hv2", role=Role.REPLICA))
    found = membership(PolicySet((make_group(members=[{"host": "hv2"}]),)), observed)

    assert [m.machine.key.role for m in found.members] == [Role.REPLICA]
    assert found.findings == ()


def test_a_group_that_nothing_belongs_to_is_told(
    make_vm: MakeVm, make_group: MakeGroup, make_observed: MakeObserved
) -> None:
    wanted = PolicySet((make_group("empty", members=[{"name": "er"}]), make_group("full")))

    assert codes(membership(wanted, make_observed(make_vm()))) == [("group.empty", "empty")]


def test_a_group_is_not_called_empty_while_a_host_is_silent(
    make_vm: MakeVm, make_group: MakeGroup, make_observed: MakeObserved
) -> None:
    wanted = PolicySet((make_group(members=[{"name": "er"}]),))

    assert membership(wanted, make_observed(make_vm(), silent=["hv2"])).findings == ()


@pytest.mark.parametrize("turn", [dict, lambda reports: dict(reversed(reports.items()))])
def test_the_order_in_which_hosts_answered_does_not_matter(
    make_vm: MakeVm,
    make_group: MakeGroup,
    make_observed: MakeObserved,
    turn: Callable[[Mapping[object, object]], dict[object, object]],
) -> None:
    machines = [make_vm(name, host) for host in ("hv1", "hv2", "hv3") for name in ("erp", host)]
    groups = (make_group(), make_group("sales", members=[{"name": "hv*"}]))
    observed = make_observed(*machines)
    turned = replace(observed, inventory=Inventory(turn(observed.inventory.reports)))  # type: ignore[arg-type]

    assert codes(membership(PolicySet(groups), turned)) == [
        ("blocked.seen_twice", "erp"),
        ("blocked.claimed_twice", "hv1"),
        ("blocked.claimed_twice", "hv2"),
        ("blocked.claimed_twice", "hv3"),
    ]
