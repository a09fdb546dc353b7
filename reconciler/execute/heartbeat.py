"""Says, while a job is at work, that its holder lives and how far it is."""

import contextvars
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic
from typing import Final

from reconciler.errors import CatalogueError
from reconciler.execute.meter import Meter
from reconciler.execute.workbench import Tools
from reconciler.logs import Event as LogEvent
from reconciler.logs import get_logger
from reconciler.record.work import Job, Progress

BEAT_EVERY_S: Final = 15.0

_log = get_logger()


@contextmanager
def heartbeat(tools: Tools, job: Job, meter: Meter, *, tell_every_s: float) -> Iterator[None]:
    """Beat in a thread of its own until the block ends."""
    ended = Event()
    context = contextvars.copy_context()
    thread = Thread(
        target=context.run, args=(_beat, tools, job, meter, tell_every_s, ended), daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _beat(tools: Tools, job: Job, meter: Meter, tell_every_s: float, ended: Event) -> None:
    began = last_beat = monotonic()
    while not ended.wait(min(tell_every_s, BEAT_EVERY_S)):
        if meter.bytes_expected:
            _tell(meter, monotonic() - began)
        if monotonic() - last_beat >= BEAT_EVERY_S:
            last_beat = monotonic()
            _keep(tools, job, meter)


def _keep(tools: Tools, job: Job, meter: Meter) -> None:
    """Keep the lease. A catalogue that cannot be written now may be at the next beat."""
    progress = Progress(job.kind, meter.bytes_done, meter.bytes_expected)
    try:
        is_ours = tools.catalogue.jobs.beat(job.id, job.epoch, tools.lease_clock(), progress)
    except CatalogueError as error:
        _log.warning(LogEvent.JOB_UNCONFIRMED, reason=error.message, hint=error.hint)
        return
    if not is_ours:
        _log.error(LogEvent.JOB_UNCONFIRMED, reason="another process took the job over")
        meter.lose_lease()


def _tell(meter: Meter, seconds: float) -> None:
    _log.info(
        LogEvent.JOB_PROGRESSED,
        percent=meter.percent,
        bytes_done=meter.bytes_done,
        bytes_expected=meter.bytes_expected,
        bytes_per_second=int(meter.bytes_done / seconds) if seconds > 0 else 0,
    )
