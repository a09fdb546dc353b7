"""How long recovery points are kept."""

from collections.abc import Iterator
from datetime import timedelta

from reconciler.policy.complaints import Remark, Severity
from reconciler.policy.values import shown_duration

SHORTEST_RETENTION = timedelta(days=1)
LONGEST_RETENTION = timedelta(days=448)
"""Source: DPM's own bounds for the retention range on disk."""
MOST_KEPT = 448
"""Source: DPM's own bound for express full backups of an application on disk."""


def retention_remarks(retention: timedelta, keep_at_least: int) -> Iterator[Remark]:
    """Warnings for what DPM would not accept."""
    if not SHORTEST_RETENTION <= retention <= LONGEST_RETENTION:
        text = f"{shown_duration(retention)} is outside what DPM allows: 1d to 448d"
        yield _warning("retention", text)
    if keep_at_least > MOST_KEPT:
        text = f"{keep_at_least} is more recovery points than DPM allows: {MOST_KEPT}"
        yield _warning("keep_at_least", text)


def _warning(key: str, text: str) -> Remark:
    hint = "accepted here; make sure that it is meant"
    return Remark((key,), text, hint, severity=Severity.WARNING)
