"""Output waits for whoever receives it, and a repeated Receive gets the same answer."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from reconciler.lab.wire.shell_table import ShellTable
from reconciler.lab.wire.shells import Identity, Quotas, Shell, Wanted
from reconciler.lab.wire.soap import WsmanFault

NOW = Wanted("uuid:1", 0.0, 500_000)
LATER = Wanted("uuid:2", 30.0, 500_000)


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class SilentEngine:
    """An engine that remembers only whether it was closed."""

    is_closed = False

    def start(self, creation_xml: bytes) -> None: ...
    def connect(self, connect_xml: bytes) -> bytes:
        return connect_xml

    def command(self, command_id: str, first_fragment: bytes) -> None: ...
    def send(self, command_id: str | None, fragment: bytes) -> None: ...
    def signal(self, command_id: str, code: str) -> None: ...
    def close(self) -> None:
        self.is_closed = True


def shell(
    quotas: Quotas | None = None,
    clock: Hands | None = None,
    shell_id: str = "S",
    owner: str = "svc",
    idle_s: float = 60.0,
) -> Shell:
    identity = Identity(shell_id, "ReconcilerAgent", owner, "127.0.0.1", idle_s)
    return Shell(identity, quotas or Quotas(), clock or Hands())


def code_of(caught: pytest.ExceptionInfo[WsmanFault]) -> int | None:
    return caught.value.code


def test_output_is_received_in_order_and_only_by_its_command() -> None:
    mine = shell()
    mine.add_command("A")
    mine.add_command("B")
    for number in range(3):
        mine.deliver("A", bytes([number]))
    mine.deliver("B", b"b")
    mine.deliver(None, b"pool")
    mine.finished("A")

    assert mine.receive("A", NOW).fragments == (b"\0", b"\1", b"\2")
    assert mine.receive("B", NOW).fragments == (b"b",)
    assert mine.receive(None, NOW).fragments == (b"pool",)


def test_done_is_said_with_the_last_piece_and_not_before() -> None:
    mine = shell(Quotas(streams_per_receive=2))
    mine.add_command("A")
    for _ in range(3):
        mine.deliver("A", b"x")
    mine.finished("A")

    first = mine.receive("A", NOW)
    second = mine.receive("A", LATER)

    assert (len(first.fragments), first.is_done) == (2, False)
    assert (len(second.fragments), second.is_done) == (1, True)


def test_a_repeated_receive_is_answered_the_same() -> None:
    mine = shell(Quotas(streams_per_receive=1))
    mine.add_command("A")
    mine.deliver("A", b"one")
    mine.deliver("A", b"two")

    assert mine.receive("A", NOW) == mine.receive("A", NOW)
    assert mine.receive("A", LATER).fragments == (b"two",)


def test_an_answer_fits_the_envelope_but_is_never_empty() -> None:
    mine = shell()
    mine.add_command("A")
    for _ in range(2):
        mine.deliver("A", bytes(3000))

    assert len(mine.receive("A", Wanted("uuid:3", 0.0, 100)).fragments) == 1


def test_nothing_in_time_is_the_fault_that_clients_ask_again_after() -> None:
    mine = shell()
    mine.add_command("A")

    with pytest.raises(WsmanFault) as caught:
        mine.receive("A", NOW)

    assert code_of(caught) == 2150858793


@pytest.mark.parametrize("how", ["closed", "ended", "dropped"])
def test_whoever_waits_is_told_when_the_output_ends_for_ever(how: str) -> None:
    mine = shell()
    mine.add_command("A")
    ends: dict[str, Callable[[], None]] = {
        "closed": mine.close,
        "ended": mine.ended,
        "dropped": lambda: mine.drop_command("A"),
    }

    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(mine.receive, "A", LATER)
        ends[how]()
        with pytest.raises(WsmanFault) as caught:
            waiting.result(10)

    assert code_of(caught) in {995, 2150858843}


def test_an_engine_that_is_too_far_ahead_waits_until_something_is_received() -> None:
    mine = shell(Quotas(unread_bytes=10, streams_per_receive=1))
    mine.add_command("A")
    mine.deliver("A", bytes(10))
    is_delivered = threading.Event()

    def deliver() -> None:
        mine.deliver("A", b"more")
        is_delivered.set()

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(deliver)
        was_held = not is_delivered.wait(0.05)
        mine.receive("A", NOW)
        running.result(10)

    assert was_held
    assert mine.receive("A", LATER).fragments == (b"more",)


def test_commands_are_unique_counted_and_forgotten() -> None:
    mine = shell(Quotas(commands_per_shell=1))
    mine.add_command("A")

    with pytest.raises(WsmanFault, match="already exists"):
        mine.add_command("A")
    with pytest.raises(WsmanFault) as too_many:
        mine.add_command("B")
    mine.drop_command("A")
    mine.add_command("B")
    with pytest.raises(WsmanFault) as gone:
        mine.check_command("A")

    assert code_of(too_many) == 2150859174
    assert code_of(gone) == 2150858843


def test_a_shell_is_found_by_its_owner_only() -> None:
    table = ShellTable(Quotas())
    mine, engine = shell(), SilentEngine()
    table.add(mine, engine)

    assert table.find("s", "svc") == (mine, engine)
    with pytest.raises(WsmanFault) as denied:
        table.find("S", "other")
    with pytest.raises(WsmanFault) as unknown:
        table.find("T", "svc")

    assert code_of(denied) == 5
    assert code_of(unknown) == 2150858843


def test_shells_of_a_user_are_counted() -> None:
    table = ShellTable(Quotas(shells_per_user=1))
    table.add(shell(), SilentEngine())
    table.add(shell(shell_id="T", owner="other"), SilentEngine())

    with pytest.raises(WsmanFault) as caught:
        table.add(shell(shell_id="U"), SilentEngine())

    assert code_of(caught) == 2150859173


def test_an_idle_shell_ends_and_one_in_use_does_not() -> None:
    table, clock, engine = ShellTable(Quotas()), Hands(), SilentEngine()
    mine = shell(clock=clock, idle_s=60)
    table.add(mine, engine)

    with mine.in_use():
        clock.now = 100
        table.reap()
        assert not engine.is_closed
    clock.now = 160
    table.reap()
    assert not engine.is_closed
    clock.now = 161
    with pytest.raises(WsmanFault):
        table.find("S", "svc")
    assert engine.is_closed
