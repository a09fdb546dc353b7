"""Which capture a member gets, and why it gets none."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.model.machine import Replication, Role, VirtualMachine
from reconciler.model.names import DataSourceId, JobId
from reconciler.model.observed import Observed, OnDemand, RequestKind
from reconciler.model.protection import (
    Cause,
    CauseKind,
    Consistency,
    ConsistencyWish,
    Otherwise,
    ReplicaState,
)
from reconciler.plan.actions import (
    Action,
    ConsistencyCheck,
    CreateReplica,
    ExpressFullBackup,
    Finding,
    Plan,
    Severity,
)
from reconciler.policy.protection_group import ProtectionGroup

MakeVm = Callable[..., VirtualMachine]
MakeGroup = Callable[..., ProtectionGroup]
MakeObserved = Callable[..., Observed]
PlanOf = Callable[..., Plan]

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SLOT = NOON - 18 * HOUR
ERP = DataSourceId("source-erp")
BY_HAND = {"when_inconsistent": False}


def asked(*kinds: RequestKind) -> tuple[OnDemand, ...]:
    return tuple(OnDemand(f"request {kind.value}", kind, ERP) for kind in kinds)


@pytest.fixture
def look(make_vm: MakeVm, make_observed: MakeObserved, with_replica: MakeObserved) -> MakeObserved:
    """A look at one machine with a replica; all further fields are those of the replica."""

    def make(
        captured_at: datetime | None = NOON,
        state: ReplicaState = ReplicaState.CONSISTENT,
        *,
        machine: VirtualMachine | None = None,
        requests: tuple[OnDemand, ...] = (),
        os_build: int = 20_348,
        **replica: object,
    ) -> Observed:
        machine = machine or make_vm()
        observed = make_observed(machine, requests=requests, os_build=os_build)
        return with_replica(observed, machine, captured_at, state, **replica)

    return make


def only(plan: Plan) -> Action:
    (action,) = plan.actions
    return action


def found(plan: Plan, code: str) -> Finding:
    (finding,) = [f for f in plan.findings if f.code == code]
    return finding


def codes(plan: Plan) -> list[str]:
    return [finding.code for finding in plan.findings]


# --- missed slots


def test_missed_slots_are_made_up_by_one_backup_and_counted(
    look: MakeObserved, plan_of: PlanOf
) -> None:
    plan = plan_of(look(NOON - 3 * DAY))

    action = only(plan)
    assert isinstance(action, ExpressFullBackup)
    assert action.missed_slots == 2
    assert action.reason == (
        "no recovery point since the slot of 2026-11-23T18:00+00:00; 2 slots before it missed"
    )
    finding = found(plan, "recovery_point.missed")
    assert finding.message == (
        "2 slots passed without a recovery point; the newest is of 2026-11-21T12:00+00:00"
    )
    assert (finding.severity, finding.host) == (Severity.INFO, "hv1")  # the backup is in the plan


def test_a_slot_that_has_just_come_is_not_missed(look: MakeObserved, plan_of: PlanOf) -> None:
    plan = plan_of(look(SLOT - HOUR))

    action = only(plan)
    assert isinstance(action, ExpressFullBackup)
    assert (action.missed_slots, codes(plan)) == (0, [])


def test_slots_are_not_counted_from_the_future(look: MakeObserved, plan_of: PlanOf) -> None:
    plan = plan_of(look(NOON + 9 * DAY))

    action = only(plan)
    assert isinstance(action, ExpressFullBackup)
    assert (action.missed_slots, codes(plan)) == (0, [])


def test_after_years_slots_are_not_counted_to_the_end(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    plan = plan_of(look(NOON - 3650 * DAY), make_group(synchronization="1h"))

    assert "at least 10000 slots" in found(plan, "recovery_point.missed").message


def test_missed_slots_of_a_machine_that_cannot_be_backed_up_tell_why(
    look: MakeObserved, plan_of: PlanOf, make_vm: MakeVm
) -> None:
    plan = plan_of(look(NOON - 3 * DAY, machine=make_vm(faults=("it is odd",))))

    assert plan.actions == ()
    missed = found(plan, "recovery_point.missed")
    assert missed.message.endswith("; it is not backed up: it is odd")
    assert missed.hint == found(plan, "blocked.machine").hint


# --- requests


def test_a_backup_is_made_on_request_though_the_slot_is_filled(
    look: MakeObserved, plan_of: PlanOf
) -> None:
    action = only(plan_of(look(requests=asked(RequestKind.BACKUP))))

    assert isinstance(action, ExpressFullBackup)
    assert action.cause == Cause(CauseKind.REQUEST, None)
    assert (action.reason, action.requests) == ("requested", ("request backup",))


def test_a_slot_that_is_due_answers_the_request_too(look: MakeObserved, plan_of: PlanOf) -> None:
    action = only(plan_of(look(SLOT - HOUR, requests=asked(RequestKind.BACKUP))))

    assert isinstance(action, ExpressFullBackup)
    assert action.cause == Cause(CauseKind.SLOT, SLOT)
    assert action.requests == ("request backup",)
    assert action.reason.endswith("; requested")


def test_creating_the_replica_answers_every_request(look: MakeObserved, plan_of: PlanOf) -> None:
    requests = asked(RequestKind.BACKUP, RequestKind.CONSISTENCY_CHECK)
    action = only(plan_of(look(None, ReplicaState.MISSING, requests=requests)))

    assert isinstance(action, CreateReplica)
    assert action.requests == ("request backup", "request consistency_check")
    assert action.reason == "no replica yet; requested"


@pytest.mark.parametrize(("captured_at", "slot"), [(NOON, None), (SLOT - HOUR, SLOT)])
def test_a_consistency_check_on_request_makes_the_point_of_the_slot_too(
    look: MakeObserved, plan_of: PlanOf, captured_at: datetime, slot: datetime | None
) -> None:
    requests = asked(RequestKind.BACKUP, RequestKind.CONSISTENCY_CHECK)
    action = only(plan_of(look(captured_at, requests=requests)))

    assert isinstance(action, ConsistencyCheck)
    assert action.cause == Cause(CauseKind.CONSISTENCY_CHECK, slot)
    assert action.requests == ("request backup", "request consistency_check")
    assert (action.source, action.based_on) == (ERP, "point-erp")


def test_requests_of_other_kinds_or_machines_make_no_backup(
    look: MakeObserved, plan_of: PlanOf
) -> None:
    others = (
        *asked(RequestKind.EXPIRY, RequestKind.DELETE_POINTS),
        OnDemand("another's", RequestKind.BACKUP, DataSourceId("source-crm")),
    )

    assert plan_of(look(requests=others)).actions == ()


# --- consistency checks


def test_an_inconsistent_replica_is_compared_and_repaired(
    look: MakeObserved, plan_of: PlanOf
) -> None:
    plan = plan_of(look(NOON, ReplicaState.INCONSISTENT, doubt="its node was lost"))

    action = only(plan)
    assert isinstance(action, ConsistencyCheck)
    assert action.reason == "the replica may differ: its node was lost"
    assert action.requests == ()
    assert codes(plan) == []
    unknown = only(plan_of(look(NOON, ReplicaState.INCONSISTENT)))
    assert unknown.reason == "the replica may differ from the machine"


def test_only_by_hand_a_person_is_told_the_command(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup, make_vm: MakeVm
) -> None:
    group = make_group(consistency_check=BY_HAND)
    machine = make_vm("erp 2")
    observed = look(NOON, ReplicaState.INCONSISTENT, machine=machine)
    plan = plan_of(observed, group)

    assert plan.actions == ()
    finding = found(plan, "replica.inconsistent")
    assert finding.severity is Severity.ERROR
    assert finding.hint.endswith(": reconciler request consistency-check 'erp 2'")


def test_only_by_hand_means_that_a_person_may(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    requests = asked(RequestKind.CONSISTENCY_CHECK)
    group = make_group(consistency_check=BY_HAND)
    plan = plan_of(look(NOON, ReplicaState.INCONSISTENT, requests=requests), group)

    action = only(plan)
    assert isinstance(action, ConsistencyCheck)
    assert action.requests == ("request consistency_check",)
    assert action.reason.startswith("requested; ")
    assert codes(plan) == []


def test_no_backup_is_made_of_an_inconsistent_replica_even_on_request(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    group = make_group(consistency_check=BY_HAND)
    observed = look(SLOT - HOUR, ReplicaState.INCONSISTENT, requests=asked(RequestKind.BACKUP))
    plan = plan_of(observed, group)

    assert plan.actions == ()
    (refusal,) = plan.refusals
    assert refusal.hint.endswith("reconciler request consistency-check erp")


@pytest.mark.parametrize("state", [ReplicaState.CONSISTENT, ReplicaState.INCONSISTENT])
@pytest.mark.parametrize(
    ("checked_at", "is_due"),
    [(NOON - 12 * HOUR, False), (NOON - 13 * HOUR, True), (None, True), (NOON + DAY, True)],
)
def test_a_scheduled_check_is_made_in_place_of_a_backup(
    look: MakeObserved,
    plan_of: PlanOf,
    make_group: MakeGroup,
    state: ReplicaState,
    checked_at: datetime | None,
    *,
    is_due: bool,
) -> None:
    group = make_group(consistency_check=BY_HAND | {"schedule": {"times": ["00:00"]}})
    plan = plan_of(look(SLOT - HOUR, state, checked_at=checked_at), group)

    kinds = [type(action) for action in plan.actions]
    if is_due:
        assert kinds == [ConsistencyCheck]
        assert "consistency check scheduled for 2026-11-24T00:00" in only(plan).reason
    else:
        is_consistent = state is ReplicaState.CONSISTENT
        assert kinds == ([ExpressFullBackup] if is_consistent else [])


# --- initial replication


QUIET = {"initial_replication": {"quiet_time": {"start": "22:00", "end": "04:00"}}}


def test_a_replica_is_created_in_the_quiet_time(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    plan = plan_of(look(None, ReplicaState.MISSING), make_group(**QUIET))

    assert plan.actions == ()
    finding = found(plan, "waiting.quiet_time")
    assert finding.severity is Severity.INFO
    assert "initial_replication from group finance" in finding.hint
    at_night = plan_of(
        look(None, ReplicaState.MISSING), make_group(**QUIET), now=NOON.replace(hour=23)
    )
    assert isinstance(only(at_night), CreateReplica)
    assert codes(at_night) == []


MANUAL = {"initial_replication": {"method": "manual"}}


def test_a_manual_replica_awaits_its_import_whatever_else_is_asked(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    observed = look(None, ReplicaState.MISSING)
    wanted = replace(observed, requests=asked(RequestKind.BACKUP))

    assert codes(plan_of(observed, make_group(**MANUAL))) == ["replica.awaits_import"]
    plan = plan_of(wanted, make_group(**MANUAL))

    assert plan.actions == ()
    finding = found(plan, "replica.awaits_import")
    assert finding.severity is Severity.WARNING
    assert "reconciler replica export erp FOLDER" in finding.hint
    (refusal,) = plan.refusals
    assert refusal.hint == finding.hint


def test_media_make_a_replica_once(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    requests = (OnDemand("asked", RequestKind.IMPORT, ERP, "/media"),)
    missing = replace(look(None, ReplicaState.MISSING), requests=requests)

    creation = only(plan_of(missing, make_group(**MANUAL)))

    assert isinstance(creation, CreateReplica)
    assert creation.media == "/media"
    assert creation.requests == ("asked",)
    there = plan_of(replace(look(), requests=requests), make_group(**MANUAL))
    (refusal,) = there.refusals
    assert "has a replica already" in refusal.message


def test_who_asks_need_not_wait_for_the_night(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    requests = asked(RequestKind.BACKUP)
    plan = plan_of(look(None, ReplicaState.MISSING, requests=requests), make_group(**QUIET))

    assert isinstance(only(plan), CreateReplica)


def test_backups_do_not_wait_for_the_quiet_time(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    assert isinstance(only(plan_of(look(NOON - DAY), make_group(**QUIET))), ExpressFullBackup)


def test_a_job_that_goes_on_after_the_quiet_time_is_not_told_to_wait(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    observed = replace(look(None, ReplicaState.MISSING), running={ERP: JobId("job-1")})

    assert codes(plan_of(observed, make_group(**QUIET))) == ["job.running"]


# --- ways to capture


def test_a_machine_whose_guest_cannot_answer_is_saved_and_that_is_told(
    look: MakeObserved, plan_of: PlanOf, make_vm: MakeVm
) -> None:
    mute = make_vm(integration_services=())
    plan = plan_of(look(NOON - DAY, machine=mute))

    action = only(plan)
    assert isinstance(action, ExpressFullBackup)
    assert (action.consistency, action.saves_machine) == (Consistency.OFFLINE, True)
    finding = found(plan, "consistency.saved_state")
    assert finding.severity is Severity.INFO
    assert "integration service Backup (volume shadow copy) is not there" in finding.message
    assert "install or update" in finding.hint
    assert "otherwise: crash" in finding.hint


def test_a_policy_that_refuses_less_blocks_the_machine(
    look: MakeObserved, plan_of: PlanOf, make_vm: MakeVm, make_group: MakeGroup
) -> None:
    mute = make_vm(integration_services=())
    group = make_group(consistency={"otherwise": "refuse"})
    plan = plan_of(look(NOON - DAY, machine=mute), group)

    assert plan.actions == ()
    finding = found(plan, "blocked.consistency")
    assert finding.severity is Severity.WARNING
    assert finding.message.startswith("it is not backed up: the integration service")
    assert "install or update" in finding.hint


def test_every_capture_carries_what_its_policy_wishes(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup
) -> None:
    group = make_group(consistency={"ask_guest": False})
    wish = ConsistencyWish(asks_guest=False, otherwise=Otherwise.SAVED_STATE)
    looks = [
        look(NOON - DAY),
        look(NOON, ReplicaState.INCONSISTENT),
        look(None, ReplicaState.MISSING),
    ]
    actions = [only(plan_of(each, group)) for each in looks]

    assert [type(a) for a in actions] == [ExpressFullBackup, ConsistencyCheck, CreateReplica]
    for action in actions:
        assert isinstance(action, ExpressFullBackup | ConsistencyCheck | CreateReplica)
        assert (action.wish, action.consistency) == (wish, Consistency.CRASH)
        assert not action.saves_machine


# --- waiting


def test_a_replica_machine_waits_inside_its_slot(
    look: MakeObserved, plan_of: PlanOf, make_vm: MakeVm
) -> None:
    told = Replication("Resynchronizing", "Normal")
    machine = make_vm(role=Role.REPLICA, state="Off", replication=told)
    plan = plan_of(look(NOON - DAY, machine=machine))

    assert plan.actions == ()
    finding = found(plan, "waiting.replica_resynchronizing")
    assert finding.message == (
        "it is being resynchronized, or has to be (Resynchronizing); "
        "it waits inside its slot of 2026-11-23T18:00+00:00"
    )
    assert finding.severity is Severity.INFO


def test_when_the_next_slot_begins_the_one_before_has_failed_with_the_reason(
    look: MakeObserved, plan_of: PlanOf, make_vm: MakeVm
) -> None:
    told = Replication("Resynchronizing", "Normal")
    machine = make_vm(role=Role.REPLICA, state="Off", replication=told)
    plan = plan_of(look(NOON - 2 * DAY, machine=machine))

    missed = found(plan, "recovery_point.missed")
    assert missed.severity is Severity.WARNING
    assert missed.message.startswith("1 slot passed without a recovery point")
    assert "it is being resynchronized" in missed.message


def test_what_only_a_person_can_end_is_a_warning(
    look: MakeObserved, plan_of: PlanOf, make_vm: MakeVm
) -> None:
    machine = make_vm(state="OffCritical")

    finding = found(plan_of(look(NOON - DAY, machine=machine)), "waiting.machine")
    assert finding.severity is Severity.WARNING


def test_to_wait_is_no_news_while_nothing_is_due(
    look: MakeObserved, plan_of: PlanOf, make_vm: MakeVm
) -> None:
    machine = make_vm(operational_status=("MigratingVirtualMachine",))

    assert codes(plan_of(look(NOON, machine=machine))) == []
    requested = plan_of(look(NOON, machine=machine, requests=asked(RequestKind.BACKUP)))
    assert codes(requested) == ["waiting.machine"]
    assert requested.actions == ()


def test_a_machine_that_waits_is_not_judged_by_what_it_is_just_now(
    look: MakeObserved, plan_of: PlanOf, make_vm: MakeVm
) -> None:
    plan = plan_of(look(NOON - DAY, machine=make_vm(state="Starting")))

    assert codes(plan) == ["waiting.machine"]


def test_an_inconsistent_replica_stays_told_while_its_machine_waits_or_is_worked_on(
    look: MakeObserved, plan_of: PlanOf, make_group: MakeGroup, make_vm: MakeVm
) -> None:
    group = make_group(consistency_check=BY_HAND)
    waiting = look(NOON, ReplicaState.INCONSISTENT, machine=make_vm(state="Starting"))
    busy = replace(look(NOON, ReplicaState.INCONSISTENT), running={ERP: JobId("job-1")})

    for observed in (waiting, busy):
        assert "replica.inconsistent" in codes(plan_of(observed, group))
