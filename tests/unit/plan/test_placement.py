"""Which volume a new replica goes to, and what a volume in trouble stops."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from reconciler.model.machine import VirtualMachine
from reconciler.model.names import DataSourceId, JobId, PlanId, PoolName, VolumeId
from reconciler.model.observed import Observed, OnDemand, RequestKind, VolumeFacts, VolumeState
from reconciler.model.protection import RecoveryPoint
from reconciler.plan.actions import CreateReplica, ExpirePoints, ExpressFullBackup, Plan, Severity
from reconciler.plan.alerts import conditions
from reconciler.plan.planner import Occasion, make_plan
from reconciler.policy.policy_set import PolicySet
from reconciler.policy.protection_group import ProtectionGroup
from reconciler.policy.storage import StoragePool

GIB, MIB = 1 << 30, 1 << 20
DAY = timedelta(days=1)

Make = Callable[..., Observed]
Vm = Callable[..., VirtualMachine]
Group = Callable[..., ProtectionGroup]


def facts(number: int, free_gib: float = 500, **others: object) -> VolumeFacts:
    found = VolumeFacts(
        PoolName("main"),
        f"main-{number}",
        VolumeId(f"volume-{number}"),
        f"/backup/{number}",
        total_bytes=1000 * GIB,
        free_bytes=int(free_gib * GIB),
    )
    return replace(found, **others)  # type: ignore[arg-type]


def missing(number: int) -> VolumeFacts:
    found = replace(facts(number), state=VolumeState.MISSING, total_bytes=None, free_bytes=None)
    return replace(found, problem="/backup: no such folder", hint="mount it")


def pool(*limits: dict[str, str]) -> StoragePool:
    volumes = [
        {"name": f"main-{n}", "path": f"/backup/{n}"} | more for n, more in enumerate(limits, 1)
    ]
    policy = {"schema": "reconciler/v1", "kind": "StoragePool", "name": "main", "volumes": volumes}
    return StoragePool.model_validate(policy)


TWO = pool({}, {})


@pytest.fixture
def plan_with(noon: datetime) -> Callable[..., Plan]:
    """A plan of groups over a pool of two volumes, unless another one is given."""

    def plan(observed: Observed, *groups: ProtectionGroup, pool: StoragePool = TWO) -> Plan:
        wanted = PolicySet(groups, pools=(pool,))
        return make_plan(wanted, observed, Occasion(PlanId("plan-1"), noon, "server"))

    return plan


def placed(plan: Plan) -> dict[str, str]:
    return {a.subject.name: a.volume for a in plan.actions if isinstance(a, CreateReplica)}


def reason(plan: Plan) -> str:
    (told,) = (a.placement for a in plan.actions if isinstance(a, CreateReplica))
    return told


def codes(plan: Plan) -> dict[str, str]:
    return {f.about: f.code for f in plan.findings}


def test_the_volume_with_most_room_is_chosen(
    make_observed: Make, make_vm: Vm, make_group: Group, plan_with: Callable[..., Plan]
) -> None:
    seen = make_observed(make_vm(), volumes=(facts(1, 100), facts(2, 200)))

    assert placed(plan_with(seen, make_group())) == {"erp": "main-2"}
    assert reason(plan_with(seen, make_group())) == "most room"
    # a quota leaves the second one less than the first has
    limited = plan_with(seen, make_group(), pool=pool({}, {"quota": "60GiB"}))
    assert placed(limited) == {"erp": "main-1"}


def test_what_is_promised_to_one_is_not_promised_to_the_next(
    make_observed: Make, make_vm: Vm, make_group: Group, plan_with: Callable[..., Plan]
) -> None:
    machines = [make_vm(name) for name in ("a", "b", "c")]
    seen = make_observed(*machines, volumes=(facts(1, 500), facts(2, 499)))

    # each may come to take 127.7 GiB
    assert placed(plan_with(seen, make_group())) == {"a": "main-1", "b": "main-2", "c": "main-1"}


def test_a_replica_that_a_job_is_creating_counts(
    make_observed: Make,
    make_vm: Vm,
    make_group: Group,
    with_replica: Make,
    plan_with: Callable[..., Plan],
) -> None:
    seen = make_observed(make_vm("a"), make_vm("b"), volumes=(facts(1, 500), facts(2, 499)))
    begun = with_replica(seen, make_vm("a"), None)
    running = replace(begun, running={DataSourceId("source-a"): JobId("job-1")})

    assert placed(plan_with(running, make_group())) == {"b": "main-2"}


def test_a_creation_that_was_interrupted_goes_on_where_it_began(
    make_observed: Make,
    make_vm: Vm,
    make_group: Group,
    with_replica: Make,
    plan_with: Callable[..., Plan],
) -> None:
    seen = make_observed(make_vm(), volumes=(facts(1, 100), facts(2, 499)))
    plan = plan_with(with_replica(seen, make_vm(), None), make_group())
    lost = replace(seen, volumes=(missing(1), facts(2, 499)))
    elsewhere = plan_with(with_replica(lost, make_vm(), None), make_group())

    assert (placed(plan), reason(plan)) == ({"erp": "main-1"}, "its creation began there")
    assert placed(elsewhere) == {"erp": "main-2"}


@pytest.mark.parametrize(
    ("first", "limits", "why"),
    [
        (missing(1), {}, "main-1 is missing"),
        (facts(1, 900, state=VolumeState.READ_ONLY), {}, "main-1 is read-only"),
        (facts(1, 20), {}, "main-1 is full"),
        (facts(1, 900), {"reserve": "900GiB"}, "main-1 is full"),
        (facts(1, 900, stored_bytes=2 * GIB), {"quota": "2GiB"}, "main-1 has reached its quota"),
    ],
)
def test_a_volume_that_cannot_be_written_to_is_passed_over_with_its_reason(
    first: VolumeFacts,
    limits: dict[str, str],
    why: str,
    make_observed: Make,
    make_vm: Vm,
    make_group: Group,
    plan_with: Callable[..., Plan],
) -> None:
    seen = make_observed(make_vm(), volumes=(first, facts(2, 100)))
    plan = plan_with(seen, make_group(), pool=pool(limits, {}))

    assert (placed(plan), reason(plan)) == ({"erp": "main-2"}, f"the only one left; {why}")
    (told,) = (f for f in plan.findings if f.about == "main/main-1")
    assert (told.severity, told.code.startswith("volume.")) == (Severity.WARNING, True)


def test_without_a_volume_nothing_is_created_and_all_reasons_are_told(
    make_observed: Make, make_vm: Vm, make_group: Group, plan_with: Callable[..., Plan]
) -> None:
    plan = plan_with(make_observed(make_vm(), volumes=(missing(1), facts(2, 20))), make_group())

    (told,) = (f for f in plan.findings if f.about == "erp")
    assert plan.actions == ()
    assert told.message == (
        "its replica is not created: no volume of pool main can take it; "
        "main-1 is missing; main-2 is full"
    )
    assert "add a volume to pool main" in told.hint


def test_who_asks_for_a_replica_that_has_no_volume_is_told_why(
    make_observed: Make,
    make_vm: Vm,
    make_group: Group,
    with_replica: Make,
    plan_with: Callable[..., Plan],
) -> None:
    asked = OnDemand("request-1", RequestKind.BACKUP, DataSourceId("source-erp"))
    seen = make_observed(make_vm(), volumes=(missing(1),), requests=(asked,))
    plan = plan_with(with_replica(seen, make_vm(), None, is_placed=False), make_group())

    assert ["main-1 is missing" in refusal.message for refusal in plan.refusals] == [True]


def test_the_operators_choice_comes_before_room_and_is_never_replaced(
    make_observed: Make, make_vm: Vm, make_group: Group, plan_with: Callable[..., Plan]
) -> None:
    chosen = make_group(volume="main-1", volumes=[{"member": {"name": "c*"}, "volume": "main-2"}])
    machines = (make_vm("erp"), make_vm("crm"))
    plan = plan_with(make_observed(*machines, volumes=(facts(1, 100), facts(2, 400))), chosen)
    lost = plan_with(make_observed(*machines, volumes=(missing(1), facts(2, 400))), chosen)

    assert placed(plan) == {"erp": "main-1", "crm": "main-2"}
    assert placed(lost) == {"crm": "main-2"}
    (told,) = (f for f in lost.findings if f.about == "erp")
    assert "volume main-1, which its group chose, cannot take it; main-1 is missing" in told.message


def test_a_group_without_co_location_shares_its_volume_with_nobody(
    make_observed: Make,
    make_vm: Vm,
    make_group: Group,
    with_replica: Make,
    plan_with: Callable[..., Plan],
) -> None:
    alone = make_group("alone", members=[{"name": "a"}], co_location=False)
    others = make_group("others", members=[{"name": "b"}, {"name": "c"}])
    machines = [make_vm(name) for name in "abc"]
    seen = make_observed(*machines, volumes=(facts(1, 500), facts(2, 200)))
    only_one = make_observed(*machines, volumes=(facts(1, 500),))
    # of `finance`, which is no group of the policies any more
    held = with_replica(only_one, make_vm("gone"))

    assert placed(plan_with(seen, alone, others)) == {"a": "main-1", "b": "main-2", "c": "main-2"}
    assert placed(plan_with(only_one, alone, others)) == {"a": "main-1"}
    plan = plan_with(held, alone, others)
    assert placed(plan) == {"b": "main-1", "c": "main-1"}
    (told,) = (f for f in plan.findings if f.about == "a")
    assert "main-1 holds group finance, and alone is not co-located" in told.message


def test_a_machine_of_a_missing_volume_waits_and_the_others_go_on(
    make_observed: Make,
    make_vm: Vm,
    make_group: Group,
    with_replica: Make,
    noon: datetime,
    plan_with: Callable[..., Plan],
) -> None:
    seen = make_observed(make_vm("a"), make_vm("b"), volumes=(missing(1), facts(2)))
    seen = with_replica(seen, make_vm("a"), noon - DAY)
    seen = with_replica(seen, make_vm("b"), noon - DAY, volume=VolumeId("volume-2"))
    plan = plan_with(seen, make_group())

    assert [a.subject.name for a in plan.actions if isinstance(a, ExpressFullBackup)] == ["b"]
    assert {f.code for f in plan.findings if f.about == "a"} >= {"waiting.volume"}
    assert codes(plan)["main/main-1"] == "volume.missing"
    alarms = {c.subject: (c.kind, c.severity) for c in conditions(plan)}
    assert alarms["main/main-1"] == ("volume.missing", Severity.ERROR)


def test_old_points_expire_on_a_full_volume_though_no_job_begins(
    make_observed: Make,
    make_vm: Vm,
    make_group: Group,
    with_replica: Make,
    make_point: Callable[..., RecoveryPoint],
    noon: datetime,
    plan_with: Callable[..., Plan],
) -> None:
    old = {DataSourceId("source-erp"): (make_point(40),)}
    seen = make_observed(make_vm(), old_points=old, volumes=(facts(1, 20),))
    full = with_replica(seen, make_vm(), noon - DAY, points=9)
    lost = replace(full, volumes=(missing(1),))

    (action,) = plan_with(full, make_group()).actions
    assert isinstance(action, ExpirePoints)
    assert "volume.low_space" in codes(plan_with(full, make_group())).values()
    assert plan_with(lost, make_group()).actions == ()


def test_a_repository_that_the_catalogue_does_not_know_is_told(
    make_observed: Make, make_vm: Vm, make_group: Group, plan_with: Callable[..., Plan]
) -> None:
    strange = facts(1, is_strange=True)

    (told,) = (
        finding
        for finding in plan_with(
            make_observed(make_vm(), volumes=(strange,)), make_group()
        ).findings
        if finding.code == "volume.not_known"
    )
    assert told.about == strange.label
    assert "reconciler catalogue rebuild" in told.hint


def test_a_replica_on_a_volume_that_no_policy_has_is_not_held_up(
    make_observed: Make,
    make_vm: Vm,
    make_group: Group,
    with_replica: Make,
    noon: datetime,
    plan_with: Callable[..., Plan],
) -> None:
    seen = make_observed(make_vm(), volumes=(missing(2),))
    plan = plan_with(with_replica(seen, make_vm(), noon - DAY), make_group())

    assert [type(action) for action in plan.actions] == [ExpressFullBackup]
