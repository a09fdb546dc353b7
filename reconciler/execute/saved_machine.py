"""A machine that has to be saved for its checkpoint, and must run again whatever happens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from threading import Event as Sign
from time import monotonic
from typing import Final

from reconciler.errors import ReconcilerError
from reconciler.execute.boundaries import Boundary
from reconciler.execute.looks import machine_now
from reconciler.execute.meter import nothing
from reconciler.execute.workbench import Workbench
from reconciler.logs import Event, get_logger
from reconciler.model.names import RequestId
from reconciler.plan.leftovers import is_saved
from reconciler.record.entries import new_request_id
from reconciler.record.work import Intent

_log = get_logger()

_ON_ITS_WAY: Final = frozenset({"Starting", "Resuming"})
"""It may yet fall back; only one that has arrived is done with."""


@contextmanager
def saved(bench: Workbench, intent: Intent) -> Iterator[None]:
    """Save the machine if the intent says so; at the end of the block it runs on at once.

    That it could not be resumed, though it was tried for a while, is told and does not end the
    work: `tried_meanwhile` and `run_on` try again.
    """
    save, resume = intent.save_request, intent.resume_request
    if save is None or resume is None:
        yield
        return
    try:
        bench.host.save_machine(bench.source.key.vm_id, save)
        _log.info(Event.MACHINE_SAVED)
        bench.reached(Boundary.MACHINE_SAVED)
        yield
    except BaseException:
        _persist(bench, partial(run_on, bench))
        raise
    _persist(bench, partial(_resume, bench, intent, resume))


@contextmanager
def tried_meanwhile(bench: Workbench) -> Iterator[None]:
    """While the block reads disks, a machine that could not be resumed is tried now and then."""
    every_s = bench.tools.resuming.again_every_s
    next_at = monotonic() + every_s

    def again() -> None:
        nonlocal next_at
        if monotonic() >= next_at:
            try_to_run_on(bench)
            next_at = monotonic() + every_s

    if _owes(bench) is None:
        yield
        return
    bench.meter.between_pieces = again
    try:
        yield
    finally:
        bench.meter.between_pieces = nothing


def run_on(bench: Workbench) -> None:
    """Let the machine run on, if the job in hand saved it and nobody has let it run on.

    One that somebody has turned off meanwhile stays off.

    Raises:
        StateChangeFailedError: It is still saved.
    """
    intent = _owes(bench)
    if intent is None:
        return
    for request in filter(None, (intent.save_request, intent.resume_request)):
        # when an answer was lost, the host may be at it still: what is seen now would pass
        bench.host.await_operation(request)
    _resume(bench, intent, new_request_id())


def try_to_run_on(bench: Workbench) -> None:
    """As `run_on`, but a failure is told and not raised: the job's heir tries again."""
    try:
        run_on(bench)
    except ReconcilerError as error:
        _tell(error)


def _persist(bench: Workbench, first: Callable[[], None]) -> None:
    """Try for a while, unless the job is to stop; a failure is told and not raised."""
    pace = bench.tools.resuming
    until = monotonic() + pace.for_s
    attempt = first
    while True:
        try:
            attempt()
        except ReconcilerError as error:
            left_s = until - monotonic()
            if left_s <= 0 or bench.meter.stop_reason:
                _tell(error)
                return
        else:
            return
        Sign().wait(min(pace.every_s, left_s))
        attempt = partial(run_on, bench)


def _owes(bench: Workbench) -> Intent | None:
    """The intent of the job in hand, as long as it owes the machine its resumption."""
    intent = bench.catalogue.jobs.get(bench.job.id).intent
    return None if intent is None or intent.save_request is None else intent


def _resume(bench: Workbench, intent: Intent, request: RequestId) -> None:
    """Let it run on if it is still as we left it: to a host, resuming one that is off starts it."""
    state = machine_now(bench).state
    if is_saved(state) or state in _ON_ITS_WAY:
        bench.host.resume_machine(bench.source.key.vm_id, request)
        _log.info(Event.MACHINE_RESUMED)
        bench.reached(Boundary.MACHINE_RESUMED)
    _note_running(bench, intent)


def _note_running(bench: Workbench, intent: Intent) -> None:
    """From here on a saved machine was saved by somebody else."""
    with suppress(ReconcilerError):  # then its heir looks once more, which changes nothing
        bench.write_intent(replace(intent, save_request=None, resume_request=None))


def _tell(error: ReconcilerError) -> None:
    _log.error(Event.MACHINE_STAYS_SAVED, reason=error.message, hint=error.hint)
