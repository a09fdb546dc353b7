"""The product's client against the lab's server, over real sockets."""

import contextlib
import hashlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan

from reconciler import agent_contract as contract
from reconciler.adapters.hyperv import session as session_module
from reconciler.adapters.hyperv.session import AgentFailure, AgentSession, EndPoint
from reconciler.agent_contract import AgentFunction, Field, Kind, Parameter
from reconciler.errors import HostRefusedError, HostUnreachableError
from reconciler.lab.wire.body import AgentError
from reconciler.lab.wire.host import WireHost
from reconciler.lab.wire.psrp import agent_engine
from reconciler.lab.wire.shells import Quotas
from reconciler.model.names import HostName
from reconciler.model.ranges import ByteRange

PASSWORD = "Passw0rd!"  # noqa: S105
USERS = {"svc": PASSWORD}
GUID = "0f0e0d0c-0b0a-0908-0706-050403020100"
COUNT = AgentFunction(
    "Add-Count",
    "Changes something, and has no request id.",
    (),
    "Test.Count",
    (Field("Count", Kind.INT),),
    changes_something=True,
)


def content(length: int) -> bytes:
    return hashlib.shake_128(b"disk").digest(length)


def canned(fields: Iterable[Field]) -> dict[str, object]:
    """An answer with something in every field."""
    made: dict[Kind, Callable[[Field], object]] = {
        Kind.STRING: lambda f: f"{f.name} <&> \u00e9\u65e5_x0041_",
        Kind.INT: lambda _: -(2**31),
        Kind.LONG: lambda _: 2**63 - 1,
        Kind.BOOL: lambda _: True,
        Kind.BYTES: lambda _: bytes(range(256)),
        Kind.STRINGS: lambda f: [f.name, ""],
        Kind.OBJECTS: lambda f: [canned(f.fields), canned(f.fields)],
    }
    return {f.name: None if f.is_optional else made[f.kind](f) for f in fields}


class EchoBody:
    """Answers every function; some with what was asked."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Mapping[str, object]]] = []
        self.may_end = threading.Event()
        self.is_asked = threading.Event()
        self.count = 0

    def invoke(
        self, function: AgentFunction, arguments: Mapping[str, object]
    ) -> Iterable[Mapping[str, object]]:
        self.seen.append((function.name, arguments))
        answer = canned(function.fields)
        if function is contract.READ_FILE:
            packed = arguments["Ranges"]
            assert isinstance(packed, bytes)
            wanted = sum(r.length for r in contract.unpack_ranges(packed))
            answer |= {"FileSize": 2**40 + 1, "Data": content(wanted)}
        elif function is contract.GET_DISK_CHANGE:
            answer["ProcessedLength"] = arguments["Offset"]
        elif function is contract.GET_OPERATION:
            self.is_asked.set()
            self.may_end.wait(30)
        elif function is contract.STOP_OPERATION:
            raise AgentError(
                "OperationNotFound", "no such operation", category="ObjectNotFound", target=GUID
            )
        elif function is COUNT:
            self.count += 1
            answer["Count"] = self.count
        yield answer


@pytest.fixture
def body() -> Iterator[EchoBody]:
    echo = EchoBody()
    yield echo
    echo.may_end.set()


class Lab(NamedTuple):
    host: WireHost
    port: int


@contextlib.contextmanager
def lab(body: EchoBody, quotas: Quotas | None = None, port: int = 0) -> Iterator[Lab]:
    engine = agent_engine(body, (*contract.FUNCTIONS, COUNT))
    host = WireHost("HV1", USERS, {"ReconcilerAgent": engine}, quotas or Quotas())
    try:
        yield Lab(host, host.listen("127.0.0.1", port))
    finally:
        host.close()


@contextlib.contextmanager
def session(
    port: int,
    password: str = PASSWORD,
    configuration: str = "ReconcilerAgent",
    user: str = "svc",
    read_timeout_s: int = 20,
) -> Iterator[AgentSession]:
    end_point = EndPoint(
        host=HostName("hv1"),
        address="127.0.0.1",
        port=port,
        use_tls=False,
        authentication="ntlm",
        user=user,
        configuration=configuration,
        read_timeout_s=read_timeout_s,
    )
    opened = AgentSession(end_point, password)
    try:
        yield opened
    finally:
        opened.close()


PATTERNED = (GUID, "SCSI 0:1=C:\\a & b\\\u00e9.vhdx", "9.0")
"""One of these fits each pattern of the contract."""


@pytest.fixture
def port(body: EchoBody) -> Iterator[int]:
    with lab(body) as answering:
        yield answering.port


def sample(parameter: Parameter) -> object:
    if parameter.pattern:
        fits = next(each for each in PATTERNED if re.fullmatch(parameter.pattern, each))
        return [fits] if parameter.kind is Kind.STRINGS else fits
    if parameter.choices:
        return parameter.choices[-1].upper()
    return {
        Kind.STRING: "C:\\a & b\\\u00e9.vhdx",
        Kind.INT: parameter.minimum or 1,
        Kind.LONG: 2**40 + 3,
        Kind.BOOL: True,
        Kind.BYTES: contract.pack_ranges([ByteRange(0, 4096)]),
        Kind.STRINGS: [GUID, GUID],
        Kind.OBJECTS: [],
    }[parameter.kind]


@pytest.mark.parametrize("function", contract.FUNCTIONS, ids=lambda f: f.name)
def test_each_function_of_the_contract_binds_and_answers_unchanged(
    function: AgentFunction, body: EchoBody, port: int
) -> None:
    body.may_end.set()
    arguments = {p.name: sample(p) for p in function.parameters}

    with session(port) as caller:
        if function is contract.STOP_OPERATION:
            with pytest.raises(AgentFailure) as caught:
                caller.call(function, arguments, deadline_s=10)
            assert (caught.value.error_id, caught.value.function) == (
                "OperationNotFound",
                function.name,
            )
            assert caught.value.text == "no such operation"
            return
        (answer,) = caller.call(function, arguments, deadline_s=10)

    chosen = {p.name: p.choices[-1] for p in function.parameters if p.choices}
    bound = arguments | chosen  # in the contract's spelling
    assert body.seen == [(function.name, bound)]
    expected = canned(function.fields)
    if function is contract.READ_FILE:
        expected |= {"FileSize": 2**40 + 1, "Data": content(4096)}
    elif function is contract.GET_DISK_CHANGE:
        expected["ProcessedLength"] = 2**40 + 3
    assert answer == expected


def test_four_mebibytes_cross_the_encrypted_wire_intact(port: int) -> None:
    wanted = contract.pack_ranges([ByteRange(0, contract.MAX_READ_BYTES)])

    with session(port) as caller:
        (answer,) = caller.call(contract.READ_FILE, {"Path": "x", "Ranges": wanted}, deadline_s=30)

    assert answer["Data"] == content(contract.MAX_READ_BYTES)


@pytest.mark.parametrize("offset", [0, 2**31 - 1, 2**31, 2**32 + 5, 2**62])
def test_long_offsets_travel_both_ways(offset: int, port: int) -> None:
    with session(port) as caller:
        (answer,) = caller.call(
            contract.GET_DISK_CHANGE,
            {"Path": "x", "LimitId": "rct", "Offset": offset, "Length": 1},
            deadline_s=10,
        )

    assert answer["ProcessedLength"] == offset


@pytest.mark.parametrize("user", ["svc", "HV1\\svc", "SVC"])
def test_a_user_may_name_the_hosts_domain_or_not(user: str, port: int) -> None:
    with session(port, user=user) as caller:
        assert caller.call(contract.GET_HOST, {}, deadline_s=10)


@pytest.mark.parametrize(
    ("user", "password"),
    [("svc", "S3cret-mistake"), ("nobody", PASSWORD), ("OTHER\\svc", PASSWORD)],
)
def test_a_wrong_user_or_password_is_refused_without_showing_the_password(
    user: str, password: str, port: int
) -> None:
    with (
        session(port, user=user, password=password) as caller,
        pytest.raises(HostRefusedError, match="wrong password") as caught,
    ):
        caller.call(contract.GET_HOST, {}, deadline_s=10)

    assert user in caught.value.message
    assert caught.value.hint
    assert password not in f"{caught.value} {caught.value.hint} {caught.value.facts}"


def test_an_unknown_session_configuration_is_refused(port: int) -> None:
    with (
        session(port, configuration="Nope") as caller,
        pytest.raises(HostRefusedError, match="session configuration") as caught,
    ):
        caller.call(contract.GET_HOST, {}, deadline_s=10)

    assert "Get-PSSessionConfiguration" in caught.value.hint


def test_an_unknown_parameter_or_function_fails_with_its_id(port: int) -> None:
    missing = AgentFunction("Get-Nothing", "", (), "Test.Nothing", ())

    with session(port) as caller:
        with pytest.raises(AgentFailure) as parameter:
            caller.call(contract.GET_HOST, {"Colour": 1}, deadline_s=10)
        with pytest.raises(AgentFailure) as function:
            caller.call(missing, {}, deadline_s=10)
        assert caller.call(contract.GET_HOST, {}, deadline_s=10)  # the session is well

    assert parameter.value.error_id == "NamedParameterNotFound"
    assert function.value.error_id == "CommandNotFoundException"


def test_a_call_ends_at_its_deadline_and_the_next_one_works(body: EchoBody, port: int) -> None:
    began = time.monotonic()

    with session(port) as caller:
        with pytest.raises(HostUnreachableError, match="did not finish"):
            caller.call(contract.GET_OPERATION, {"RequestId": GUID}, deadline_s=1)
        took_s = time.monotonic() - began
        assert caller.call(contract.GET_HOST, {}, deadline_s=10)

    assert 1 <= took_s < 8


@pytest.mark.parametrize("calls_before", [0, 1])
def test_a_server_that_dies_in_a_call_is_unreachable_soon(
    calls_before: int, body: EchoBody
) -> None:
    with ThreadPoolExecutor(1) as thread, lab(body) as (host, port), session(port) as caller:
        for _ in range(calls_before):
            caller.call(contract.GET_HOST, {}, deadline_s=10)
        running = thread.submit(
            caller.call, contract.GET_OPERATION, {"RequestId": GUID}, deadline_s=60
        )
        assert body.is_asked.wait(10)
        died = time.monotonic()
        host.close()
        with pytest.raises(HostUnreachableError, match=f"127.0.0.1:{port}") as caught:
            running.result(timeout=30)

    assert time.monotonic() - died < 10
    assert "Test-WSMan" in caught.value.hint


def test_nobody_at_the_port_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with session(port) as caller, pytest.raises(HostUnreachableError, match="refuses"):
        caller.call(contract.GET_HOST, {}, deadline_s=10)


def test_a_server_that_never_answers_is_unreachable_in_bounded_time() -> None:
    began = time.monotonic()

    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        session(silent.getsockname()[1], read_timeout_s=1) as caller,
        pytest.raises(HostUnreachableError, match="in time"),
    ):
        caller.call(contract.GET_HOST, {}, deadline_s=1)

    assert time.monotonic() - began < 8


@contextlib.contextmanager
def answering(raw: bytes) -> Iterator[int]:
    """A server that says the same to everybody."""

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(raw)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", HostRefusedError),
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", HostRefusedError),
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", HostUnreachableError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx", HostRefusedError),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            HostRefusedError,
        ),
        (
            b"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            HostRefusedError,
        ),
        (
            b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
            HostRefusedError,
        ),
        (b"SSH-2.0-OpenSSH_9.6\r\n", HostUnreachableError),
        (b"", HostUnreachableError),
    ],
)
def test_whatever_else_answers_at_the_port_ends_in_an_error_of_ours(
    raw: bytes, expected: type[Exception]
) -> None:
    with answering(raw) as port, session(port) as caller, pytest.raises(expected):
        caller.call(contract.GET_HOST, {}, deadline_s=5)


@pytest.mark.parametrize("probe_after_s", [0.0, 60.0], ids=["asked first", "found out"])
def test_a_connection_closed_while_idle_heals_at_the_next_call(
    probe_after_s: float, body: EchoBody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "PROBE_AFTER_S", probe_after_s)

    with lab(body, Quotas(connection_idle_s=0.5)) as (_, port), session(port) as caller:
        caller.call(contract.GET_HOST, {}, deadline_s=10)
        threading.Event().wait(1.0)
        assert caller.call(contract.GET_HOST, {}, deadline_s=10)
        assert caller.call(contract.GET_HOST, {}, deadline_s=10)


def test_a_shell_that_the_host_gave_up_heals_at_the_next_call(body: EchoBody) -> None:
    with lab(body, Quotas(shell_idle_s=1.0)) as (_, port), session(port) as caller:
        caller.call(contract.GET_HOST, {}, deadline_s=10)
        threading.Event().wait(1.4)
        assert caller.call(contract.GET_HOST, {}, deadline_s=10)


def test_a_host_that_was_restarted_heals_at_the_next_call(body: EchoBody) -> None:
    with lab(body) as (host, port), contextlib.ExitStack() as stack:
        caller = stack.enter_context(session(port))
        caller.call(contract.GET_HOST, {}, deadline_s=10)
        host.close()
        stack.enter_context(lab(body, port=port))
        assert caller.call(contract.GET_HOST, {}, deadline_s=10)


def test_a_call_that_may_not_be_repeated_is_not(
    body: EchoBody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "PROBE_AFTER_S", 60.0)

    with lab(body, Quotas(connection_idle_s=0.5)) as (_, port), session(port) as caller:
        caller.call(COUNT, {}, deadline_s=10)
        threading.Event().wait(1.0)
        with pytest.raises(HostUnreachableError):
            caller.call(COUNT, {}, deadline_s=10)
        (answer,) = caller.call(COUNT, {}, deadline_s=10)

    assert answer["Count"] == 2


def test_eight_sessions_work_in_parallel(port: int) -> None:
    def work(number: int) -> bool:
        length = 100_000 + number
        wanted = contract.pack_ranges([ByteRange(0, length)])
        with session(port) as caller:
            answers = [
                caller.call(contract.READ_FILE, {"Path": "x", "Ranges": wanted}, deadline_s=60)
                for _ in range(5)
            ]
        return all(answer["Data"] == content(length) for (answer,) in answers)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(8)))


def test_calls_do_not_use_up_the_commands_of_a_shell(body: EchoBody) -> None:
    with lab(body, Quotas(commands_per_shell=2)) as (_, port), session(port) as caller:
        for _number in range(5):
            caller.call(contract.GET_HOST, {}, deadline_s=10)


def test_too_many_shells_of_a_user_are_refused_with_the_quota(body: EchoBody) -> None:
    with (
        lab(body, Quotas(shells_per_user=1)) as (_, port),
        session(port) as first,
        session(port) as second,
    ):
        first.call(contract.GET_HOST, {}, deadline_s=10)
        with pytest.raises(HostRefusedError, match="maximum number of 1"):
            second.call(contract.GET_HOST, {}, deadline_s=10)
        first.close()
        assert second.call(contract.GET_HOST, {}, deadline_s=10)


def test_hosts_in_one_process_keep_their_users_apart(body: EchoBody) -> None:
    engines = {"ReconcilerAgent": agent_engine(body)}
    hosts = [WireHost(f"HV{n}", {"svc": f"pass{n}"}, engines) for n in range(2)]
    ports = [host.listen() for host in hosts]
    try:
        with session(ports[0], "pass0") as right, session(ports[1], "pass0") as wrong:
            assert right.call(contract.GET_HOST, {}, deadline_s=10)
            with pytest.raises(HostRefusedError):
                wrong.call(contract.GET_HOST, {}, deadline_s=10)
    finally:
        for host in hosts:
            host.close()


def test_another_client_takes_over_a_disconnected_shell(port: int) -> None:
    clients = [
        WSMan("127.0.0.1", port=port, username="svc", password=PASSWORD, ssl=False, auth="ntlm")
        for _ in range(2)
    ]
    pool = RunspacePool(clients[0], configuration_name="ReconcilerAgent")
    pool.open()
    pool.disconnect()

    (taken,) = RunspacePool.get_runspace_pools(clients[1])
    taken.shell.resource_uri = pool.shell.resource_uri
    taken.connect()
    shell = PowerShell(taken)
    shell.add_cmdlet(contract.GET_HOST.name)
    found = shell.invoke()

    assert len(found) == 1
    assert taken.is_alive()
    taken.close()
    for client in clients:
        client.close()
