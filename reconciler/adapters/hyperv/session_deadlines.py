"""No request outlasts the call that it belongs to, however slowly a host takes and answers.

Timeouts of requests bound one wait for one piece: a host that sends a byte now and then, or that
lets every repetition of pypsrp's wait anew, would be listened to for hours.
"""

import http.client
import io
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import requests.adapters
import requests.exceptions


class LateError(requests.exceptions.Timeout):
    """There is no time left to ask anything. pypsrp does not repeat what ends in it."""


def bound(session: requests.Session, ends: Callable[[], float]) -> None:
    """Let no request of a session last beyond what `ends` says when it is looked at."""
    for adapter in session.adapters.values():
        assert isinstance(adapter, requests.adapters.HTTPAdapter)  # noqa: S101 (pypsrp's)
        adapter.send = partial(_send, adapter.send, ends)  # type: ignore[method-assign]
        classes = adapter.poolmanager.pool_classes_by_scheme
        bounded: dict[str, Any] = {
            scheme: partial(_pool, made, ends) for scheme, made in classes.items()
        }
        adapter.poolmanager.pool_classes_by_scheme = bounded


def is_late(error: BaseException | None) -> bool:
    """Whether an error means that something did not come in time, also in the middle of a body."""
    if isinstance(error, requests.exceptions.Timeout):
        return True
    is_broken = isinstance(error, requests.exceptions.ConnectionError) and error.args
    return bool(is_broken) and "Read timed out" in str(error)


def _send(
    send: Callable[..., requests.Response],
    ends: Callable[[], float],
    *request: Any,
    **options: Any,
) -> requests.Response:
    left_s = ends() - time.monotonic()
    if left_s <= 0:
        raise LateError("no time is left for another request")
    given = options.get("timeout") or left_s
    connect_s, read_s = given if isinstance(given, tuple) else (given, given)
    options["timeout"] = (min(connect_s, left_s), min(read_s, left_s))
    return send(*request, **options)


def _pool(make: Callable[..., Any], ends: Callable[[], float], *names: Any, **options: Any) -> Any:
    """A pool of urllib3 whose connections read answers with an eye on the clock."""
    pool = make(*names, **options)
    connect = pool.ConnectionCls

    def connection(*names: Any, **options: Any) -> Any:
        made = connect(*names, **options)
        made.response_class = partial(_Answer, ends)
        return made

    pool.ConnectionCls = connection
    return pool


class _Answer(http.client.HTTPResponse):
    """An answer, of which nothing is read after the end."""

    def __init__(
        self, ends: Callable[[], float], sock: socket.socket, *options: Any, **more: Any
    ) -> None:
        super().__init__(sock, *options, **more)
        self.fp.close()
        self.fp = io.BufferedReader(_Watched(sock, ends))


class _Watched(io.RawIOBase):
    """Reads from a socket until the end."""

    def __init__(self, sock: socket.socket, ends: Callable[[], float]) -> None:
        super().__init__()
        self._sock = sock
        self._stream = sock.makefile("rb", buffering=0)  # keeps the socket open, as its owner knows
        self._ends = ends
        self._usual_s = sock.gettimeout()

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, room: Any) -> int | None:
        """What came.

        Raises:
            TimeoutError: Nothing did, before the usual time or the end.
        """
        left_s = self._ends() - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("Read timed out: the time of the call is over")
        self._sock.settimeout(left_s if self._usual_s is None else min(self._usual_s, left_s))
        return self._stream.readinto(room)

    def close(self) -> None:
        """Let the socket go."""
        self._stream.close()
        super().close()
