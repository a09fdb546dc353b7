"""Waiting for a machine that is busy for a while: merges of its disks, checkpoints of others."""

from collections.abc import Callable
from threading import Event
from time import monotonic
from typing import Final, TypeVar

from reconciler.errors import MachineBusyError
from reconciler.execute.meter import Meter
from reconciler.model.machine import VirtualMachine

LOOK_EVERY_S: Final = 1.0
_BUSY: Final = frozenset({"MergingDisks", "CreatingSnapshot", "DeletingSnapshot"})
"""Operational status that passes by itself and that no checkpoint can be taken in.

Source: hyperv-facts.md §2.2.
"""

Result = TypeVar("Result")


def until_free(attempt: Callable[[], Result], meter: Meter, wait_s: float) -> Result:
    """What `attempt` gives, tried again while it says that the machine is busy.

    Raises:
        MachineBusyError: It still is after `wait_s`.
        JobStoppedError: The job was asked to stop meanwhile.
    """
    until = monotonic() + wait_s
    while True:
        try:
            return attempt()
        except MachineBusyError as error:
            left_s = until - monotonic()
            if left_s <= 0:
                raise MachineBusyError(
                    f"{error.message}; it was waited for {wait_s:.0f} s", hint=error.hint
                ) from error
        Event().wait(min(LOOK_EVERY_S, left_s))
        meter.require_going()


def require_free(machine: VirtualMachine) -> None:
    """See that nothing is going on that would be in the way of a checkpoint.

    Raises:
        MachineBusyError: Something is.
    """
    if found := sorted(_BUSY & set(machine.operational_status)):
        raise MachineBusyError(
            f"{machine.name} is busy on {machine.host}: {', '.join(found)}",
            hint="it passes by itself, and the next pass tries again; if it does not, look at the "
            "machine's running tasks in Hyper-V Manager",
        )
