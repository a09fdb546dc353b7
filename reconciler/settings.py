"""Where things are on this server; never what to protect."""

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path


class ClockChoice(StrEnum):
    """Which clock a pass goes by; `lab` is refused as soon as one host is not loopback."""

    SYSTEM = "system"
    LAB = "lab"


@dataclass(frozen=True, slots=True)
class Settings:
    """Folders and switches of one reconciler."""

    policies: Path = Path("policies")
    state: Path = Path(".reconciler")
    lab: Path = Path(".lab")
    clock: ClockChoice = ClockChoice.SYSTEM
    progress_every_s: float = 5.0

    @property
    def catalogue(self) -> Path:
        """The SQLite file."""
        return self.state / "catalogue.sqlite"

    @property
    def cache(self) -> Path:
        """What can be thrown away at any time: indexes."""
        return self.state / "cache"

    def telling_every(self, seconds: float) -> "Settings":
        """The same, with another time between progress lines."""
        return replace(self, progress_every_s=seconds)
