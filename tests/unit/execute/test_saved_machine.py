"""A machine that a job saved runs again, whatever answers are lost on the way."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.errors import HostUnreachableError, MachineBusyError, StateChangeFailedError
from reconciler.execute.meter import Meter
from reconciler.execute.saved_machine import run_on, saved, tried_meanwhile
from reconciler.execute.workbench import PolicyStamp, ResumePace, Tools, Workbench
from reconciler.model.machine import NaturalKey, Role, VirtualMachine
from reconciler.model.names import (
    GroupName,
    HostName,
    JobId,
    PlanId,
    RecoveryPointId,
    RequestId,
    VmId,
    VolumeId,
)
from reconciler.record.work import Intent, JobOrder

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOST = HostName("hv1")
KEY = NaturalKey(VmId("vm"), Role.PRIMARY)
SAVE, RESUME = RequestId("save"), RequestId("resume")


def machine(state: str) -> VirtualMachine:
    return VirtualMachine(
        key=KEY,
        name="old-01",
        host=HOST,
        state=state,
        generation=2,
        configuration_version="9.0",
        operational_status=("Ok",),
        guest_os="",
        disks=(),
    )


@dataclass
class Host:
    """One machine. What is under way becomes true only when somebody waits for it."""

    state: str = "Running"
    under_way: dict[RequestId, str] = field(default_factory=dict)
    loses_answers: bool = False
    resumes_to_fail: int = 0
    tried: list[RequestId] = field(default_factory=list)

    def machines(self, vm_ids: object = ()) -> list[VirtualMachine]:
        del vm_ids
        return [machine(self.state)]

    def save_machine(self, vm_id: VmId, request_id: RequestId) -> None:
        del vm_id
        self.under_way[request_id] = "Saved"
        if self.loses_answers:
            raise HostUnreachableError("hv1 is silent", hint="start it")
        self.await_operation(request_id)

    def resume_machine(self, vm_id: VmId, request_id: RequestId) -> None:
        del vm_id
        if self.state == "Starting":
            raise MachineBusyError("old-01 is busy", hint="wait")
        self.tried.append(request_id)
        if len(self.tried) <= self.resumes_to_fail:
            raise StateChangeFailedError("its saved state cannot be read", hint="look")
        self.state = "Running"

    def await_operation(self, request_id: RequestId) -> bool:
        self.state = self.under_way.get(request_id, self.state)
        return self.under_way.pop(request_id, None) is not None


def benched(tools: Tools, host: Any) -> tuple[Workbench, Intent]:
    """A job that is about to save its machine."""
    source = tools.catalogue.ensure_source(KEY, "old-01", HOST, GroupName("g"))
    order = JobOrder("express_full_backup", source.id, HOST, PlanId("p"))
    job = tools.catalogue.jobs.begin(order, tools.owner, NOON)
    bench = Workbench(tools, host, source, job, PolicyStamp("digest", ""), Meter())
    intent = Intent(
        job=JobId(job.id),
        volume=VolumeId("v"),
        recovery_point=RecoveryPointId("p1"),
        checkpoint_name="n",
        checkpoint_request=RequestId("checkpoint"),
        conversion_request=RequestId("conversion"),
        reference_points_seen=(),
        base_recovery_point=None,
        base_reference_point=None,
        save_request=SAVE,
        resume_request=RESUME,
    )
    bench.write_intent(intent)
    return bench, intent


def owes(bench: Workbench) -> bool:
    intent = bench.catalogue.jobs.get(bench.job.id).intent
    return intent is not None and intent.save_request is not None


MakeTools = Callable[..., Tools]
PATIENT = ResumePace(every_s=0.0, for_s=30.0)


def test_a_machine_that_is_saved_after_its_answer_was_lost_runs_on(make_tools: MakeTools) -> None:
    host = Host(loses_answers=True)
    bench, intent = benched(make_tools(), host)

    with pytest.raises(HostUnreachableError), saved(bench, intent):
        raise AssertionError("it was not saved")

    assert host.state == "Running"
    assert len(host.tried) == 1
    assert not owes(bench)


def test_a_machine_that_was_never_asked_to_be_saved_is_let_alone(make_tools: MakeTools) -> None:
    host = Host()
    bench, _ = benched(make_tools(), host)

    run_on(bench)

    assert host.tried == []
    assert not owes(bench)


@pytest.mark.parametrize("state", ["Off", "OffCritical", "Paused"])
def test_a_machine_that_somebody_turned_off_meanwhile_stays_off(
    make_tools: MakeTools, state: str
) -> None:
    host = Host()
    bench, intent = benched(make_tools(), host)

    with saved(bench, intent):
        assert host.state == "Saved"
        host.state = state

    assert (host.state, host.tried) == (state, [])
    assert not owes(bench)


@pytest.mark.parametrize("state", ["Starting", "SavedCritical"])
def test_a_machine_that_does_not_run_yet_is_not_done_with(
    make_tools: MakeTools, state: str
) -> None:
    host = Host(state, resumes_to_fail=1)
    bench, _ = benched(make_tools(), host)

    with pytest.raises((MachineBusyError, StateChangeFailedError)):
        run_on(bench)

    assert owes(bench)


def test_it_is_tried_again_before_the_copy_with_a_request_of_its_own(
    make_tools: MakeTools,
) -> None:
    host = Host(resumes_to_fail=3)
    bench, intent = benched(make_tools(resuming=PATIENT), host)

    with saved(bench, intent):
        assert host.state == "Saved"

    assert host.state == "Running"
    assert host.tried[0] == RESUME
    assert len(set(host.tried)) == 4
    assert not owes(bench)


def test_a_capture_that_fails_while_it_is_saved_does_not_give_up_on_it(
    make_tools: MakeTools,
) -> None:
    host = Host(resumes_to_fail=2)
    bench, intent = benched(make_tools(resuming=PATIENT), host)

    with pytest.raises(ValueError, match="no checkpoint"), saved(bench, intent):
        raise ValueError("no checkpoint")

    assert host.state == "Running"


def test_a_job_that_is_to_stop_does_not_wait(make_tools: MakeTools) -> None:
    host = Host(resumes_to_fail=9)
    bench, intent = benched(make_tools(resuming=ResumePace(every_s=3600.0, for_s=3600.0)), host)
    bench.meter.stop("the loop ends")

    with saved(bench, intent):
        pass

    assert host.tried == [RESUME]
    assert owes(bench)


def test_while_disks_are_read_it_is_tried_until_it_runs(make_tools: MakeTools) -> None:
    host = Host("Saved", resumes_to_fail=1)
    bench, _ = benched(make_tools(resuming=ResumePace(again_every_s=0.0)), host)

    with tried_meanwhile(bench):
        states = []
        for _ in range(3):
            bench.meter.add(1)
            states.append(host.state)

    assert states == ["Saved", "Running", "Running"]
    assert len(host.tried) == 2
    host.state = "Saved"  # by somebody else, and the copy is over
    bench.meter.add(1)
    assert host.state == "Saved"
