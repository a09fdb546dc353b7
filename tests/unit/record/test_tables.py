from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.record.tables import from_microseconds, to_microseconds

OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
MOMENTS = st.datetimes(
    min_value=datetime(1900, 1, 1),  # noqa: DTZ001 Hypothesis adds the offset
    max_value=datetime(9000, 1, 1),  # noqa: DTZ001
    timezones=OFFSETS,
)


@given(MOMENTS)
def test_a_moment_comes_back_to_the_microsecond_in_utc(moment: datetime) -> None:
    back = from_microseconds(to_microseconds(moment))

    assert back == moment
    assert back.tzinfo is UTC


def test_a_time_without_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="without an offset"):
        to_microseconds(datetime(2026, 3, 1))  # noqa: DTZ001 that is the point
