"""Which file server a path leads to, and one session with each for the thread that reads disks.

Their bytes never pass through the Hyper-V host: it may not go on to a third computer in our name.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from reconciler.model.unc import UncPath
from reconciler.errors import HostRefusedError
from reconciler.ports import DiskFiles, RandomAccess


class ServerFiles(DiskFiles, Protocol):
    """The files of one server, by their whole path."""

    def close(self) -> None:
        """End the session, if there is one; never raises."""
        ...


class FileServers:
    """The file servers that are known, by what paths call them; for one thread.

    Names are compared without regard to case and otherwise as they are: a short name and a full
    one are two names.
    """

    def __init__(self, openers: Mapping[str, Callable[[], ServerFiles]]) -> None:
        self._openers = {name.casefold(): opener for name, opener in openers.items()}
        self._opened: dict[str, ServerFiles] = {}

    def open(self, path: str, parts: UncPath) -> RandomAccess:
        """A file by its whole path; nothing is read yet.

        Raises:
            HostRefusedError: Nobody has told how to reach that server.
        """
        name = parts.server.casefold()
        if name not in self._openers:
            raise HostRefusedError(
                f"no policy describes the file server {parts.server}, which has the disk {path}",
                hint=f"write a FileServer policy with 'unc_name: {parts.server}'",
                host=parts.server,
            )
        if name not in self._opened:
            self._opened[name] = self._openers[name]()
        return self._opened[name].open(path)

    def close(self) -> None:
        """End all sessions; never raises."""
        while self._opened:
            self._opened.popitem()[1].close()
