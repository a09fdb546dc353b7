"""Calls: checked answers, failures in our own words, operations that end or are stopped."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from reconciler import agent_contract as contract
from reconciler.adapters.hyperv import decode_host
from reconciler.adapters.hyperv.calls import CALL_DEADLINE_S, AgentCalls
from reconciler.adapters.hyperv.session import AgentFailure
from reconciler.agent_contract import AgentFunction, OperationState
from reconciler.errors import (
    CheckpointFailedError,
    DiskUnreadableError,
    HostRefusedError,
    HostUnreachableError,
    ItemNotFoundError,
    MachineBusyError,
    ReconcilerError,
    Retry,
    TrackingLostError,
)
from reconciler.model.names import HostName, RequestId

Turn = dict[str, object] | Exception
VM = "c0ffee00-0000-4000-8000-000000000001"
REQUEST = RequestId("4e900000-0000-4000-8000-000000000001")
HOST: dict[str, object] = {
    "ComputerName": "WIN-1234",
    "OSBuild": 20_348,
    "AgentVersion": "1.0.0",
    "ContractVersion": 1,
    "LastBootUpTime": "2026-11-24T12:00:00Z",
    "ClusterName": "",
}


def operation(state: str, **changes: object) -> dict[str, object]:
    return {
        "RequestId": REQUEST,
        "State": state,
        "PercentComplete": 50,
        "ErrorCode": 0,
        "ErrorDescription": "",
        "CheckpointId": None,
        "ReferencePointId": None,
        "MadeVMId": None,
        "Incompatibilities": [],
    } | changes


@dataclass
class Scripted:
    """A session whose answers were written down before, for each function in turn."""

    script: dict[str, list[list[dict[str, object]] | Exception]]
    asked: list[tuple[str, dict[str, object], float]] = field(default_factory=list)
    on_call: Callable[[], None] = lambda: None

    def call(
        self, function: AgentFunction, arguments: Mapping[str, object], *, deadline_s: float
    ) -> list[dict[str, object]]:
        self.asked.append((function.name, dict(arguments), deadline_s))
        self.on_call()
        answer = self.script[function.name].pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.asked.append(("close", {}, 0.0))

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.asked]


def session(script: Mapping[AgentFunction, Sequence[Turn]]) -> Scripted:
    """A session that gives one object, or fails, at each turn of a function."""
    return Scripted(
        {
            function.name: [turn if isinstance(turn, Exception) else [turn] for turn in turns]
            for function, turns in script.items()
        }
    )


def calls(scripted: Scripted, **options: object) -> AgentCalls:
    return AgentCalls(HostName("hv1"), scripted, **options)  # type: ignore[arg-type]


def started(*polled: Turn) -> Scripted:
    """A session in which a checkpoint begins and is polled."""
    return session(
        {
            contract.START_CHECKPOINT: [operation("Running")],
            contract.GET_OPERATION: polled,
            contract.STOP_OPERATION: [operation("ShuttingDown")],
        }
    )


def failure(error_id: str) -> AgentFailure:
    return AgentFailure("Get-ReconcilerMachine", error_id, "so it is")


# --- single calls


def test_a_call_passes_its_arguments_and_a_deadline() -> None:
    scripted = session({})
    scripted.script[contract.GET_MACHINE.name] = [[]]
    _, answers = calls(scripted).all(contract.GET_MACHINE, VMId=[VM])

    assert answers == []
    assert scripted.asked == [("Get-ReconcilerMachine", {"VMId": [VM]}, CALL_DEADLINE_S)]


def test_an_answer_is_checked_before_it_is_given_on() -> None:
    scripted = session({contract.GET_HOST: [HOST | {"Extra": 1}, HOST | {"OSBuild": "20348"}]})

    decoder, answer = calls(scripted).one(contract.GET_HOST)
    assert answer == HOST
    assert decode_host.facts(decoder, answer).name == "hv1"
    with pytest.raises(HostRefusedError, match="OSBuild is no int"):
        calls(scripted).one(contract.GET_HOST)


@pytest.mark.parametrize("count", [0, 2])
def test_a_function_that_gives_one_object_may_not_give_another_number(count: int) -> None:
    scripted = session({})
    scripted.script[contract.GET_HOST.name] = [[HOST] * count]

    with pytest.raises(HostRefusedError, match=f"{count} objects, not one"):
        calls(scripted).one(contract.GET_HOST)


@pytest.mark.parametrize(
    ("error_id", "expected"),
    [
        ("VMNotFound", ItemNotFoundError),
        ("CheckpointNotFound", ItemNotFoundError),
        ("ReferencePointNotFound", ItemNotFoundError),
        ("MachineBusy", MachineBusyError),
        ("TrackingUnknown", TrackingLostError),
        ("DiskNotFound", DiskUnreadableError),
        ("FileNotFound", DiskUnreadableError),
        ("RangeNotAllowed", DiskUnreadableError),
        ("PathNotAllowed", HostRefusedError),
        ("OperationNotFound", HostRefusedError),
        ("CommandNotFoundException", HostRefusedError),
        ("", HostRefusedError),
    ],
)
def test_an_error_id_of_the_agent_is_an_error_of_ours(
    error_id: str, expected: type[ReconcilerError]
) -> None:
    scripted = session({contract.GET_MACHINE: [failure(error_id)]})
    with pytest.raises(ReconcilerError) as refused:
        calls(scripted).all(contract.GET_MACHINE)

    assert type(refused.value) is expected
    assert refused.value.message.startswith("hv1")
    assert "so it is" in refused.value.message
    assert refused.value.hint
    assert isinstance(refused.value.__cause__, AgentFailure)


def test_every_error_id_of_the_contract_is_known_here() -> None:
    functions = {*contract.FUNCTIONS, *contract.RECOVERY}
    ids = {error_id for function in functions for error_id in function.error_ids}
    refusals = {"PathNotAllowed", "OperationNotFound"}  # never ordinary: the second is met first
    for error_id in ids - refusals:
        scripted = session({contract.GET_MACHINE: [failure(error_id)]})
        with pytest.raises(ReconcilerError) as refused:
            calls(scripted).all(contract.GET_MACHINE)
        assert not isinstance(refused.value, HostRefusedError), error_id


# --- operations


def test_an_operation_is_started_once_and_polled_until_its_end() -> None:
    done = operation("Completed", CheckpointId=VM)
    scripted = started(operation("New"), operation("Running"), done)

    ended = calls(scripted).operate(contract.START_CHECKPOINT, REQUEST, VMId=VM)
    assert ended == done
    waits = {"RequestId": REQUEST, "WaitSeconds": contract.MAX_WAIT_S}
    assert [(name, arguments) for name, arguments, _ in scripted.asked] == [
        ("Start-ReconcilerCheckpoint", {"RequestId": REQUEST, "VMId": VM}),
        *[("Get-ReconcilerOperation", waits)] * 3,
    ]


def test_warnings_of_an_operation_are_a_success() -> None:
    scripted = started(operation("CompletedWithWarnings"))
    ended = calls(scripted).operate(contract.START_CHECKPOINT, REQUEST)
    assert ended["State"] == "CompletedWithWarnings"


@pytest.mark.parametrize("state", sorted(contract.ENDED - contract.SUCCEEDED))
def test_an_operation_that_ends_badly_says_how_and_where_to_look(state: OperationState) -> None:
    scripted = started(
        operation(state.value, ErrorCode=32_775, ErrorDescription="Der Vorgang ging nicht.")
    )
    with pytest.raises(CheckpointFailedError) as failed:
        calls(scripted).operate(contract.START_CHECKPOINT, REQUEST)

    assert failed.value.message == (
        f"Start-ReconcilerCheckpoint on hv1 ended as {state} (code 32775): Der Vorgang ging nicht."
    )
    assert "VMMS-Admin" in failed.value.hint


@pytest.mark.parametrize("state", sorted(set(OperationState) - contract.ENDED))
def test_every_other_state_is_waited_for(state: OperationState) -> None:
    scripted = started(operation(state.value), operation("Completed"))
    calls(scripted).operate(contract.START_CHECKPOINT, REQUEST)
    assert scripted.names.count("Get-ReconcilerOperation") == 2


def test_a_state_that_the_contract_does_not_know_is_refused() -> None:
    with pytest.raises(HostRefusedError, match="State 'Abgeschlossen'"):
        calls(started(operation("Abgeschlossen"))).operate(contract.START_CHECKPOINT, REQUEST)


def test_an_operation_that_cannot_begin_is_not_polled() -> None:
    scripted = session({contract.START_CHECKPOINT: [failure("MachineBusy")]})
    with pytest.raises(MachineBusyError) as busy:
        calls(scripted).operate(contract.START_CHECKPOINT, REQUEST)

    assert busy.value.retry is Retry.SOON
    assert scripted.names == ["Start-ReconcilerCheckpoint"]


def test_an_operation_that_is_unknown_right_after_its_start_is_refused() -> None:
    with pytest.raises(HostRefusedError, match="the operation is unknown afterwards"):
        calls(started(failure("OperationNotFound"))).operate(contract.START_CHECKPOINT, REQUEST)


def test_an_operation_of_long_ago_may_be_unknown() -> None:
    assert calls(started(failure("OperationNotFound"))).ended(REQUEST) is None


def test_another_failure_of_a_poll_is_translated() -> None:
    with pytest.raises(HostRefusedError, match="AccessDenied"):
        calls(started(failure("AccessDenied"))).ended(REQUEST)


def test_an_operation_that_does_not_end_is_asked_to_stop() -> None:
    now = [0.0]
    scripted = started(*[operation("Running")] * 9)
    scripted.on_call = lambda: now.append(now[-1] + contract.MAX_WAIT_S)
    asked = calls(scripted, operation_deadline_s=60.0, monotonic=lambda: now[-1])
    with pytest.raises(HostUnreachableError) as lost:
        asked.operate(contract.START_CHECKPOINT, REQUEST)

    assert lost.value.message == "an operation on hv1 did not end in 60 s"
    assert scripted.names.count("Get-ReconcilerOperation") == 4
    name, arguments, _ = scripted.asked[-1]
    assert (name, arguments) == ("Stop-ReconcilerOperation", {"RequestId": REQUEST})


def test_an_operation_that_does_not_end_is_told_even_if_it_cannot_be_stopped() -> None:
    scripted = started()
    scripted.script[contract.STOP_OPERATION.name] = [failure("OperationNotFound")]
    with pytest.raises(HostUnreachableError):
        calls(scripted, operation_deadline_s=0.0).ended(REQUEST)
