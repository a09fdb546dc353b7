"""Shells: what waits to be received, who may receive it, and how long it is kept."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from reconciler.lab.wire.soap import WsmanFault, timed_out, unknown_selector

STREAM_OVERHEAD_BYTES: Final = 128
"""Room for the element around one fragment in an answer."""

Monotonic = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Quotas:
    """Limits of the service; the defaults are those of Windows.

    Source: reference/psrp-smb.md §1. `streams_per_receive` is 4 to 6 on Windows; more of them make
    large answers faster than any host would.
    """

    shells_per_user: int = 30
    commands_per_shell: int = 1000
    envelope_bytes: int = 512_000
    shell_idle_s: float = 7200.0
    connection_idle_s: float = 120.0
    streams_per_receive: int = 4
    unread_bytes: int = 64 << 20


@dataclass(frozen=True, slots=True)
class Identity:
    """A shell's fixed facts."""

    shell_id: str
    configuration: str
    owner: str
    address: str
    idle_s: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """One Receive."""

    message_id: str
    timeout_s: float
    room_bytes: int


@dataclass(frozen=True, slots=True)
class Received:
    """Its answer."""

    fragments: tuple[bytes, ...]
    is_done: bool


@dataclass(slots=True)
class _Channel:
    """Output of the pool, or of one command."""

    fragments: deque[bytes] = field(default_factory=deque)
    unread_bytes: int = 0
    is_done: bool = False
    is_gone: bool = False
    last: tuple[str, Received] | None = None

    def take(self, room_bytes: int, most: int) -> Received:
        taken: list[bytes] = []
        while self.fragments and len(taken) < most:
            size = (len(self.fragments[0]) + 2) // 3 * 4 + STREAM_OVERHEAD_BYTES
            if taken and size > room_bytes:
                break
            room_bytes -= size
            taken.append(self.fragments.popleft())
            self.unread_bytes -= len(taken[-1])
        return Received(tuple(taken), self.is_done and not self.fragments)


class Shell:
    """One shell, and the `Output` of its engine."""

    def __init__(
        self, identity: Identity, quotas: Quotas, monotonic: Monotonic = time.monotonic
    ) -> None:
        self.identity = identity
        self.is_disconnected = False
        self.born = monotonic()
        self._quotas = quotas
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._pool = _Channel()
        self._commands: dict[str, _Channel] = {}
        self._is_closed = False
        self._touched = self.born
        self._requests = 0

    # --- Output, for the engine

    def deliver(self, command_id: str | None, fragment: bytes) -> None:
        """Queue a fragment; waits while the client is too far behind."""
        with self._changed:
            channel = self._pool if command_id is None else self._commands.get(command_id)
            if channel is None:
                return
            self._changed.wait_for(
                lambda: (
                    channel.unread_bytes < self._quotas.unread_bytes
                    or channel.is_gone
                    or self._is_closed
                )
            )
            channel.fragments.append(fragment)
            channel.unread_bytes += len(fragment)
            self._changed.notify_all()

    def finished(self, command_id: str) -> None:
        """Mark the end of a command's output."""
        with self._changed:
            if command_id in self._commands:
                self._commands[command_id].is_done = True
                self._changed.notify_all()

    def ended(self) -> None:
        """The engine is gone: whoever waits is told so."""
        self.close()

    # --- for the front end

    @property
    def inactive_s(self) -> float:
        """How long no request was at work here."""
        with self._changed:
            return 0.0 if self._requests else self._monotonic() - self._touched

    @property
    def running_commands(self) -> tuple[str, ...]:
        """Commands whose results are not all received."""
        with self._changed:
            return tuple(k for k, c in self._commands.items() if c.fragments or not c.is_done)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """A request is at work: the shell is not idle."""
        with self._changed:
            self._requests += 1
        try:
            yield
        finally:
            with self._changed:
                self._requests -= 1
                self._touched = self._monotonic()

    def add_command(self, command_id: str) -> None:
        """Make room for a command's output.

        Raises:
            WsmanFault: The id is taken, or there are too many.
        """
        with self._changed:
            if self._is_closed or self.is_disconnected:
                raise unknown_selector(f"ShellId {self.identity.shell_id}")
            if command_id in self._commands:
                raise WsmanFault(2147942583, "The command id already exists in this shell. ")
            if len(self._commands) >= self._quotas.commands_per_shell:
                raise WsmanFault(
                    2150859174,
                    "The WS-Management service cannot process the request. The maximum number of "
                    "concurrent commands per shell has been exceeded. Close existing commands or "
                    "raise the quota. ",
                    "w:QuotaLimit",
                )
            self._commands[command_id] = _Channel()

    def check_command(self, command_id: str) -> None:
        """Raise the fault for a command that is not here."""
        with self._changed:
            self._channel(command_id)

    def drop_command(self, command_id: str) -> None:
        """Forget a command and its output."""
        with self._changed:
            self._channel(command_id).is_gone = True
            del self._commands[command_id]
            self._changed.notify_all()

    def receive(self, command_id: str | None, wanted: Wanted) -> Received:
        """Wait for output.

        Raises:
            WsmanFault: Nothing came in time, or the command or shell is gone.
        """
        deadline = self._monotonic() + wanted.timeout_s
        with self._changed:
            channel = self._channel(command_id)
            while not (channel.fragments or channel.is_done or _is_repeated(channel, wanted)):
                left_s = deadline - self._monotonic()
                if self._is_closed or channel.is_gone:
                    raise _aborted()
                if left_s <= 0:
                    raise timed_out()
                self._changed.wait(left_s)
            if channel.last is not None and _is_repeated(channel, wanted):
                return channel.last[1]
            received = channel.take(wanted.room_bytes, self._quotas.streams_per_receive)
            channel.last = (wanted.message_id, received)
            self._changed.notify_all()
            return received

    def close(self) -> None:
        """Wake and refuse whoever waits."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _channel(self, command_id: str | None) -> _Channel:
        if command_id is None:
            return self._pool
        if command_id not in self._commands:
            raise unknown_selector(f"CommandId {command_id}")
        return self._commands[command_id]


def _is_repeated(channel: _Channel, wanted: Wanted) -> bool:
    return channel.last is not None and channel.last[0] == wanted.message_id


def _aborted() -> WsmanFault:
    return WsmanFault(
        995,
        "The I/O operation has been aborted because of either a thread exit or an application "
        "request. ",
    )
