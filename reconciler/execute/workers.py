"""Where jobs run: bounded threads, machines side by side, the actions of one machine in order.

Machines whose disks share a volume are only side by side where it has room for what grows there
while they are backed up.
"""

import contextvars
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import groupby
from threading import Event as Signal
from typing import Final

from reconciler.execute.executor import Executor, skipped
from reconciler.execute.outcome import Result, Verdict
from reconciler.logs import Event, get_logger
from reconciler.plan.actions import Action, Capture
from reconciler.plan.rooms import Claims, Headroom, Taken
from reconciler.ports import HostSession

THREADS: Final = 4
"""One session for each thread and host, so never more than four at a host."""


_Begin = Callable[[list[Action]], Future[list[Result]]]

_log = get_logger()


def carry_out(
    executor: Executor, actions: Sequence[Action], headroom: Headroom | None = None
) -> Iterator[Result]:
    """Carry out actions; results come as they are ready.

    Who leaves early, with Ctrl-C or by closing the iterator, stops what is at work at its next
    piece, and what waits is not begun.
    """
    ordered = sorted(actions, key=_machine)
    machines = [list(group) for _, group in groupby(ordered, key=_machine)]
    stopping = Signal()
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="worker")

    def begin(machine: list[Action]) -> Future[list[Result]]:
        run = contextvars.copy_context().run
        return pool.submit(run, carry_out_machine, executor, machine, stopping)

    try:
        yield from _in_turn(machines, headroom or Headroom(), begin)
    except BaseException:
        stopping.set()
        executor.stop("it was interrupted")
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _in_turn(machines: list[list[Action]], headroom: Headroom, begin: _Begin) -> Iterator[Result]:
    """Begin what there are threads and room for, the others as soon as one has ended."""
    taken, waiting = Taken(headroom), machines
    at_work: dict[Future[list[Result]], Claims] = {}
    results: list[Result] = []
    told: set[str] = set()
    while waiting or at_work:
        still = []
        for machine in waiting:
            claims = _claims(machine, headroom)
            if len(at_work) == THREADS:
                still.append(machine)
            elif lack := taken.lacks(claims):
                still.append(machine)
                _tell_held(machine[0], lack, told)
            else:
                taken.take(claims)
                at_work[begin(machine)] = claims
        yield from results
        if not at_work:  # its volume was in use when it was planned, so nobody could tell
            results = [_not_begun(action, headroom) for each in still for action in each]
            break
        waiting, done = still, wait(at_work, return_when=FIRST_COMPLETED).done
        for future in done:
            taken.give_back(at_work.pop(future))
        results = [result for future in done for result in future.result()]
    yield from results


def _not_begun(action: Action, headroom: Headroom) -> Result:
    claims = headroom.claims.get(action.subject.key, {})
    return Result(
        action,
        Verdict.SKIPPED,
        error_code="waiting.head_room",
        message=f"not tried: {Taken(headroom).lacks(claims)}",
        hint="the next pass looks again: reconciler hosts",
    )


def _claims(machine: list[Action], headroom: Headroom) -> Claims:
    is_captured = any(isinstance(action, Capture) for action in machine)
    return headroom.claims.get(machine[0].subject.key, {}) if is_captured else {}


def _tell_held(action: Action, reason: str, told: set[str]) -> None:
    """Once for each machine."""
    subject = action.subject
    if _machine(action) not in told:
        told.add(_machine(action))
        _log.info(Event.JOB_HELD, vm=subject.label, host=subject.host, reason=reason)


def carry_out_machine(
    executor: Executor, actions: Sequence[Action], stopping: Signal
) -> list[Result]:
    """The actions of one machine, in order; what follows a failure is not tried."""
    results: list[Result] = []
    sessions: list[HostSession] = []

    def open_host() -> HostSession:
        if not sessions:
            sessions.append(executor.tools.open_host(actions[0].subject.host))
        return sessions[0]

    try:
        for action in actions:
            if stopping.is_set():
                break
            failed = [r for r in results if r.verdict is Verdict.FAILED]
            results.append(
                skipped(action, failed[0]) if failed else executor.execute(action, open_host)
            )
    finally:
        for session in sessions:
            session.close()
    return results


def _machine(action: Action) -> str:
    return str(action.subject.key)
