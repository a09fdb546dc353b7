"""R4.8, R4.9 and R4.12: what a recovery needs, of its point and its target.

Nobody has to look at a host for these: they are asked before anything is written.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from reconciler.model.unc import unc_path
from reconciler.plan.actions import Finding, Severity
from reconciler.plan.words import counted

MOST_PATH: Final = 259
"""Longest path that Windows opens without further ado. Units: UTF-16 code units, no prefix."""
_LONG: Final = "\\\\?\\"
_LONG_UNC: Final = "\\\\?\\unc\\"

READERS: Final[Mapping[str, str]] = {"pyfsntfs": "NTFS", "pyfsext": "ext4"}
"""Modules that read the file systems of guests, and what they read."""
_PACKAGES: Final[Mapping[str, str]] = {
    "pyfsntfs": "libfsntfs-python",
    "pyfsext": "libfsext-python",
}


class TargetKind(StrEnum):
    """Where a recovery goes."""

    ORIGINAL = "original"
    """The machine itself, where it was."""
    ANOTHER_HOST = "another_host"
    """A machine on another computer."""
    FOLDER = "folder"
    """Files, on this server or on a share."""


@dataclass(frozen=True, slots=True)
class RecoveryTarget:
    """Where the components of a recovery point go: disks, and files of the configuration."""

    kind: TargetKind
    label: str
    """What is recovered, for people."""
    paths: tuple[str, ...]
    """Where each component would lie, as the computer spells it that writes it."""


def of_recovery(target: RecoveryTarget) -> Iterator[Finding]:
    """Why a recovery cannot be done like that; each of these is an error."""
    yield from remote_disks(target)
    yield from path_lengths(target)


def remote_disks(target: RecoveryTarget) -> Iterator[Finding]:
    """A machine is not recovered to another computer with its disks on SMB shares.

    The original instance and a copy to a network folder are supported.
    """
    remote = [path for path in target.paths if unc_path(path) is not None]
    if target.kind is not TargetKind.ANOTHER_HOST or not remote:
        return
    yield Finding(
        "prerequisite.recovery_to_share",
        target.label,
        f"{counted(len(remote), 'file')} of the machine would lie on SMB shares of another "
        f"computer, such as {remote[0]}: Hyper-V does not support that",
        "recover it to a folder of that host, over the original machine, or as files to the share",
        Severity.ERROR,
    )


def path_lengths(target: RecoveryTarget) -> Iterator[Finding]:
    """Every path on Windows, of another place than the original, is shorter than 260 characters."""
    if target.kind is TargetKind.ORIGINAL:
        return
    long = [path for path in target.paths if is_windows(path) and _length(path) > MOST_PATH]
    if long:
        longest = max(long, key=_length)
        yield Finding(
            "prerequisite.path_length",
            target.label,
            f"{counted(len(long), 'path')} would have 260 characters or more; the longest has "
            f"{_length(longest)}: {longest}",
            "choose a target with a shorter path",
            Severity.ERROR,
        )


def item_level(importable: Iterable[str]) -> Iterator[Finding]:
    """Single files come out of a disk by libraries of this server; no Hyper-V role is needed."""
    there = frozenset(importable)
    for module, reads in READERS.items():
        if module not in there:
            yield Finding(
                "prerequisite.item_level_recovery",
                "this server",
                f"the Python module {module} is not installed here, which reads {reads}: no single "
                f"files can be recovered out of disks with {reads}; whole disks can",
                f"install it beside reconciler: pip install {_PACKAGES[module]}",
                Severity.WARNING,
            )


def is_windows(path: str) -> bool:
    r"""Whether a path is one of Windows: C:\folder, or begins with \\."""
    drive = path[:1].isascii() and path[:1].isalpha() and path[1:2] == ":"
    return path.startswith("\\\\") or drive


def _length(path: str) -> int:
    r"""As Windows counts: the prefixes \\?\ and \\?\UNC\ are no part of a path."""
    if path.lower().startswith(_LONG_UNC):
        path = "\\\\" + path[len(_LONG_UNC) :]
    return len(path.removeprefix(_LONG).encode("utf-16-le", "surrogatepass")) // 2
