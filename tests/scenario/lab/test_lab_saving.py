"""Machines of the lab are saved and run on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler import agent_contract as contract
from reconciler.errors import PrerequisiteError
from reconciler.lab.definition import FIN_SQL01
from reconciler.lab.host import LabHost
from reconciler.lab.pace import Delays
from reconciler.lab.state import new_id
from reconciler.lab.wire.body import AgentError
from tests.lab_calls import call, checkpoint, do, machines

VM = FIN_SQL01.vm_id
NAME = FIN_SQL01.name
INVALID_STATE = 32_775


def become(host: LabHost, state: str) -> Mapping[str, Any]:
    return do(host, contract.START_STATE_CHANGE, VM, TargetState=state)


def begin(host: LabHost, state: str) -> str:
    request = new_id()
    call(host, contract.START_STATE_CHANGE, RequestId=request, VMId=VM, TargetState=state)
    return request


def state(host: LabHost) -> str:
    return str(machines(host)[NAME]["State"])


def test_a_machine_is_saved_and_runs_on(hv1: LabHost) -> None:
    assert become(hv1, "Saved")["State"] == "Completed"
    assert state(hv1) == "Saved"
    with pytest.raises(PrerequisiteError, match="Saved"):
        hv1.guest_write(NAME, 100_000)
    assert checkpoint(hv1, VM)

    assert become(hv1, "Running")["State"] == "Completed"
    assert hv1.states() == {NAME: "Running"}
    assert hv1.guest_write(NAME, 100_000)


def test_a_machine_that_is_saved_already_stays_so(hv1: LabHost) -> None:
    become(hv1, "Saved")

    assert become(hv1, "Saved")["State"] == "Completed"
    assert state(hv1) == "Saved"


def test_a_machine_that_is_off_starts_and_is_turned_off_again(hv1: LabHost) -> None:
    hv1.set_property(NAME, "State", "Off")

    assert become(hv1, "Running")["State"] == "Completed"
    assert state(hv1) == "Running"
    assert become(hv1, "Off")["State"] == "Completed"
    assert state(hv1) == "Off"


@pytest.mark.parametrize(
    ("actual", "target"),
    [
        ("Off", "Saved"),
        ("PausedCritical", "Saved"),
        ("PausedCritical", "Running"),
        ("PausedCritical", "Off"),
    ],
)
def test_a_machine_in_another_state_is_refused(hv1: LabHost, actual: str, target: str) -> None:
    hv1.set_property(NAME, "State", actual)

    ended = become(hv1, target)

    assert (ended["State"], ended["ErrorCode"]) == ("Exception", INVALID_STATE)
    assert state(hv1) == actual


def test_a_request_that_is_repeated_does_nothing_twice(hv1: LabHost) -> None:
    request = begin(hv1, "Saved")
    hv1.settle()
    become(hv1, "Running")

    arguments = {"RequestId": request, "VMId": VM, "TargetState": "Saved"}
    (again,) = call(hv1, contract.START_STATE_CHANGE, **arguments)
    hv1.settle()

    assert again["State"] == "Completed"
    assert state(hv1) == "Running"


def test_nothing_else_begins_while_a_machine_is_being_saved(hv1: LabHost) -> None:
    begin(hv1, "Saved")

    with pytest.raises(AgentError, match="busy") as caught:
        begin(hv1, "Running")

    assert caught.value.error_id == "MachineBusy"


@pytest.mark.parametrize(
    ("before", "target", "passing"),
    [("Running", "Saved", "Saving"), ("Saved", "Running", "Starting")],
)
def test_a_change_takes_time_in_which_the_guest_writes_nothing(
    lab: Path, before: str, target: str, passing: str
) -> None:
    with LabHost(lab, "hv1", Delays(operation_s=2)) as host:
        become(host, before)
        host.start()
        begin(host, target)
        while (shown := state(host)) == before:
            pass

        assert shown == passing
        with pytest.raises(PrerequisiteError, match=passing):
            host.guest_write(NAME, 100_000)


def test_a_change_that_was_stopped_changed_nothing(hv1: LabHost) -> None:
    request = begin(hv1, "Saved")
    call(hv1, contract.STOP_OPERATION, RequestId=request)
    hv1.settle()

    assert state(hv1) == "Running"


def test_a_change_that_a_kill_cut_off_is_carried_to_its_end(lab: Path) -> None:
    with LabHost(lab, "hv1") as host:
        request = begin(host, "Saved")
    with LabHost(lab, "hv1") as again:
        assert state(again) == "Running"
        again.settle()

        (ended,) = call(again, contract.GET_OPERATION, RequestId=request, WaitSeconds=0)
        assert ended["State"] == "Completed"
        assert state(again) == "Saved"
