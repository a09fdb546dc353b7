"""What wakes the loop: ticks, hints, and a heart-beat should all of them fail."""

from threading import Event
from types import TracebackType
from typing import Final, Self

from apscheduler.schedulers.background import BackgroundScheduler  # type: ignore[import-untyped]

_SLACK_S: Final = 5.0
"""A tick that is later than this is not coming: its scheduler lost count when the clock jumped."""


class Wakeups:
    """Ticks every so often; `wake` may be called from any thread and from signal handlers."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._event = Event()
        self._scheduler = BackgroundScheduler(timezone="UTC")

    def __enter__(self) -> Self:
        self._scheduler.start()
        self._arm()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._scheduler.shutdown(wait=False)

    def wake(self) -> None:
        """Let the loop look again soon."""
        self._event.set()

    def wait(self) -> None:
        """Until something wakes the loop; never much longer than one tick, by monotonic time."""
        if not self._event.wait(self._every_s + _SLACK_S):
            self._arm()
        self._event.clear()

    def _arm(self) -> None:
        """Tick from now on. Made anew, the scheduler's idea of the next run is right again."""
        self._scheduler.add_job(
            self._event.set,
            "interval",
            seconds=self._every_s,
            id="reconcile.tick",
            replace_existing=True,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
