"""Conditions that need attention, from a plan and from failures.

A condition is a level: it is stated anew for each plan as long as it is true, so whoever compares
them with the open alerts makes no duplicates and misses no end.
"""

from dataclasses import dataclass, replace
from typing import Final

from reconciler.errors import BlockDamagedError, BlockMissingError
from reconciler.model.names import HostName
from reconciler.model.protection import DataSource
from reconciler.plan.actions import Plan, Severity
from reconciler.plan.words import request_command

_HEALED_BY_CAPTURE: Final = frozenset({"recovery_point.missed"})
_IN_A_ROW: Final = 3
"""After so many failures a promise is not at risk any more, but broken."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that needs attention, as long as it is true."""

    kind: str
    subject: str
    severity: Severity
    message: str
    hint: str
    host: HostName | None = None
    heals_by_capture: bool = False
    """A recovery point of the subject ends it, without a new look at the hosts."""


def conditions(plan: Plan) -> tuple[Condition, ...]:
    """What is true now: one condition for each kind and subject, in the order of the findings."""
    found: dict[tuple[str, str], Condition] = {}
    for finding in plan.findings:
        if finding.severity is Severity.INFO:
            continue
        key = (finding.code, finding.about)
        if (known := found.get(key)) is not None:
            found[key] = replace(known, message=f"{known.message}; {finding.message}")
            continue
        found[key] = Condition(
            finding.code,
            finding.about,
            finding.severity,
            finding.message,
            finding.hint,
            finding.host,
            finding.code in _HEALED_BY_CAPTURE,
        )
    return tuple(found.values())


def failure(source: DataSource, count: int, code: str, message: str) -> Condition:
    """A machine whose latest jobs failed, `count` in a row; the last of them said why."""
    told = "its latest job failed" if count == 1 else f"its latest {count} jobs failed"
    return Condition(
        "job.failed",
        source.label,
        Severity.ERROR if count >= _IN_A_ROW else Severity.WARNING,
        f"{told}: {message} ({code})",
        _remedy(source, code),
        source.host,
        heals_by_capture=True,
    )


def _remedy(source: DataSource, code: str) -> str:
    if code in {BlockDamagedError.code, BlockMissingError.code}:  # a backup would fail again
        check = request_command("consistency-check", source.label)
        return f"what the replica has lost comes from its machine by a consistency check: {check}"
    return f"it is tried again by itself; to try at once: {request_command('backup', source.label)}"
