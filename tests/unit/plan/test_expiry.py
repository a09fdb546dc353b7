"""Which points may go, and why the others stay."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.model.machine import VirtualMachine
from reconciler.model.names import DataSourceId, JobId, RecoveryPointId
from reconciler.model.observed import Observed, OnDemand, RecoveryRequest, RequestKind
from reconciler.model.protection import InconsistentSpan, RecoveryPoint, ReplicaState
from reconciler.plan.actions import (
    ConsistencyCheck,
    CreateReplica,
    ExpirePoints,
    ExpressFullBackup,
    Finding,
    Plan,
    Severity,
)
from reconciler.plan.expiry import age
from reconciler.plan.guards import is_bulk_expiry
from reconciler.policy.protection_group import ProtectionGroup

MakeVm = Callable[..., VirtualMachine]
MakeGroup = Callable[..., ProtectionGroup]
MakeObserved = Callable[..., Observed]
MakePoint = Callable[..., RecoveryPoint]
PlanOf = Callable[..., Plan]

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ERP = DataSourceId("source-erp")
ALLOWED = OnDemand("request-1", RequestKind.EXPIRY, ERP)


@pytest.fixture
def look(
    make_vm: MakeVm, make_observed: MakeObserved, with_replica: MakeObserved, make_point: MakePoint
) -> MakeObserved:
    """A machine with a head of `captured_at` and old points of so many `days`.

    `points` are all that it has, the old ones and the head if it is not said.
    """

    def make(
        *days: float,
        captured_at: datetime = NOON,
        state: ReplicaState = ReplicaState.CONSISTENT,
        points: int | None = None,
        machine: VirtualMachine | None = None,
        **recorded: object,
    ) -> Observed:
        machine = machine or make_vm()
        observed = with_replica(
            make_observed(machine),
            machine,
            captured_at,
            state,
            points=len(days) + 1 if points is None else points,
        )
        old = tuple(make_point(each) for each in sorted(days, reverse=True))
        return replace(observed, old_points={ERP: old}, **recorded)  # type: ignore[arg-type]

    return make


def expired(plan: Plan) -> tuple[RecoveryPointId, ...]:
    return tuple(p for a in plan.actions if isinstance(a, ExpirePoints) for p in a.points)


def held(plan: Plan) -> list[Finding]:
    return [f for f in plan.findings if f.code == "guard.bulk_expiry"]


def test_points_beyond_the_retention_go_oldest_first(look: MakeObserved, plan_of: PlanOf) -> None:
    plan = plan_of(look(31, 50, 40))

    (action,) = plan.actions
    assert isinstance(action, ExpirePoints)
    assert action.points == ("erp 50 days old", "erp 40 days old", "erp 31 days old")
    assert (action.source, action.reason, action.requests) == (ERP, "older than 30d", ())
    assert (action.subject.name, action.subject.group) == ("erp", "finance")


def test_a_point_that_is_just_as_old_as_the_retention_stays(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    group = make_group(retention="40d")

    assert expired(plan_of(look(39, 40, 40.5), group)) == ("erp 40.5 days old",)


def test_the_floor_is_kept_and_told(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    plan = plan_of(look(31, 40, 50), make_group(keep_at_least=3))

    assert expired(plan) == ("erp 50 days old",)
    (action,) = plan.actions
    assert action.reason == "older than 30d; 2 points as old stay, because at least 3 are kept"
    assert expired(plan_of(look(31, 40, 50), make_group(keep_at_least=4))) == ()
    assert expired(plan_of(look(31, 40, 50), make_group(keep_at_least=9))) == ()


def test_younger_points_count_towards_the_floor(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    plan = plan_of(look(31, 40, 50, points=9), make_group(keep_at_least=7))

    assert expired(plan) == ("erp 50 days old", "erp 40 days old")


def test_points_expire_behind_the_capture_that_is_due(look: MakeObserved, plan_of: PlanOf) -> None:
    plan = plan_of(look(50, captured_at=NOON - 2 * DAY))

    assert [type(action) for action in plan.actions] == [ExpressFullBackup, ExpirePoints]
    assert expired(plan) == ("erp 50 days old",)


def test_the_head_goes_only_behind_a_newer_one(look: MakeObserved, plan_of: PlanOf) -> None:
    old_head = look(50, captured_at=NOON - 40 * DAY)
    plan = plan_of(old_head)

    assert [type(action) for action in plan.actions] == [ExpressFullBackup, ExpirePoints]
    assert expired(plan) == ("erp 50 days old", "point-erp")


def test_an_old_head_stays_while_no_capture_is_due(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    monthly = {"times": ["00:00"], "days_of_month": [1]}
    group = make_group(retention="10d", recovery_points=monthly)
    plan = plan_of(look(50, captured_at=NOON - 20 * DAY, points=9), group)

    assert expired(plan) == ("erp 50 days old",)
    assert [type(a) for a in plan.actions] == [ExpirePoints]


@pytest.mark.parametrize("has_row", [True, False])
def test_points_that_a_lost_replica_left_expire_behind_a_new_one(
    look: MakeObserved, plan_of: PlanOf, *, has_row: bool
) -> None:
    observed = look(50)
    (replica,) = observed.replicas.values()
    bare = replace(replica, head=None, latest_captured_at=None)
    plan = plan_of(replace(observed, replicas={ERP: bare} if has_row else {}))

    assert [type(a) for a in plan.actions] == [CreateReplica, ExpirePoints]
    assert expired(plan) == ("erp 50 days old",)


def test_the_new_point_counts_towards_the_floor(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    observed = look(50, captured_at=NOON - 40 * DAY)

    assert expired(plan_of(observed, make_group(keep_at_least=2))) == ("erp 50 days old",)


def test_a_head_that_is_told_among_old_points_stays(look: MakeObserved, plan_of: PlanOf) -> None:
    observed = look(50)
    (old,) = observed.old_points[ERP]
    head = replace(old, id=RecoveryPointId("point-erp"))
    told = replace(observed, old_points={ERP: (old, head)}, point_counts={ERP: 9})

    assert expired(plan_of(told)) == ("erp 50 days old",)


@pytest.mark.parametrize(
    "trouble",
    ["broken machine", "moving", "silent", "at work", "left the group", "hole", "paused"],
)
def test_nothing_expires_of_a_machine_that_is_not_in_order(
    look: MakeObserved,
    plan_of: PlanOf,
    make_vm: MakeVm,
    make_group: MakeGroup,
    make_observed: MakeObserved,
    trouble: str,
) -> None:
    fine = look(50)
    silent = replace(fine, inventory=make_observed(silent=["hv1"]).inventory)
    others = make_group(members=[{"name": "crm"}])
    plans = {
        "broken machine": lambda: plan_of(look(50, machine=make_vm(faults=("odd",)))),
        "moving": lambda: plan_of(
            look(50, machine=make_vm(operational_status=("MigratingVirtualMachine",)))
        ),
        "silent": lambda: plan_of(silent),
        "at work": lambda: plan_of(replace(fine, running={ERP: JobId("job-1")})),
        "left the group": lambda: plan_of(fine, others),
        "hole": lambda: plan_of(fine, has_hole=True),
        "paused": lambda: plan_of(fine, expiry_paused="the clock jumped"),
    }

    assert expired(plan_of(fine))
    assert expired(plans[trouble]()) == ()


def test_nothing_expires_of_an_inconsistent_replica_before_it_is_repaired(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    observed = look(50, state=ReplicaState.INCONSISTENT)
    by_hand = make_group(consistency_check={"when_inconsistent": False})

    assert plan_of(observed, by_hand).actions == ()
    assert [type(a) for a in plan_of(observed).actions] == [ConsistencyCheck, ExpirePoints]


def test_a_newest_point_from_the_future_is_replaced_before_anything_expires(
    look: MakeObserved, plan_of: PlanOf
) -> None:
    plan = plan_of(look(50, captured_at=NOON + 99 * DAY))

    assert [type(a) for a in plan.actions] == [ExpressFullBackup, ExpirePoints]
    assert expired(plan) == ("erp 50 days old",)


def test_points_of_a_replica_that_is_created_anew_expire_behind_it(
    look: MakeObserved, plan_of: PlanOf
) -> None:
    plan = plan_of(look(50, state=ReplicaState.MISSING))

    assert [type(a) for a in plan.actions] == [CreateReplica, ExpirePoints]


def test_a_pause_is_told_once(look: MakeObserved, plan_of: PlanOf) -> None:
    plan = plan_of(look(50), expiry_paused="the clock jumped by +86400 s")

    (finding,) = plan.findings
    assert (finding.code, finding.severity) == ("expiry.paused", Severity.INFO)
    assert "the clock jumped by +86400 s" in finding.message


# --- age


def test_time_in_which_the_replica_was_inconsistent_does_not_count() -> None:
    def span(began: float, ended: float | None) -> InconsistentSpan:
        end = NOON - ended * DAY if ended is not None else None
        return InconsistentSpan(ERP, NOON - began * DAY, end, "why")

    captured_at = NOON - 10 * DAY
    assert age(captured_at, (), NOON) == 10 * DAY
    assert age(captured_at, (span(8, 5),), NOON) == 7 * DAY
    assert age(captured_at, (span(8, 5), span(3, 2)), NOON) == 6 * DAY
    assert age(captured_at, (span(4, None),), NOON) == 6 * DAY
    assert age(captured_at, (span(20, 9),), NOON) == 9 * DAY
    assert age(captured_at, (span(20, 15), span(-1, -2), span(-3, None)), NOON) == 10 * DAY


def test_points_live_longer_by_the_days_of_doubt(look: MakeObserved, plan_of: PlanOf) -> None:
    span = InconsistentSpan(ERP, NOON - 20 * DAY, NOON - 10 * DAY, "why")
    observed = look(39, 41, inconsistent_spans={ERP: (span,)})

    assert expired(plan_of(observed)) == ("erp 41 days old",)


# --- the guard


@pytest.mark.parametrize(
    ("expiring", "of", "is_bulk"),
    [(3, 3, False), (4, 4, True), (4, 7, True), (4, 8, False), (500, 9999, False)],
)
def test_many_are_more_than_three_and_more_than_half(
    expiring: int, of: int, *, is_bulk: bool
) -> None:
    assert is_bulk_expiry(expiring, of) is is_bulk


def test_many_points_at_once_are_held_for_a_person(look: MakeObserved, plan_of: PlanOf) -> None:
    days = [31 + n for n in range(21)]
    plan = plan_of(look(*days))

    assert plan.actions == ()
    (finding,) = held(plan)
    assert finding.message.startswith("21 of its 22 recovery points are older than 30d")
    assert "reconciler request expiry erp" in finding.hint
    assert "group finance" in finding.hint
    assert (finding.severity, finding.host) == (Severity.ERROR, "hv1")


def test_the_guard_holds_no_backup(look: MakeObserved, plan_of: PlanOf) -> None:
    plan = plan_of(look(*[31 + n for n in range(21)], captured_at=NOON - DAY))

    assert [type(a) for a in plan.actions] == [ExpressFullBackup]
    assert held(plan)


def test_with_leave_of_a_person_they_go(look: MakeObserved, plan_of: PlanOf) -> None:
    plan = plan_of(look(*[31 + n for n in range(21)], requests=(ALLOWED,)))

    (action,) = plan.actions
    assert isinstance(action, ExpirePoints)
    assert (len(action.points), action.requests) == (21, ("request-1",))
    assert held(plan) == []


def test_leave_that_is_not_needed_is_answered_by_what_expires(
    look: MakeObserved, plan_of: PlanOf
) -> None:
    (action,) = plan_of(look(50, requests=(ALLOWED,))).actions
    assert isinstance(action, ExpirePoints)
    assert action.requests == ("request-1",)


def test_what_a_person_lets_go_goes_before_the_backup_which_a_full_volume_would_refuse(
    look: MakeObserved, plan_of: PlanOf
) -> None:
    observed = look(50, 60, captured_at=NOON - 40 * DAY, requests=(ALLOWED,))
    before, backup, behind = plan_of(observed).actions

    assert isinstance(before, ExpirePoints)
    assert isinstance(backup, ExpressFullBackup)
    assert isinstance(behind, ExpirePoints)
    assert (before.points, before.requests) == (
        ("erp 60 days old", "erp 50 days old"),
        ("request-1",),
    )
    assert (behind.points, behind.requests) == (("point-erp",), ())


def test_what_a_person_lets_go_leaves_the_floor_without_the_point_to_come(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    observed = look(50, 60, captured_at=NOON - DAY, requests=(ALLOWED,))
    before, _, behind = plan_of(observed, make_group(keep_at_least=2)).actions

    assert isinstance(before, ExpirePoints)
    assert isinstance(behind, ExpirePoints)
    assert before.points == ("erp 60 days old",)
    assert before.reason == "older than 30d; 1 point as old stay, because at least 2 are kept"
    assert behind.points == ("erp 50 days old",)


def test_leave_is_answered_behind_the_backup_if_only_the_head_is_old(
    look: MakeObserved, plan_of: PlanOf
) -> None:
    plan = plan_of(look(captured_at=NOON - 40 * DAY, requests=(ALLOWED,)))
    backup, behind = plan.actions

    assert isinstance(backup, ExpressFullBackup)
    assert isinstance(behind, ExpirePoints)
    assert (behind.points, behind.requests) == (("point-erp",), ("request-1",))


def test_a_point_that_a_recovery_reads_stays_until_it_has_ended(
    look: MakeObserved, plan_of: PlanOf
) -> None:
    reads = RecoveryRequest("request-2", ERP, RecoveryPointId("erp 50 days old"), "/out")
    elsewhere = replace(reads, source=DataSourceId("source-crm"))
    observed = look(40, 50, captured_at=NOON)

    assert expired(plan_of(replace(observed, recoveries=(reads,)))) == ("erp 40 days old",)
    assert len(expired(plan_of(replace(observed, recoveries=(elsewhere,))))) == 2
    assert plan_of(replace(look(50), recoveries=(reads,))).actions == ()


def test_half_of_the_points_need_no_leave(look: MakeObserved, plan_of: PlanOf) -> None:
    assert len(expired(plan_of(look(*[31 + n for n in range(21)], points=42)))) == 21
