"""When a replica may be created: it reads every disk in full, so perhaps not at midday."""

from collections.abc import Iterator
from datetime import time

from reconciler.policy.complaints import Code, Location, Remark
from reconciler.policy.kind import PolicyModel
from reconciler.policy.values import LocalTime


class QuietTime(PolicyModel):
    """A part of each day, in the zone of the group; it may go over midnight."""

    start: LocalTime
    """From this time of day on: 22:00."""

    end: LocalTime
    """Until this time of day; what has begun is finished."""

    def holds(self, at: time) -> bool:
        """Whether a clock on the wall that shows `at` is in it."""
        if self.start < self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end


class InitialReplication(PolicyModel):
    """When the replica of a machine is created."""

    quiet_time: QuietTime
    """Only then; a machine waits for it."""

    def remarks_at(self, location: Location) -> Iterator[Remark]:
        """A time that has no length."""
        if self.quiet_time.start == self.quiet_time.end:
            text = "the quiet time ends when it starts, so it is never"
            hint = "write another end; for any time remove 'initial_replication'"
            yield Remark((*location, "quiet_time", "end"), text, hint, Code.CONFLICT)
