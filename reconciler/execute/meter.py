"""How far a job is, and whether it has to stop; shared between its worker and others."""

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.errors import JobStoppedError


def nothing() -> None:
    """Do nothing."""


@dataclass(slots=True)
class Meter:
    """Bytes done of bytes expected. Its worker counts; anybody may read, or ask it to stop."""

    bytes_done: int = 0
    bytes_expected: int = 0
    stop_reason: str = ""
    is_lease_lost: bool = False
    """Another process holds the job: not one write more."""
    between_pieces: Callable[[], None] = nothing
    """Called in the worker's thread, each time that something was done."""

    def expect(self, more: int) -> None:
        """Add to what there is to do."""
        self.bytes_expected += more

    def add(self, done: int) -> None:
        """Count what was done.

        Raises:
            JobStoppedError: The job was asked to stop.
        """
        self.bytes_done += done
        self.require_going()
        self.between_pieces()

    def running_total(self) -> Callable[[int], None]:
        """For who counts from zero: sets what was done since this call."""
        start = self.bytes_done

        def set_total(done: int) -> None:
            self.bytes_done = start
            self.add(done)

        return set_total

    def stop(self, reason: str) -> None:
        """Ask the worker to end at the next piece it has read."""
        self.stop_reason = self.stop_reason or reason

    def lose_lease(self) -> None:
        """Tell the worker that the job is no longer its own."""
        self.is_lease_lost = True
        self.stop("another process took the job over")

    def require_going(self) -> None:
        """Go on, or not.

        Raises:
            JobStoppedError: The job was asked to stop.
        """
        if self.stop_reason:
            raise JobStoppedError(
                f"the job was stopped: {self.stop_reason}",
                hint="what it had begun on the host is removed; the next pass starts again",
            )

    @property
    def percent(self) -> int:
        """0 to 100; 100 only when all is done."""
        if self.bytes_expected <= 0:
            return 0
        return min(100, self.bytes_done * 100 // self.bytes_expected)
