"""Every call ends in time, whatever the other end does, and sessions with a host are bounded."""

import contextlib
import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from reconciler import agent_contract as contract
from reconciler.adapters.hyperv.session import AgentSession, EndPoint
from reconciler.adapters.hyperv.session_slots import MOST, Slots
from reconciler.errors import HostUnreachableError
from reconciler.model.names import HostName
from tests.scenario.test_wire import GUID, EchoBody, body, port, session
from tests.tcp_proxy import TcpProxy

__all__ = ["body", "port"]

DEADLINE_S = 1
BOUND_S = 12
"""The deadline, and the time that is left for a last answer; what is not bounded takes minutes."""
FOREVER_S = 60

Say = Callable[[socket.socket, threading.Event], None]


def nothing(peer: socket.socket, ended: threading.Event) -> None:
    peer.recv(65_536)
    ended.wait(FOREVER_S)


def drops(beginning: bytes, drop: bytes) -> Say:
    """A server that begins well and goes on a drop at a time, each in time for a usual timeout."""

    def say(peer: socket.socket, ended: threading.Event) -> None:
        peer.recv(65_536)
        peer.sendall(beginning)
        for _ in range(FOREVER_S * 5):
            if ended.wait(0.2):
                return
            peer.sendall(drop)

    return say


HEADERS = b"HTTP/1.1 200 OK\r\n"
SLOW: dict[str, tuple[Say, bool]] = {
    "nothing": (nothing, False),
    "nothing, in the TLS handshake": (nothing, True),
    "headers without end": (drops(HEADERS, b"X: 1\r\n"), False),
    "one header without end": (drops(HEADERS + b"X: ", b"1"), False),
    "a body without end": (drops(HEADERS + b"Content-Length: 9999999\r\n\r\n", b"<"), False),
    "a refusal without end": (
        drops(
            b"HTTP/1.1 401 No\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 99999\r\n\r\n", b"x"
        ),
        False,
    ),
}


@contextlib.contextmanager
def slow_server(say: Say) -> Iterator[int]:
    ended = threading.Event()

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listener.accept()
                with peer, contextlib.suppress(OSError):
                    say(peer, ended)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


@pytest.mark.parametrize("kind", SLOW)
def test_a_host_that_takes_its_time_is_given_up_at_the_end_of_the_call(kind: str) -> None:
    say, use_tls = SLOW[kind]
    began = time.monotonic()
    with slow_server(say) as place:
        caller = AgentSession(
            EndPoint(HostName("hv1"), "127.0.0.1", place, use_tls, "ntlm", "svc"), "secret"
        )
        with pytest.raises(HostUnreachableError, match="in time"):
            caller.call(contract.GET_HOST, {}, deadline_s=DEADLINE_S)
        caller.close()

    assert time.monotonic() - began < BOUND_S


@pytest.mark.parametrize("function", [contract.GET_HOST, contract.GET_OPERATION])
def test_a_way_that_is_lost_in_the_middle_ends_the_call_and_the_session_heals(
    port: int, body: EchoBody, function: contract.AgentFunction
) -> None:
    proxy = TcpProxy(("127.0.0.1", port))
    arguments = {"RequestId": GUID} if function is contract.GET_OPERATION else {}
    try:
        with session(proxy.port) as caller:
            assert caller.call(contract.GET_HOST, {}, deadline_s=10)
            proxy.lose()
            began = time.monotonic()
            with pytest.raises(HostUnreachableError):
                caller.call(function, arguments, deadline_s=DEADLINE_S)
            assert time.monotonic() - began < BOUND_S
            proxy.restore()
            body.may_end.set()
            assert caller.call(contract.GET_HOST, {}, deadline_s=20)
    finally:
        proxy.close()


def test_closing_a_session_with_a_host_that_hangs_ends(port: int) -> None:
    proxy = TcpProxy(("127.0.0.1", port))
    try:
        with session(proxy.port) as caller:
            assert caller.call(contract.GET_HOST, {}, deadline_s=10)
            proxy.lose()
            began = time.monotonic()
            caller.close()
            assert time.monotonic() - began < BOUND_S
    finally:
        proxy.close()


def test_proxies_of_the_environment_are_not_asked(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with session(port) as caller:
        assert caller.call(contract.GET_HOST, {}, deadline_s=10)


def test_a_fifth_session_with_a_host_waits_for_one_of_four(port: int) -> None:
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(session(port)) for _ in range(MOST)]
        for caller in callers:
            caller.call(contract.GET_HOST, {}, deadline_s=10)
        fifth = stack.enter_context(session(port))
        with pytest.raises(HostUnreachableError, match=r"4 sessions .* in use"):
            fifth.call(contract.GET_HOST, {}, deadline_s=0.2)

        callers[0].close()

        assert fifth.call(contract.GET_HOST, {}, deadline_s=10)
        with pytest.raises(HostUnreachableError, match="in use"):
            callers[0].call(contract.GET_HOST, {}, deadline_s=0.2)


def test_a_session_that_could_not_be_opened_keeps_no_slot(port: int) -> None:
    for _ in range(2 * MOST):
        with session(port, password="wrong") as caller, contextlib.suppress(Exception):  # noqa: S106
            caller.call(contract.GET_HOST, {}, deadline_s=10)

    with session(port) as caller:
        assert caller.call(contract.GET_HOST, {}, deadline_s=10)


def test_slots_are_counted_for_each_host_and_come_back_when_their_owner_is_forgotten() -> None:
    class Owner:
        pass

    slots, owner = Slots(most=1), Owner()
    assert slots.take("a", owner, 0) is not None
    assert slots.take("a", Owner(), 0) is None
    other = Owner()
    given_back = slots.take("b", other, 0)
    assert given_back is not None
    given_back()
    given_back()  # once more changes nothing
    keeper = Owner()
    assert slots.take("b", keeper, 0) is not None
    assert slots.take("b", Owner(), 0) is None

    del owner
    gc.collect()

    assert slots.take("a", keeper, 0) is not None
