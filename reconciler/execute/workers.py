"""Where jobs run: bounded threads, machines side by side, the actions of one machine in order."""

import contextvars
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import groupby
from typing import Final

from reconciler.errors import ReconcilerError
from reconciler.execute.executor import Executor, failure
from reconciler.execute.outcome import Result, Verdict
from reconciler.logs import Event, get_logger
from reconciler.plan.actions import Action, RecoverDisks
from reconciler.ports import HostSession

THREADS: Final = 4
"""One session for each thread and host, so never more than four at a host."""

_log = get_logger()


def carry_out(executor: Executor, actions: Sequence[Action]) -> Iterator[Result]:
    """Carry out actions; results come as they are ready."""
    machines = [list(group) for _, group in groupby(_by_machine(actions), key=_machine)]
    with ThreadPoolExecutor(THREADS, thread_name_prefix="worker") as pool:
        futures = [
            pool.submit(contextvars.copy_context().run, _one_machine, executor, each)
            for each in machines
        ]
        for future in as_completed(futures):
            yield from future.result()


def _one_machine(executor: Executor, actions: Sequence[Action]) -> list[Result]:
    """The actions of one machine, in order; what follows a failure is not tried."""
    results: list[Result] = []
    session: HostSession | None = None
    try:
        for action in actions:
            if session is None and not isinstance(action, RecoverDisks):
                session = executor.tools.open_host(action.subject.host)
            results.append(executor.execute(action, session))
            if results[-1].verdict is Verdict.FAILED:
                break
    except ReconcilerError as error:
        results.append(failure(actions[len(results)], error))
    except Exception as error:  # noqa: BLE001 (one machine's oddity must not stop the others)
        _log.exception(Event.JOB_FAILED, error_code="unexpected")
        results.append(
            Result(
                actions[len(results)],
                Verdict.FAILED,
                error_code="unexpected",
                message=f"{error.__class__.__name__}: {error}",
                hint="the log has the traceback; please report it",
            )
        )
    finally:
        if session is not None:
            session.close()
    return results


def _by_machine(actions: Sequence[Action]) -> list[Action]:
    return sorted(actions, key=_machine)


def _machine(action: Action) -> str:
    return str(action.subject.key)
