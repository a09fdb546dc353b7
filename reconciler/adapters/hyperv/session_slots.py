"""At most four sessions of this process with one end point, whoever opens them.

A host lets one user have few shells, and each costs it a PowerShell process. Whoever comes when all
are taken waits for one, no longer than its call may.
"""

import weakref
from collections.abc import Callable
from threading import BoundedSemaphore, Lock
from typing import Final

MOST: Final = 4


class Slots:
    """Places for sessions, by where they go. For many threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = Lock()
        self._free: dict[str, BoundedSemaphore] = {}

    def take(self, place: str, owner: object, within_s: float) -> Callable[[], object] | None:
        """A slot for `owner`, as what gives it back; None if none became free in time.

        It may be called more than once, and an owner that is forgotten gives its slot back, too.
        """
        with self._lock:
            free = self._free.setdefault(place, BoundedSemaphore(self._most))
        if not free.acquire(timeout=max(0.0, within_s)):
            return None
        given_back = weakref.finalize(owner, free.release)
        given_back.atexit = False
        return given_back


SLOTS: Final = Slots()
"""Those of this process."""
