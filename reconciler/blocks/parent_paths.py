"""Where the parent of a differencing disk may be, by what its child says.

Paths are those of a host. Nothing here proves a parent: that is done by ids.
"""

import ntpath
from collections.abc import Iterator


def candidates(child_path: str, relative: str, absolute: str, name: str = "") -> Iterator[str]:
    """Paths to try, each once; what is empty is left out.

    Args:
        child_path: Where the child is.
        relative: Of the parent, from the child's folder.
        absolute: Of the parent.
        name: Of the parent, in the child's folder; the last to be tried.
    """
    found = []
    if relative:
        found.append(ntpath.normpath(ntpath.join(ntpath.dirname(child_path), relative)))
    if absolute:
        found.append(_without_prefix(absolute))
    if name:
        found.append(ntpath.join(ntpath.dirname(child_path), ntpath.basename(name)))
    yield from dict.fromkeys(path for path in found if "\0" not in path)


def path_key(path: str) -> str:
    """The same for all spellings of a path that we can tell to be one."""
    return ntpath.normcase(ntpath.normpath(_without_prefix(path)))


def _without_prefix(path: str) -> str:
    r"""An extended-length path in its usual form, from \\?\C:\… or \\?\UNC\server\share\…."""
    if path.upper().startswith("\\\\?\\UNC\\"):
        return "\\\\" + path[8:]
    return path.removeprefix("\\\\?\\")
