"""What is due and what is not, one decision at a time."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.model.machine import (
    Checkpoint,
    DiskFormat,
    Inventory,
    VirtualDisk,
    VirtualMachine,
)
from reconciler.model.names import (
    CheckpointId,
    DataSourceId,
    HostName,
    JobId,
    PlanId,
    RecoveryPointId,
    ServerId,
)
from reconciler.model.observed import Observed, RecoveryRequest, UnfinishedJob, checkpoint_name
from reconciler.model.protection import Cause, CauseKind, Consistency, ReplicaState
from reconciler.plan.actions import (
    CreateReplica,
    ExpressFullBackup,
    Finding,
    Plan,
    RecoverDisks,
    RemoveLeftovers,
    Severity,
)
from reconciler.plan.planner import Occasion, make_plan, recovery_plan
from reconciler.policy.file_servers import FileServer
from reconciler.policy.policy_set import PolicySet
from reconciler.policy.protection_group import ProtectionGroup

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ERP = DataSourceId("source-erp")
GIB = 1 << 30
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Make:
    """The builders of tests/conftest.py at hand."""

    vm: Callable[..., VirtualMachine]
    group: Callable[..., ProtectionGroup]
    observed: Callable[..., Observed]
    replica: Callable[..., Observed]

    def plan(self, observed: Observed, *groups: ProtectionGroup, has_hole: bool = False) -> Plan:
        """The plan at noon; the last slot of the group was yesterday at 18:00 UTC."""
        wanted = PolicySet(groups or (self.group(),), commit="c0ffee")
        return make_plan(wanted, observed, Occasion(PlanId("plan-1"), NOON, "server", has_hole))


@pytest.fixture
def make(
    make_vm: Callable[..., VirtualMachine],
    make_group: Callable[..., ProtectionGroup],
    make_observed: Callable[..., Observed],
    with_replica: Callable[..., Observed],
) -> Make:
    return Make(make_vm, make_group, make_observed, with_replica)


def codes(plan: Plan) -> list[tuple[str, str]]:
    return [(finding.code, finding.about) for finding in plan.findings]


def kinds(plan: Plan) -> list[tuple[type, str]]:
    return [(type(action), action.subject.name) for action in plan.actions]


def test_a_plan_says_what_it_was_made_for_and_of(make: Make) -> None:
    plan = make.plan(make.observed())

    assert (plan.id, plan.made_for, plan.clock) == ("plan-1", NOON, "server")
    assert plan.policy_commit == "c0ffee"
    assert plan.policy_digest == PolicySet((make.group(),)).digest


def test_a_machine_without_a_replica_gets_one(
    make: Make, make_disk: Callable[..., VirtualDisk]
) -> None:
    machine = make.vm(disks=(make_disk(0, 64), make_disk(1, 6)))
    (action,) = make.plan(make.observed(machine)).actions

    assert isinstance(action, CreateReplica)
    assert (action.subject.key, action.subject.group) == (machine.key, "finance")
    assert action.reason == "no replica yet"
    assert action.pool == "main"
    assert action.consistency is Consistency.APPLICATION
    assert action.bytes_expected == 70 * GIB
    assert action.is_tracked
    slot = NOON.replace(hour=18) - DAY
    assert action.cause == Cause(CauseKind.REPLICA_CREATION, slot)


@pytest.mark.parametrize("state", [ReplicaState.MISSING, ReplicaState.CONSISTENT])
def test_a_replica_that_was_begun_and_has_no_point_is_created(
    make: Make, state: ReplicaState
) -> None:
    observed = make.replica(make.observed(make.vm()), make.vm(), None, state)

    assert kinds(make.plan(observed)) == [(CreateReplica, "erp")]


def test_a_replica_that_is_missing_is_created_even_if_its_head_is_known(make: Make) -> None:
    observed = make.replica(make.observed(make.vm()), make.vm(), state=ReplicaState.MISSING)

    assert kinds(make.plan(observed)) == [(CreateReplica, "erp")]


def test_a_slot_without_a_point_is_made_up_with_one_backup(make: Make) -> None:
    observed = make.replica(make.observed(make.vm(guest_os="")), make.vm(), NOON - DAY)
    (action,) = make.plan(observed).actions

    assert isinstance(action, ExpressFullBackup)
    assert action.reason == "no recovery point since the slot of 2026-11-23T18:00+00:00"
    assert (action.source, action.based_on) == ("source-erp", "point-erp")
    assert action.consistency is Consistency.FILE_SYSTEM
    assert (action.missed_slots, action.requests) == (0, ())
    assert action.cause == Cause(CauseKind.SLOT, NOON.replace(hour=18) - DAY)
    assert action.is_tracked


@pytest.mark.parametrize(
    ("captured_ago", "is_due"),
    [
        (timedelta(hours=18), False),
        (timedelta(hours=18, microseconds=1), True),
        (timedelta(0), False),
        (-timedelta(minutes=5), False),
        (-timedelta(minutes=6), True),
    ],
)
def test_only_a_point_in_the_slot_and_not_from_the_future_is_enough(
    make: Make, captured_ago: timedelta, *, is_due: bool
) -> None:
    observed = make.replica(make.observed(make.vm()), make.vm(), NOON - captured_ago)

    assert bool(make.plan(observed).actions) is is_due


def test_an_old_host_is_backed_up_without_tracking(make: Make) -> None:
    machines = make.vm(), make.vm("crm")
    observed = make.replica(make.observed(*machines, os_build=9600), machines[0], NOON - 9 * DAY)
    actions = make.plan(observed).actions

    assert [type(a) for a in actions] == [CreateReplica, ExpressFullBackup]
    assert not any(
        a.is_tracked for a in actions if isinstance(a, CreateReplica | ExpressFullBackup)
    )


def test_a_machine_with_a_job_at_work_waits(make: Make) -> None:
    machines = make.vm(), make.vm("crm")
    observed = make.replica(make.observed(*machines), machines[0], NOON - DAY)
    observed = replace(observed, running={ERP: JobId("job-1")})

    plan = make.plan(observed)
    assert kinds(plan) == [(CreateReplica, "crm")]
    assert codes(plan) == [("job.running", "erp")]
    assert "job-1" in plan.findings[0].message
    assert plan.findings[0].severity is Severity.INFO


def test_leftovers_come_first_and_in_the_order_of_hosts(make: Make) -> None:
    crm, erp = make.vm("crm", "hv2"), make.vm("erp", "hv1")
    jobs = tuple(
        UnfinishedJob(JobId(f"job-{name}"), DataSourceId(f"source-{name}"), NOON)
        for name in ("crm", "erp")
    )
    observed = make.observed(crm, erp, unfinished=jobs)
    for machine in (crm, erp):
        observed = make.replica(observed, machine, None, ReplicaState.MISSING)

    assert kinds(make.plan(observed)) == [
        (RemoveLeftovers, "erp"),
        (RemoveLeftovers, "crm"),
        (CreateReplica, "erp"),
        (CreateReplica, "crm"),
    ]


@pytest.mark.parametrize(("has_hole", "is_cleaned"), [(False, True), (True, False)])
def test_what_a_broken_policy_may_have_claimed_is_not_cleaned(
    make: Make, *, has_hole: bool, is_cleaned: bool
) -> None:
    machine, claimed = make.vm(), make.vm("crm")
    named = CheckpointId("checkpoint-1")
    name = checkpoint_name(ServerId("5e12ae00"), JobId("job-1"))
    checkpoint = Checkpoint(named, machine.id, name, NOON, ())
    ours = replace(checkpoint, id=CheckpointId("checkpoint-2"), vm_id=claimed.id)
    observed = make.observed(machine, claimed, checkpoints=[checkpoint, ours])
    for each in (machine, claimed):
        observed = make.replica(observed, each)
    plan = make.plan(observed, make.group(members=[{"name": "crm"}]), has_hole=has_hole)

    cleaned = [(a.subject.name, a.subject.group) for a in plan.actions]
    assert cleaned == ([("erp", None)] if is_cleaned else []) + [("crm", "finance")]


def test_a_silent_host_is_told_and_its_machines_are_unknown_not_gone(make: Make) -> None:
    observed = make.replica(make.observed(silent=["hv2", "hv1"]), make.vm())
    plan = make.plan(observed)

    assert plan.actions == ()
    assert codes(plan) == [("host.unreachable", "hv1"), ("host.unreachable", "hv2")]
    assert plan.findings[0].message == "hv1 did not answer; its machines are unknown, not gone"
    assert plan.findings[0].hint == "start it"
    assert plan.findings[0].severity is Severity.ERROR


def test_a_machine_that_no_host_reports_is_told_and_kept(make: Make) -> None:
    observed = make.observed(make.vm("here"))
    for name in ("zeta", "alpha", "here"):
        observed = make.replica(observed, make.vm(name))
    plan = make.plan(observed)

    assert plan.actions == ()
    assert codes(plan) == [("machine.not_reported", "alpha"), ("machine.not_reported", "zeta")]
    assert "last seen on hv1" in plan.findings[0].message


def test_a_machine_whose_host_no_policy_describes_was_not_looked_for(make: Make) -> None:
    observed = make.replica(
        make.observed(make.vm("here")), replace(make.vm("erp"), host=HostName("hv9"))
    )
    plan = make.plan(observed)

    assert codes(plan) == [("machine.host_not_declared", "erp")]
    assert "hv9" in plan.findings[0].message


def test_a_machine_that_moved_to_another_host_is_where_it_is(make: Make) -> None:
    before = make.vm("erp")
    observed = make.replica(make.observed(replace(before, host=HostName("hv2"))), before)
    plan = make.plan(observed)

    assert "machine.host_not_declared" not in [code for code, _ in codes(plan)]
    assert "machine.not_reported" not in [code for code, _ in codes(plan)]


def test_a_machine_that_no_group_claims_any_more_is_told(make: Make) -> None:
    observed = make.replica(make.observed(make.vm(), make.vm("crm")), make.vm())
    plan = make.plan(observed, make.group(members=[{"name": "crm"}]))

    assert codes(plan) == [("machine.not_claimed", "erp")]


def test_a_machine_of_which_there_is_no_point_is_not_missed(make: Make) -> None:
    observed = make.replica(make.observed(make.vm("here")), make.vm(), None, ReplicaState.MISSING)
    bare = replace(observed, replicas={})

    assert codes(make.plan(observed)) == codes(make.plan(bare)) == []


def test_a_machine_with_a_fault_is_not_backed_up_and_every_fault_is_told(make: Make) -> None:
    odd = make.vm(faults=("the disk at SCSI 0:1 has no virtual disk id", "it is odd"))
    plan = make.plan(make.observed(odd, make.vm("crm")))

    assert kinds(plan) == [(CreateReplica, "crm")]
    assert codes(plan) == [("blocked.machine", "erp")] * 2
    assert plan.findings[0].message == (
        "it is not backed up: the disk at SCSI 0:1 has no virtual disk id"
    )
    assert {finding.severity for finding in plan.findings} == {Severity.ERROR}


def test_a_machine_on_a_file_server_that_no_policy_describes_is_held_back(
    make: Make, make_disk: Callable[..., VirtualDisk]
) -> None:
    remote = replace(make_disk(1), path="\\\\Files1\\vms\\erp.vhdx")
    observed = make.observed(make.vm(disks=(make_disk(0), remote)), make.vm("crm"))
    plan = make.plan(observed)
    described = FileServer.model_validate(
        {
            "schema": "reconciler/v1",
            "kind": "FileServer",
            "name": "f",
            "address": "10.0.0.9",
            "unc_name": "files1",
        }
    )
    wanted = PolicySet((make.group(),), file_servers=(described,))
    known = make_plan(wanted, observed, Occasion(PlanId("plan-1"), NOON, "server"))

    assert kinds(plan) == [(CreateReplica, "crm")]
    assert ("blocked.file_server", "erp") in codes(plan)
    assert ("blocked.file_server", "erp") not in codes(known)
    assert "unc_name: Files1" in plan.findings[0].hint
    assert sorted(kinds(known), key=str) == [(CreateReplica, "crm"), (CreateReplica, "erp")]


def test_a_machine_with_a_vhd_file_is_backed_up_without_tracking(
    make: Make, make_disk: Callable[..., VirtualDisk]
) -> None:
    old = make_disk(1, file_format=DiskFormat.VHD)
    plan = make.plan(make.observed(make.vm(disks=(make_disk(0), old))))

    (action,) = plan.actions
    assert isinstance(action, CreateReplica)
    assert not action.is_tracked
    assert plan.findings == ()


def test_a_plan_tells_which_hosts_said_nothing(make: Make) -> None:
    assert make.plan(make.observed(make.vm(), silent=["hv2"])).unknown == {"hv2"}


def test_findings_of_policy_files_are_told_and_errors_come_first(make: Make) -> None:
    broken = Finding("policy.broken", "a.yaml", "it is broken", "mend it", Severity.ERROR)
    observed = make.observed(make.vm(), make.vm("crm"))
    wanted = PolicySet((make.group(members=[{"name": "nothing"}]),))
    occasion = Occasion(PlanId("plan-1"), NOON, "server", broken=(broken,))
    plan = make_plan(wanted, observed, occasion)

    assert [finding.severity for finding in plan.findings] == [
        Severity.ERROR,
        Severity.WARNING,
        Severity.INFO,
    ]
    assert plan.findings[0] is broken


@pytest.mark.parametrize("trouble", ["claimed twice", "hole"])
def test_a_machine_that_we_left_saved_runs_on_whoever_claims_it(make: Make, trouble: str) -> None:
    saved = make.vm(state="Saved")
    dead = UnfinishedJob(JobId("job-1"), ERP, NOON, has_saved=True)
    observed = make.replica(make.observed(saved, unfinished=(dead,)), saved, NOON)
    groups = [make.group(), make.group("sales")]
    if trouble == "hole":
        groups = [make.group(members=[{"name": "crm"}])]
    plan = make.plan(observed, *groups, has_hole=trouble == "hole")

    (action,) = plan.actions
    assert isinstance(action, RemoveLeftovers)
    assert action.resumes


def test_a_machine_that_we_left_saved_is_told_with_its_clean_up(make: Make) -> None:
    saved = make.vm(state="Saved")
    dead = UnfinishedJob(JobId("job-1"), ERP, NOON, has_saved=True)
    plan = make.plan(make.replica(make.observed(saved, unfinished=(dead,)), saved, NOON))

    assert codes(plan) == [("machine.left_saved", "erp")]


def test_a_copy_of_a_machine_whose_host_is_silent_is_neither_captured_nor_cleaned(
    make: Make,
) -> None:
    dead = UnfinishedJob(JobId("job-1"), ERP, NOON, has_saved=True)
    copy = make.vm(state="Saved")
    observed = make.observed(copy, silent=["hv2"], unfinished=(dead,))
    plan = make.plan(make.replica(observed, make.vm(host="hv2"), NOON - DAY))

    assert plan.actions == ()
    assert codes(plan) == [("host.unreachable", "hv2"), ("waiting.owner", "erp")]


def test_who_is_claimed_now_is_told_and_all_of_them_while_a_policy_is_broken(make: Make) -> None:
    erp, crm = make.vm(), make.vm("crm")
    observed = make.replica(make.replica(make.observed(erp, crm), erp), crm)
    group = make.group(members=[{"name": "erp"}])

    assert make.plan(observed, group).members == {"source-erp"}
    assert make.plan(observed, group, has_hole=True).members == {"source-erp", "source-crm"}


def test_a_machine_that_runs_on_first_is_planned_for_as_a_running_one(make: Make) -> None:
    saved = make.vm(state="Saved")
    dead = UnfinishedJob(JobId("job-1"), ERP, NOON, has_saved=True)
    observed = make.replica(make.observed(saved, unfinished=(dead,)), saved, NOON - DAY)

    clean, backup = make.plan(observed).actions
    assert isinstance(clean, RemoveLeftovers)
    assert isinstance(backup, ExpressFullBackup)
    assert backup.consistency is Consistency.APPLICATION


def test_what_a_dead_job_left_of_a_machine_with_a_fault_is_cleaned(make: Make) -> None:
    odd = make.vm(faults=("it is odd",))
    dead = (UnfinishedJob(JobId("job-1"), ERP, NOON),)
    plan = make.plan(make.replica(make.observed(odd, unfinished=dead), odd))

    assert kinds(plan) == [(RemoveLeftovers, "erp")]


def test_a_machine_without_tracking_is_not_synchronized_between_its_times(make: Make) -> None:
    group = make.group(synchronization="1h")
    captured_at = NOON - timedelta(hours=2)
    due = [
        bool(make.plan(make.replica(observed, make.vm(), captured_at), group).actions)
        for observed in (make.observed(make.vm()), make.observed(make.vm(), os_build=9600))
    ]

    assert due == [True, False]


@pytest.mark.parametrize("hosts", [("hv1",), ("hv1", "hv2")])
def test_a_blocked_machine_is_not_told_to_be_claimed_by_nobody(
    make: Make, hosts: tuple[str, ...]
) -> None:
    groups = [make.group(), make.group("sales")]
    observed = make.observed(*(make.vm(host=host) for host in hosts))
    plan = make.plan(make.replica(observed, make.vm()), *groups)

    assert [code for code, _ in codes(plan)] in (
        ["blocked.claimed_twice"],
        ["blocked.seen_twice"],
    )


def test_a_machine_that_a_broken_policy_may_claim_is_not_told_to_be_claimed_by_nobody(
    make: Make,
) -> None:
    observed = make.replica(make.observed(make.vm(), make.vm("crm")), make.vm())
    plan = make.plan(observed, make.group(members=[{"name": "crm"}]), has_hole=True)

    assert codes(plan) == []


@pytest.fixture
def asked(make: Make) -> Observed:
    """Two requests for the disks of a machine, and no host."""
    observed = make.replica(make.observed(), make.vm())
    requests = tuple(
        RecoveryRequest(f"request-{n}", ERP, RecoveryPointId(f"point-{n}"), f"/out/{n}")
        for n in (1, 2)
    )
    return replace(observed, inventory=Inventory(), recoveries=requests)


def test_a_recovery_is_planned_for_its_request_only_and_needs_no_host(asked: Observed) -> None:
    plan = recovery_plan(asked, "request-2", Occasion(PlanId("plan-1"), NOON, "server"))

    (action,) = plan.actions
    assert isinstance(action, RecoverDisks)
    assert (action.request, action.recovery_point) == ("request-2", "point-2")
    assert (action.source, action.folder, action.reason) == (ERP, "/out/2", "requested")
    assert (action.subject.name, action.subject.host) == ("erp", HostName("hv1"))
    assert (plan.made_for, plan.findings) == (NOON, ())


def test_a_request_that_has_ended_plans_nothing(asked: Observed) -> None:
    plan = recovery_plan(asked, "request-3", Occasion(PlanId("plan-1"), NOON, "server"))
    assert plan.actions == ()


def test_a_pass_leaves_recoveries_to_those_who_asked(make: Make, asked: Observed) -> None:
    assert make.plan(asked).actions == ()
