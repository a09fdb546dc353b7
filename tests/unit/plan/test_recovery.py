"""Which recovery point a person means by a time."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from reconciler.errors import ItemNotFoundError
from reconciler.model.names import DataSourceId, JobId, RecoveryPointId, VolumeId
from reconciler.model.protection import Cause, CauseKind, Consistency, RecoveryPoint
from reconciler.plan.recovery import newest_at, parse_at

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)


def point(name: str, captured_at: datetime) -> RecoveryPoint:
    return RecoveryPoint(
        RecoveryPointId(name),
        DataSourceId("source-erp"),
        VolumeId("volume-1"),
        captured_at,
        Consistency.APPLICATION,
        Cause(CauseKind.SLOT, captured_at),
        JobId("job-1"),
        bytes_read=1,
        bytes_stored=1,
    )


@pytest.fixture
def points(noon: datetime) -> list[RecoveryPoint]:
    """Three of them, an hour apart, in no order."""
    return [point("noon", noon), point("morning", noon - HOUR), point("one", noon + HOUR)]


def test_without_a_time_the_newest_is_meant(points: list[RecoveryPoint]) -> None:
    assert newest_at(points, None, "erp").id == "one"


@pytest.mark.parametrize(
    ("minutes", "expected"), [(0, "noon"), (59, "noon"), (-1, "morning"), (600, "one")]
)
def test_the_newest_at_or_before_the_time_is_meant(
    points: list[RecoveryPoint], noon: datetime, minutes: int, expected: str
) -> None:
    assert newest_at(points, noon + timedelta(minutes=minutes), "erp").id == expected


def test_the_second_that_is_shown_finds_its_point(noon: datetime) -> None:
    points = [point("shown as noon", noon + timedelta(microseconds=999_999))]

    assert newest_at(points, noon, "erp").id == "shown as noon"


def test_a_time_before_all_points_is_refused_with_the_oldest(
    points: list[RecoveryPoint], noon: datetime
) -> None:
    with pytest.raises(ItemNotFoundError) as refused:
        newest_at(points, noon - 2 * HOUR, "erp")
    assert refused.value.message == (
        "erp has no recovery point at or before 2026-11-24 10:00:00 UTC"
    )
    assert "2026-11-24T11:00:00+00:00" in refused.value.hint


def test_a_machine_without_points_says_so(noon: datetime) -> None:
    for at in (None, noon):
        with pytest.raises(ItemNotFoundError, match=r"^erp has no recovery point$"):
            newest_at([], at, "erp")


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-11-24T18:00", 17),
        ("2026-11-24 18:00:00", 17),
        ("2026-11-24T18:00+05:00", 13),
        ("2026-11-24T18:00Z", 18),
        ("2026-07-24T18:00", 16),
    ],
)
def test_a_time_without_an_offset_is_in_the_zone_of_the_group(text: str, hour: int) -> None:
    found = parse_at(text, BERLIN)

    assert found.tzinfo is UTC
    assert found.hour == hour


@pytest.mark.parametrize("text", ["", "yesterday", "18:00", "24.11.2026 18:00"])
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ItemNotFoundError) as refused:
        parse_at(text, BERLIN)
    assert refused.value.message == f"'{text}' is no time"
    assert "2026-11-24T18:00" in refused.value.hint


@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31T23:59-05:00"])
def test_a_time_at_the_edge_of_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(ItemNotFoundError):
        parse_at(text, BERLIN)
