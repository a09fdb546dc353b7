"""How long beats have stood still, by a clock that nobody sets."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from threading import Lock

from reconciler.model.names import JobId
from reconciler.record.work import Job

_Beat = tuple[int, datetime | None]


class Silence:
    """What one process has seen of the beats of jobs.

    The wall clock may jump over a whole lease between two beats; a process that lives is not
    silent for that.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seen: dict[JobId, tuple[_Beat, float]] = {}
        self._lock = Lock()

    def of(self, jobs: Iterable[Job]) -> dict[JobId, float]:
        """For how many seconds each beat is known to have stood still; what ended is forgotten."""
        now = self._monotonic()
        with self._lock:
            before, self._seen = self._seen, {}
            for job in jobs:
                beat = (job.epoch, job.beat_at)
                known = before.get(job.id)
                since = known[1] if known is not None and known[0] == beat else now
                self._seen[job.id] = (beat, since)
            return {job: now - since for job, (_, since) in self._seen.items()}
