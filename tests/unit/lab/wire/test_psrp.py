"""The engine, spoken to by psrpcore's client without a transport."""

import threading
import uuid
from collections.abc import Iterable, Mapping

import psrpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psrpcore import ClientPowerShell, ClientRunspacePool, PSRPPayload, StreamType
from psrpcore._payload import PSRPMessage
from psrpcore.types import PSInvocationState, PSRPMessageType, RunspacePoolState

from reconciler import agent_contract as contract
from reconciler.agent_contract import AgentFunction
from reconciler.lab.wire.body import AgentError
from reconciler.lab.wire.engine import CTRL_C, TERMINATE, EngineError
from reconciler.lab.wire.psrp import PythonEngine, agent_engine
from reconciler.lab.wire.psrp_pool import fragments

HOST = {
    "ComputerName": "HV1",
    "OSBuild": 20348,
    "AgentVersion": "1.0",
    "ContractVersion": 1,
    "LastBootUpTime": "2025-01-01T00:00:00+00:00",
    "ClusterName": "",
}
GUID = "0f0e0d0c-0b0a-0908-0706-050403020100"


class Body:
    """Answers for the host; fails in more than one way for the rest."""

    def __init__(self) -> None:
        self.may_end = threading.Event()

    def invoke(
        self, function: AgentFunction, arguments: Mapping[str, object]
    ) -> Iterable[Mapping[str, object]]:
        if function is contract.GET_HOST:
            yield HOST
        elif function is contract.GET_MACHINE:
            raise AgentError("VMNotFound", "no such machine", category="ObjectNotFound", target="x")
        elif function is contract.GET_CHECKPOINT:
            raise RuntimeError("a bug of the lab")
        elif function is contract.GET_REFERENCE_POINT:
            yield {"Nonsense": 1}
        else:
            self.may_end.wait(10)


class Client:
    """A psrpcore client on top of an engine, as the `Output` it writes to."""

    def __init__(self, body: Body, fragment_bytes: int = 100) -> None:
        self.pool = ClientRunspacePool()
        self.changed = threading.Condition()
        self.events: list[object] = []
        self.done: set[str] = set()
        engine = agent_engine(body, fragment_bytes=fragment_bytes)(self)
        assert isinstance(engine, PythonEngine)
        self.engine = engine
        self.pool.open()
        self.engine.start(self.pending())

    def deliver(self, command_id: str | None, fragment: bytes) -> None:
        assert len(fragment) <= 100
        with self.changed:
            target = None if command_id is None else uuid.UUID(command_id)
            self.pool.receive_data(PSRPPayload(fragment, StreamType.default, target))
            while (event := self.pool.next_event()) is not None:
                self.events.append(event)

    def finished(self, command_id: str) -> None:
        with self.changed:
            self.done.add(command_id)
            self.changed.notify_all()

    def ended(self) -> None:
        raise AssertionError

    def pending(self) -> bytes:
        payload = self.pool.data_to_send()
        assert payload is not None
        return payload.data

    def begin(self, *commands: psrpcore.Command) -> ClientPowerShell:
        shell = ClientPowerShell(self.pool)
        for command in commands:
            shell.add_command(command)
        shell.start()
        self.engine.command(str(shell.pipeline_id).upper(), self.pending())
        return shell

    def run(self, *commands: psrpcore.Command) -> ClientPowerShell:
        shell = self.begin(*commands)
        with self.changed:
            key = str(shell.pipeline_id).upper()
            assert self.changed.wait_for(lambda: key in self.done, 10)
        return shell

    def outputs(self) -> list[object]:
        return [e.data for e in self.events if isinstance(e, psrpcore.PipelineOutputEvent)]

    def error_id(self) -> str:
        (event,) = [
            e
            for e in self.events
            if isinstance(e, psrpcore.PipelineStateEvent) and e.reason is not None
        ]
        assert event.reason is not None
        return str(event.reason.FullyQualifiedErrorId)


@pytest.fixture
def client() -> Client:
    return Client(Body())


def command(name: str, **arguments: object) -> psrpcore.Command:
    made = psrpcore.Command(name)
    made.add_parameters(**arguments)
    return made


def test_the_pool_opens(client: Client) -> None:
    assert client.pool.state is RunspacePoolState.Opened


@pytest.mark.parametrize(
    "name", ["Get-ReconcilerHost", "get-reconcilerhost", "ReconcilerAgent\\Get-ReconcilerHost"]
)
def test_a_function_answers_with_an_object_of_its_type(name: str, client: Client) -> None:
    shell = client.run(command(name))

    (answer,) = client.outputs()
    assert shell.state is PSInvocationState.Completed
    assert answer.PSObject.type_names[0] == "Deserialized.Reconciler.Host"  # type: ignore[attr-defined]
    assert {f: getattr(answer, f) for f in HOST} == HOST


@pytest.mark.parametrize(
    ("name", "error_id"),
    [
        ("Get-ReconcilerMachine", "VMNotFound,Get-ReconcilerMachine"),
        ("Get-ReconcilerCheckpoint", "RuntimeError,Get-ReconcilerCheckpoint"),
        ("Get-ReconcilerReferencePoint", "TypeError,Get-ReconcilerReferencePoint"),
        ("Read-ReconcilerFile", "MissingMandatoryParameter,Read-ReconcilerFile"),
        ("Get-Process", "CommandNotFoundException"),
    ],
)
def test_a_failure_is_a_failed_pipeline_with_its_full_id(
    name: str, error_id: str, client: Client
) -> None:
    shell = client.run(command(name))

    assert shell.state is PSInvocationState.Failed
    assert client.error_id() == error_id
    assert client.outputs() == []


def test_scripts_are_not_allowed(client: Client) -> None:
    client.run(psrpcore.Command("Get-ReconcilerHost", is_script=True))

    assert client.error_id() == "ScriptsNotAllowed"


def test_two_commands_in_one_pipeline_are_not_run(client: Client) -> None:
    client.run(command("Get-ReconcilerHost"), command("Get-ReconcilerHost"))

    assert client.error_id() == "NotSupported"


def test_get_command_lists_the_functions_of_the_contract(client: Client) -> None:
    client.run(command("Get-Command"))

    names = [output.Name for output in client.outputs()]  # type: ignore[attr-defined]
    assert names == [function.name for function in contract.FUNCTIONS]


def test_a_stopped_pipeline_says_so_at_once_and_its_late_answers_are_dropped() -> None:
    body = Body()
    client = Client(body)
    shell = client.begin(command("Get-ReconcilerOperation", RequestId=GUID))
    key = str(shell.pipeline_id).upper()

    client.engine.signal(key, CTRL_C)
    body.may_end.set()
    client.engine.signal(key, TERMINATE)

    assert shell.state is PSInvocationState.Stopped
    with pytest.raises(EngineError):
        client.engine.signal(key, TERMINATE)


@pytest.mark.parametrize("data", [b"x", b"\xff" * 64, bytes(16) + b"\3" + bytes(4)])
def test_fragments_that_make_no_sense_leave_the_engine_well(data: bytes, client: Client) -> None:
    with pytest.raises(EngineError):
        client.engine.command(GUID.upper(), data)

    assert client.run(command("Get-ReconcilerHost")).state is PSInvocationState.Completed


def test_markup_declarations_inside_a_message_are_refused(client: Client) -> None:
    evil = b'<!DOCTYPE a [<!ENTITY b "c">]><Obj/>'
    head = (1).to_bytes(4, "little") + (0x00021006).to_bytes(4, "little") + bytes(32)
    message = PSRPMessage(
        PSRPMessageType.CreatePipeline, bytearray(head + evil), uuid.UUID(int=0), None, 99
    )

    with pytest.raises(EngineError, match="declaration"):
        client.engine.command(GUID.upper(), b"".join(fragments(message, 1000)))


def test_a_second_client_is_answered_with_the_pools_facts(client: Client) -> None:
    other = ClientRunspacePool(runspace_pool_id=client.pool.runspace_pool_id)
    other.connect()
    payload = other.data_to_send()
    assert payload is not None

    answer = client.engine.connect(payload.data)

    other.receive_data(PSRPPayload(answer, StreamType.default, None))
    seen = []
    while (event := other.next_event()) is not None:
        seen.append(type(event))
    assert seen == [
        psrpcore.SessionCapabilityEvent,
        psrpcore.RunspacePoolInitDataEvent,
        psrpcore.ApplicationPrivateDataEvent,
    ]


@given(data=st.binary(max_size=300), most_bytes=st.integers(22, 120))
def test_fragments_cover_a_message_once_and_stay_within_their_size(
    data: bytes, most_bytes: int
) -> None:
    message = PSRPMessage(
        PSRPMessageType.PipelineOutput, bytearray(data), uuid.UUID(int=0), None, 7
    )

    made = list(fragments(message, most_bytes))

    assert b"".join(f[21:] for f in made) == data
    assert all(len(f) <= most_bytes for f in made)
    assert [int.from_bytes(f[8:16], "big") for f in made] == list(range(len(made)))
    assert [f[16] & 1 for f in made] == [1] + [0] * (len(made) - 1)
    assert [f[16] & 2 for f in made] == [0] * (len(made) - 1) + [2]
