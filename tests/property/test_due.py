"""Slots, checked against a clock that is read minute by minute.

The zones have what goes wrong: changes by half an hour and by two, at midnight, during Ramadan, a
day that was left out, odd offsets, and none of it.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reconciler.plan.due import FUTURE_TOLERANCE, instant, is_filled, latest_slot
from reconciler.policy.protection_group import ProtectionGroup

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
SCHEDULES = st.fixed_dictionaries(
    {
        "zone": st.sampled_from(ZONES),
        "times": TIMES.map(lambda times: [f"{t:%H:%M}" for t in times]),
    },
    optional={"synchronization": st.sampled_from(["15m", "1h", "7h", "24h"])},
)
NOWS = st.integers(0, (LAST - FIRST) // timedelta(seconds=1)).map(
    lambda seconds: datetime(2008, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


def wall(at: datetime, zone: ZoneInfo) -> datetime:
    """What a clock on the wall shows, as a naive time."""
    return at.astimezone(zone).replace(tzinfo=None)


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
def test_around_a_change_each_local_day_has_one_slot(make_group: MakeGroup, name: str) -> None:
    group = make_group(times=["02:30"], zone=name)
    changes = [day for day in days_of_change(name) if day.year in {2011, 2018, 2026}]
    for change in changes or [date(2026, 3, 29)]:
        begin = first_instant(name, change - 5 * DAY, time(2, 30))
        nows = [begin + step * timedelta(minutes=30) for step in range(12 * 48)]
        seen = sorted({latest_slot(group, now) for now in nows})
        local_days = [wall(slot, group.time_zone).date() for slot in seen]

        assert len(set(local_days)) == len(seen) >= 11


@given(SCHEDULES, NOWS, st.timedeltas(timedelta(0), 3 * DAY))
def test_the_latest_slot_is_never_in_the_future_and_never_goes_back(
    make_group: MakeGroup, schedule: dict[str, object], now: datetime, later: timedelta
) -> None:
    group = make_group(**schedule)
    slot, next_slot = latest_slot(group, now), latest_slot(group, now + later)

    assert slot <= now
    assert slot <= next_slot <= now + later
    assert latest_slot(group, slot) == slot
    assert now - slot < timedelta(hours=27)


@given(st.sampled_from(ZONES), st.sampled_from(["15m", "1h", "7h"]), NOWS)
def test_synchronizations_are_evenly_spaced_whatever_the_clocks_on_walls_do(
    make_group: MakeGroup, name: str, synchronization: str, now: datetime
) -> None:
    group = make_group(times=["12:34"], zone=name, synchronization=synchronization)
    every = group.synchronization
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
