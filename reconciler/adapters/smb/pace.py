"""How fast may be read: one budget of bytes for all who read from one server."""

import time
from collections.abc import Callable
from threading import Event, Lock
from typing import Final

BURST_S: Final = 0.25
"""What was not used is kept for so long."""


class Pace:
    """Lets bytes through at no more than a rate, after a short burst. For many threads."""

    def __init__(
        self,
        bytes_per_s: int,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self._rate = bytes_per_s
        self._clock = clock
        self._wait = wait or Event().wait
        self._lock = Lock()
        self._free_at = clock()
        """When all that was let through so far will have been paid for."""

    def __repr__(self) -> str:
        return f"Pace({self._rate})"

    def take(self, count: int) -> None:
        """Wait until so many more bytes may be asked for."""
        with self._lock:
            now = self._clock()
            begins = max(self._free_at, now - BURST_S)
            self._free_at = begins + count / self._rate
        if begins > now:
            self._wait(begins - now)
