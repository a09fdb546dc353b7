"""Points of machines that left: they are kept, and a finding says whose they are."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.model.machine import ClusterFacts, Role, VirtualMachine
from reconciler.model.names import HostName
from reconciler.model.observed import Observed
from reconciler.plan.actions import Finding, Plan, Severity
from reconciler.plan.prerequisites.scale import SCALE
from reconciler.policy.protection_group import ProtectionGroup

MakeVm = Callable[..., VirtualMachine]
MakeGroup = Callable[..., ProtectionGroup]
MakeObserved = Callable[..., Observed]
PlanOf = Callable[..., Plan]
OTHERS = {"members": [{"name": "crm"}]}
DELETE = "reconciler request delete-points erp"


@pytest.fixture
def look(make_vm: MakeVm, make_observed: MakeObserved, with_replica: MakeObserved) -> MakeObserved:
    """A machine with twelve points, which its host reports or does not, and another one."""

    def make(
        *, is_reported: bool = True, host: str = "hv1", silent: tuple[str, ...] = ()
    ) -> Observed:
        reported = [make_vm()] if is_reported else []
        observed = make_observed(*reported, make_vm("crm"), silent=silent)
        return with_replica(observed, make_vm(host=host), points=12)

    return make


def told(plan: Plan, about: str = "erp") -> Finding:
    (finding,) = [f for f in plan.findings if f.about == about]
    return finding


def test_a_machine_that_left_its_group_is_named_with_its_points_and_the_way_to_let_them_go(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    finding = told(plan_of(look(), make_group(**OTHERS)))

    assert finding.code == "machine.not_claimed"
    assert finding.message == (
        "no group claims this machine any more; 12 recovery points of it are kept, "
        "and no new ones are made"
    )
    assert finding.hint.endswith(DELETE)
    assert (finding.severity, finding.host) == (Severity.WARNING, "hv1")


def test_a_group_that_is_gone_is_named(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    finding = told(plan_of(look(), make_group("sales", **OTHERS)))

    assert finding.message.startswith("its group finance is gone, and no other claims")


def test_who_was_excluded_on_purpose_raises_no_alarm(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    group = make_group(exclude=[{"name": "erp", "reason": "it is retired"}])
    findings = [f for f in plan_of(look(), group).findings if f.about == "erp"]

    assert [f.code for f in findings] == ["machine.excluded", "machine.not_claimed"]
    assert {f.severity for f in findings} == {Severity.INFO}
    assert "it is retired" in findings[1].message
    assert findings[1].hint.endswith(DELETE)


def test_a_machine_that_no_host_reports_is_named_with_its_points(
    look: MakeObserved, plan_of: PlanOf
) -> None:
    finding = told(plan_of(look(is_reported=False)))

    assert finding.code == "machine.not_reported"
    assert "last seen on hv1; 12 recovery points of it are kept" in finding.message
    assert finding.hint.endswith(DELETE)


def test_a_machine_of_a_host_that_no_policy_describes_is_named_with_its_points(
    look: MakeObserved, plan_of: PlanOf
) -> None:
    finding = told(plan_of(look(is_reported=False, host="hv9")))

    assert finding.code == "machine.host_not_declared"
    assert "12 recovery points of it are kept" in finding.message
    assert finding.hint.endswith(DELETE)


@pytest.mark.parametrize("silent", ["hv1", "hv2"])
def test_while_a_host_is_silent_no_machine_is_missed(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup, silent: str
) -> None:
    plan = plan_of(look(is_reported=False, silent=(silent,)), make_group(**OTHERS))

    assert [f.about for f in plan.findings] == [silent]


def test_with_a_hole_in_the_policies_nobody_is_said_to_have_left(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    for observed in (look(), look(is_reported=False, host="hv9")):
        plan = plan_of(observed, make_group(**OTHERS), has_hole=True)
        assert [f for f in plan.findings if f.about == "erp"] == []


def test_a_machine_that_the_cluster_still_owns_is_not_gone(
    look: MakeObserved, plan_of: PlanOf, make_vm: MakeVm, with_host: MakeObserved
) -> None:
    owners = ClusterFacts("fin", {"node9": "Up"}, {make_vm().id: "node9"})
    observed = with_host(look(is_reported=False), "hv1", cluster=owners)

    finding = told(plan_of(observed))
    assert finding.code == "waiting.owner"
    assert "the node node9 owns it" in finding.message
    assert "HyperVHost" in finding.hint


def test_the_owner_of_a_primary_says_nothing_of_its_replica(
    look: MakeObserved,
    plan_of: PlanOf,
    make_vm: MakeVm,
    with_host: MakeObserved,
    with_replica: MakeObserved,
) -> None:
    owners = ClusterFacts("fin", {"node9": "Up"}, {make_vm().id: "node9"})
    observed = with_host(look(is_reported=False), "hv1", cluster=owners)
    copied = with_replica(replace(observed, sources={}), make_vm(role=Role.REPLICA))

    assert told(plan_of(copied), "erp/replica").code == "machine.not_reported"


def test_points_without_a_head_count_too(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    observed = replace(look(), replicas={})

    assert told(plan_of(observed, make_group(**OTHERS))).code == "machine.not_claimed"
    assert HostName("hv1") == told(plan_of(observed, make_group(**OTHERS))).host


# --- what nobody can tell


def test_what_a_silent_host_could_decide_is_left_undecided(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    groups = (make_group(**OTHERS), make_group("forgotten", members=[{"name": "nothing"}]))
    silent = plan_of(look(is_reported=False, silent=("hv2",)), *groups)
    seen = plan_of(look(silent=("hv2",)), *groups)

    assert silent.undecided == {
        ("machine.not_reported", "erp"),
        ("machine.host_not_declared", "erp"),
        ("waiting.owner", "erp"),
        ("group.empty", "forgotten"),
        SCALE,
    }
    assert seen.undecided == {("group.empty", "forgotten"), SCALE}
    assert plan_of(look(is_reported=False), *groups).undecided == frozenset()


def test_what_a_broken_policy_could_decide_is_left_undecided(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    plan = plan_of(look(), make_group(**OTHERS), has_hole=True)

    assert plan.undecided == {
        ("machine.not_claimed", "erp"),
        ("machine.host_not_declared", "erp"),
    }
    assert plan_of(look(), make_group(**OTHERS)).undecided == frozenset()
    assert plan_of(look(), has_hole=True).undecided == frozenset()
