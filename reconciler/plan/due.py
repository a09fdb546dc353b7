"""Which slot is the newest, how many were missed, and whether a recovery point fills one.

A schedule is an input to a comparison, not a source of events: nothing is missed by being asleep.
"""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import MINYEAR, UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice, takewhile
from typing import Final
from zoneinfo import ZoneInfo

from reconciler.policy.protection_group import ProtectionGroup
from reconciler.policy.schedule import Schedule

FUTURE_TOLERANCE: Final = timedelta(minutes=5)
"""A point from further ahead than this was stamped by a wrong clock and fills no slot."""
MOST_COUNTED: Final = 10_000
"""More missed slots than these are not counted."""

_SHORTEST_SPAN = timedelta(days=8)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)


def instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The one UTC instant of a local time on a local day.

    A time that a change of summer time skips is taken as if it had not changed yet (02:30 becomes
    03:30); of a time that comes twice the first is meant.

    Source: PEP 495, fold=0.
    """
    return datetime.combine(day, at, zone).replace(fold=0).astimezone(UTC)


def latest_slot(group: ProtectionGroup, now: datetime, *, is_tracked: bool = True) -> datetime:
    """The newest time at which the group wants a recovery point of a machine.

    Recovery point times and, where changes are tracked, synchronizations. Those are counted from
    the beginning of 1970 in UTC, so that no change of summer time can double or lose one. A machine
    whose changes have to be found by comparing hashes gets the times only.
    """
    slot = _latest(group.recovery_points, group.zone, now)
    frequency = group.frequency
    if frequency is None or not is_tracked:
        return slot
    return max(slot, now - (now - _EPOCH) % frequency)


def latest_check(group: ProtectionGroup, now: datetime) -> datetime | None:
    """The newest time at which the group wants a consistency check; None without a schedule."""
    schedule = group.consistency_check.schedule
    return _latest(schedule, group.zone, now) if schedule is not None else None


def missed_slots(
    group: ProtectionGroup, since: datetime, until: datetime, *, is_tracked: bool = True
) -> int:
    """How many slots there are after `since` and before `until`, up to MOST_COUNTED."""
    if since >= until:
        return 0
    span = _SHORTEST_SPAN
    while span < until - since:
        span *= 8
    frequency = group.frequency if is_tracked else None
    slots = _before(group.recovery_points, group.zone, frequency, until, span)
    count = len(slots) - bisect_right(slots, since)
    if frequency is not None:
        count += _multiples(frequency, since, until)
    return min(count, MOST_COUNTED)


def is_filled(slot: datetime, latest_captured_at: datetime | None, now: datetime) -> bool:
    """Whether the newest recovery point was captured at or after the slot."""
    if latest_captured_at is None or latest_captured_at > now + FUTURE_TOLERANCE:
        return False
    return latest_captured_at >= slot


def is_quiet(group: ProtectionGroup, now: datetime) -> bool:
    """Whether a replica may be created now."""
    wish = group.initial_replication
    if wish is None or wish.quiet_time is None:
        return True
    return wish.quiet_time.holds(now.astimezone(group.time_zone).time())


@lru_cache(maxsize=1024)
def _latest(schedule: Schedule, zone: str, now: datetime) -> datetime:
    """Remembered, because all machines of a group ask for the same."""
    return next(_slots_back(schedule, ZoneInfo(zone), now))


@lru_cache(maxsize=128)
def _before(
    schedule: Schedule, zone: str, frequency: timedelta | None, until: datetime, span: timedelta
) -> tuple[datetime, ...]:
    """The newest slots before `until` that are no synchronizations, oldest first.

    Remembered for a few spans of time, because each machine asks from another moment on.
    """
    found = takewhile(
        lambda slot: until - slot < span, _slots_back(schedule, ZoneInfo(zone), until)
    )
    own = (s for s in found if s < until and (frequency is None or (s - _EPOCH) % frequency))
    return tuple(islice(own, MOST_COUNTED))[::-1]


def _multiples(frequency: timedelta, since: datetime, until: datetime) -> int:
    """Multiples of `frequency` that lie between, both ends excluded."""
    tick = timedelta(microseconds=1)
    return (until - _EPOCH - tick) // frequency - (since - _EPOCH) // frequency


def _slots_back(schedule: Schedule, zone: ZoneInfo, now: datetime) -> Iterator[datetime]:
    """The slots at or before `now`, newest first, each once.

    Clocks are less than a day away from UTC, so no slot of a day or of one before it comes later
    than two days after its midnight in UTC. What is newer can be given out.
    """
    waiting: set[datetime] = set()
    tomorrow = now.astimezone(zone).date() + _DAY
    for day in _days_back(schedule, tomorrow):
        bound = datetime.combine(day, time(), UTC) + 2 * _DAY
        ready = sorted((slot for slot in waiting if slot > bound), reverse=True)
        yield from ready
        waiting.difference_update(ready)
        slots = (instant(day, at, zone) for at in schedule.times)
        waiting.update(slot for slot in slots if slot <= now)
    yield from sorted(waiting, reverse=True)


def _days_back(schedule: Schedule, newest: date) -> Iterator[date]:
    """The days that a schedule falls on, newest first."""
    year, month = newest.year, newest.month
    while year > MINYEAR:
        days = (date(year, month, day) for day in reversed(schedule.days_in(year, month)))
        yield from (day for day in days if day <= newest)
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
