"""How a machine is captured, and when its replica is compared with it."""

from collections.abc import Iterator
from typing import Literal

from reconciler.model.protection import ConsistencyWish, Otherwise
from reconciler.policy.complaints import Location, Remark, Severity
from reconciler.policy.kind import PolicyModel
from reconciler.policy.schedule import Schedule
from reconciler.policy.values import Optionally


class Capture(PolicyModel):
    """How consistent a recovery point has to be, and what is done where that cannot be had."""

    ask_guest: bool = True
    """Ask the guest to take part: Windows through VSS, Linux by freezing its file systems."""

    otherwise: Literal["saved_state", "crash", "refuse"] = "saved_state"
    """Where the guest is asked and cannot answer: save the machine, capture it and let it run on;
    capture it as after a power cut; or make no recovery point."""

    @property
    def wish(self) -> ConsistencyWish:
        """As the planner wants it."""
        return ConsistencyWish(asks_guest=self.ask_guest, otherwise=Otherwise(self.otherwise))

    def remarks_at(self, location: Location) -> Iterator[Remark]:
        """What is written but has no effect."""
        if not self.ask_guest and "otherwise" in self.model_fields_set:
            text = "has no effect with 'ask_guest: false': every capture is as after a power cut"
            at = (*location, "otherwise")
            yield Remark(at, text, "remove one of the two keys", severity=Severity.WARNING)


class ConsistencyChecks(PolicyModel):
    """When a replica is compared with its machine, block by block, and repaired.

    By hand it can be at any time; with `when_inconsistent: false` and no schedule, only so.
    """

    when_inconsistent: bool = True
    """As soon as the replica is known to differ, or may: after a node was lost, say."""

    schedule: Optionally[Schedule] = None
    """Also at these times, whether or not anything is wrong."""

    @property
    def is_by_hand_only(self) -> bool:
        """Whether nothing but a person begins a check."""
        return not self.when_inconsistent and self.schedule is None

    def remarks_at(self, location: Location) -> Iterator[Remark]:
        """What is wrong with the schedule."""
        if self.schedule is not None:
            yield from self.schedule.remarks_at((*location, "schedule"))
