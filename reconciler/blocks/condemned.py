"""Blocks that are about to go: no writer may build on them. See FORMAT.md, section 11."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from reconciler.blocks.arrays import Addresses, Booleans, np
from reconciler.blocks.document import Document, from_bytes, to_bytes
from reconciler.blocks.layout import (
    CONDEMNED,
    FIRST_WRITER,
    LAST_WRITER,
    MOST_SLOTS,
    SLOT_BITS,
    address_of,
    condemned_name,
    pack_number,
)
from reconciler.blocks.objects import Objects, damaged

MOST_CONDEMNED_BYTES: Final = 256 << 20

Sequence28 = Annotated[str, Meta(pattern="^[1-9][0-9]{0,8}$")]
Slot = Annotated[int, Meta(ge=0, lt=MOST_SLOTS)]


class Condemnation(Document, frozen=True, kw_only=True):
    """What one writer is about to delete of its packs."""

    format: Literal["reconciler-condemnation"] = "reconciler-condemnation"
    version: Literal[1] = 1
    writer: Annotated[int, Meta(ge=FIRST_WRITER, le=LAST_WRITER)]
    number: Annotated[int, Meta(ge=0)]
    """Grows by one with each condemnation; one that was carried out is empty, and keeps it."""
    packs: dict[Sequence28, tuple[Slot, ...]]
    """Sequence → slots, ascending; no slots for all that the pack holds."""

    @property
    def by_pack(self) -> dict[int, tuple[int, ...]]:
        """Pack number → slots.

        Raises:
            ValueError: No pack has such a sequence.
        """
        return {pack_number(self.writer, int(each)): slots for each, slots in self.packs.items()}


@dataclass(frozen=True, slots=True)
class _Refused:
    """Addresses of one condemnation, ready to be asked for; both ascending."""

    packs: Addresses
    blocks: Addresses

    @classmethod
    def of(cls, condemnation: Condemnation) -> "_Refused":
        by_pack = sorted(condemnation.by_pack.items())
        whole = [number for number, slots in by_pack if not slots]
        blocks = [address_of(number, slot) for number, slots in by_pack for slot in slots]
        return cls(np.array(whole, np.uint64), np.array(blocks, np.uint64))

    def holds(self, addresses: Addresses) -> Booleans:
        packs = addresses >> np.uint64(SLOT_BITS)
        return _among(self.packs, packs) | _among(self.blocks, addresses)


Refused = Callable[[Addresses], Booleans]


class Condemned:
    """What the store tells of all writers' condemnations; several threads may share it."""

    def __init__(self, objects: Objects, writer: int, doubt: Callable[[], None]) -> None:
        """Begin; nothing is read yet.

        Args:
            objects: The store.
            writer: Who we are.
            doubt: Called when packs were deleted: what is known of them is old.
        """
        self._objects = objects
        self._writer = writer
        self._doubt = doubt
        self._lock = Lock()
        self._known: dict[int, Condemnation] = {}
        self._refused: dict[int, _Refused] = {}

    @property
    def refused(self) -> Refused | None:
        """Which blocks nobody may build on; to be asked for before they are looked up.

        None when nothing is condemned.
        """
        known = tuple(self._refused.values())
        if not known:
            return None
        return lambda addresses: np.logical_or.reduce([each.holds(addresses) for each in known])

    def obey(self) -> dict[int, int]:
        """Read all condemnations, and refuse what they name from here on.

        Returns:
            Writer → number, of those that name anything.

        Raises:
            BlockDamagedError: One is damaged: nobody can tell what will be deleted.
        """
        with self._lock:
            for name in sorted(self._objects.names(CONDEMNED)):
                writer = name.rpartition("/")[2]
                if writer.isdigit():
                    self._note(self._read(int(writer)))
            return {writer: each.number for writer, each in self._known.items() if each.packs}

    def ours(self) -> Condemnation:
        """This writer's condemnation."""
        with self._lock:
            found = self._read(self._writer)
            self._note(found)
        return found

    def since(self) -> datetime:
        """When this writer's condemnation was put, by the clock of the store."""
        return self._objects.modified_at(condemned_name(self._writer))

    def condemn(self, packs: Mapping[int, Sequence[int]]) -> Condemnation:
        """Announce what is about to be deleted: pack sequence → slots, none for all."""
        with self._lock:
            before = self._read(self._writer)
            new = Condemnation(
                writer=self._writer,
                number=before.number + 1,
                packs={str(sequence): tuple(slots) for sequence, slots in packs.items()},
            )
            # Refused before others can rely on it.
            self._note(new)
            self._put(new)
        return new

    def carried_out(self) -> None:
        """What was condemned is gone, or needed again."""
        with self._lock:
            done = msgspec.structs.replace(self._read(self._writer), packs={})
            self._put(done)
            self._note(done)

    def _put(self, condemnation: Condemnation) -> None:
        self._objects.put_document(condemned_name(condemnation.writer), to_bytes(condemnation))

    def _read(self, writer: int) -> Condemnation:
        name = condemned_name(writer)
        try:
            data = self._objects.document(name, MOST_CONDEMNED_BYTES)
        except FileNotFoundError:
            return Condemnation(writer=writer, number=0, packs={})
        found = from_bytes(Condemnation, data, name)
        if found.writer != writer:
            raise damaged(f"{name} is the condemnation of writer {found.writer}")
        try:
            _ = found.by_pack
        except ValueError as error:
            raise damaged(f"{name}: {error}") from error
        return found

    def _note(self, condemnation: Condemnation) -> None:
        """Refuse what is condemned now, and no more what was before.

        What is known of packs is forgotten first: a table that was read before they were deleted
        would offer their blocks.
        """
        writer = condemnation.writer
        if self._known.get(writer) == condemnation:
            return
        if writer in self._known or condemnation.number:
            self._doubt()
        self._known[writer] = condemnation
        if condemnation.packs:
            self._refused[writer] = _Refused.of(condemnation)
        else:
            self._refused.pop(writer, None)


def _among(known: Addresses, wanted: Addresses) -> Booleans:
    """Which of `wanted` are in `known`, which is ascending."""
    if not len(known):
        return np.zeros(len(wanted), np.bool_)
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    found: Booleans = known[at] == wanted
    return found
