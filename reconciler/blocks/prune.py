"""Delete what no recovery point refers to, in two steps: condemn, then sweep.

What nothing refers to is told by counts (`counts`), which follow the recovery points that were made
and deleted since the last time, so the cost does too. What is condemned is written down, and no
draft that begins afterwards builds on it. It is swept when every draft that began before has ended,
and after one more look at what was sealed meanwhile. So backups go on beside it, in other
threads, processes and servers; each writer sweeps its own packs only. See FORMAT.md, section 12.

A pack goes as soon as nothing refers to it. One of which a part is of no use is written anew as its
next generation, when that part is worth the copying of the rest.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from reconciler.blocks.arrays import Addresses, np
from reconciler.blocks.condemned import Condemnation
from reconciler.blocks.counted_points import CountedPoints, kept_counts
from reconciler.blocks.counts import ReferenceCounts
from reconciler.blocks.draft_record import DraftRecord
from reconciler.blocks.generations import delete, following, generations, put_next
from reconciler.blocks.layout import (
    pack_number,
    sequence_of,
    shard_of,
    writer_of,
)
from reconciler.blocks.open_drafts import told
from reconciler.blocks.pack import MOST_PACK_BYTES, PackTable
from reconciler.blocks.repository import Repository
from reconciler.blocks.rewrite import without
from reconciler.blocks.shard_counts import CountsLostError
from reconciler.errors import (
    BlockDamagedError,
    BlockMissingError,
    RepositoryUnavailableError,
)

WORTH: Final = 0.25
"""The share of a pack's stored bytes that must be of no use: at most three bytes are copied for
each one that is freed."""
_MOST_COUNTS: Final = 5
"""So often the counts are made anew in one go. Each time another server deleted a point, and the
packs that only it used, between the look at it and its end."""
_MOST_SLOTS_NAMED: Final = 1 << 20
"""Of one condemnation, more or less; others follow when it was carried out."""

OnPack = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Pruned:
    """What became free.

    Units: bytes.
    """

    packs_deleted: int = 0
    packs_rewritten: int = 0
    bytes_freed: int = 0
    waits_for: str = ""
    """Why what is condemned must stay for now; empty when all went."""

    def __add__(self, other: "Pruned") -> "Pruned":
        return Pruned(
            self.packs_deleted + other.packs_deleted,
            self.packs_rewritten + other.packs_rewritten,
            self.bytes_freed + other.bytes_freed,
            other.waits_for,
        )


def prune(
    repository: Repository,
    on_deleted: OnPack = lambda _: None,
    *,
    grace: timedelta = timedelta(),
) -> Pruned:
    """Delete what no recovery point has a block or a node in. Safe to kill and to repeat.

    Args:
        repository: Open for writing; one process at a time prunes as one writer.
        on_deleted: Told the number of each pack once it is gone, or was written anew.
        grace: How long what is condemned stays at least, by the clock of the store.

    Raises:
        BlockDamagedError: What a recovery point refers to cannot be told; nothing was deleted.
        BlockMissingError: As above.
        RepositoryLockedError: Somebody else writes a pack anew that is to be.
    """
    for _ in range(_MOST_COUNTS):
        try:
            return _pruned(_Pruning(repository, on_deleted, grace))
        except CountsLostError:
            # Nothing but time is lost: what was done holds, and the rest is found anew.
            kept_counts(repository).discard()
    return Pruned(waits_for="other servers delete recovery points faster than these are counted")


def _pruned(pruning: "_Pruning") -> Pruned:
    result = pruning.sweep()
    while not result.waits_for and pruning.condemn():
        result += pruning.sweep()
    return result


class _Pruning:
    """One go; nothing is kept of it but what is in the store and in the cache."""

    def __init__(self, repository: Repository, on_deleted: OnPack, grace: timedelta) -> None:
        self._repository = repository
        self._on_deleted = on_deleted
        self._grace = grace
        self._sink = repository.writing()
        self._counted = CountedPoints(repository)

    def condemn(self) -> bool:
        """Find what nothing refers to, and write it down; whether there is anything."""
        numbers = self._sink.numbers
        end = numbers.next  # before the drafts: what one of them writes later is not below it
        drafts = self._sink.drafts.records()
        end = min([end, *(d.first for d in drafts if d.writer == numbers.writer)])
        counts = self._counted.brought_up_to_date()
        candidates = self._candidates(counts, end)
        useless = self._useless(counts, candidates)
        if useless:
            self._sink.condemned.condemn(useless)
        with suppress(RepositoryUnavailableError):  # a cache: all is looked at again
            counts.save()
        return bool(useless)

    def sweep(self) -> Pruned:
        """Delete what is condemned and still of no use, unless it must wait."""
        condemnation = self._sink.condemned.ours()
        if not condemnation.packs:
            return Pruned()
        if reason := self._waits_for(condemnation):
            return Pruned(waits_for=reason)
        # Twice: a listing may miss a point that was sealed, and the base that was dropped for it,
        # if both happened while it was read.
        self._counted.brought_up_to_date()
        counts = self._counted.brought_up_to_date()
        packs = condemnation.by_pack
        there = self._generations(packs)
        result = self._deleted(counts, {n: names for n, names in there.items() if not packs[n]})
        for number, names in there.items():
            if packs[number]:
                result += self._rewritten(counts, number, packs[number], names)
        with suppress(RepositoryUnavailableError):
            counts.save()  # before: what was found of use must be looked at again some day
        self._sink.condemned.carried_out()
        return result

    def _waits_for(self, condemnation: Condemnation) -> str:
        for draft in self._sink.drafts.records():
            if _may_use(draft, condemnation):
                return told(draft)
        if self._grace and self._condemned_for() < self._grace:
            return f"what is of no use has not been so for {self._grace}"
        return ""

    def _condemned_for(self) -> timedelta:
        return self._sink.numbers.store_time() - self._sink.condemned.since()

    def _candidates(self, counts: ReferenceCounts, end: int) -> dict[int, Sequence[str]]:
        """Own packs in which anything may have become useless, with their generations.

        They are looked at now, so they are none any more; those that a draft may need stay some.
        """
        writer = self._sink.numbers.writer
        doubtful = {n for n in counts.doubtful if writer_of(n) == writer and sequence_of(n) < end}
        counts.doubtful = {n for n in counts.doubtful - doubtful if writer_of(n) == writer}
        found = self._generations(doubtful)
        first, counts.judged = counts.judged, max(counts.judged, end)
        if first < counts.judged:
            last = pack_number(writer, counts.judged - 1)
            for shard in range(shard_of(pack_number(writer, first)), shard_of(last) + 1):
                for number, names in generations(self._sink.objects, shard).items():
                    if first <= sequence_of(number) < counts.judged:
                        found[number] = names
        return found

    def _useless(
        self, counts: ReferenceCounts, packs: Mapping[int, Sequence[str]]
    ) -> dict[int, Sequence[int]]:
        """What is worth to go: sequence → slots, none for all."""
        result: dict[int, Sequence[int]] = {}
        named = 0
        for number in sorted(packs):
            if not counts.is_used(number):
                result[sequence_of(number)] = ()
                continue
            slots = self._dropped(counts, number)
            if slots and named >= _MOST_SLOTS_NAMED:
                counts.doubtful.add(number)
            elif slots:
                result[sequence_of(number)] = slots
                named += len(slots)
        return result

    def _dropped(self, counts: ReferenceCounts, number: int) -> Sequence[int]:
        """Slots to leave out of a pack; none when that is not worth it, or cannot be told."""
        try:
            table = self._sink.packs.table(number)
        except (BlockDamagedError, BlockMissingError):
            return ()  # verify is what reports damage
        return _worth(table, counts.of_pack(number, len(table)) == 0)

    def _generations(self, packs: Collection[int]) -> dict[int, Sequence[str]]:
        """Those of some packs that are there, with the names of their generations, newest last."""
        found: dict[int, Sequence[str]] = {}
        for shard in sorted({shard_of(number) for number in packs}):
            there = generations(self._sink.objects, shard)
            found |= {number: there[number] for number in sorted(there) if number in packs}
        return found

    def _deleted(self, counts: ReferenceCounts, packs: Mapping[int, Sequence[str]]) -> Pruned:
        """Delete packs that are of no use still."""
        useless = {n: names for n, names in packs.items() if not counts.is_used(n)}
        counts.doubtful |= packs.keys() - useless.keys()  # found of use just in time
        if useless:
            # They would be no danger in the index, but hide where the same is stored anew.
            self._sink.index.forget(useless)
            self._sink.save_index()
        freed = 0
        for number, names in useless.items():
            freed += delete(self._sink.objects, names)
            counts.forget(number)
            self._on_deleted(number)
        return Pruned(packs_deleted=len(useless), bytes_freed=freed)

    def _rewritten(
        self, counts: ReferenceCounts, number: int, slots: Sequence[int], names: Sequence[str]
    ) -> Pruned:
        """Write a pack anew without what is of no use."""
        try:
            table = self._sink.packs.tables.named(number, names[-1])
            is_condemned = np.zeros(len(table), np.bool_)
            is_condemned[[slot for slot in slots if slot < len(table)]] = True
            useless = _worth(table, is_condemned & (counts.of_pack(number, len(table)) == 0))
            if not useless:
                # A process that was killed wrote it anew, or enough of it was found of use.
                self._sink.objects.settle(names[-1].rpartition("/")[0])
                return Pruned(bytes_freed=delete(self._sink.objects, names[:-1]))
            freed = self._written_anew(number, table, useless, names[-1])
        except BlockDamagedError:
            return Pruned()  # verify is what reports damage
        except FileNotFoundError:
            counts.doubtful.add(number)  # healed meanwhile
            return Pruned()
        self._on_deleted(number)
        return Pruned(packs_rewritten=1, bytes_freed=freed)

    def _written_anew(
        self, number: int, table: PackTable, useless: Sequence[int], name: str
    ) -> int:
        """Put a pack's next generation; how many bytes it is shorter."""
        data = memoryview(self._sink.objects.get(name, MOST_PACK_BYTES))
        generation = following(name)
        anew = without(self._sink.packs.identity(number), table, data, useless, generation)
        put_next(self._sink.objects, number, generation, anew)
        return len(data) - len(anew)


def _worth(table: PackTable, is_useless: Addresses) -> Sequence[int]:
    """The slots that are of no use, if they are worth a copy of the others."""
    lengths = table.entries["length"].astype(np.int64)
    is_useless = is_useless & (lengths > 0)
    if lengths[is_useless].sum() < WORTH * lengths.sum() or not is_useless.any():
        return ()
    slots: Sequence[int] = np.flatnonzero(is_useless).tolist()
    return slots


def _may_use(draft: DraftRecord, condemnation: Condemnation) -> bool:
    """Whether a draft began before it could know of a condemnation."""
    return bool(draft.owner) and draft.obeys.get(str(condemnation.writer), 0) < condemnation.number
