"""Drafts that are announced in the store: one for each data source, and who makes it.

The record of a draft is its lock, and it keeps the sweep away from what the draft may use: packs
that it has written, and blocks that it found before it knew that they were condemned.
"""

import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from time import monotonic
from typing import Final
from weakref import WeakSet, WeakValueDictionary

import msgspec

from reconciler.blocks.document import microseconds, moment, to_bytes
from reconciler.blocks.draft_record import (
    ABANDONED,
    SILENCE,
    DraftRecord,
    is_dead,
    left_behind,
    put_draft,
    read_draft,
)
from reconciler.blocks.layout import DRAFTS, draft_name
from reconciler.blocks.numbers import PackNumbers
from reconciler.blocks.objects import Objects
from reconciler.errors import BlockDamagedError, RepositoryError, RepositoryLockedError
from reconciler.model.names import DataSourceId
from reconciler.owner import this_owner

_BEAT_S: Final = 120.0

Obey = Callable[[], Mapping[int, int]]
"""Reads all condemnations, and refuses what they name from then on: writer → number, of those that
name anything."""

_alive: "WeakValueDictionary[str, DraftLock]" = WeakValueDictionary()
"""Drafts of this process by their token; one that nothing refers to can never be sealed."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A draft as the store has it."""

    record: DraftRecord
    beat_at: datetime
    silent_for: timedelta

    @property
    def is_dead(self) -> bool:
        return is_dead(self.record, self.silent_for, _alive)


class OpenDrafts:
    """The drafts of one repository; several threads may share it."""

    def __init__(self, objects: Objects, numbers: PackNumbers) -> None:
        self._objects = objects
        self._numbers = numbers
        self._lock = Lock()
        self._begun: WeakSet[DraftLock] = WeakSet()

    def begun(self, source: DataSourceId | None, job: str, obey: Obey) -> "DraftLock":
        """Announce a draft; nothing may be looked for before.

        Raises:
            RepositoryLockedError: Another draft of the data source is being made.
        """
        token = secrets.token_hex(16)
        name = draft_name(source or DataSourceId(f"unnamed-{token}"))
        record = DraftRecord(
            source=source or "",
            owner=this_owner(),
            token=token,
            writer=self._numbers.writer,
            first=self._numbers.next,
            begun_at=0,
            obeys={},
            job=job,
        )
        lock = DraftLock(self._objects, name, record, self._numbers.store_time)
        _alive[token] = lock
        with self._lock:
            self._begun.add(lock)
            if not lock.is_announced():
                lock.take_over(self._dead(name))
        try:
            if numbers := {str(writer): number for writer, number in obey().items()}:
                lock.obey(numbers)
        except BaseException:
            # Others would wait for it as long as this process lives.
            lock.release(keeps_packs=lock.is_resumed)
            raise
        return lock

    def beat(self, lock: "DraftLock") -> None:
        """Tell now and then that a draft's owner lives; raises as `DraftLock.renew` does.

        And so do the others: one may have nothing to do but keep what this one is built on.
        """
        lock.beat()
        with self._lock:
            others = [each for each in self._begun if each is not lock]
        for each in others:
            with suppress(RepositoryError):  # it finds out itself
                each.beat()

    def records(self) -> list[DraftRecord]:
        """All drafts; those of dead owners are broken first, and have no owner any more.

        What they stored is kept for a while for the next draft of their data source.

        Raises:
            BlockDamagedError: A record is damaged, and may be of a living draft.
        """
        with self._lock:
            names = sorted(self._objects.names(DRAFTS))
            return [record for name in names if (record := self._judged(name))]

    def forget(self, source: DataSourceId) -> None:
        """What was left of a draft of the data source is of no use any more."""
        with self._lock:
            found = self._found(draft_name(source))
            if found is not None and found.is_dead:
                self._objects.delete(draft_name(source))

    def _judged(self, name: str) -> DraftRecord | None:
        found = self._found(name)
        if found is None or not found.is_dead:
            return None if found is None else found.record
        if not found.record.source or found.silent_for >= ABANDONED:
            self._objects.delete(name)
            return None
        left = left_behind(found.record)
        if found.record.owner:
            put_draft(self._objects, name, left)
        return left

    def _dead(self, name: str) -> DraftRecord | None:
        """The draft that is there, of an owner that is dead; None if it has gone.

        Raises:
            RepositoryLockedError: Its owner lives, or may.
        """
        found = self._found(name)
        if found is not None and not found.is_dead:
            raise _locked_by(found)
        return None if found is None else found.record

    def _found(self, name: str) -> _Found | None:
        silent_for = timedelta()
        try:
            beat_at = self._objects.modified_at(name)
            silent_for = self._numbers.store_time() - beat_at
            record = read_draft(self._objects, name)
        except FileNotFoundError:
            return None
        except BlockDamagedError:
            if silent_for < SILENCE:
                raise
            self._objects.delete(name)
            return None
        return None if record is None else _Found(record, beat_at, silent_for)


class DraftLock:
    """One draft's record in the store; several threads may beat."""

    def __init__(
        self, objects: Objects, name: str, record: DraftRecord, store_time: Callable[[], datetime]
    ) -> None:
        self.is_resumed = False
        """Whether a draft of the same data source was left before it was sealed."""
        self._objects = objects
        self._name = name
        self._record = record
        self._store_time = store_time
        self._is_lost = self._is_released = False
        self._beating = Lock()
        self._next_beat = monotonic() + _BEAT_S

    def is_announced(self) -> bool:
        """Whether it could be announced: not if there is another one."""
        try:
            self._objects.create_document(self._name, to_bytes(self._record))
        except FileExistsError:
            return False
        return True

    def take_over(self, before: DraftRecord | None) -> None:
        """Replace the draft of a dead owner; what it has stored is ours."""
        if before is not None:
            self.is_resumed = True
            if before.writer == self._record.writer:
                first = min(self._record.first, before.first)
                self._record = msgspec.structs.replace(self._record, first=first)
        put_draft(self._objects, self._name, self._record)

    def obey(self, numbers: dict[str, int]) -> None:
        """Tell which condemnations are respected."""
        self._record = msgspec.structs.replace(self._record, obeys=numbers)
        self.renew()

    def beat(self) -> None:
        """Tell now and then that the owner lives. Raises as `renew` does."""
        if self._is_released or monotonic() < self._next_beat:
            return
        if not self._beating.acquire(blocking=False):
            return
        try:
            self.renew()
        finally:
            self._beating.release()

    def renew(self) -> None:
        """Tell that the owner lives.

        Raises:
            RepositoryLockedError: It was taken for dead meanwhile, so the draft cannot be sealed;
                or it may have been, by somebody whose word this one has just overwritten.
        """
        try:
            beat_at = self._objects.modified_at(self._name)
        except FileNotFoundError as error:
            raise self._lost() from error
        self.require()
        if not self._record.begun_at:
            self._record = msgspec.structs.replace(self._record, begun_at=microseconds(beat_at))
        put_draft(self._objects, self._name, self._record)
        # A put may hang for long. Asked afterwards, because an object can be older than its name.
        if self._store_time() - beat_at >= SILENCE:
            self._is_lost = True
            raise self._lost()
        self._next_beat = monotonic() + _BEAT_S

    def require(self) -> None:
        """Make sure that the draft is ours still.

        Raises:
            RepositoryLockedError: As in `renew`.
        """
        record = read_draft(self._objects, self._name)
        if self._is_lost or record is None or record.token != self._record.token:
            raise self._lost()

    def release(self, *, keeps_packs: bool) -> None:
        """Nobody works at it any more. An error is no matter: a dead owner's draft is broken.

        Args:
            keeps_packs: Whether what it has stored is of use for the next draft of the source.
        """
        _alive.pop(self._record.token, None)
        self._is_released = True
        with self._beating, suppress(RepositoryError):  # no beat may bring it back
            record = read_draft(self._objects, self._name)
            if record is None or record.token != self._record.token:
                return
            if keeps_packs and self._record.source:
                put_draft(self._objects, self._name, left_behind(self._record))
            else:
                self._objects.delete(self._name)

    def _lost(self) -> RepositoryLockedError:
        return RepositoryLockedError(
            f"the draft {self._name} was silent for too long, and was taken for dead",
            hint="the next pass makes the recovery point anew",
        )


def told(record: DraftRecord) -> str:
    """A draft in words: of what, and who makes it."""
    host, _, process = record.owner.partition(":")
    return (
        f"a recovery point of {record.source or 'a machine'} is being made in the repository "
        f"by process {process.partition(':')[0]} on {host}"
    )


def _locked_by(found: _Found) -> RepositoryLockedError:
    record = found.record
    since = moment(record.begun_at) if record.begun_at else found.beat_at
    return RepositoryLockedError(
        f"{told(record)} since {since:%Y-%m-%d %H:%M} UTC",
        hint="wait for its end; the lock of a process that has died is broken by itself",
        owner=record.owner,
        job=record.job,
    )
