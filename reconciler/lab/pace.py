"""Work that happens a little later, on one thread: operations take time, merges take more."""

import heapq
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

Job = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Delays:
    """How long things take. Units: seconds."""

    operation_s: float = 0.1
    merge_s: float = 0.3


class Pace:
    """A queue of jobs by the time they are due; runs them on a thread, or all at once in tests."""

    def __init__(self) -> None:
        self._jobs: list[tuple[float, int, Job]] = []
        self._count = 0
        self._news = threading.Condition()
        self._turn = threading.RLock()
        self._is_over = False
        self._thread: threading.Thread | None = None

    def later(self, delay_s: float, job: Job) -> None:
        """Run a job after a delay. A job may ask for more jobs; it must not raise."""
        with self._news:
            self._count += 1
            heapq.heappush(self._jobs, (time.monotonic() + delay_s, self._count, job))
            self._news.notify_all()

    def settle(self) -> None:
        """Run everything now, whether due or not, until nothing is left."""
        with self._turn:
            while job := self._take(time.monotonic() + 1e9):
                job()

    @property
    def is_running(self) -> bool:
        """Whether jobs run by themselves."""
        return self._thread is not None

    def start(self) -> None:
        """Begin to run jobs as they fall due."""
        self._thread = threading.Thread(target=self._run, name="lab-pace", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; jobs that are left are not run."""
        with self._news:
            self._is_over = True
            self._news.notify_all()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        while self._wait():
            with self._turn:
                if job := self._take(time.monotonic()):
                    job()

    def _wait(self) -> bool:
        """Wait for a job to fall due; False when it is over."""
        with self._news:
            while not self._is_over:
                left_s = self._jobs[0][0] - time.monotonic() if self._jobs else None
                if left_s is not None and left_s <= 0:
                    return True
                self._news.wait(left_s)
            return False

    def _take(self, until: float) -> Job | None:
        with self._news:
            if self._jobs and self._jobs[0][0] <= until:
                return heapq.heappop(self._jobs)[2]
            return None
