"""When recovery points are made."""

from collections.abc import Iterator
from datetime import timedelta

from reconciler.policy.complaints import Code, Location, Remark, Severity
from reconciler.policy.kind import PolicyModel
from reconciler.policy.values import LocalTime, Several, shown_duration

SHORTEST_SYNCHRONIZATION = timedelta(minutes=15)
LONGEST_SYNCHRONIZATION = timedelta(hours=24)
"""Source: DPM's own bounds for the synchronization frequency."""


class RecoveryPoints(PolicyModel):
    """When a recovery point is made, beside the synchronizations."""

    times: Several[LocalTime]
    """Times of day, each day, in the zone of the group."""

    def remarks_at(self, location: Location) -> Iterator[Remark]:
        """Times that are there twice."""
        for index, this in enumerate(self.times):
            if this in self.times[:index]:
                at = (*location, "times", index)
                yield Remark(at, f"{this:%H:%M} is there twice", "remove one", Code.CONFLICT)


def synchronization_remarks(frequency: timedelta) -> Iterator[Remark]:
    """A warning for what DPM would not accept."""
    if not SHORTEST_SYNCHRONIZATION <= frequency <= LONGEST_SYNCHRONIZATION:
        yield Remark(
            ("synchronization",),
            f"{shown_duration(frequency)} is outside what DPM allows: 15m to 24h",
            "accepted here; make sure that it is meant",
            severity=Severity.WARNING,
        )
