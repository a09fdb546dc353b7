"""Which slot is the newest, told by examples; the laws are in tests/property/test_due.py."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from reconciler.plan.due import (
    FUTURE_TOLERANCE,
    MOST_COUNTED,
    instant,
    is_filled,
    is_quiet,
    latest_check,
    latest_slot,
    missed_slots,
)
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


def test_a_day_that_began_and_is_taken_back_has_had_its_first_slot(make_group: MakeGroup) -> None:
    group = make_group(times=["00:00"], zone="America/St_Johns")  # at 00:01 back to 23:01

    assert latest_slot(group, utc("2010-11-07T02:45")) == utc("2010-11-07T02:30")


def test_a_time_that_was_skipped_may_come_after_one_of_the_next_day(make_group: MakeGroup) -> None:
    group = make_group(times=["00:35", "23:45"], zone="America/Toronto")  # from 23:30 to 00:30
    nows = ["1919-03-31T04:40", "1919-03-31T04:50"]

    slots = [latest_slot(group, utc(now)) for now in nows]
    assert slots == [utc("1919-03-31T04:35"), utc("1919-03-31T04:45")]
    assert missed_slots(group, utc("1919-03-30T12:00"), utc("1919-03-31T12:00")) == 2


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


@pytest.mark.parametrize(
    ("points", "now", "slot"),
    [
        ({"weekdays": ["mon"]}, "2026-11-24T12:00", "2026-11-23T18:00"),
        ({"weekdays": ["tue", "wed"]}, "2026-11-24T17:59", "2026-11-18T18:00"),
        ({"days_of_month": [1]}, "2026-11-24T12:00", "2026-11-01T18:00"),
        ({"days_of_month": [31]}, "2026-12-30T12:00", "2026-11-30T18:00"),
        ({"days_of_month": [30]}, "2027-03-29T12:00", "2027-02-28T18:00"),
        ({"days_of_month": [29]}, "2028-03-01T12:00", "2028-02-29T18:00"),
        ({"days_of_month": ["last"]}, "2027-03-01T12:00", "2027-02-28T18:00"),
        ({"days_of_month": [31, "last"]}, "2026-12-01T12:00", "2026-11-30T18:00"),
        (
            {"days_of_month": [1], "months": ["jan", "apr", "jul", "oct"]},
            "2026-12-31T12:00",
            "2026-10-01T18:00",
        ),
        ({"weekdays": ["sun"], "months": ["feb"]}, "2026-02-01T12:00", "2025-02-23T18:00"),
    ],
)
def test_weekly_monthly_and_quarterly_slots_are_on_their_days(
    make_group: MakeGroup, points: dict[str, object], now: str, slot: str
) -> None:
    group = make_group(recovery_points={"times": ["18:00"], **points})

    assert latest_slot(group, utc(now)) == utc(slot)


def test_on_days_without_recovery_points_there_are_still_synchronizations(
    make_group: MakeGroup,
) -> None:
    points = {"times": ["18:00"], "weekdays": ["mon"]}
    group = make_group(recovery_points=points, synchronization="1h")
    now = utc("2026-11-26T12:34")

    assert latest_slot(group, now) == utc("2026-11-26T12:00")
    assert latest_slot(group, now, is_tracked=False) == utc("2026-11-23T18:00")


def test_just_before_recovery_points_means_none_between_them(make_group: MakeGroup) -> None:
    group = make_group(synchronization="just_before_recovery_points")

    assert latest_slot(group, utc("2026-11-24T12:34")) == utc("2026-11-23T18:00")


def test_missed_slots_are_those_strictly_between_two_moments(make_group: MakeGroup) -> None:
    group = make_group(times=["06:00", "18:00"])
    since, until = utc("2026-11-20T18:00"), utc("2026-11-24T18:00")

    assert missed_slots(group, since, until) == 7
    assert missed_slots(group, since - SECOND, until + SECOND) == 9
    assert missed_slots(group, until, since) == 0
    assert missed_slots(group, since, since) == 0


def test_a_time_that_is_also_a_synchronization_is_missed_once(make_group: MakeGroup) -> None:
    group = make_group(times=["06:00", "06:10"], synchronization="1h")
    since, until = utc("2026-11-24T04:00"), utc("2026-11-24T08:00")

    assert missed_slots(group, since, until) == 4  # 05:00, 06:00, 06:10, 07:00
    assert missed_slots(group, since, until, is_tracked=False) == 2


@pytest.mark.parametrize("keys", [{"synchronization": "15m"}, {}])
def test_the_count_of_missed_slots_has_an_end(
    make_group: MakeGroup, keys: dict[str, object]
) -> None:
    group = make_group(**keys)

    assert missed_slots(group, utc("1970-01-01T00:00"), utc("2026-11-24T12:00")) == MOST_COUNTED


@pytest.mark.parametrize("at", ["0002-06-01T00:00", "1970-01-01T00:00", "9998-06-01T00:00"])
def test_a_clock_far_out_of_order_still_has_a_slot(make_group: MakeGroup, at: str) -> None:
    points = {"times": ["18:00"], "days_of_month": [29], "months": ["feb"]}
    group = make_group(recovery_points=points, synchronization="24h", zone="Australia/Lord_Howe")

    assert latest_slot(group, utc(at)) <= utc(at)
    assert timedelta() < utc(at) - latest_slot(group, utc(at), is_tracked=False) < timedelta(366)


@pytest.mark.parametrize(
    ("start", "end", "quiet"),
    [
        ("22:00", "06:00", ["22:00", "23:59", "00:00", "05:59"]),
        ("01:00", "06:00", ["05:59"]),
        ("00:00", "23:59", ["22:00", "21:59", "00:00", "05:59", "06:00", "12:00"]),
    ],
)
def test_a_quiet_time_holds_from_its_start_until_before_its_end(
    make_group: MakeGroup, start: str, end: str, quiet: list[str]
) -> None:
    group = make_group(initial_replication={"quiet_time": {"start": start, "end": end}})
    times = ["22:00", "23:59", "00:00", "05:59", "06:00", "12:00", "21:59"]

    assert {at for at in times if is_quiet(group, utc(f"2026-11-24T{at}"))} == set(quiet)


def test_a_quiet_time_is_in_the_zone_of_the_group(make_group: MakeGroup) -> None:
    quiet = {"quiet_time": {"start": "22:00", "end": "06:00"}}
    group = make_group(initial_replication=quiet, zone="Europe/Berlin")

    assert is_quiet(group, utc("2026-11-24T21:00"))
    assert not is_quiet(group, utc("2026-11-24T05:00"))


def test_without_a_quiet_time_a_replica_may_be_created_at_any_time(
    make_group: MakeGroup, noon: datetime
) -> None:
    assert is_quiet(make_group(), noon)


def test_the_newest_scheduled_check_is_found_in_the_zone_of_the_group(
    make_group: MakeGroup,
) -> None:
    schedule = {"times": ["03:00"], "weekdays": ["sun"]}
    group = make_group(consistency_check={"schedule": schedule}, zone="Europe/Berlin")

    assert latest_check(group, utc("2026-11-24T12:00")) == utc("2026-11-22T02:00")
    assert latest_check(make_group(), utc("2026-11-24T12:00")) is None
