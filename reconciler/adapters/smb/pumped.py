"""A connection that is read by whoever waits for an answer, and by no thread of its own.

smbprotocol reads each connection in a thread; handing every answer over costs more than the answer,
and the engine that reads disks needs the socket for itself. Here one thread does all, as sessions
are used anyway.
"""

import socket
import struct
import threading
import time
from collections import deque
from typing import Any, Final

from smbprotocol.connection import Connection  # type: ignore[import-untyped]
from smbprotocol.exceptions import (  # type: ignore[import-untyped]
    SMBConnectionClosed,
    SMBException,
)

CONNECT_S: Final = 10
ANSWER_S: Final = 30
"""Longest wait for one answer."""
_RECEIVED_BYTES: Final = 4 << 20
"""Held by the system until we come to read it."""
_LENGTH: Final = struct.Struct(">I")
"""Source: [MS-SMB2] 2.1: a zero byte, then the length in three."""
_MAX_FRAME_BYTES: Final = (1 << 24) - 1


class PumpedConnection(Connection):  # type: ignore[misc]
    """Waits for no answer longer than it says; smbprotocol itself would wait for ever."""

    answer_s: float | None = None
    """Instead of ANSWER_S."""

    def tune(self) -> None:
        """Requests leave at once, and many answers may be under way; after `connect`."""
        stream = self._stream()
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVED_BYTES)

    def receive(
        self,
        request: Any,
        wait: bool = True,  # noqa: FBT001, FBT002 (smbprotocol's signature)
        timeout: float | None = None,
        resolve_symlinks: bool = True,  # noqa: FBT001, FBT002
    ) -> Any:
        """The answer to a request."""
        self._t_worker = None  # it has ended; its thread's id may be that of a new one by now
        try:
            within = timeout or self.answer_within_s
            return super().receive(request, wait, within, resolve_symlinks)
        except SMBException as error:
            if not getattr(request.response_event, "is_late", False):
                raise
            raise TimeoutError(str(error)) from error

    @property
    def answer_within_s(self) -> float:
        """Longest wait for one answer."""
        return self.answer_s or ANSWER_S

    def send_bytes(self, frames: bytes) -> None:
        """Send framed messages that smbprotocol does not know of.

        Raises:
            OSError: The connection is gone, or the server takes nothing.
        """
        stream = self._stream()
        stream.settimeout(self.answer_within_s)
        stream.sendall(frames)

    def receive_into(self, room: bytearray, ends: float) -> int:
        """The next message's length, its bytes at the beginning of `room`.

        Raises:
            TimeoutError: Nothing whole came before the monotonic clock said `ends`.
            SMBConnectionClosed: The server ended the connection.
            SMBException: The message is longer than there is room for.
        """
        length = self._next_length(ends, len(room))
        self._fill(memoryview(room)[:length], ends)
        return length

    def pump(self, within_s: float | None) -> None:
        """Read one message and give it to the request that it answers.

        Raises:
            TimeoutError: None came in time.
        """
        ends = time.monotonic() + (within_s or self.answer_within_s)
        room = bytearray(self._next_length(ends, _MAX_FRAME_BYTES))
        self._fill(memoryview(room), ends)
        waiting = deque([bytes(room)])
        self.transport.recv = lambda _: waiting.popleft() if waiting else b""
        super()._process_message_thread()
        for request in self.outstanding_requests.values():
            if request.response is None and self._t_exc is None:
                request.response_event.clear()  # it sets all of them when it ends

    def _send(self, *messages: Any, **options: Any) -> Any:
        requests = super()._send(*messages, **options)
        for request in requests:
            request.response_event = _Pumping(self)
        return requests

    def _process_message_thread(self) -> None:
        """Nothing: messages are read by who waits for them."""

    def _next_length(self, ends: float, most: int) -> int:
        prefix = bytearray(_LENGTH.size)
        self._fill(memoryview(prefix), ends)
        (length,) = _LENGTH.unpack(prefix)
        if length > min(most, _MAX_FRAME_BYTES):
            raise SMBException(f"a message of {length} bytes, which nobody asked for")
        return int(length)

    def _fill(self, room: memoryview, ends: float) -> None:
        stream, filled = self._stream(), 0
        while filled < len(room):
            left_s = ends - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("no answer in time")
            stream.settimeout(left_s)
            count = stream.recv_into(room[filled:])
            if not count:
                raise SMBConnectionClosed("the server ended the connection")
            filled += count

    def _stream(self) -> socket.socket:
        if self.transport is None or not self.transport.connected:
            raise SMBConnectionClosed("the connection is closed")
        stream = self.transport._sock  # noqa: SLF001 (smbprotocol has no other way to it)
        assert isinstance(stream, socket.socket)  # noqa: S101 (as it connected)
        return stream


class _Pumping(threading.Event):
    """Set by an answer, which whoever waits reads from the connection."""

    def __init__(self, connection: PumpedConnection) -> None:
        super().__init__()
        self._connection = connection
        self.is_late = False

    def wait(self, timeout: float | None = None) -> bool:
        """Read until the answer is there; False if it was not in time."""
        within_s = timeout if timeout is not None else self._connection.answer_within_s
        ends = time.monotonic() + within_s
        while not self.is_set():
            left_s = ends - time.monotonic()
            try:
                self._connection.pump(left_s)
            except TimeoutError:
                self.is_late = True
                return False
        return True
