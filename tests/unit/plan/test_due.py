"""Which slot is the newest, told by examples; the laws are in tests/property/test_due.py."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from reconciler.plan.due import FUTURE_TOLERANCE, instant, is_filled, latest_slot
from reconciler.policy.protection_group import ProtectionGroup

MakeGroup = Callable[..., ProtectionGroup]
BERLIN = ZoneInfo("Europe/Berlin")
SECOND = timedelta(seconds=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_time_that_summer_time_skips_is_taken_as_if_nothing_had_changed() -> None:
    assert instant(date(2026, 3, 29), time(2, 30), BERLIN) == utc("2026-03-29T01:30")


def test_of_a_time_that_comes_twice_the_first_is_meant() -> None:
    assert instant(date(2026, 10, 25), time(2, 30), BERLIN) == utc("2026-10-25T00:30")


def test_a_fold_in_what_was_given_does_not_matter() -> None:
    given = time(2, 30, fold=1)
    assert instant(date(2026, 10, 25), given, BERLIN) == utc("2026-10-25T00:30")


@pytest.mark.parametrize(
    ("now", "slot"),
    [
        ("2026-11-24T16:59:59", "2026-11-24T07:00"),
        ("2026-11-24T17:00:00", "2026-11-24T17:00"),
        ("2026-11-25T06:59:59", "2026-11-24T17:00"),
        ("2026-11-25T07:00:00", "2026-11-25T07:00"),
    ],
)
def test_a_slot_holds_from_its_second_until_the_next(
    make_group: MakeGroup, now: str, slot: str
) -> None:
    group = make_group(times=["18:00", "08:00"], zone="Europe/Berlin")

    assert latest_slot(group, utc(now)) == utc(slot)


def test_far_from_utc_the_local_day_counts(make_group: MakeGroup) -> None:
    group = make_group(times=["00:15"], zone="Pacific/Kiritimati")

    assert latest_slot(group, utc("2026-11-24T10:15")) == utc("2026-11-24T10:15")
    assert latest_slot(group, utc("2026-11-24T10:14")) == utc("2026-11-23T10:15")


def test_a_local_day_that_was_left_out_has_its_slot_together_with_the_next(
    make_group: MakeGroup,
) -> None:
    group = make_group(times=["18:00"], zone="Pacific/Apia")  # no 30 December 2011

    slots = {latest_slot(group, utc("2011-12-29T12:00") + timedelta(hours=h)) for h in range(72)}
    assert sorted(slots) == [
        utc("2011-12-29T04:00"),
        utc("2011-12-30T04:00"),
        utc("2011-12-31T04:00"),
        utc("2012-01-01T04:00"),
    ]


def test_synchronizations_come_between_the_times_of_day(make_group: MakeGroup) -> None:
    group = make_group(times=["18:10"], synchronization="15m")
    nows = ["2026-11-24T18:09", "2026-11-24T18:14", "2026-11-24T18:15"]

    slots = [latest_slot(group, utc(now)) for now in nows]
    assert slots == [utc(f"2026-11-24T{at}") for at in ("18:00", "18:10", "18:15")]


def test_a_machine_without_a_point_has_nothing_in_its_slot(noon: datetime) -> None:
    assert not is_filled(noon, None, noon)


@pytest.mark.parametrize(
    ("captured_after", "filled"),
    [
        (-SECOND, False),
        (timedelta(0), True),
        (timedelta(hours=1), True),
        (timedelta(hours=1) + FUTURE_TOLERANCE, True),
        (timedelta(hours=1) + FUTURE_TOLERANCE + SECOND, False),
    ],
)
def test_a_point_fills_its_slot_unless_it_is_older_or_from_the_future(
    noon: datetime, captured_after: timedelta, *, filled: bool
) -> None:
    slot, now = noon, noon + timedelta(hours=1)

    assert is_filled(slot, slot + captured_after, now) is filled
