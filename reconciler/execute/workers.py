"""Where jobs run: bounded threads, machines side by side, the actions of one machine in order."""

import contextvars
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import groupby
from threading import Event
from typing import Final

from reconciler.execute.executor import Executor, skipped
from reconciler.execute.outcome import Result, Verdict
from reconciler.plan.actions import Action
from reconciler.ports import HostSession

THREADS: Final = 4
"""One session for each thread and host, so never more than four at a host."""


def carry_out(executor: Executor, actions: Sequence[Action]) -> Iterator[Result]:
    """Carry out actions; results come as they are ready.

    Who leaves early, with Ctrl-C or by closing the iterator, stops what is at work at its next
    piece, and what waits is not begun.
    """
    ordered = sorted(actions, key=_machine)
    machines = [list(group) for _, group in groupby(ordered, key=_machine)]
    stopping = Event()
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="worker")
    try:
        futures = [
            pool.submit(contextvars.copy_context().run, carry_out_machine, executor, each, stopping)
            for each in machines
        ]
        for future in as_completed(futures):
            yield from future.result()
    except BaseException:
        stopping.set()
        executor.stop("it was interrupted")
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def carry_out_machine(
    executor: Executor, actions: Sequence[Action], stopping: Event
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
