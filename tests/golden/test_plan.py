"""How a plan with every kind of action and finding is shown, word by word."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from reconciler.model.machine import (
    Checkpoint,
    ClusterFacts,
    ControllerSlot,
    HostEvent,
    HostVolume,
    PassThroughDisk,
    ReferencePoint,
    Replication,
    Role,
    VirtualMachine,
)
from reconciler.model.names import (
    CheckpointId,
    DataSourceId,
    HostName,
    JobId,
    PlanId,
    RecoveryPointId,
    ReferencePointId,
    ServerId,
)
from reconciler.model.observed import (
    Observed,
    OnDemand,
    RecoveryRequest,
    RequestKind,
    Saving,
    UnfinishedJob,
    Watch,
    checkpoint_name,
)
from reconciler.model.protection import RecoveryPoint, ReplicaState
from reconciler.plan.actions import Action, Finding, Plan, Severity
from reconciler.plan.diff import as_json, as_text
from reconciler.plan.planner import Occasion, make_plan, recovery_plan
from reconciler.policy.policy_set import PolicySet
from reconciler.policy.protection_group import ProtectionGroup

GOLDEN = Path(__file__).parent / "plan"
DAY = timedelta(days=1)
ERP = DataSourceId("source-erp")
CODES = {
    "cluster.node_not_described",
    "cluster.not_declared",
    "blocked.claimed_twice",
    "blocked.consistency",
    "blocked.machine",
    "blocked.seen_twice",
    "consistency.saved_state",
    "disk.pass_through",
    "expiry.paused",
    "group.empty",
    "guard.bulk_expiry",
    "host.unclaimed_machines",
    "host.unreachable",
    "job.running",
    "machine.excluded",
    "machine.host_not_declared",
    "machine.left_saved",
    "machine.not_claimed",
    "machine.not_reported",
    "machine.user_checkpoints",
    "online.not_available",
    "policy.broken",
    "recovery_point.missed",
    "replica.inconsistent",
    "volume.deduplicated",
    "waiting.machine",
    "waiting.owner",
    "waiting.quiet_time",
    "waiting.replica_resynchronizing",
}
BROKEN = Finding(
    "policy.broken",
    "sales.yaml",
    "it is broken; its last good version is in force",
    "see what is wrong: reconciler check",
    Severity.ERROR,
)


@pytest.fixture
def observed(
    make_vm: Callable[..., VirtualMachine],
    make_observed: Callable[..., Observed],
    with_host: Callable[..., Observed],
    with_replica: Callable[..., Observed],
    make_point: Callable[..., RecoveryPoint],
    noon: datetime,
) -> Observed:
    """One machine for each thing that can be the matter."""
    erp = make_vm("erp", notes="labels: app=erp")
    physical = PassThroughDisk(ControllerSlot("SCSI", 0, 1), 3)
    ours = checkpoint_name(ServerId("5e12ae00"), JobId("job-7"))
    resynchronizing = Replication("Resynchronizing", "Normal")
    world = make_observed(
        erp,
        make_vm("new", guest_os="Debian 12", pass_through=(physical,), user_checkpoints=2),
        make_vm("mute", integration_services=()),
        make_vm("odd", state="Off"),
        make_vm("shared"),
        make_vm("broken", faults=("the disk at SCSI 0:0 has no virtual disk id",)),
        make_vm("busy", state="Saved"),
        make_vm("exported", operational_status=("ExportingVirtualMachine",)),
        make_vm("scratch"),
        make_vm("moving"),
        make_vm("moving", "hv2"),
        make_vm("unclaimed", "hv2"),
        make_vm("spare", "hv2"),
        make_vm("copy", "hv2", role=Role.REPLICA, state="Off", replication=resynchronizing),
        make_vm("night", "hv2"),
        make_vm("strict", "hv2", state="Paused"),
        make_vm("node", "hv2"),
        make_vm("many", "hv2"),
        checkpoints=[Checkpoint(CheckpointId("checkpoint-7"), erp.id, ours, noon, ())],
        reference_points=[ReferencePoint(ReferencePointId("reference-old"), erp.id, ())],
        running={DataSourceId("source-busy"): JobId("job-8")},
        saving={DataSourceId("source-busy"): Saving(JobId("job-8"), is_overdue=True)},
        unfinished=(UnfinishedJob(JobId("job-7"), ERP, noon, has_saved=True),),
        superseded={ReferencePointId("reference-old"): ERP},
        requests=(
            OnDemand("request-2", RequestKind.BACKUP, ERP),
            OnDemand("request-3", RequestKind.DELETE_POINTS, DataSourceId("source-unclaimed")),
            OnDemand("request-4", RequestKind.DELETE_POINTS, DataSourceId("source-busy")),
            OnDemand("request-5", RequestKind.BACKUP, DataSourceId("source-gone")),
        ),
        recoveries=(
            RecoveryRequest("request-1", ERP, RecoveryPointId("point-erp"), "/recovered/erp"),
        ),
        old_points={
            ERP: (make_point(40), make_point(31)),
            DataSourceId("source-many"): tuple(make_point(60 - n, "many") for n in range(25)),
        },
        watches={HostName("hv1"): Watch(noon, 4), HostName("hv2"): Watch(noon, 4)},
    )
    lost = HostEvent(5, "Microsoft-Windows-FailoverClustering", 1135, noon - DAY / 24, "hv2")
    owners = ClusterFacts("fin", {"hv2": "Up", "hv3": "Up"}, {make_vm("node").id: "hv3"})
    volumes = (HostVolume("D:\\", 1 << 40, 1 << 39, is_deduplicated=True),)
    world = with_host(world, "hv1", volumes=volumes, events=(lost,))
    world = with_host(world, "hv2", cluster=owners)
    for name in ("busy", "gone", "unclaimed", "exported"):
        world = with_replica(world, make_vm(name), noon - DAY)
    world = with_replica(world, erp, noon - 3 * DAY, points=30)
    world = with_replica(world, make_vm("stray", "hv9"), noon - DAY)
    world = with_replica(world, make_vm("copy", "hv1", role=Role.REPLICA), noon - DAY)
    world = with_replica(world, make_vm("many", "hv2"), checked_at=noon, points=40)
    world = with_replica(world, make_vm("night", "hv2"), checked_at=noon - DAY)
    return with_replica(world, make_vm("odd"), noon - DAY, ReplicaState.INCONSISTENT)


@pytest.fixture
def plan(
    observed: Observed,
    make_group: Callable[..., ProtectionGroup],
    make_vm: Callable[..., VirtualMachine],
    make_observed: Callable[..., Observed],
    noon: datetime,
) -> Plan:
    """Three plans in one: a host that is silent hides that a group is empty."""
    names = [
        "broken",
        "busy",
        "copy",
        "exported",
        "many",
        "moving",
        "mute",
        "new",
        "night",
        "node",
        "scratch",
        "shared",
    ]
    by_hand = {"when_inconsistent": False}
    quiet = {"quiet_time": {"start": "22:00", "end": "04:00"}}
    wanted = PolicySet(
        (
            make_group(
                "finance",
                members=[{"labels": {"app": "erp"}}, *({"name": name} for name in names)],
                exclude=[{"name": "scratch", "reason": "it is rebuilt each night"}],
                online={"enabled": True},
            ),
            make_group("forgotten", members=[{"name": "nothing"}]),
            make_group("hand", members=[{"name": "odd"}], consistency_check=by_hand),
            make_group("later", members=[{"name": "later"}], initial_replication=quiet),
            make_group("sales", members=[{"name": "shared"}]),
            make_group("strict", members=[{"name": "strict"}], consistency={"otherwise": "refuse"}),
        ),
        commit="4f2c1e0",
    )
    occasion = Occasion(PlanId("plan-1"), noon, "lab", broken=(BROKEN,))
    paused = Occasion(PlanId("plan-1"), noon, "lab", expiry_paused="the clock jumped by +86400 s")
    recovery = recovery_plan(observed, "request-1", occasion)
    silent = make_plan(wanted, make_observed(make_vm("later"), silent=["hv3"]), paused)
    made = make_plan(wanted, observed, occasion)
    return replace(
        made,
        # the policy language grows; that alone should not change these files
        policy_digest="5d41402abc4b2a76",
        actions=made.actions + recovery.actions,
        findings=made.findings + tuple(f for f in silent.findings if f not in made.findings),
        unknown=silent.unknown,
    )


def test_every_kind_of_action_and_finding_is_in_it(plan: Plan) -> None:
    assert {type(action) for action in plan.actions} == set(get_args(Action))
    assert {finding.code for finding in plan.findings} == CODES
    assert plan.doubts
    assert plan.refusals


@pytest.mark.parametrize(("name", "show"), [("plan.txt", as_text), ("plan.json", as_json)])
def test_a_plan_is_shown_word_by_word(
    plan: Plan, name: str, show: Callable[[Plan], str], pytestconfig: pytest.Config
) -> None:
    shown = show(plan) + "\n"
    if pytestconfig.getoption("--update-golden"):
        (GOLDEN / name).write_text(shown, encoding="utf-8")

    assert shown == (GOLDEN / name).read_text(encoding="utf-8")
