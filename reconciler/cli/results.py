"""What became of an action, in a line or two."""

from collections.abc import Iterator
from typing import assert_never

from reconciler.execute.outcome import Result, Verdict
from reconciler.plan.actions import (
    Action,
    CreateReplica,
    ExpressFullBackup,
    RecoverDisks,
    RemoveLeftovers,
)
from reconciler.plan.diff import printable

_STEPS = ("bytes", "KiB", "MiB", "GiB", "TiB")
_STEP = 1024


def shown_bytes(count: int) -> str:
    """A number of bytes for people: 12.3 MiB."""
    size = float(count)
    for unit in _STEPS:
        if size < _STEP or unit == _STEPS[-1]:
            break
        size /= _STEP
    return f"{count} bytes" if unit == "bytes" else f"{size:.1f} {unit}"


def result_lines(result: Result) -> Iterator[str]:
    """The end of an action for a person."""
    return map(printable, _lines(result))


def _lines(result: Result) -> Iterator[str]:
    name = result.action.subject.name
    what = _what(result.action)
    outcome = result.outcome
    match result.verdict:
        case Verdict.DONE if outcome.bytes_written:
            yield f"done    {what} of {name}: {shown_bytes(outcome.bytes_written)} written"
            yield from (f"        {file}" for file in outcome.files)
        case Verdict.DONE if isinstance(result.action, RemoveLeftovers):
            yield f"done    {what} of {name}"
        case Verdict.DONE:
            yield (
                f"done    {what} of {name}: {shown_bytes(outcome.bytes_read)} read, "
                f"{shown_bytes(outcome.bytes_stored)} stored"
            )
        case Verdict.VOID:
            yield f"void    {what} of {name}: there is a newer recovery point already"
        case Verdict.FAILED | Verdict.SKIPPED:
            verdict = result.verdict.value.upper()
            yield f"{verdict:<7} {what} of {name}: {result.message} ({result.error_code})"
            yield f"        = hint: {result.hint}"
        case _:
            assert_never(result.verdict)


def _what(action: Action) -> str:
    match action:
        case CreateReplica():
            return "replica creation"
        case ExpressFullBackup():
            return "express full backup"
        case RemoveLeftovers():
            return "clean-up"
        case RecoverDisks():
            return "recovery"
        case _:
            assert_never(action)
