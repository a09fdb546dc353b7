r"""Paths that begin with a server: \\server\share\disk.vhdx and \\?\UNC\server\share\disk.vhdx."""

from dataclasses import dataclass
from typing import Final

_LONG: Final = "\\\\?\\unc\\"
_DEVICES: Final = frozenset({"?", "."})


@dataclass(frozen=True, slots=True)
class UncPath:
    """A path on a file server; the parts that it lacks are empty."""

    server: str
    share: str
    file: str
    """Below the share."""


def unc_path(path: str) -> UncPath | None:
    r"""The parts of a path; None if it is one of the host's own, as \\?\C:\disk.vhdx is."""
    rest = path[len(_LONG) :] if path.lower().startswith(_LONG) else path.removeprefix("\\\\")
    if rest == path:
        return None
    server, _, below = rest.partition("\\")
    if server in _DEVICES:
        return None
    share, _, file = below.partition("\\")
    return UncPath(server, share, file)
