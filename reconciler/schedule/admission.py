"""Plan + what is at work + limits → what may start now. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby

from reconciler.errors import Retry
from reconciler.model.machine import NaturalKey
from reconciler.model.names import GroupName, HostName, PoolName
from reconciler.plan.actions import (
    Action,
    Capture,
    DeletePoints,
    ExpirePoints,
    RecoverDisks,
    RemoveLeftovers,
)
from reconciler.plan.rooms import Claims, Headroom, Taken

_LAST = datetime.max.replace(tzinfo=UTC)

_PATIENCE = {
    Retry.SOON.value: 0.25,
    Retry.LATER.value: 1.0,
    Retry.AFTER_CONSISTENCY_CHECK.value: 1.0,
    Retry.OPERATOR.value: 4.0,
}
"""How the first wait after a failure is stretched by what must happen before another try."""
_MOST_DOUBLINGS = 20


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may run side by side, and how long a machine waits after a failure."""

    per_host: int = 2
    per_pool: int = 4
    first_wait: timedelta = timedelta(minutes=1)
    longest_wait: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Setback:
    """What a machine's latest jobs came to: so many failures in a row."""

    count: int
    last_at: datetime
    retry: str


@dataclass(frozen=True, slots=True)
class Work:
    """The actions of one machine, in order; they begin together or not at all."""

    actions: tuple[Action, ...]
    pool: PoolName | None
    may_take: Claims = field(default_factory=dict)
    """Of the volumes that the machine's disks lie on, while it is captured."""

    @property
    def claims(self) -> Claims:
        """What it may take of volumes; nothing without a capture."""
        return self.may_take if any(isinstance(a, Capture) for a in self.actions) else {}

    @property
    def key(self) -> NaturalKey:
        """The machine."""
        return self.actions[0].subject.key

    @property
    def host(self) -> HostName | None:
        """The host that is burdened; None for what only touches the repository."""
        on_host = (a for a in self.actions if not isinstance(a, ExpirePoints | DeletePoints))
        return next((a.subject.host for a in on_host), None)

    @property
    def is_requested(self) -> bool:
        """Whether a person waits for any of it, with nothing before it that is only due."""
        return any(_is_requested(action) for action in self.actions[: self.first_due])

    @property
    def resumes(self) -> bool:
        """Whether it begins with letting a machine run on that a job of ours left saved."""
        first = self.actions[0]
        return isinstance(first, RemoveLeftovers) and first.resumes

    @property
    def first_due(self) -> int:
        """How many actions come before the capture that nobody asked for; all without one."""
        due = (n for n, a in enumerate(self.actions) if isinstance(a, Capture) and not a.requests)
        return next(due, len(self.actions))

    def split(self, count: int) -> tuple["Work", "Work"]:
        """The first actions, and the others."""
        return replace(self, actions=self.actions[:count]), replace(
            self, actions=self.actions[count:]
        )


@dataclass(frozen=True, slots=True)
class Held:
    """Work that may not begin now, and why."""

    work: Work
    reason: str


@dataclass(frozen=True, slots=True)
class Admission:
    """What begins now, and what waits."""

    admitted: tuple[Work, ...]
    held: tuple[Held, ...]


@dataclass(frozen=True, slots=True)
class Situation:
    """What admission rests on beside the plan."""

    now: datetime
    limits: Limits
    at_work: tuple[Work, ...] = ()
    setbacks: Mapping[NaturalKey, Setback] = field(default_factory=dict)
    pools: Mapping[GroupName, PoolName] = field(default_factory=dict)
    headroom: Headroom = field(default_factory=Headroom)
    """What the captures of the plan may take of volumes."""


class _Room:
    """How much is at work on each host, in each pool and on the volumes of disks."""

    def __init__(self, situation: Situation) -> None:
        self._limits = situation.limits
        self._hosts: Counter[HostName | None] = Counter(w.host for w in situation.at_work)
        self._pools: Counter[PoolName | None] = Counter(w.pool for w in situation.at_work)
        self._taken = Taken(situation.headroom, (w.claims for w in situation.at_work))

    def take(self, work: Work) -> None:
        """Count what begins."""
        self._hosts[work.host] += 1
        self._pools[work.pool] += 1
        self._taken.take(work.claims)

    def lacks(self, work: Work) -> str:
        """Why there is no room for it; empty when there is."""
        if work.host and self._hosts[work.host] >= self._limits.per_host:
            return f"{self._hosts[work.host]} jobs are at work on {work.host}"
        if work.pool and self._pools[work.pool] >= self._limits.per_pool:
            return f"{self._pools[work.pool]} jobs write to pool {work.pool}"
        if lack := self._taken.lacks(work.claims):
            self._taken.wait_for(work.claims)
        return lack


def admit(actions: Sequence[Action], situation: Situation) -> Admission:
    """Choose what begins: machines that we left saved, what was asked for, what is due longest.

    A machine that failed waits longer after each failure, unless a person asks for it. One that we
    left saved is down, so it waits for nothing; what is to be done with it afterwards does.
    """
    busy = {work.key for work in situation.at_work}
    room = _Room(situation)
    admitted: list[Work] = []
    held: list[Held] = []
    for work in sorted(_by_machine(actions, situation), key=_rank):
        if work.key in busy:
            continue  # the job at work was planned too; it is no news
        count, reason = _begins(work, situation, room)
        first, rest = work.split(count)
        if first.actions:
            admitted.append(first)
            room.take(first)
        if rest.actions:
            held.append(Held(rest, reason))
    return Admission(tuple(admitted), tuple(held))


def _begins(work: Work, situation: Situation, room: _Room) -> tuple[int, str]:
    """How many of the first actions begin now, and why the others wait."""
    count, reason = len(work.actions), _waits(work, situation)
    if reason:
        count = work.first_due if work.is_requested or work.resumes else 0
    if count and (lack := room.lacks(work.split(count)[0])):
        return int(work.resumes), lack
    return count, reason


def wait_after(setback: Setback, limits: Limits) -> timedelta:
    """How long a machine waits after its latest failure: doubled each time, up to the longest."""
    first = limits.first_wait * _PATIENCE.get(setback.retry, 1.0)
    doublings = min(setback.count - 1, _MOST_DOUBLINGS)
    return min(first * (1 << doublings), limits.longest_wait)


def _waits(work: Work, situation: Situation) -> str:
    setback = situation.setbacks.get(work.key)
    if setback is None:
        return ""
    again_at = setback.last_at + wait_after(setback, situation.limits)
    # a failure from the future was stamped by a wrong clock and holds nothing up
    if setback.last_at > situation.now or situation.now >= again_at:
        return ""
    times = "once" if setback.count == 1 else f"{setback.count} times in a row"
    return f"it failed {times}; the next try is at {again_at.isoformat(timespec='seconds')}"


def _by_machine(actions: Sequence[Action], situation: Situation) -> list[Work]:
    ordered = sorted(actions, key=lambda a: a.subject.key)  # stable: a machine's order stays
    found, claims = [], situation.headroom.claims
    for key, group in groupby(ordered, key=lambda a: a.subject.key):
        each = tuple(group)
        named = next((a.subject.group for a in each if a.subject.group), None)
        pool = situation.pools.get(named) if named else None
        found.append(Work(each, pool, claims.get(key, {})))
    return found


def _rank(work: Work) -> tuple[bool, bool, bool, datetime, NaturalKey]:
    heals = any(isinstance(a, RemoveLeftovers) for a in work.actions)
    slots = [slot for a in work.actions if (slot := _slot(a)) is not None]
    earliest = min(slots, default=_LAST)
    return not work.resumes, not work.is_requested, not heals, earliest, work.key


def _slot(action: Action) -> datetime | None:
    if isinstance(action, Capture):
        return action.cause.slot_at
    return None


def _is_requested(action: Action) -> bool:
    if isinstance(action, RecoverDisks):
        return True
    return not isinstance(action, RemoveLeftovers) and bool(action.requests)
