"""HTTP/1.1 as far as WinRM needs it: one thread a connection, bounded requests, whole answers."""

import contextlib
import io
import logging
import re
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import BinaryIO, Final, Protocol

from typing_extensions import Buffer

MAX_LINE_BYTES: Final = 16 << 10
"""Longer than any Negotiate token of ours; HTTP.sys takes 16 KiB a header as well."""
MAX_HEADERS: Final = 64
CLOSE_WAIT_S: Final = 2.0

_log = logging.getLogger(__name__)


class Hangup(Exception):  # noqa: N818 (an order, not a failure)
    """End the connection without a whole answer: orderly, with a reset, or by saying no more."""

    def __init__(
        self, *, with_reset: bool = False, is_silent: bool = False, last_words: bytes = b""
    ) -> None:
        super().__init__("hang up")
        self.with_reset = with_reset
        self.is_silent = is_silent
        self.last_words = last_words


class BadRequestError(Exception):
    """A request that is refused before anybody looks at it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """One request; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """One answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_last: bool = False
    """The connection ends after it."""


class Conversation(Protocol):
    """What answers the requests of one connection, in order."""

    def answer(self, request: Request) -> Response:
        """Raises Hangup to end the connection without an answer."""
        ...


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds of one connection."""

    body_bytes: int
    idle_s: float


@dataclass(slots=True)
class Traffic:
    """What crossed the sockets of a server, both ways. Units: bytes; close enough for people."""

    byte_count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, byte_count: int) -> None:
        """Count."""
        with self._lock:
            self.byte_count += byte_count


class _CountingReader(io.RawIOBase):
    """A raw stream whose bytes are counted."""

    def __init__(self, raw: io.RawIOBase, traffic: Traffic) -> None:
        self._raw = raw
        self._traffic = traffic

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int | None:
        count = self._raw.readinto(buffer)
        self._traffic.add(count or 0)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class HttpServer(socketserver.ThreadingTCPServer):
    """Listens, and gives each connection a thread and a conversation."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        converse: Callable[[socket.socket], Conversation],
        limits: HttpLimits,
        secured: Callable[[socket.socket], ssl.SSLSocket] | None = None,
    ) -> None:
        """Begin to listen; `secured` makes each connection one of TLS, its handshake undone."""
        self.converse = converse
        self.limits = limits
        self.secured = secured
        self.traffic = Traffic()
        self._changed = threading.Condition()
        self._open: set[socket.socket] = set()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Connection)
        self._thread = self._accepting()

    @property
    def port(self) -> int:
        """The port that was found."""
        return int(self.server_address[1])

    def opened(self, connection: socket.socket) -> None:
        """Remember a connection, to end it with the server."""
        with self._changed:
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._changed:
            self._open.discard(connection)
            self._changed.notify_all()

    def close(self) -> None:
        """Stop listening and cut every connection."""
        self.shutdown()
        self.server_close()
        self._thread.join(CLOSE_WAIT_S)
        self._cut()

    def refuse(self) -> None:
        """Refuse connections until `accept`, and cut those that there are; the port stays ours."""
        self.shutdown()
        self._thread.join(CLOSE_WAIT_S)
        self.socket.close()
        self.socket = socket.socket(self.address_family, self.socket_type)
        self.server_bind()
        self._cut()

    def accept(self) -> None:
        """Listen again after `refuse`."""
        self.server_activate()
        self._thread = self._accepting()

    def _accepting(self) -> threading.Thread:
        thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        thread.start()
        return thread

    def _cut(self) -> None:
        with self._changed:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._open, CLOSE_WAIT_S)

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep an unexpected failure of one connection to that connection."""
        _log.exception("a connection of the lab's server failed")


class _Connection(socketserver.BaseRequestHandler):
    """One connection, from accept to close."""

    server: HttpServer  # type: ignore[mutable-override]  # the one that makes these
    request: socket.socket

    def handle(self) -> None:
        """Answer until the peer, an answer or a limit ends it."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request.settimeout(self.server.limits.idle_s)
        with contextlib.suppress(OSError):  # cut or idle: what a connection ends with
            if self.server.secured is None:
                self._registered(self.request)
                return
            with self.server.secured(self.request) as stream:
                self._registered(stream)

    def _registered(self, stream: socket.socket) -> None:
        self.server.opened(stream)
        try:
            if isinstance(stream, ssl.SSLSocket):
                stream.do_handshake()
            self._talk(stream)
        finally:
            self.server.closed(stream)

    def _talk(self, stream: socket.socket) -> None:
        conversation = self.server.converse(stream)
        counted = _CountingReader(stream.makefile("rb", buffering=0), self.server.traffic)
        with io.BufferedReader(counted, 1 << 16) as source:
            try:
                while self._exchange(source, stream, conversation):
                    pass
            except Hangup as order:
                stream.sendall(order.last_words)
                while order.is_silent and source.read(1 << 16):
                    pass
                if order.with_reset:
                    linger = struct.pack("ii", 1, 0)
                    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    stream.close()  # before anybody ends it orderly

    def _exchange(
        self, source: BinaryIO, stream: socket.socket, conversation: Conversation
    ) -> bool:
        try:
            request = read_request(source, self.server.limits.body_bytes)
        except BadRequestError as error:
            stream.sendall(rendered(Response(error.status, is_last=True)))
            return False
        if request is None:
            return False
        response = conversation.answer(request)
        answer = rendered(response)
        stream.sendall(answer)
        self.server.traffic.add(len(answer))
        return not response.is_last and request.headers.get("connection", "").lower() != "close"


def read_request(source: BinaryIO, most_bytes: int) -> Request | None:
    """The next request; None at the end of the connection.

    Raises:
        BadRequestError: It is not one that WinRM takes.
    """
    first = _line(source)
    if not first:
        return None
    found = re.fullmatch(r"([A-Z]{1,16}) (\S{1,2048}) HTTP/1\.1", first)
    if not found:
        raise BadRequestError(400, "no request line of HTTP/1.1")
    headers = _headers(source)
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not re.fullmatch(r"[0-9]{1,12}", length):
        raise BadRequestError(411, "no length")
    if int(length) > most_bytes:
        raise BadRequestError(413, "too long")
    body = source.read(int(length))
    if len(body) < int(length):
        return None
    return Request(found[1], found[2], headers, body)


def _headers(source: BinaryIO) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(MAX_HEADERS):
        line = _line(source)
        if not line:
            return headers
        name, colon, value = line.partition(":")
        if not colon:
            raise BadRequestError(400, "a header without a colon")
        headers[name.strip().lower()] = value.strip()
    raise BadRequestError(431, "too many headers")


def _line(source: BinaryIO) -> str:
    line = source.readline(MAX_LINE_BYTES + 1)
    if len(line) > MAX_LINE_BYTES:
        raise BadRequestError(431, "a line is too long")
    return line.decode("latin-1").rstrip("\r\n")


def rendered(response: Response) -> bytes:
    """The bytes of an answer, in one piece so that it leaves in one write."""
    lines = [
        f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}",
        "Server: Microsoft-HTTPAPI/2.0",
        f"Content-Length: {len(response.body)}",
        *(f"{name}: {value}" for name, value in response.headers.items()),
    ]
    if response.is_last:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + response.body
