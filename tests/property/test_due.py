"""Slots, checked against a clock that is read minute by minute.

The zones have what goes wrong: changes by half an hour and by two, at midnight, during Ramadan, a
day that was left out, odd offsets, and none of it.
"""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reconciler.plan.due import (
    FUTURE_TOLERANCE,
    instant,
    is_filled,
    is_quiet,
    latest_check,
    latest_slot,
    missed_slots,
)
from reconciler.policy.protection_group import ProtectionGroup
from reconciler.policy.schedule import RecoveryPoints

ZONES = [
    "Africa/Casablanca",
    "America/New_York",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/London",
    "Pacific/Apia",
    "Pacific/Chatham",
    "UTC",
]
FIRST, LAST = date(2008, 1, 1), date(2030, 12, 31)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MakeGroup = Callable[..., ProtectionGroup]
TIMES = st.lists(
    st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 59])),
    min_size=1,
    max_size=3,
    unique=True,
)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
POINTS = st.builds(
    dict.__or__,
    st.fixed_dictionaries(
        {"times": TIMES.map(lambda times: [f"{t:%H:%M}" for t in times])},
        optional={"months": st.lists(st.sampled_from(MONTHS), min_size=1, max_size=4)},
    ),
    st.just({})
    | st.fixed_dictionaries(
        {"weekdays": st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=3)}
    )
    | st.fixed_dictionaries(
        {
            "days_of_month": st.lists(
                st.integers(1, 31) | st.sampled_from([29, 30, 31, "last"]), min_size=1, max_size=3
            )
        }
    ),
)
SCHEDULES = st.fixed_dictionaries(
    {"zone": st.sampled_from(ZONES), "recovery_points": POINTS},
    optional={"synchronization": st.sampled_from(["15m", "1h", "7h", "24h"])},
)
NOWS = st.integers(0, (LAST - FIRST) // timedelta(seconds=1)).map(
    lambda seconds: datetime(2008, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


def wall(at: datetime, zone: ZoneInfo) -> datetime:
    """What a clock on the wall shows, as a naive time."""
    return at.astimezone(zone).replace(tzinfo=None)


def is_wanted(points: RecoveryPoints, day: date) -> bool:
    """Whether a schedule means a day, told without counting days."""
    if points.months is not None and MONTHS[day.month - 1] not in points.months:
        return False
    if points.weekdays is not None:
        return WEEKDAYS[day.isoweekday() - 1] in points.weekdays
    if points.days_of_month is None or day.day in points.days_of_month:
        return True
    is_last = (day + DAY).month != day.month
    return is_last and any(d == "last" or d > day.day for d in points.days_of_month)


def slots_between(group: ProtectionGroup, first: datetime, last: datetime) -> set[datetime]:
    """Every slot from first to last: each day, each time, each synchronization looked at."""
    zone, points = group.time_zone, group.recovery_points
    days = [first.date() + ahead * DAY for ahead in range(-3, (last - first).days + 4)]
    found = {
        instant(day, at, zone) for day in days if is_wanted(points, day) for at in points.times
    }
    if group.frequency is not None:
        at = EPOCH + -(-(first - EPOCH) // group.frequency) * group.frequency
        while at <= last:
            found.add(at)
            at += group.frequency
    return {slot for slot in found if first <= slot <= last}


@cache
def days_of_change(name: str) -> list[date]:
    """UTC days on which the offset of a zone changes."""
    zone = ZoneInfo(name)
    found, before = [], None
    for ahead in range((LAST - FIRST).days):
        day = FIRST + ahead * DAY
        offset = datetime.combine(day, time(), UTC).astimezone(zone).utcoffset()
        if before not in {None, offset}:
            found.append(day - DAY)
        before = offset
    return found


@cache
def first_instant(name: str, day: date, at: time) -> datetime:
    """When the clock on the wall first shows this time or, if it never does, would have.

    Read minute by minute, from a moment at which it surely shows an earlier time.
    """
    zone, wanted = ZoneInfo(name), datetime.combine(day, at)
    now = wanted.replace(tzinfo=UTC) - timedelta(hours=15)
    shown = before = wall(now, zone)
    assert shown < wanted
    while shown < wanted:
        before, now = shown, now + MINUTE
        shown = wall(now, zone)
    return now if shown == wanted else now - MINUTE + (wanted - before)


@st.composite
def near_a_change(draw: st.DrawFn) -> tuple[str, date]:
    """A zone, and a day close to one on which its clocks are changed, if they ever are."""
    name = draw(st.sampled_from(ZONES))
    day = draw(st.sampled_from(days_of_change(name) or [date(2026, 3, 29)]))
    return name, day + draw(st.integers(-1, 2)) * DAY


@given(near_a_change(), TIMES, st.integers(0, 24 * 60 - 1))
@settings(max_examples=150)
def test_the_latest_slot_is_the_newest_of_one_each_local_day_and_time(
    make_group: MakeGroup, where: tuple[str, date], times: list[time], minute: int
) -> None:
    name, day = where
    now = datetime.combine(day, time(), UTC) + minute * MINUTE
    group = make_group(times=[f"{at:%H:%M}" for at in times], zone=name)
    slots = [first_instant(name, day + ahead * DAY, at) for ahead in range(-3, 3) for at in times]

    assert latest_slot(group, now) == max(slot for slot in slots if slot <= now)


@pytest.mark.parametrize("name", ZONES)
def test_every_local_day_of_a_generation_has_one_slot_for_each_time(
    make_group: MakeGroup, name: str
) -> None:
    """Through every change of summer time that there was or is announced."""
    group = make_group(times=["00:10", "02:30"], zone=name)
    seen: Counter[date] = Counter()
    slot = latest_slot(group, datetime(2031, 1, 1, tzinfo=UTC))
    while slot.year > 2007:
        seen[wall(slot, group.time_zone).date()] += 1
        slot = latest_slot(group, slot - timedelta(microseconds=1))

    days = {FIRST + ahead * DAY for ahead in range(1, (LAST - FIRST).days)}
    skipped = {date(2011, 12, 30)} if name == "Pacific/Apia" else set()
    assert {day: seen[day] for day in days if seen[day] != 2} == dict.fromkeys(skipped, 0)


@given(SCHEDULES, NOWS)
def test_the_latest_slot_is_the_newest_of_all_on_the_days_that_are_meant(
    make_group: MakeGroup, schedule: dict[str, object], now: datetime
) -> None:
    group = make_group(**schedule)
    slots = slots_between(group, now - 400 * DAY, now)

    assert latest_slot(group, now) == max(slots)
    untracked = group.model_copy(update={"synchronization": None})
    assert latest_slot(group, now, is_tracked=False) == latest_slot(untracked, now)


@given(SCHEDULES, NOWS, st.timedeltas(timedelta(0), 90 * DAY), st.booleans())
def test_missed_slots_are_those_that_one_finds_by_looking_at_every_day(
    make_group: MakeGroup,
    schedule: dict[str, object],
    now: datetime,
    ago: timedelta,
    is_tracked: bool,  # noqa: FBT001 (drawn)
) -> None:
    group = make_group(**schedule)
    looked_at = group if is_tracked else group.model_copy(update={"synchronization": None})
    since, until = now - ago, latest_slot(group, now, is_tracked=is_tracked)
    slots = slots_between(looked_at, since, until) - {since, until}

    assert missed_slots(group, since, until, is_tracked=is_tracked) == len(slots)
    assert missed_slots(group, until, since, is_tracked=is_tracked) == 0


@given(SCHEDULES, NOWS)
def test_stepping_from_slot_to_slot_counts_as_many_as_were_missed(
    make_group: MakeGroup, schedule: dict[str, object], now: datetime
) -> None:
    group = make_group(**schedule)
    slot = until = latest_slot(group, now)
    for missed in range(5):
        slot = latest_slot(group, slot - timedelta(microseconds=1))
        assert missed_slots(group, slot, until) == missed


@given(SCHEDULES, NOWS, st.timedeltas(timedelta(0), 3 * DAY))
def test_the_latest_slot_is_never_in_the_future_and_never_goes_back(
    make_group: MakeGroup, schedule: dict[str, object], now: datetime, later: timedelta
) -> None:
    group = make_group(**schedule)
    slot, next_slot = latest_slot(group, now), latest_slot(group, now + later)

    assert slot <= now
    assert slot <= next_slot <= now + later
    assert latest_slot(group, slot) == slot


@given(st.sampled_from(ZONES), TIMES, NOWS)
def test_a_daily_slot_is_never_older_than_the_longest_day(
    make_group: MakeGroup, name: str, times: list[time], now: datetime
) -> None:
    group = make_group(times=[f"{at:%H:%M}" for at in times], zone=name)
    assert now - latest_slot(group, now) < timedelta(hours=27)


@given(SCHEDULES, NOWS)
def test_scheduled_checks_are_at_the_times_that_recovery_points_would_be(
    make_group: MakeGroup, schedule: dict[str, object], now: datetime
) -> None:
    group = make_group(**schedule)
    points = group.recovery_points.model_dump(exclude_none=True, exclude={"months"})
    checked = make_group(
        zone=group.zone, recovery_points=points, consistency_check={"schedule": points}
    )
    assert latest_check(checked, now) == latest_slot(checked, now)
    assert latest_check(group, now) is None


JUMPS = st.lists(
    st.timedeltas(timedelta(0), timedelta(hours=9)) | st.timedeltas(-40 * DAY, 40 * DAY),
    min_size=1,
    max_size=30,
)


@given(SCHEDULES, NOWS, JUMPS)
def test_no_jump_of_the_clock_makes_a_slot_filled_twice_or_a_point_fill_none(
    make_group: MakeGroup, schedule: dict[str, object], now: datetime, jumps: list[timedelta]
) -> None:
    """A second point of one slot is made only when the first one's time was never."""
    group = make_group(**schedule)
    points: list[tuple[datetime, datetime]] = []
    for jump in jumps:
        now += jump
        slot, newest = latest_slot(group, now), points[-1][1] if points else None
        if not is_filled(slot, newest, now):
            points.append((slot, now))
        assert is_filled(latest_slot(group, now), points[-1][1], now)

    for (slot, captured_at), (next_slot, next_at) in pairwise(points):
        assert slot < next_slot or next_at < captured_at - FUTURE_TOLERANCE


@given(
    st.sampled_from(ZONES),
    st.tuples(TIMES, TIMES).filter(lambda times: times[0][0] != times[1][0]),
    NOWS,
)
def test_a_moment_is_quiet_or_not_as_the_clock_on_the_wall_says(
    make_group: MakeGroup, name: str, ends: tuple[list[time], list[time]], now: datetime
) -> None:
    (start, *_), (end, *_) = ends
    quiet = {"start": f"{start:%H:%M}", "end": f"{end:%H:%M}"}
    group = make_group(zone=name, initial_replication={"quiet_time": quiet})
    shown = wall(now, group.time_zone)
    since_start = (shown - datetime.combine(shown.date(), start)) % DAY
    length = (datetime.combine(FIRST, end) - datetime.combine(FIRST, start)) % DAY

    assert is_quiet(group, now) == (since_start < length)


@given(st.sampled_from(ZONES), st.sampled_from(["15m", "1h", "7h"]), NOWS)
def test_synchronizations_are_evenly_spaced_whatever_the_clocks_on_walls_do(
    make_group: MakeGroup, name: str, synchronization: str, now: datetime
) -> None:
    group = make_group(times=["12:34"], zone=name, synchronization=synchronization)
    every = group.frequency
    assert every is not None
    slot = latest_slot(group, now)

    assert now - slot < every
    assert (slot - EPOCH) % every == timedelta(0) or wall(slot, group.time_zone).minute == 34


@given(st.sampled_from(ZONES), st.dates(FIRST, LAST), TIMES)
def test_an_instant_is_on_its_local_day_unless_that_time_is_skipped(
    name: str, day: date, times: list[time]
) -> None:
    zone = ZoneInfo(name)
    for at in times:
        found = instant(day, at, zone)
        assert found == first_instant(name, day, at)
        assert wall(found, zone) >= datetime.combine(day, at)


@given(NOWS, st.timedeltas(-9 * DAY, 9 * DAY), st.timedeltas(timedelta(0), 2 * DAY))
def test_a_slot_is_filled_by_a_point_that_is_neither_older_nor_from_the_future(
    now: datetime, ago: timedelta, slot_ago: timedelta
) -> None:
    captured_at, slot = now - ago, now - slot_ago

    filled = is_filled(slot, captured_at, now)
    assert filled == (slot <= captured_at <= now + FUTURE_TOLERANCE)


@given(st.sampled_from(ZONES), NOWS, st.timedeltas(timedelta(0), 400 * DAY))
def test_a_clock_that_goes_back_does_not_stop_backups(
    make_group: MakeGroup, name: str, now: datetime, back: timedelta
) -> None:
    assume(back > FUTURE_TOLERANCE)
    group = make_group(zone=name)
    captured_at, now = now, now - back

    assert not is_filled(latest_slot(group, now), captured_at, now)
    assert is_filled(latest_slot(group, now), now, now)
