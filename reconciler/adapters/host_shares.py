r"""A host's own disks over its administrative shares, where a probe shows that this works.

C:\VMs\disk.vhdx is \\HOST\C$\VMs\disk.vhdx, and a cluster shared volume is seen by every node
below its own C:\ClusterStorage. (The share ClusterStorage$ belongs to the cluster's name, not to a
node's.) Whether a file can be read there while its checkpoint exists is not written down anywhere,
so nothing is taken for granted: the first file of a volume is read both ways and compared. Where it
differs or fails, then or in the middle of a disk, the agent hands out the blocks, and the log says
so.

Hashes always come from the agent: it computes them where the file is.
"""

import re
from collections.abc import Sequence
from typing import Final

from reconciler.adapters.file_servers import ServerFiles
from reconciler.adapters.smb_reach import Reach
from reconciler.errors import DiskChangedError, HostError, HostUnreachableError
from reconciler.logs import Event, get_logger
from reconciler.model.names import HostName
from reconciler.model.ranges import ByteRange
from reconciler.model.unc import UncPath
from reconciler.ports import RandomAccess

PROBED_BYTES: Final = 16 << 10
"""Compared at either end of a file: a disk's headers, and its newest blocks or its footer."""
_DRIVE: Final = re.compile(r"(?:\\\\\?\\)?([A-Za-z]):\\(.+)", re.DOTALL)
_CLUSTER: Final = "clusterstorage"

_log = get_logger()


def share_path(server: str, path: str) -> UncPath | None:
    r"""Where a file of a host is on its shares; None for a path that begins with no drive."""
    found = _DRIVE.fullmatch(path)
    if found is None:
        return None
    return UncPath(server, f"{found[1].upper()}$", found[2])


class HostShares:
    """The shares of one host, for one thread, and what was found out about each."""

    def __init__(self, host: HostName, server: str, files: ServerFiles, reach: Reach) -> None:
        """Read `host`, which SMB knows as `server` and which was `reach`ed or not, with `files`."""
        self._host = host
        self._server = server
        self._files = files
        self._reach = reach
        self._works: dict[str, bool] = {}

    def open(self, path: str, by_agent: RandomAccess) -> RandomAccess:
        """A file by its host path; nothing is read yet."""
        place = share_path(self._server, path)
        if place is None:
            return by_agent
        return _SharedFile(self, place, by_agent)

    def chosen(self, place: UncPath, by_agent: RandomAccess) -> RandomAccess:
        """The better way to a file that works."""
        volume = _volume(place)
        if not self._works.get(volume, True):
            return by_agent
        if problem := self._reach.problem():
            self._works[volume] = False
            self.tell(place, problem)
            return by_agent
        # Asked first: a file that is not there says nothing about the share.
        size = by_agent.size
        shared, problem = None, ""
        try:
            shared = self._files.open(f"\\\\{place.server}\\{place.share}\\{place.file}")
            problem = self._difference(shared, by_agent, size, is_known=volume in self._works)
        except HostError as error:
            problem = self.noted(error)
        if volume not in self._works:
            self._works[volume] = not problem
        if shared is not None and not problem:
            return shared
        self.tell(place, problem)
        return by_agent

    def noted(self, error: HostError) -> str:
        """Why the share cannot be read; a server that is away is remembered by all jobs."""
        if isinstance(error, HostUnreachableError):
            self._reach.note_away(error.message)
        return error.message

    def tell(self, place: UncPath, reason: str) -> None:
        """Log that the agent reads a file."""
        _log.warning(
            Event.DISKS_READ_BY_AGENT,
            host=self._host,
            share=place.share,
            file=place.file,
            reason=reason,
        )

    def close(self) -> None:
        """End the session, if there is one; never raises."""
        self._files.close()

    def _difference(
        self, shared: RandomAccess, by_agent: RandomAccess, size: int, *, is_known: bool
    ) -> str:
        """Why the share cannot be relied on; empty if it can.

        Raises:
            HostError: It cannot be read at all.
        """
        if shared.size != size:
            return f"the share shows {shared.size} bytes, the agent {size}"
        if is_known:
            return ""
        ends = {ByteRange(0, min(size, PROBED_BYTES)), ByteRange(max(0, size - PROBED_BYTES), size)}
        for end in ends:
            if end.length and list(shared.read([end])) != list(by_agent.read([end])):
                return f"the share shows other bytes than the agent at {end.start}"
        _log.info(Event.DISKS_READ_OVER_SMB, host=self._host)
        return ""


class _SharedFile:
    """One file; which way it is read is decided when it is first asked for anything."""

    def __init__(self, shares: HostShares, place: UncPath, by_agent: RandomAccess) -> None:
        self._shares = shares
        self._place = place
        self._by_agent = by_agent
        self._chosen: RandomAccess | None = None

    @property
    def size(self) -> int:
        """Units: bytes."""
        return self._way().size

    def read(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        """The bytes of each range.

        Raises:
            DiskChangedError: Somebody writes to the file, so neither way gives what was frozen.
        """
        way = self._way()
        if way is self._by_agent:
            return way.read(ranges)
        try:
            return way.read(ranges)
        except DiskChangedError:
            raise
        except HostError as error:
            self._shares.tell(self._place, self._shares.noted(error))
        self._chosen = self._by_agent
        return self._by_agent.read(ranges)

    def hashes(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        """SHA-256 of each range, computed on the host."""
        return self._by_agent.hashes(ranges)

    def _way(self) -> RandomAccess:
        if self._chosen is None:
            self._chosen = self._shares.chosen(self._place, self._by_agent)
        return self._chosen


def _volume(place: UncPath) -> str:
    """What is probed once: a share, and each cluster shared volume below it."""
    first, _, below = place.file.casefold().partition("\\")
    volume = below.partition("\\")[0] if first == _CLUSTER else ""
    return f"{place.share.casefold()}\\{volume}"
