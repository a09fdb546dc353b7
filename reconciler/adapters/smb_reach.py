"""Whether an SMB server could be reached lately, so that not every job waits for a closed port."""

import time
from collections.abc import Callable
from threading import Lock
from typing import Final

KEPT_S: Final = 600.0
"""A firewall that was opened is noticed after so long at the latest."""


class Reach:
    """What was last found out about one server; for many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._reason = ""
        self._until = 0.0

    def problem(self) -> str:
        """Why it could not be reached, as long as that is not worth another try; else empty."""
        with self._lock:
            return self._reason if self._clock() < self._until else ""

    def note_away(self, reason: str) -> None:
        """It could not be reached just now."""
        with self._lock:
            self._reason = reason
            self._until = self._clock() + KEPT_S
