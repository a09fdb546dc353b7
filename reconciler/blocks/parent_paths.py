"""Where the parent of a differencing disk may be, by what its child says.

Paths are those of a host, or of files on this machine. Nothing here proves a parent: that is done
by ids.
"""

import ntpath
import posixpath
from collections.abc import Iterator


def candidates(child_path: str, relative: str, absolute: str, name: str = "") -> Iterator[str]:
    """Paths to try, each once; what is empty is left out.

    Args:
        child_path: Where the child is.
        relative: Of the parent, from the child's folder.
        absolute: Of the parent.
        name: Of the parent, in the child's folder; the last to be tried.
    """
    if child_path.startswith("/"):
        named = _beside_us(posixpath.dirname(child_path), relative, absolute, name)
    else:
        named = _on_host(child_path, relative, absolute, name)
    yield from dict.fromkeys(path for path in named if "\0" not in path)


def _on_host(child_path: str, relative: str, absolute: str, name: str) -> list[str]:
    found = []
    if relative:
        found.append(ntpath.normpath(ntpath.join(ntpath.dirname(child_path), relative)))
    if absolute:
        found.append(_without_prefix(absolute))
    if name:
        found.append(ntpath.join(ntpath.dirname(child_path), ntpath.basename(name)))
    return found


def _beside_us(folder: str, relative: str, absolute: str, name: str) -> list[str]:
    """A chain copied off its host: its places are, if anything, kept in relation to each other."""
    found = []
    if relative:
        found.append(posixpath.normpath(f"{folder}/{relative.replace(chr(92), '/')}"))
    names = (ntpath.basename(named) for named in (absolute, name))
    return found + [posixpath.join(folder, name) for name in names if name]


def path_key(path: str) -> str:
    """The same for all spellings of a path that we can tell to be one."""
    return ntpath.normcase(ntpath.normpath(_without_prefix(path)))


def _without_prefix(path: str) -> str:
    r"""An extended-length path in its usual form, from \\?\C:\… or \\?\UNC\server\share\…."""
    if path.upper().startswith("\\\\?\\UNC\\"):
        return "\\\\" + path[8:]
    return path.removeprefix("\\\\?\\")
