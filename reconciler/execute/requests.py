"""Requests of persons: what an action came to is what they are told."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from reconciler.errors import JobStoppedError, MachineBusyError, ReconcilerError
from reconciler.execute.outcome import Outcome
from reconciler.execute.workbench import Tools, Workbench
from reconciler.logs import Event, get_logger
from reconciler.model.protection import CauseKind
from reconciler.plan.actions import Action, Capture, ConsistencyCheck, RecoverDisks
from reconciler.plan.requests import answered
from reconciler.record.entries import RequestState

_log = get_logger()


@contextmanager
def answering(action: Action, tools: Tools) -> Iterator[list[Outcome]]:
    """What the action answers ends with what it came to; the block hands in the outcome.

    What was stopped stays open: the next pass does it. A recovery ends with its process.
    """
    outcomes: list[Outcome] = []
    try:
        yield outcomes
    except JobStoppedError as error:
        if isinstance(action, RecoverDisks):
            _close(action, tools, _failed(error), is_done=False)
        raise
    except Exception as error:
        _close(action, tools, _failed(error), is_done=False)
        raise
    except BaseException as error:
        if isinstance(action, RecoverDisks):
            _close(action, tools, _failed(error), is_done=False)
        raise
    _close(action, tools, outcomes[0].details, is_done=True)


def close_unbegun(action: Action, tools: Tools, error: Exception) -> None:
    """What the action answers has failed before there was a job; one that is busy may wait."""
    if not isinstance(error, MachineBusyError):
        _close(action, tools, _failed(error), is_done=False)


def is_answered(action: Capture, bench: Workbench) -> bool:
    """Whether the newest point was made by a job that began after all of the requests.

    That is so when a job that answered them died before it could say so, and was finished since.
    """
    catalogue = bench.catalogue
    head = catalogue.replicas()[bench.source.id].head
    if head is None or not action.requests:
        return False
    with suppress(ReconcilerError):  # a job or request that is forgotten says nothing
        point = catalogue.recovery_point(head.recovery_point)
        began_at = catalogue.jobs.get(point.job).created_at
        asked_at = [catalogue.requests.get(request).created_at for request in action.requests]
        is_kind = point.cause.kind is CauseKind.CONSISTENCY_CHECK
        return began_at >= max(asked_at) and (is_kind or not isinstance(action, ConsistencyCheck))
    return False


def _close(action: Action, tools: Tools, result: dict[str, object], *, is_done: bool) -> None:
    for request in answered(action):
        if tools.catalogue.requests.finish(request, result, tools.lease_clock(), is_done=is_done):
            state = RequestState.DONE if is_done else RequestState.FAILED
            _log.info(Event.REQUEST_CLOSED, request=request, state=state.value)


def _failed(error: BaseException) -> dict[str, object]:
    if isinstance(error, ReconcilerError):
        return {"message": error.message, "hint": error.hint}
    return {
        "message": f"unexpected {type(error).__name__}",
        "hint": "please report it, with the log",
    }
