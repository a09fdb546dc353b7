"""What persons asked for is answered, or refused with the reason and the remedy."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.model.machine import ClusterFacts, VirtualMachine
from reconciler.model.names import DataSourceId, GroupName, HostName, JobId
from reconciler.model.observed import Observed, OnDemand, RequestKind, UnfinishedJob
from reconciler.model.protection import ReplicaState
from reconciler.plan.actions import DeletePoints, Plan, RecoverDisks, Refusal
from reconciler.plan.requests import answered, limited_to
from reconciler.policy.protection_group import ProtectionGroup

MakeVm = Callable[..., VirtualMachine]
MakeGroup = Callable[..., ProtectionGroup]
MakeObserved = Callable[..., Observed]
PlanOf = Callable[..., Plan]

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ERP = DataSourceId("source-erp")
OTHERS = {"members": [{"name": "crm"}]}


def asked(kind: str) -> tuple[OnDemand, ...]:
    return (OnDemand("request-1", RequestKind(kind), ERP),)


@pytest.fixture
def look(make_vm: MakeVm, make_observed: MakeObserved, with_replica: MakeObserved) -> MakeObserved:
    """A machine with a replica of seven points, another one, and a request of a kind."""

    def make(
        kind: str,
        machine: VirtualMachine | None = None,
        *,
        is_reported: bool = True,
        silent: tuple[str, ...] = (),
        **recorded: object,
    ) -> Observed:
        machine = machine or make_vm()
        reported = [machine] if is_reported else []
        others = [make_vm("crm")] if "hv1" not in silent else []
        observed = make_observed(*reported, *others, silent=silent, requests=asked(kind))
        return replace(with_replica(observed, machine, points=7), **recorded)  # type: ignore[arg-type]

    return make


def refusal(plan: Plan) -> Refusal:
    (found,) = plan.refusals
    assert found.request == "request-1"
    assert found.hint
    assert not any("request-1" in answered(action) for action in plan.actions)
    return found


@pytest.mark.parametrize("kind", ["backup", "consistency_check"])
def test_what_can_be_done_is_not_refused(look: MakeObserved, plan_of: PlanOf, kind: str) -> None:
    plan = plan_of(look(kind))

    assert plan.refusals == ()
    assert ["request-1" in answered(a) for a in plan.actions if a.subject.name == "erp"] == [True]


@pytest.mark.parametrize("kind", ["backup", "consistency_check", "expiry"])
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"faults": ("it is odd",)}, "it is not backed up: it is odd"),
        ({"state": "RunningCritical"}, "its state is RunningCritical"),
        ({"operational_status": ("ExportingVirtualMachine",)}, "its host is at work on it"),
    ],
)
def test_a_request_for_a_machine_that_is_held_is_refused_with_the_reason(
    look: MakeObserved,
    plan_of: PlanOf,
    make_vm: MakeVm,
    kind: str,
    fields: dict[str, object],
    reason: str,
) -> None:
    found = refusal(plan_of(look(kind, make_vm(**fields))))

    assert found.message.startswith(f"erp: {reason}")


def test_a_request_for_a_machine_that_two_groups_claim_is_refused(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    found = refusal(plan_of(look("backup"), make_group(), make_group("sales")))

    assert found.message == "erp: it is claimed by more than one group: finance, sales"


@pytest.mark.parametrize("kind", ["backup", "consistency_check", "expiry"])
def test_a_request_for_a_machine_of_no_group_is_refused(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup, kind: str
) -> None:
    group = make_group(**OTHERS)

    plan = plan_of(look(kind), group)
    assert refusal(plan).message == "erp: no group claims this machine"
    assert [action.subject.name for action in plan.actions] == ["crm"]
    with_hole = refusal(plan_of(look(kind), group, has_hole=True))
    assert "as far as the policies can be read" in with_hole.message


def test_a_request_for_an_excluded_machine_is_refused_with_the_operators_reason(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    group = make_group(exclude=[{"name": "erp", "reason": "it has its own backup"}])

    found = refusal(plan_of(look("backup"), group))
    assert found.message == "erp: group finance leaves it out: it has its own backup"


def test_a_request_for_a_machine_of_a_silent_host_is_refused(
    look: MakeObserved, plan_of: PlanOf
) -> None:
    found = refusal(plan_of(look("backup", is_reported=False, silent=("hv1",))))

    assert found.message == "erp: hv1 did not answer, and that is its host"
    assert found.hint == "start it"


def test_a_request_for_a_machine_that_nobody_reports_is_refused(
    look: MakeObserved, plan_of: PlanOf
) -> None:
    found = refusal(plan_of(look("backup", is_reported=False)))

    assert found.message == "erp: no host reports this machine; it was last seen on hv1"


@pytest.mark.parametrize("kind", list(RequestKind))
def test_a_request_for_what_is_not_known_any_more_is_refused(
    look: MakeObserved, plan_of: PlanOf, kind: RequestKind
) -> None:
    found = refusal(plan_of(look(kind.value, sources={}, replicas={})))

    assert found.message == "the machine is not known any more"


@pytest.mark.parametrize("kind", list(RequestKind))
def test_no_request_is_refused_while_a_job_is_at_work_on_its_machine(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup, kind: RequestKind
) -> None:
    observed = look(kind.value, running={ERP: JobId("job-1")})

    for group in (make_group(), make_group(**OTHERS)):
        plan = plan_of(observed, group)
        assert plan.refusals == ()
        assert [a.subject.name for a in plan.actions] == (["crm"])


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "none of its recovery points is older than its group keeps them"),
        ({"expiry_paused": "the clock jumped"}, "expiry is paused: the clock jumped"),
        ({"has_hole": True}, "while a policy file is broken nothing expires"),
    ],
)
def test_leave_for_nothing_is_refused(
    look: MakeObserved, plan_of: PlanOf, fields: dict[str, object], reason: str
) -> None:
    assert refusal(plan_of(look("expiry"), **fields)).message == f"erp: {reason}"


# --- letting go of all points of a machine


def test_the_points_of_a_machine_of_no_group_go_on_request(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    plan = plan_of(look("delete_points"), make_group(**OTHERS))

    action = plan.actions[-1]
    assert isinstance(action, DeletePoints)
    assert (action.source, action.count, action.requests) == (ERP, 7, ("request-1",))
    assert (action.subject.name, action.subject.host, action.subject.group) == ("erp", "hv1", None)
    assert plan.refusals == ()


def test_points_are_let_go_where_the_machine_is_now(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    observed = look("delete_points")
    source = replace(observed.sources[ERP], host=HostName("hv9"))
    plan = plan_of(replace(observed, sources={ERP: source}), make_group(**OTHERS))

    assert plan.actions[-1].subject.host == "hv1"


def test_a_group_that_claims_a_machine_keeps_its_points(
    look: MakeObserved, plan_of: PlanOf
) -> None:
    plan = plan_of(look("delete_points"))

    found = refusal(plan)
    assert found.message == "erp: group finance claims this machine, so its points are kept"
    assert "exclude it" in found.hint
    assert "reconciler request delete-points erp" in found.hint


def test_an_excluded_machine_is_claimed_by_nobody(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    group = make_group(exclude=[{"name": "erp", "reason": "retired"}])

    assert isinstance(plan_of(look("delete_points"), group).actions[-1], DeletePoints)


@pytest.mark.parametrize("is_reported", [True, False])
def test_while_a_policy_is_broken_no_points_are_let_go(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup, *, is_reported: bool
) -> None:
    observed = look("delete_points", is_reported=is_reported)
    plan = plan_of(observed, make_group(**OTHERS), has_hole=True)

    assert "a policy file is broken" in refusal(plan).message


def test_a_machine_that_is_gone_is_claimed_by_what_was_known_of_it(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    gone = look("delete_points", is_reported=False)

    assert "group finance claims" in refusal(plan_of(gone)).message
    assert isinstance(plan_of(gone, make_group(**OTHERS)).actions[-1], DeletePoints)


def test_nobody_knows_what_claims_a_machine_of_a_silent_host(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    observed = look("delete_points", is_reported=False, silent=("hv1",))
    plan = plan_of(observed, make_group(**OTHERS))

    assert "its host hv1 says nothing" in refusal(plan).message


def test_a_machine_that_its_cluster_moved_from_a_silent_host_is_known_and_a_copy_is_not(
    look: MakeObserved,
    plan_of: PlanOf,
    make_group: MakeGroup,
    make_vm: MakeVm,
    with_host: MakeObserved,
) -> None:
    observed = look("delete_points", silent=("hv2",))
    source = replace(observed.sources[ERP], host=HostName("hv2"))
    copy = replace(observed, sources={ERP: source})
    owners = ClusterFacts("fin", {"hv1": "Up", "hv2": "Down"}, {make_vm().id: "hv1"})
    moved = with_host(copy, "hv1", cluster=owners)

    assert isinstance(plan_of(moved, make_group(**OTHERS)).actions[-1], DeletePoints)
    told = refusal(plan_of(copy, make_group(**OTHERS)))
    assert "its host hv2 says nothing" in told.message


@pytest.mark.parametrize("has_saved", [True, False])
def test_the_points_of_a_machine_that_we_may_have_left_saved_are_not_let_go(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup, *, has_saved: bool
) -> None:
    dead = UnfinishedJob(JobId("job-1"), ERP, NOON, has_saved=has_saved)
    plan = plan_of(look("delete_points", unfinished=(dead,)), make_group(**OTHERS))

    assert isinstance(plan.actions[-1], DeletePoints) is not has_saved
    if has_saved:
        told = refusal(plan)
        assert "a job of ours that saved it ended" in told.message
        assert "Start-VM" in told.hint


def test_the_points_of_a_host_that_no_policy_describes_go_on_request(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    observed = look("delete_points", is_reported=False)
    source = replace(observed.sources[ERP], host=HostName("hv9"), group=GroupName("gone"))
    plan = plan_of(replace(observed, sources={ERP: source}), make_group(**OTHERS))

    assert isinstance(plan.actions[-1], DeletePoints)


def test_where_there_are_no_points_none_can_be_let_go(
    look: MakeObserved,
    plan_of: PlanOf,
    make_group: MakeGroup,
    make_vm: MakeVm,
    with_replica: MakeObserved,
) -> None:
    observed = with_replica(look("delete_points"), make_vm(), None, ReplicaState.MISSING)
    plan = plan_of(replace(observed, point_counts={}), make_group(**OTHERS))

    assert refusal(plan).message == "erp: there are no recovery points of it"


# --- one pass for what was asked


def test_a_pass_for_a_request_is_limited_to_its_machine(
    look: MakeObserved, plan_of: PlanOf
) -> None:
    plan = plan_of(look("backup"))
    limited = limited_to(plan, frozenset({"request-1", "another"}))

    assert {a.subject.name for a in plan.actions} == {"erp", "crm"}
    assert {a.subject.name for a in limited.actions} == {"erp"}
    assert replace(limited, actions=plan.actions) == plan
    assert limited_to(plan, frozenset({"another"})).actions == ()


def test_a_recovery_answers_its_own_request(look: MakeObserved, plan_of: PlanOf) -> None:
    (first, *_) = plan_of(look("backup")).actions
    point = first.subject
    recovery = RecoverDisks(point, "requested", "request-9", ERP, None, "/out")  # type: ignore[arg-type]

    assert answered(recovery) == ("request-9",)
