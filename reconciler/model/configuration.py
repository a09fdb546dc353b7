"""The configuration files of a machine, as a recovery checkpoint keeps them."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ConfigurationFile:
    """One file on a host.

    Units: bytes.
    """

    name: str
    path: str
    size_bytes: int | None
    """None for one that the checkpoint names, and that is not there."""


@dataclass(frozen=True, slots=True)
class FileLeftOut:
    """A file that a recovery point does not hold, and why.

    Units: bytes.
    """

    name: str
    size_bytes: int | None
    """None where nobody could tell."""
    reason: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a recovery point holds of its machine beside the disks."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    left_out: tuple[FileLeftOut, ...] = ()
