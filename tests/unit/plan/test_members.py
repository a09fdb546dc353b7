"""Who belongs to a group, and who is claimed or seen once too often."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from reconciler.model.machine import ClusterFacts, Inventory, Role, VirtualMachine
from reconciler.model.observed import Observed
from reconciler.plan.actions import Severity
from reconciler.plan.members import Membership, membership
from reconciler.plan.sightings import certain
from reconciler.policy.hosts import HyperVCluster
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
    assert found.findings == []


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

    assert (names(found), found.findings) == ([("finance", "crm")], [])


def test_the_copy_that_hyperv_replica_keeps_is_another_machine(
    make_vm: MakeVm, make_group: MakeGroup, make_observed: MakeObserved
) -> None:
    observed = make_observed(make_vm(), make_vm(host="hv2", role=Role.REPLICA))
    found = membership(PolicySet((make_group(members=[{"host": "hv2"}]),)), observed)

    assert [m.machine.key.role for m in found.members] == [Role.REPLICA]
    assert found.findings == []


def test_a_group_that_nothing_belongs_to_is_told(
    make_vm: MakeVm, make_group: MakeGroup, make_observed: MakeObserved
) -> None:
    wanted = PolicySet((make_group("empty", members=[{"name": "er"}]), make_group("full")))

    assert codes(membership(wanted, make_observed(make_vm()))) == [("group.empty", "empty")]


def test_a_group_is_not_called_empty_while_a_host_is_silent(
    make_vm: MakeVm, make_group: MakeGroup, make_observed: MakeObserved
) -> None:
    wanted = PolicySet((make_group(members=[{"name": "er"}]),))

    assert membership(wanted, make_observed(make_vm(), silent=["hv2"])).findings == []


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


# --- clusters


@pytest.fixture
def cluster(
    make_vm: MakeVm, make_observed: MakeObserved, with_host: MakeObserved
) -> Callable[..., Observed]:
    """erp, reported by `seen_on`; each of hv1 and hv2 names the owner that is given for it."""

    def make(*seen_on: str, silent: tuple[str, ...] = (), **owners: str) -> Observed:
        machines = [make_vm(host=host, is_clustered=True) for host in seen_on]
        observed = make_observed(*machines, silent=silent)
        for host, owner in owners.items():
            told = ClusterFacts("fin", {"hv1": "Up", "hv2": "Up"}, {make_vm().id: owner})
            observed = with_host(observed, host, cluster=told)
        return observed

    return make


def test_of_two_sightings_the_owners_counts(
    make_group: MakeGroup, cluster: Callable[..., Observed]
) -> None:
    for owner in ("hv1", "hv2"):
        observed = cluster("hv1", "hv2", hv1=owner, hv2=owner)
        found = membership(PolicySet((make_group(),)), observed)

        assert [m.machine.host for m in found.members] == [owner]
        assert found.findings == []


def test_one_node_that_answers_is_enough_to_name_the_owner(
    make_group: MakeGroup, cluster: Callable[..., Observed]
) -> None:
    found = membership(PolicySet((make_group(),)), cluster("hv1", "hv2", hv1="hv2"))

    # hv2 tells of no cluster, so nothing contradicts it
    assert [m.machine.host for m in found.members] == ["hv2"]


def test_a_machine_whose_owner_does_not_report_it_waits(
    make_group: MakeGroup, cluster: Callable[..., Observed]
) -> None:
    moving = membership(PolicySet((make_group(),)), cluster("hv1", hv1="hv2", hv2="hv2"))
    silent = membership(PolicySet((make_group(),)), cluster("hv1", hv1="hv2", silent=("hv2",)))
    stranger = membership(PolicySet((make_group(),)), cluster("hv1", hv1="hv2"))

    for found in (moving, silent, stranger):
        assert found.members == []
        assert codes(found) == [("waiting.owner", "erp")]
        assert "the node hv2 owns it" in found.findings[0].message
    severities = [found.findings[0].severity for found in (moving, silent, stranger)]
    assert severities == [Severity.INFO, Severity.INFO, Severity.WARNING]
    assert "HyperVHost" in stranger.findings[0].hint


def test_nodes_that_contradict_each_other_saw_it_move(
    make_group: MakeGroup, cluster: Callable[..., Observed]
) -> None:
    for seen_on in (("hv1",), ("hv1", "hv2")):
        found = membership(PolicySet((make_group(),)), cluster(*seen_on, hv1="hv1", hv2="hv2"))

        assert found.members == []
        assert codes(found) == [("waiting.machine", "erp")]
        assert "(hv1, hv2)" in found.findings[0].message
        assert found.findings[0].severity is Severity.INFO


def test_what_a_cluster_owns_says_nothing_of_a_replica_elsewhere(
    make_vm: MakeVm,
    make_group: MakeGroup,
    cluster: Callable[..., Observed],
    with_host: MakeObserved,
) -> None:
    copy = make_vm(host="hv7", role=Role.REPLICA)
    observed = with_host(cluster("hv1", hv1="hv1"), "hv7", machines=(copy,))
    found = membership(PolicySet((make_group(),)), observed)

    assert [m.machine.host for m in found.members] == ["hv1", "hv7"]


def test_members_are_picked_by_cluster_and_label_and_role(
    make_vm: MakeVm, make_group: MakeGroup, make_observed: MakeObserved
) -> None:
    gold = make_vm("gold", notes="Owner: Anna\nlabels: tier=gold, app=erp")
    machines = (gold, make_vm("other"), make_vm("node", "hv2"), make_vm("copy", role=Role.REPLICA))
    header = {"schema": "reconciler/v1", "kind": "HyperVCluster", "name": "fin"}
    nodes = HyperVCluster.model_validate(header | {"nodes": ["hv2"]})
    groups = (
        make_group("by-cluster", members=[{"cluster": "fin"}]),
        make_group("by-label", members=[{"labels": {"tier": "gold"}}]),
        make_group("by-role", members=[{"role": "replica"}]),
    )
    found = membership(PolicySet(groups, clusters=(nodes,)), make_observed(*machines))

    assert names(found) == [("by-cluster", "node"), ("by-label", "gold"), ("by-role", "copy")]


@pytest.mark.parametrize(
    ("members", "is_member"),
    [
        ([{"name": "*"}], False),
        ([{"name": "*"}, {"role": "replica"}], False),
        ([{"role": "test_replica"}], True),
        ([{"role": "test_replica", "name": "crm"}, {"name": "*"}], False),
    ],
)
def test_the_copy_of_a_test_failover_has_to_be_asked_for(
    make_vm: MakeVm,
    make_group: MakeGroup,
    make_observed: MakeObserved,
    members: list[dict[str, str]],
    *,
    is_member: bool,
) -> None:
    observed = make_observed(make_vm(role=Role.TEST_REPLICA))
    found = membership(PolicySet((make_group(members=members),)), observed)

    assert bool(found.members) is is_member


# --- exclusions


def test_an_excluded_machine_is_told_with_the_operators_reason(
    make_vm: MakeVm, make_group: MakeGroup, make_observed: MakeObserved
) -> None:
    group = make_group(exclude=[{"name": "c*", "reason": "it is rebuilt each night"}])
    found = membership(PolicySet((group,)), make_observed(make_vm(), make_vm("crm")))

    assert names(found) == [("finance", "erp")]
    (finding,) = found.findings
    assert (finding.code, finding.about) == ("machine.excluded", "crm")
    assert finding.message == "group finance leaves it out: it is rebuilt each night"
    assert (finding.severity, finding.host) == (Severity.INFO, "hv1")
    assert found.unclaimed == []


def test_what_one_group_leaves_out_another_may_protect(
    make_vm: MakeVm, make_group: MakeGroup, make_observed: MakeObserved
) -> None:
    groups = (
        make_group(exclude=[{"name": "crm", "reason": "sales has it"}]),
        make_group("sales", members=[{"name": "crm"}]),
    )
    found = membership(PolicySet(groups), make_observed(make_vm(), make_vm("crm")))

    assert names(found) == [("finance", "erp"), ("sales", "crm")]
    assert found.findings == []


# --- machines that may be copies


@pytest.fixture
def copied(
    cluster: Callable[..., Observed], make_vm: MakeVm, with_replica: MakeObserved
) -> Callable[..., Observed]:
    """A machine that is known from hv2, while hv1 reports one of its id."""

    def make(**told: object) -> Observed:
        return with_replica(cluster("hv1", **told), make_vm(host="hv2"))

    return make


def test_while_its_host_is_silent_a_machine_of_its_id_elsewhere_may_be_a_copy(
    make_group: MakeGroup, copied: Callable[..., Observed]
) -> None:
    found = membership(PolicySet((make_group(),)), copied(silent=("hv2",)))

    assert found.members == []
    assert found.here == {}
    (finding,) = found.findings
    assert (finding.code, finding.about, finding.host) == ("waiting.owner", "erp", "hv2")
    assert finding.severity is Severity.WARNING
    assert "last seen on hv2, which says nothing" in finding.message
    assert list(found.held.values()) == [finding]


@pytest.mark.parametrize("told", [{}, {"silent": ("hv3",)}, {"silent": ("hv2",), "hv1": "hv1"}])
def test_a_machine_that_its_host_lost_or_its_cluster_moved_is_no_copy(
    make_group: MakeGroup, copied: Callable[..., Observed], told: dict[str, object]
) -> None:
    found = membership(PolicySet((make_group(),)), copied(**told))

    assert names(found) == [("finance", "erp")]
    assert found.findings == []
    assert found.strangers == set()


def test_a_machine_that_is_where_it_was_or_that_nobody_knew_is_no_copy(
    make_vm: MakeVm, make_group: MakeGroup, make_observed: MakeObserved, with_replica: MakeObserved
) -> None:
    unknown = make_observed(make_vm(), silent=["hv2"])
    at_home = with_replica(unknown, make_vm())

    for observed in (unknown, at_home):
        assert names(membership(PolicySet((make_group(),)), observed)) == [("finance", "erp")]


def test_where_a_copy_is_says_nothing_of_where_the_machine_is(
    copied: Callable[..., Observed], make_vm: MakeVm
) -> None:
    assert certain(copied(silent=("hv2",))) == {}
    assert [m.host for m in certain(copied()).values()] == ["hv1"]
    assert list(certain(copied(silent=("hv2",), hv1="hv1"))) == [make_vm().key]
