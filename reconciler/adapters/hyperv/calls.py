"""Calls of contract functions: answers checked, failures translated, operations awaited."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from reconciler import agent_contract as contract
from reconciler.adapters.hyperv.decode import Answer, Decoder, broken_contract, texts_of
from reconciler.adapters.hyperv.session import AgentFailure
from reconciler.agent_contract import AgentFunction, OperationState
from reconciler.errors import (
    CheckpointFailedError,
    DiskUnreadableError,
    HostError,
    HostNotReadyError,
    HostRefusedError,
    HostUnreachableError,
    ItemNotFoundError,
    MachineBusyError,
    PrerequisiteError,
    ReconcilerError,
    StateChangeFailedError,
    TargetExistsError,
    TrackingLostError,
)
from reconciler.model.names import HostName, RequestId

CALL_DEADLINE_S: Final = 60.0
OPERATION_DEADLINE_S: Final = 30 * 60.0
"""A checkpoint of a busy machine may take minutes; merges go on by themselves afterwards."""

_FAILURES: Final[Mapping[str, type[HostError]]] = {
    contract.START_STATE_CHANGE.name: StateChangeFailedError
} | {function.name: HostError for function in contract.RECOVERY}
_REFUSALS: Final[Sequence[tuple[frozenset[str], type[ReconcilerError], str]]] = (
    (
        frozenset({"VMNotFound", "CheckpointNotFound", "ReferencePointNotFound"}),
        ItemNotFoundError,
        "it was removed or has moved since; the next pass looks again",
    ),
    (frozenset({"MachineBusy"}), MachineBusyError, "the next pass tries again"),
    (
        frozenset({"MachineNotOff", "MachineHasCheckpoints"}),
        PrerequisiteError,
        "turn the machine off, and remove its checkpoints, before this",
    ),
    (
        frozenset({"MachineExists", "FileExists", "FileInUse"}),
        TargetExistsError,
        "recover to another place, or under a new id; nothing was changed",
    ),
    (
        frozenset({"NotClustered", "ClusterGroupNotFound", "ClusterRefused"}),
        HostNotReadyError,
        "look at the machine's role in Failover Cluster Manager",
    ),
    (
        frozenset({"TrackingUnknown"}),
        TrackingLostError,
        "the disk's hashes are compared instead; nothing needs to be done",
    ),
    (
        frozenset({"DiskNotFound", "FileNotFound", "RangeNotAllowed"}),
        DiskUnreadableError,
        "the disk may have been moved; the next pass looks again",
    ),
)
"""What an error id of the contract means here. Whatever else a host refuses, it refuses."""
_STATES = {state.value: state for state in OperationState}


class Caller(Protocol):
    """What the client needs of a session."""

    def call(
        self, function: AgentFunction, arguments: Mapping[str, object], *, deadline_s: float
    ) -> list[dict[str, object]]:
        """Raw answers of one function."""
        ...

    def close(self) -> None:
        """End the session; never raises."""
        ...


@dataclass(frozen=True, slots=True)
class AgentCalls:
    """Contract calls to one host over one session."""

    host: HostName
    session: Caller
    operation_deadline_s: float = OPERATION_DEADLINE_S
    monotonic: Callable[[], float] = time.monotonic

    def all(self, function: AgentFunction, **arguments: object) -> tuple[Decoder, list[Answer]]:
        """Every answer of a function, checked, with the decoder that turns them into models."""
        try:
            return self._all(function, arguments)
        except AgentFailure as failure:
            raise self._translated(failure) from failure

    def one(self, function: AgentFunction, **arguments: object) -> tuple[Decoder, Answer]:
        """The answer of a function that gives exactly one."""
        decoder, answers = self.all(function, **arguments)
        return decoder, self._single(function, answers)

    def operate(self, start: AgentFunction, request_id: RequestId, **arguments: object) -> Answer:
        """Start an operation and wait for its success.

        Raises:
            CheckpointFailedError: It ended without success.
            StateChangeFailedError: As above, for a change of a machine's state.
            HostUnreachableError: It did not end in time; it was asked to stop.
        """
        self.one(start, RequestId=request_id, **arguments)
        ended = self.ended(request_id)
        if ended is None:
            raise broken_contract(self.host, start.name, "the operation is unknown afterwards")
        if _STATES[str(ended["State"])] in contract.SUCCEEDED:
            return ended
        failed = _FAILURES.get(start.name, CheckpointFailedError)
        raise failed(
            f"{start.name} on {self.host} ended as {ended['State']} "
            f"(code {ended['ErrorCode']}): {ended['ErrorDescription']}",
            hint=_hint(ended),
            host=self.host,
        )

    def ended(self, request_id: RequestId) -> Answer | None:
        """The operation after its end; None if the host does not know it."""
        limit = self.monotonic() + self.operation_deadline_s
        while self.monotonic() < limit:
            answer = self._poll(request_id)
            if answer is None or _STATES[str(answer["State"])] in contract.ENDED:
                return answer
        with suppress(ReconcilerError):  # that it did not end is what has to be told
            self.one(contract.STOP_OPERATION, RequestId=request_id)
        raise HostUnreachableError(
            f"an operation on {self.host} did not end in {self.operation_deadline_s:.0f} s",
            hint="look at the running jobs of the machine in Hyper-V Manager",
            host=self.host,
        )

    def _poll(self, request_id: RequestId) -> Answer | None:
        function = contract.GET_OPERATION
        arguments = {"RequestId": request_id, "WaitSeconds": contract.MAX_WAIT_S}
        try:
            _, answers = self._all(function, arguments)
        except AgentFailure as failure:
            if failure.error_id == "OperationNotFound":
                return None
            raise self._translated(failure) from failure
        answer = self._single(function, answers)
        if answer["State"] not in _STATES:
            raise broken_contract(self.host, function.name, f"State '{answer['State']}'")
        return answer

    def _all(
        self, function: AgentFunction, arguments: Mapping[str, object]
    ) -> tuple[Decoder, list[Answer]]:
        decoder = Decoder(self.host, function)
        raw = self.session.call(function, arguments, deadline_s=CALL_DEADLINE_S)
        return decoder, decoder.checked(raw)

    def _single(self, function: AgentFunction, answers: list[Answer]) -> Answer:
        if len(answers) != 1:
            raise broken_contract(self.host, function.name, f"{len(answers)} objects, not one")
        return answers[0]

    def _translated(self, failure: AgentFailure) -> ReconcilerError:
        """The error of ours for an error id of the contract."""
        text = f"{self.host}: {failure.text}"
        for ids, error, hint in _REFUSALS:
            if failure.error_id in ids:
                return error(text, hint=hint)
        return HostRefusedError(
            f"{self.host} refused {failure.function}: {failure.text} ({failure.error_id})",
            hint="compare the agent's version and rights on the host with the README",
            host=self.host,
        )


def _hint(ended: Answer) -> str:
    """What to do about an operation that ended without success."""
    if contract.MISSING_SWITCH in texts_of(ended, "Incompatibilities"):
        return "the host lacks the machine's virtual switch: make one, or recover disconnected"
    return "look at Microsoft-Windows-Hyper-V-VMMS-Admin on the host; the next pass retries"
