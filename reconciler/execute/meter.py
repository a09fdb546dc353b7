"""How far a job is; counted by its worker, read by others."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Meter:
    """Bytes done of bytes expected; one writer, so plain numbers are enough."""

    bytes_done: int = 0
    bytes_expected: int = 0

    def expect(self, more: int) -> None:
        """Add to what there is to do."""
        self.bytes_expected += more

    def add(self, done: int) -> None:
        """Count what was done."""
        self.bytes_done += done

    def running_total(self) -> Callable[[int], None]:
        """For who counts from zero: sets what was done since this call."""
        start = self.bytes_done

        def set_total(done: int) -> None:
            self.bytes_done = start + done

        return set_total

    @property
    def percent(self) -> int:
        """0 to 100; 100 only when all is done."""
        if self.bytes_expected <= 0:
            return 0
        return min(100, self.bytes_done * 100 // self.bytes_expected)
