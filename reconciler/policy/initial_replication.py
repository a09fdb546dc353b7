"""When and how a replica is created: all of it is read, so not at midday, or from media."""

from collections.abc import Iterator
from datetime import time
from typing import Literal

from reconciler.policy.complaints import Code, Location, Remark
from reconciler.policy.kind import PolicyModel
from reconciler.policy.values import LocalTime, Optionally


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
    """When and how the replica of a machine is created."""

    method: Literal["automatic", "manual"] = "automatic"
    """manual: not over the network, but from media that `reconciler replica export` has filled
    and `reconciler replica import` reads."""

    quiet_time: Optionally[QuietTime] = None
    """Only then; a machine waits for it."""

    @property
    def is_manual(self) -> bool:
        """Whether media are carried."""
        return self.method == "manual"

    def remarks_at(self, location: Location) -> Iterator[Remark]:
        """A time that has no length; nothing said, or what cannot be true together."""
        if self.quiet_time is None:
            if not self.is_manual:
                text = "it says neither a quiet_time nor 'method: manual'"
                yield Remark(location, text, "write one of them, or remove it")
            return
        if self.is_manual:
            text = "a manual replica is imported when a person says so, not at a quiet time"
            hint = "remove 'quiet_time' or 'method'"
            yield Remark((*location, "quiet_time"), text, hint, Code.CONFLICT)
        if self.quiet_time.start == self.quiet_time.end:
            text = "the quiet time ends when it starts, so it is never"
            hint = "write another end; for any time remove 'initial_replication'"
            yield Remark((*location, "quiet_time", "end"), text, hint, Code.CONFLICT)
