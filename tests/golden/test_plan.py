"""How a plan with every kind of action and finding is shown, word by word."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from reconciler.model.machine import (
    Checkpoint,
    ControllerSlot,
    DiskFormat,
    PassThroughDisk,
    ReferencePoint,
    VirtualDisk,
    VirtualMachine,
)
from reconciler.model.names import (
    CheckpointId,
    DataSourceId,
    JobId,
    PlanId,
    RecoveryPointId,
    ReferencePointId,
    ServerId,
)
from reconciler.model.observed import (
    Observed,
    RecoveryRequest,
    UnfinishedJob,
    checkpoint_name,
)
from reconciler.model.protection import ReplicaState
from reconciler.plan.actions import Action, Plan
from reconciler.plan.diff import as_json, as_text
from reconciler.plan.planner import Occasion, make_plan, recovery_plan
from reconciler.policy.policy_set import PolicySet
from reconciler.policy.protection_group import ProtectionGroup

GOLDEN = Path(__file__).parent / "plan"
DAY = timedelta(days=1)
CODES = {
    "blocked.claimed_twice",
    "blocked.disk_format",
    "blocked.machine",
    "blocked.seen_twice",
    "disk.pass_through",
    "group.empty",
    "host.unreachable",
    "job.running",
    "machine.host_not_declared",
    "machine.not_claimed",
    "machine.not_reported",
    "replica.inconsistent",
}


@pytest.fixture
def observed(
    make_vm: Callable[..., VirtualMachine],
    make_disk: Callable[..., VirtualDisk],
    make_observed: Callable[..., Observed],
    with_replica: Callable[..., Observed],
    noon: datetime,
) -> Observed:
    """One machine for each thing that can be the matter."""
    erp = make_vm("erp")
    physical = PassThroughDisk(ControllerSlot("SCSI", 0, 1), 3)
    ours = checkpoint_name(ServerId("5e12ae00"), JobId("job-7"))
    world = make_observed(
        erp,
        make_vm("new", guest_os="Debian 12", pass_through=(physical,)),
        make_vm("odd", state="Off"),
        make_vm("shared"),
        make_vm("broken", faults=("the disk at SCSI 0:0 has no virtual disk id",)),
        make_vm("old", disks=(make_disk(file_format=DiskFormat.VHD),)),
        make_vm("busy"),
        make_vm("moving"),
        make_vm("moving", "hv2"),
        make_vm("unclaimed", "hv2"),
        checkpoints=[Checkpoint(CheckpointId("checkpoint-7"), erp.id, ours, noon, ())],
        reference_points=[ReferencePoint(ReferencePointId("reference-old"), erp.id, ())],
        running={DataSourceId("source-busy"): JobId("job-8")},
        unfinished=(UnfinishedJob(JobId("job-7"), DataSourceId("source-erp"), noon),),
        superseded={ReferencePointId("reference-old"): DataSourceId("source-erp")},
        recoveries=(
            RecoveryRequest(
                "request-1",
                DataSourceId("source-erp"),
                RecoveryPointId("point-erp"),
                "/recovered/erp",
            ),
        ),
    )
    for name in ("busy", "erp", "gone", "unclaimed"):
        world = with_replica(world, make_vm(name), noon - DAY)
    world = with_replica(world, make_vm("stray", "hv9"), noon - DAY)
    return with_replica(world, make_vm("odd"), noon - DAY, ReplicaState.INCONSISTENT)


@pytest.fixture
def plan(
    observed: Observed,
    make_group: Callable[..., ProtectionGroup],
    make_observed: Callable[..., Observed],
    noon: datetime,
) -> Plan:
    """Three plans in one: a host that is silent hides that a group is empty."""
    names = ("broken", "busy", "erp", "moving", "new", "odd", "old", "shared")
    wanted = PolicySet(
        (
            make_group("finance", members=[{"name": name} for name in names]),
            make_group("forgotten", members=[{"name": "nothing"}]),
            make_group("sales", members=[{"name": "shared"}]),
        ),
        commit="4f2c1e0",
    )
    occasion = Occasion(PlanId("plan-1"), noon, "lab")
    recovery = recovery_plan(observed, "request-1", occasion)
    silent = make_plan(wanted, make_observed(silent=["hv3"]), occasion)
    made = make_plan(wanted, observed, occasion)
    return replace(
        made,
        # the policy language grows; that alone should not change these files
        policy_digest="5d41402abc4b2a76",
        actions=made.actions + recovery.actions,
        findings=made.findings + silent.findings,
    )


def test_every_kind_of_action_and_finding_is_in_it(plan: Plan) -> None:
    assert {type(action) for action in plan.actions} == set(get_args(Action))
    assert {finding.code for finding in plan.findings} == CODES


@pytest.mark.parametrize(("name", "show"), [("plan.txt", as_text), ("plan.json", as_json)])
def test_a_plan_is_shown_word_by_word(
    plan: Plan, name: str, show: Callable[[Plan], str], pytestconfig: pytest.Config
) -> None:
    shown = show(plan) + "\n"
    if pytestconfig.getoption("--update-golden"):
        (GOLDEN / name).write_text(shown, encoding="utf-8")

    assert shown == (GOLDEN / name).read_text(encoding="utf-8")
