"""Which file server a path leads to, and one session with each for the thread that reads disks.

Their bytes never pass through the Hyper-V host: it may not go on to a third computer in our name.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from reconciler.errors import HostRefusedError, ReconcilerError
from reconciler.model.requirements import FileServerLook, Requirements
from reconciler.model.unc import UncPath
from reconciler.ports import DiskFiles, RandomAccess


class ServerFiles(DiskFiles, Protocol):
    """The files of one server, by their whole path."""

    def requirements(self, shares: Sequence[str]) -> Requirements | None:
        """What the server and these shares have; None where files are read without an agent."""
        ...

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
        if parts.server.casefold() not in self._openers:
            raise HostRefusedError(
                f"no policy describes the file server {parts.server}, which has the disk {path}",
                hint=f"write a FileServer policy with 'unc_name: {parts.server}'",
                host=parts.server,
            )
        return self._files(parts.server.casefold()).open(path)

    def look(self, server: str, shares: Sequence[str]) -> FileServerLook:
        """What a server has beside files; never raises an error of ours."""
        name = server.casefold()
        if name not in self._openers:
            return FileServerLook(None, "no FileServer policy describes it")
        try:
            found = self._files(name).requirements(shares)
        except ReconcilerError as error:
            return FileServerLook(None, error.message)
        return FileServerLook(found, "" if found else "it is reached through SMB only")

    def _files(self, name: str) -> ServerFiles:
        if name not in self._opened:
            self._opened[name] = self._openers[name]()
        return self._opened[name]

    def close(self) -> None:
        """End all sessions; never raises."""
        while self._opened:
            self._opened.popitem()[1].close()
