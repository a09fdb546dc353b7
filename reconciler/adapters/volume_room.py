"""How much may still be written to a volume: asked before each new pack.

What is kept free is room to delete and to repair in: a store that is full to the last byte cannot
even be cleaned, because what stays is copied before the rest is deleted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final

from reconciler.errors import VolumeFullError

_NOTED_EVERY: Final = 256 << 20
"""The running figure is noted so often; what a killed process did not note is found by the next
measurement."""
_HINT: Final = (
    "free space or give the volume more, raise its quota, or let points go: see "
    "`reconciler disk-allocation`; what was written so far is used again or swept"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a volume may take.

    Units: bytes.
    """

    reserve_bytes: int = 0
    quota_bytes: int | None = None


class VolumeRoom:
    """The room of one volume, and a running figure of what its repository takes; any thread."""

    def __init__(
        self,
        label: str,
        stored_bytes: int | None,
        note: Callable[[int], None],
    ) -> None:
        self.label = label
        self.limits = Limits()
        self.free_bytes: Callable[[], int | None] = lambda: None
        """None where nobody can tell."""
        self._stored_bytes = stored_bytes
        self._note = note
        self._not_noted = 0
        self._lock = Lock()

    @property
    def stored_bytes(self) -> int | None:
        """What the repository takes; None until it is measured."""
        return self._stored_bytes

    def measured(self, stored_bytes: int) -> None:
        """Begin to count anew from what somebody has measured and noted."""
        with self._lock:
            self._stored_bytes, self._not_noted = stored_bytes, 0

    def take(self, size: int) -> None:
        """Count a pack that is about to be put.

        Raises:
            VolumeFullError: There is no room for it.
        """
        with self._lock:
            self._require_room(size)
            self._not_noted += size
            if self._stored_bytes is not None:
                self._stored_bytes += size
        if self._not_noted >= _NOTED_EVERY:
            self.flush()

    def freed(self, size: int) -> None:
        """Count what was deleted, and note it."""
        with self._lock:
            self._not_noted -= size
            if self._stored_bytes is not None:
                self._stored_bytes = max(0, self._stored_bytes - size)
        self.flush()

    def flush(self) -> None:
        """Note what was not noted yet."""
        with self._lock:
            more, self._not_noted = self._not_noted, 0
        if more:
            self._note(more)

    def _require_room(self, size: int) -> None:
        quota, reserve = self.limits.quota_bytes, self.limits.reserve_bytes
        if quota is not None and (self._stored_bytes or 0) + size > quota:
            raise VolumeFullError(
                f"volume {self.label} has reached its quota of {quota:,} bytes", hint=_HINT
            )
        free = self.free_bytes()
        if free is not None and free - size < reserve:
            raise VolumeFullError(
                f"volume {self.label} has {free:,} bytes free, and {reserve:,} of them are kept "
                "free to delete and to repair in",
                hint=_HINT,
            )
