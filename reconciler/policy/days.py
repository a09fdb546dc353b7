"""Days as a schedule names them: weekdays, days of the month, months."""

from calendar import monthrange
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, WithJsonSchema

from reconciler.policy.complaints import quoted
from reconciler.policy.values import wrong

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MONTHS: Final = (
    *("jan", "feb", "mar", "apr", "may", "jun"),
    *("jul", "aug", "sep", "oct", "nov", "dec"),
)
LAST: Final = "last"
LONGEST_MONTH: Final = 31
_SHORTEST = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _one_of(words: tuple[str, ...], noun: str, value: Any) -> Any:
    if value in words:
        return value
    text = value.lower() if isinstance(value, str) else ""
    first, dash, last = text.partition("-")
    if dash and first[:3] in words and last.strip()[:3] in words:
        hint = f"there are no ranges: write each {noun}, such as [{words[0]}, {words[1]}]"
    else:
        hint = f"did you mean '{text[:3]}'?" if text[:3] in words else ""
    raise wrong(f"expected a {noun} from {words[0]} to {words[-1]}, got {quoted(value)}", hint)


def _weekday(value: Any) -> Any:
    return _one_of(WEEKDAYS, "weekday", value)


def _month(value: Any) -> Any:
    return _one_of(MONTHS, "month", value)


def _day_of_month(value: Any) -> Any:
    is_day = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LONGEST_MONTH
    if not is_day and value != LAST:
        hint = "the last day of each month is written: last"
        if isinstance(value, str) and value.isdecimal():
            hint = "remove the quotes"
        raise wrong(f"expected a day from 1 to {LONGEST_MONTH} or last, got {quoted(value)}", hint)
    return value


Weekday = Annotated[
    Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], BeforeValidator(_weekday)
]
Month = Annotated[
    Literal["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    BeforeValidator(_month),
]
DayOfMonth = Annotated[
    int | Literal["last"],
    BeforeValidator(_day_of_month),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 1, "maximum": LONGEST_MONTH}, {"const": LAST}]}
    ),
]


def days_on(weekdays: Iterable[str], year: int, month: int) -> list[int]:
    """The days of a month that are one of the weekdays, ascending."""
    first, count = monthrange(year, month)
    wanted = {WEEKDAYS.index(weekday) for weekday in weekdays}
    return [day for day in range(1, count + 1) if (first + day - 1) % len(WEEKDAYS) in wanted]


def days_at(days: Iterable[int | str], year: int, month: int) -> list[int]:
    """The days of a month that are named, ascending; a shorter month uses its last one."""
    count = monthrange(year, month)[1]
    return sorted({min(day, count) if isinstance(day, int) else count for day in days})


def is_missing_sometimes(day: int | str, months: Iterable[str]) -> bool:
    """Whether one of the months can be too short to have the day."""
    shortest = min(_SHORTEST[MONTHS.index(month)] for month in months)
    return isinstance(day, int) and day > shortest
