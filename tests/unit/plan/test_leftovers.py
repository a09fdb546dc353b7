"""What dead jobs left is cleaned; what is not provably ours is never touched."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import pytest

from reconciler.model.machine import Checkpoint, ReferencePoint, VirtualMachine
from reconciler.model.names import (
    CheckpointId,
    DataSourceId,
    GroupName,
    JobId,
    ReferencePointId,
    ServerId,
    VmId,
)
from reconciler.model.observed import Observed, Saving, UnfinishedJob, checkpoint_name
from reconciler.plan.actions import Finding, RemoveLeftovers, Severity
from reconciler.plan.index import index
from reconciler.plan.leftovers import left_saved, leftovers

MakeVm = Callable[..., VirtualMachine]
MakeWorld = Callable[..., Observed]
SERVER, STRANGER = ServerId("5e12ae00"), ServerId("another")
SOURCE = DataSourceId("source-erp")
FINANCE = GroupName("finance")


class Left(NamedTuple):
    """What was found of one machine."""

    jobs: tuple[str, ...] = ()
    checkpoints: tuple[str, ...] = ()
    reference_points: tuple[str, ...] = ()


def checkpoint(name: str, vm_id: VmId, at: datetime) -> Checkpoint:
    return Checkpoint(CheckpointId(f"id of {name}"), vm_id, name, at, ())


def reference_point(name: str, vm_id: VmId) -> ReferencePoint:
    return ReferencePoint(ReferencePointId(name), vm_id, ())


def clean_up(observed: Observed, machine: VirtualMachine) -> RemoveLeftovers | None:
    return leftovers(index(observed), FINANCE, machine)


def left(action: RemoveLeftovers | None) -> Left:
    assert action is not None
    return Left(action.jobs, action.checkpoints, action.reference_points)


@pytest.fixture
def world(
    make_vm: MakeVm, make_observed: MakeWorld, with_replica: MakeWorld, noon: datetime
) -> MakeWorld:
    """The machine erp with a replica, another beside it, and what is left on their host."""

    def make(
        checkpoints: tuple[str, ...] = (),
        reference_points: tuple[str, ...] = (),
        **recorded: object,
    ) -> Observed:
        machine, other = make_vm(), make_vm("crm")
        observed = make_observed(
            machine,
            other,
            checkpoints=[
                *(checkpoint(name, machine.id, noon) for name in checkpoints),
                checkpoint(checkpoint_name(SERVER, JobId("of crm")), other.id, noon),
            ],
            reference_points=[
                *(reference_point(name, machine.id) for name in reference_points),
                reference_point("of crm", other.id),
            ],
            **recorded,
        )
        return with_replica(observed, machine)

    return make


def test_a_machine_of_which_nothing_was_left_is_let_alone(
    make_vm: MakeVm, world: MakeWorld
) -> None:
    assert clean_up(world(), make_vm()) is None


def test_checkpoints_are_ours_by_their_name_only(make_vm: MakeVm, world: MakeWorld) -> None:
    ours = checkpoint_name(SERVER, JobId("job-1"))
    theirs = checkpoint_name(STRANGER, JobId("job-1"))
    observed = world(checkpoints=("Veeam Recovery Checkpoint", theirs, ours, ""))

    action = clean_up(observed, make_vm())
    assert left(action) == Left(checkpoints=(f"id of {ours}",))
    assert action is not None
    assert action.reason == "1 checkpoint of ours left on the host"
    assert (action.subject.name, action.subject.host, action.subject.group) == (
        "erp",
        "hv1",
        "finance",
    )


def test_reference_points_are_ours_only_when_recorded_as_replaced_for_this_machine(
    make_vm: MakeVm, world: MakeWorld
) -> None:
    observed = world(
        reference_points=("old-1", "current", "foreign", "of another source", "old-2"),
        superseded={
            ReferencePointId("old-1"): SOURCE,
            ReferencePointId("old-2"): SOURCE,
            ReferencePointId("gone from the host"): SOURCE,
            ReferencePointId("of another source"): DataSourceId("source-crm"),
        },
    )

    action = clean_up(observed, make_vm())
    assert left(action) == Left(reference_points=("old-1", "old-2"))
    assert action is not None
    assert action.reason == "2 reference points of ours that newer ones have replaced"


def test_dead_jobs_are_healed_each_with_its_own_machine(
    make_vm: MakeVm, world: MakeWorld, noon: datetime
) -> None:
    dead = [
        UnfinishedJob(JobId("job-1"), SOURCE, noon),
        UnfinishedJob(JobId("job-2"), DataSourceId("source-crm"), noon),
    ]

    action = clean_up(world(unfinished=tuple(dead)), make_vm())
    assert left(action) == Left(jobs=("job-1",))
    assert action is not None
    assert action.reason == "1 job of ours ended without finishing"


def test_all_that_was_left_is_one_action_with_every_reason(
    make_vm: MakeVm, world: MakeWorld, noon: datetime
) -> None:
    ours = [checkpoint_name(SERVER, JobId(job)) for job in ("job-1", "job-2")]
    observed = world(
        checkpoints=tuple(ours),
        reference_points=("old",),
        superseded={ReferencePointId("old"): SOURCE},
        unfinished=tuple(UnfinishedJob(JobId(j), SOURCE, noon) for j in ("job-1", "job-2")),
    )

    action = clean_up(observed, make_vm())
    assert action is not None
    assert action.reason == (
        "2 jobs of ours ended without finishing; 2 checkpoints of ours left on the host; "
        "1 reference point of ours that newer ones have replaced"
    )
    assert action.is_tracked


def test_nothing_is_cleaned_while_a_job_of_the_machine_is_at_work(
    make_vm: MakeVm, world: MakeWorld
) -> None:
    ours = checkpoint_name(SERVER, JobId("job-1"))
    observed = world(checkpoints=(ours,), running={SOURCE: JobId("job-1")})

    assert clean_up(observed, make_vm()) is None


def test_a_machine_that_we_hold_nothing_of_is_not_cleaned(
    make_vm: MakeVm, world: MakeWorld
) -> None:
    assert clean_up(world(), make_vm("crm")) is None


@pytest.mark.parametrize(
    ("state", "has_saved", "resumes"),
    [
        ("Saved", True, True),
        ("Saving", True, True),
        ("FastSaved", True, True),
        ("Saved", False, False),
        ("Running", True, False),
        ("Off", True, False),
    ],
)
def test_a_machine_that_a_dead_job_saved_runs_on_while_it_is_saved(
    make_vm: MakeVm,
    world: MakeWorld,
    noon: datetime,
    state: str,
    *,
    has_saved: bool,
    resumes: bool,
) -> None:
    dead = UnfinishedJob(JobId("job-1"), SOURCE, noon, has_saved=has_saved)

    action = clean_up(world(unfinished=(dead,)), make_vm(state=state))
    assert action is not None
    assert action.resumes is resumes
    assert ("let it run on" in action.reason) is resumes


# --- what is told of a machine that is down because of us


def told(observed: Observed, *machines: VirtualMachine) -> list[Finding]:
    return list(left_saved(observed, {machine.key: machine for machine in machines}))


@pytest.mark.parametrize(
    ("state", "is_told"), [("Saved", True), ("FastSaved", True), ("Running", False), ("Off", False)]
)
def test_a_machine_that_a_dead_job_left_saved_is_down_and_told_with_the_way_to_start_it(
    make_vm: MakeVm, world: MakeWorld, noon: datetime, state: str, *, is_told: bool
) -> None:
    dead = UnfinishedJob(JobId("job-1"), SOURCE, noon, has_saved=True)
    found = told(world(unfinished=(dead,)), make_vm(state=state))

    assert [(f.code, f.about, f.severity) for f in found] == (
        [("machine.left_saved", "erp", Severity.ERROR)] if is_told else []
    )
    for finding in found:
        assert finding.message == (
            "it is down: job job-1 of ours saved it and ended before it let it run on"
        )
        assert "on hv1: Start-VM -Name 'erp'" in finding.hint
        assert "reconciler apply" in finding.hint
        assert finding.host == "hv1"


@pytest.mark.parametrize(
    ("is_overdue", "severity", "message"),
    [
        (False, Severity.INFO, "job job-8 has saved it for its capture"),
        (True, Severity.ERROR, "job job-8 of ours saved it and could not let it run on"),
    ],
)
def test_a_job_that_captures_a_saved_machine_is_no_trouble_until_it_copies(
    make_vm: MakeVm, world: MakeWorld, severity: Severity, message: str, *, is_overdue: bool
) -> None:
    saving = {SOURCE: Saving(JobId("job-8"), is_overdue=is_overdue)}
    (found,) = told(world(saving=saving), make_vm(state="Saved", name="erp"))

    assert found.severity is severity
    assert message in found.message


def test_a_machine_that_others_saved_or_that_is_not_seen_is_not_told(
    make_vm: MakeVm, world: MakeWorld, noon: datetime
) -> None:
    dead = UnfinishedJob(JobId("job-1"), SOURCE, noon)
    saved = make_vm(state="Saved")

    assert told(world(unfinished=(dead,)), saved) == []
    assert told(world(unfinished=(replace(dead, has_saved=True),))) == []
    unknown = replace(dead, source=DataSourceId("source-x"), has_saved=True)
    assert told(world(unfinished=(unknown,)), saved) == []


def test_a_name_is_quoted_as_powershell_reads_it(
    make_vm: MakeVm, world: MakeWorld, noon: datetime
) -> None:
    dead = UnfinishedJob(JobId("job-1"), SOURCE, noon, has_saved=True)
    (found,) = told(world(unfinished=(dead,)), replace(make_vm(state="Saved"), name="the boss's"))

    assert found.hint.endswith("Start-VM -Name 'the boss''s'")
