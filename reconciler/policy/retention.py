"""How long recovery points are kept."""

from collections.abc import Iterator
from datetime import timedelta

from reconciler.policy.complaints import Remark, Severity
from reconciler.policy.values import shown_duration

SHORTEST_RETENTION = timedelta(days=1)
LONGEST_RETENTION = timedelta(days=448)
"""Source: DPM's own bounds for the retention range on disk."""


def retention_remarks(retention: timedelta) -> Iterator[Remark]:
    """A warning for what DPM would not accept."""
    if not SHORTEST_RETENTION <= retention <= LONGEST_RETENTION:
        yield Remark(
            ("retention",),
            f"{shown_duration(retention)} is outside what DPM allows: 1d to 448d",
            "accepted here; make sure that it is meant",
            severity=Severity.WARNING,
        )
