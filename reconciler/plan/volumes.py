"""The volumes of the pools as a plan sees them: room, trouble, and what is said of it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from reconciler.model.names import PoolName, VolumeId
from reconciler.model.observed import Observed, VolumeFacts, VolumeState
from reconciler.plan.actions import Finding, Severity
from reconciler.plan.words import counted, shown_bytes
from reconciler.policy.policy_set import PolicySet
from reconciler.policy.storage import Volume

LEAST_ROOM: Final = 32 << 20
"""Less than this and a job is not worth its beginning: it would stop at its first packs.

Units: bytes.
"""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why nothing can be written to a volume now."""

    code: str
    word: str
    """As in 'main-1 is full'; without figures, because it is part of what is reviewed."""
    message: str
    hint: str
    is_want_of_room: bool = False


@dataclass(frozen=True)
class PoolVolume:
    """A volume as it was found, with what its policy allows.

    Units: bytes.
    """

    facts: VolumeFacts
    reserve_bytes: int = 0
    quota_bytes: int | None = None

    @property
    def room_bytes(self) -> int | None:
        """What may still be written; below zero when it is over its limits. None: no bound."""
        free, stored = self.facts.free_bytes, self.facts.stored_bytes
        bounds = [] if free is None else [free - self.reserve_bytes]
        bounds += [] if self.quota_bytes is None else [self.quota_bytes - (stored or 0)]
        return min(bounds, default=None)

    @cached_property
    def trouble(self) -> Trouble | None:
        """Why nothing can be written to it; None when it can be used."""
        facts = self.facts
        match facts.state:
            case VolumeState.MISSING:
                return Trouble("volume.missing", "is missing", facts.problem, facts.hint)
            case VolumeState.READ_ONLY:
                told = f"{facts.problem}; recoveries from it work"
                return Trouble("volume.read_only", "is read-only", told, facts.hint)
            case VolumeState.USABLE:
                return self._want_of_room()

    def _want_of_room(self) -> Trouble | None:
        room = self.room_bytes
        if room is None or room >= LEAST_ROOM:
            return None
        free, stored = self.facts.free_bytes, self.facts.stored_bytes or 0
        if free is not None and free - self.reserve_bytes == room:
            word, hint = "is full", "free space, or give the volume more"
            reserve = shown_bytes(self.reserve_bytes)
            told = f"{shown_bytes(free)} are free, and {reserve} have to stay free"
        else:
            quota = self.quota_bytes or 0
            word, hint = "has reached its quota", "raise its quota"
            told = f"it holds {shown_bytes(stored)}, and may hold {shown_bytes(quota)}"
        hint += ", shorten the retention of groups on it, or let points go: see"
        hint = f"{hint} `reconciler disk-allocation`; old points expire meanwhile"
        return Trouble("volume.low_space", word, told, hint, is_want_of_room=True)


class Volumes:
    """All volumes of the policies, by what they are looked up with."""

    def __init__(self, wanted: PolicySet, observed: Observed) -> None:
        declared = {(p.name, v.name): v for p in wanted.pools for v in p.volumes}
        self.all = tuple(
            _joined(facts, declared.get((facts.pool, facts.name))) for facts in observed.volumes
        )
        self._by_id = {v.facts.id: v for v in self.all if v.facts.id is not None}

    def of_pool(self, pool: str) -> tuple[PoolVolume, ...]:
        """Those of a pool, in the order of its policy."""
        return tuple(v for v in self.all if v.facts.pool == PoolName(pool))

    def by_id(self, volume: VolumeId | None) -> PoolVolume | None:
        """The one of that id; None for one that no policy has any more."""
        return self._by_id.get(volume) if volume is not None else None

    def trouble_of(self, volume: VolumeId | None) -> Trouble | None:
        """Why nothing can be written to the one of that id."""
        found = self.by_id(volume)
        return found.trouble if found else None

    def findings(self, used: Iterable[VolumeId | None]) -> Iterator[Finding]:
        """One for each volume in trouble; `used` are the volumes of members, one each."""
        members = Counter(used)
        for volume in self.all:
            trouble, count = volume.trouble, members[volume.facts.id]
            if trouble is None:
                if volume.facts.is_strange:
                    yield _strange(volume.facts)
                continue
            harm = f"{counted(count, 'machine')} on it not backed up" if count else "it is unused"
            yield Finding(
                trouble.code,
                volume.facts.label,
                f"it {trouble.word}: {trouble.message}; {harm}",
                trouble.hint,
                Severity.ERROR if count else Severity.WARNING,
            )


def _strange(facts: VolumeFacts) -> Finding:
    return Finding(
        "volume.not_known",
        facts.label,
        f"{facts.place} holds a repository that this catalogue does not know",
        "if the catalogue was lost, get it back before anything else: reconciler catalogue "
        "rebuild; if it is that of another server, both will write to it",
        Severity.WARNING,
    )


def _joined(facts: VolumeFacts, declared: Volume | None) -> PoolVolume:
    if declared is None:
        return PoolVolume(facts)
    reserve = 0 if facts.total_bytes is None else declared.reserve_of(facts.total_bytes)
    return PoolVolume(facts, reserve, declared.quota)
