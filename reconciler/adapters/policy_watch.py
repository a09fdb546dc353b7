"""A hint that the policy folder changed. Only a hint: whoever is woken compares contents."""

from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Final, Self

from watchfiles import watch

_PAUSE_S: Final = 2.0
_STEP_MS: Final = 200
_DEBOUNCE_MS: Final = 1000
_LOOK_MS: Final = 500


class PolicyWatch:
    """Calls `changed` soon after anything happens in the folder, from a thread of its own.

    A folder that was replaced is silently no longer watched by the system; so its identity is
    looked at twice a second, and the watch made anew. Where nothing can be watched (a missing
    folder, no watches left, a network share) nothing is called: the loop looks by itself as well.
    """

    def __init__(self, folder: Path, changed: Callable[[], None]) -> None:
        self._folder = folder
        self._changed = changed
        self._stop = Event()
        self._thread = Thread(target=self._run, name="policy-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(_PAUSE_S * 2)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._watch_one()
            except (OSError, RuntimeError):  # watchfiles gives both, as the system pleases
                self._stop.wait(_PAUSE_S)
            if not self._stop.is_set():
                self._changed()

    def _watch_one(self) -> None:
        """Watch this very folder until it is another one."""
        watched = _identity(self._folder)
        is_armed = False
        for changes in watch(
            self._folder,
            stop_event=self._stop,
            step=_STEP_MS,
            debounce=_DEBOUNCE_MS,
            rust_timeout=_LOOK_MS,
            yield_on_timeout=True,
            watch_filter=None,
            raise_interrupt=False,
            ignore_permission_denied=True,
        ):
            if changes or not is_armed:
                self._changed()  # at first, because what happened until now is unknown
                is_armed = True
            if _identity(self._folder) != watched:
                return


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino
