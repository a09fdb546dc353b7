"""Pack numbers: granted to a writer, reserved before use, never used twice."""

from datetime import datetime
from threading import Lock
from typing import Annotated, Final, Literal

from msgspec import Meta

from reconciler.blocks.document import Document, from_bytes, to_bytes
from reconciler.blocks.layout import (
    END_SEQUENCE,
    FIRST_SEQUENCE,
    FIRST_WRITER,
    LAST_WRITER,
    WRITERS,
    pack_number,
    sequence_of,
    writer_name,
)
from reconciler.blocks.objects import Objects
from reconciler.errors import RepositoryError, RepositoryLockedError

_RESERVE: Final = 256
_MOST_BYTES: Final = 4096


class WriterGrant(Document, frozen=True, kw_only=True):
    """What the object of a writer says: sequences below `reserved` may have been used."""

    format: Literal["reconciler-writer"] = "reconciler-writer"
    writer: Annotated[int, Meta(ge=FIRST_WRITER, le=LAST_WRITER)]
    reserved: Annotated[int, Meta(ge=FIRST_SEQUENCE, le=END_SEQUENCE)]
    server: Annotated[str, Meta(max_length=128)] = ""
    """The server that the number was granted to, so that one without its catalogue finds itself."""


class PackNumbers:
    """The pack numbers of one writer; several threads may share one.

    A number is reserved in the store before a pack of it can exist, so that a pack that was
    swept away never gives its number, and with it its addresses, to another.
    """

    def __init__(self, objects: Objects, writer: int) -> None:
        self.writer = writer
        self._objects = objects
        self._lock = Lock()
        granted = read_grant(objects, writer)
        self._server = granted.server
        self._reserved = self._next = granted.reserved
        self._open: set[int] = set()

    def take(self) -> int:
        """A number that no pack had before."""
        with self._lock:
            if self._next == self._reserved:
                self._reserve()
            sequence = self._next
            self._next += 1
            self._open.add(sequence)
        return pack_number(self.writer, sequence)

    @property
    def next(self) -> int:
        """The sequence of the next pack: none of a draft that begins now is below it."""
        with self._lock:
            return self._next

    def store_time(self) -> datetime:
        """The time by the clock of the store, which is the one that all writers share."""
        with self._lock:
            # Never less than what another process of this writer has taken since.
            self._put(max(self._reserved, read_grant(self._objects, self.writer).reserved))
        return self._objects.modified_at(writer_name(self.writer))

    def settled(self, number: int) -> None:
        """Tell that a pack is durable and in the index."""
        with self._lock:
            self._open.discard(sequence_of(number))

    @property
    def all_settled_below(self) -> int:
        """The sequence below which every pack is durable and in the index, or will never be."""
        with self._lock:
            return min(self._open, default=self._next)

    def _reserve(self) -> None:
        end = min(self._reserved + _RESERVE, END_SEQUENCE)
        if end == self._reserved:
            raise RepositoryError(
                f"writer {self.writer} has used all its pack numbers",
                hint="claim another writer number for this server",
            )
        self._put(end)
        self._reserved = end

    def _put(self, reserved: int) -> None:
        grant = WriterGrant(writer=self.writer, reserved=reserved, server=self._server)
        self._objects.put(writer_name(self.writer), to_bytes(grant))


def read_grant(objects: Objects, writer: int) -> WriterGrant:
    """What a writer has reserved.

    Raises:
        RepositoryError: The number was never claimed.
    """
    name = writer_name(writer)
    try:
        data = objects.get(name, _MOST_BYTES)
    except FileNotFoundError as error:
        raise RepositoryError(
            f"nobody has claimed writer number {writer} in this repository",
            hint="claim a writer number before writing",
        ) from error
    grant = from_bytes(WriterGrant, data, name)
    if grant.writer != writer:
        raise RepositoryError(
            f"{name} grants writer {grant.writer}",
            hint="somebody moved objects in the repository: put them back",
        )
    return grant


def granted_writers(objects: Objects) -> list[int]:
    """All writer numbers that were ever claimed, ascending."""
    names = (name.rpartition("/")[2] for name in objects.names(WRITERS))
    return sorted(int(name) for name in names if name.isdigit())


def claim(objects: Objects, preferred: int | None, server: str = "") -> int:
    """Take a writer number for good: the preferred one, or the first that was never taken.

    The grant keeps for which server it is.

    Raises:
        RepositoryLockedError: Another writer has the preferred one.
    """
    if preferred is not None:
        if not _claimed(objects, preferred, server):
            raise RepositoryLockedError(
                f"writer number {preferred} is taken in this repository",
                hint="claim without a preferred number, and write the granted one down",
            )
        return preferred
    first = max(granted_writers(objects), default=FIRST_WRITER - 1) + 1
    for writer in range(first, LAST_WRITER + 1):
        if _claimed(objects, writer, server):
            return writer
    raise RepositoryError(
        "all writer numbers of this repository are taken", hint="make a new repository"
    )


def _claimed(objects: Objects, writer: int, server: str) -> bool:
    grant = WriterGrant(writer=writer, reserved=FIRST_SEQUENCE, server=server)
    try:
        objects.create(writer_name(writer), to_bytes(grant))
    except FileExistsError:
        return False
    return True
