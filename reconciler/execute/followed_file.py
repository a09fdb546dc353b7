"""A disk file of a checkpoint, read on whichever node of a cluster has its machine."""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from reconciler.errors import HostError
from reconciler.model.names import HostName
from reconciler.model.ranges import ByteRange
from reconciler.ports import HostSession, RandomAccess

MOST_MOVES: Final = 5
"""So often one read follows its machine."""

_Answer = TypeVar("_Answer")
Place = tuple[HostName, HostSession]


class FollowedFile:
    """One file. Nothing is asked beside it, unless it fails: then its machine is looked for."""

    def __init__(self, path: str, place: Place, find: Callable[[], Place]) -> None:
        """Open it at a place; `find` looks where it can be read now."""
        self._path = path
        self._at, session = place
        self._find = find
        self._file = session.open(path)

    @property
    def size(self) -> int:
        """Units: bytes."""
        return self._tried(lambda file: file.size)

    def read(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        """The bytes of each range."""
        return self._tried(lambda file: file.read(ranges))

    def hashes(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        """SHA-256 of each range, computed where the file is."""
        return self._tried(lambda file: file.hashes(ranges))

    def _tried(self, ask: Callable[[RandomAccess], _Answer]) -> _Answer:
        for _ in range(MOST_MOVES):
            try:
                return ask(self._file)
            except HostError:
                if not self._has_moved():
                    raise
        return ask(self._file)

    def _has_moved(self) -> bool:
        """Whether the machine is elsewhere than the file was opened; then it is opened there."""
        at, session = self._find()
        if at == self._at:
            return False
        self._at, self._file = at, session.open(self._path)
        return True
