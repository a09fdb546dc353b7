"""What became of an action, in a line or two."""

from collections.abc import Iterator, Mapping
from typing import Final, assert_never

from reconciler.execute.outcome import Outcome, Result, Verdict
from reconciler.plan.actions import (
    Action,
    ConsistencyCheck,
    CreateReplica,
    DeletePoints,
    ExpirePoints,
    ExpressFullBackup,
    RecoverDisks,
    RemoveLeftovers,
)
from reconciler.plan.diff import printable
from reconciler.plan.words import counted, shown_bytes

_NAMES: Final[Mapping[type[Action], str]] = {
    CreateReplica: "replica creation",
    ExpressFullBackup: "express full backup",
    ConsistencyCheck: "consistency check",
    RemoveLeftovers: "clean-up",
    ExpirePoints: "expiry",
    DeletePoints: "deletion",
    RecoverDisks: "recovery",
}


def result_lines(result: Result) -> Iterator[str]:
    """The end of an action for a person."""
    return map(printable, _lines(result))


def _lines(result: Result) -> Iterator[str]:
    name = result.action.subject.label
    what = _NAMES[type(result.action)]
    outcome = result.outcome
    match result.verdict:
        case Verdict.DONE if outcome.bytes_written:
            yield f"done    {what} of {name}: {shown_bytes(outcome.bytes_written)} written"
            yield from (f"        {file}" for file in outcome.files)
        case Verdict.DONE if isinstance(result.action, RemoveLeftovers):
            yield f"done    {what} of {name}"
        case Verdict.DONE if isinstance(result.action, ExpirePoints | DeletePoints):
            yield f"done    {what} of {name}: {counted(_number(outcome, 'points'), 'point')} gone"
        case Verdict.DONE:
            yield (
                f"done    {what} of {name}: {shown_bytes(outcome.bytes_read)} read, "
                f"{shown_bytes(outcome.bytes_stored)} stored"
            )
            yield from _details(outcome)
        case Verdict.VOID if isinstance(result.action, ExpirePoints):
            yield f"void    {what} of {name}: the points are gone already, or in use"
        case Verdict.VOID:
            yield f"void    {what} of {name}: there is a newer recovery point already"
        case Verdict.FAILED | Verdict.SKIPPED:
            verdict = result.verdict.value.upper()
            yield f"{verdict:<7} {what} of {name}: {result.message} ({result.error_code})"
            yield f"        = hint: {result.hint}"
        case _:
            assert_never(result.verdict)


def _details(outcome: Outcome) -> Iterator[str]:
    if "blocks_compared" in outcome.details:
        compared, differing = (
            _number(outcome, name) for name in ("blocks_compared", "blocks_differing")
        )
        yield f"        {compared:,} blocks compared, {differing:,} of them differed"
    if damaged := _number(outcome, "blocks_damaged"):
        yield f"        {counted(damaged, 'block')} of the replica had been damaged or lost"
    if disks := _number(outcome, "disks_read_in_full"):
        yield f"        {counted(disks, 'disk')} read in full: nothing of it was left to compare"
    if missed := _number(outcome, "missed_slots"):
        yield f"        it makes up for {counted(missed, 'missed slot')}"


def _number(outcome: Outcome, name: str) -> int:
    found = outcome.details.get(name, 0)
    return found if isinstance(found, int) else 0
