"""Which slot is the newest, and whether a recovery point fills it.

A schedule is an input to a comparison, not a source of events: nothing is missed by being asleep.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from reconciler.policy.protection_group import ProtectionGroup

FUTURE_TOLERANCE = timedelta(minutes=5)
"""A point from further ahead than this was stamped by a wrong clock and fills no slot."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
    zone = group.time_zone
    today = now.astimezone(zone).date()
    days = [today + timedelta(days=ahead) for ahead in (1, 0, -1, -2)]
    slots = [instant(day, at, zone) for day in days for at in group.recovery_points.times]
    if group.synchronization is not None and is_tracked:
        slots.append(now - (now - _EPOCH) % group.synchronization)
    return max(slot for slot in slots if slot <= now)


def is_filled(slot: datetime, latest_captured_at: datetime | None, now: datetime) -> bool:
    """Whether the newest recovery point was captured at or after the slot."""
    if latest_captured_at is None or latest_captured_at > now + FUTURE_TOLERANCE:
        return False
    return latest_captured_at >= slot
