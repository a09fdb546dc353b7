"""When recovery points are made, and whatever else has times of its own."""

from calendar import monthrange
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema

from reconciler.policy.complaints import Code, Location, Remark, Severity, nearest, quoted
from reconciler.policy.days import (
    MONTHS,
    DayOfMonth,
    Month,
    Weekday,
    days_at,
    days_on,
    is_missing_sometimes,
)
from reconciler.policy.kind import PolicyModel, repeats
from reconciler.policy.values import (
    DURATION_PATTERN,
    LocalTime,
    Optionally,
    Several,
    duration,
    shown_duration,
    wrong,
)

SHORTEST_SYNCHRONIZATION = timedelta(minutes=15)
LONGEST_SYNCHRONIZATION = timedelta(hours=24)
"""Source: DPM's own bounds for the synchronization frequency."""
JUST_BEFORE = "just_before_recovery_points"


class Schedule(PolicyModel):
    """Times of day, on every day or on some."""

    model_config = ConfigDict(
        json_schema_extra={"not": {"required": ["weekdays", "days_of_month"]}}
    )

    times: Several[LocalTime]
    """Times of day, in the zone of the group: 08:00."""

    weekdays: Optionally[Several[Weekday]] = None
    """Only on these: mon, tue, wed, thu, fri, sat, sun. Every day when left out."""

    days_of_month: Optionally[Several[DayOfMonth]] = None
    """Only on these days of a month: 1 to 31, or last; a shorter month uses its last day."""

    @property
    def month_names(self) -> tuple[str, ...]:
        """The months it falls in."""
        return MONTHS

    def days_in(self, year: int, month: int) -> tuple[int, ...]:
        """The days of a month that it falls on, ascending."""
        if MONTHS[month - 1] not in self.month_names:
            return ()
        if self.weekdays is not None:
            return tuple(days_on(self.weekdays, year, month))
        if self.days_of_month is not None:
            return tuple(days_at(self.days_of_month, year, month))
        return tuple(range(1, monthrange(year, month)[1] + 1))

    def remarks_at(self, location: Location) -> Iterator[Remark]:
        """What is there twice, what cannot stand together, and days that some months lack."""
        yield from repeats((*location, "times"), [f"{at:%H:%M}" for at in self.times])
        yield from repeats((*location, "weekdays"), self.weekdays or ())
        yield from repeats((*location, "days_of_month"), self.days_of_month or ())
        if self.weekdays is not None and self.days_of_month is not None:
            text = "days_of_month and weekdays cannot stand in one schedule"
            hint = (
                "keep one of them: weekdays: [mon] is every Monday, "
                "days_of_month: [1] the first day of each month"
            )
            at = (*location, "days_of_month")
            yield Remark(at, text, hint, Code.CONFLICT, is_about_key=True)
        for index, day in enumerate(self.days_of_month or ()):
            if is_missing_sometimes(day, self.month_names):
                text = f"a month without day {day} uses its last day"
                hint = "write last if the last day of every month is meant"
                at = (*location, "days_of_month", index)
                yield Remark(at, text, hint, severity=Severity.WARNING)


class RecoveryPoints(Schedule):
    """When a recovery point is made, beside the synchronizations."""

    months: Optionally[Several[Month]] = None
    """Only in these: jan to dec; [jan, apr, jul, oct] is quarterly. Every month when left out."""

    @property
    def month_names(self) -> tuple[str, ...]:
        """The months it falls in."""
        return self.months or MONTHS

    def remarks_at(self, location: Location) -> Iterator[Remark]:
        """Also months that are there twice."""
        yield from super().remarks_at(location)
        yield from repeats((*location, "months"), self.months or ())


def _synchronization(value: Any) -> Any:
    if value == JUST_BEFORE:
        return value
    if isinstance(value, str) and nearest(value, [JUST_BEFORE]):
        raise wrong(
            f"expected a duration or {JUST_BEFORE}, got {quoted(value)}",
            f"did you mean '{JUST_BEFORE}'?",
        )
    return duration(value)


Synchronization = Annotated[
    timedelta | Literal["just_before_recovery_points"],
    BeforeValidator(_synchronization),
    PlainSerializer(
        lambda value: shown_duration(value) if isinstance(value, timedelta) else value,
        return_type=str,
        when_used="json",
    ),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "pattern": DURATION_PATTERN}, {"const": JUST_BEFORE}],
            "examples": ["15m", "1h", JUST_BEFORE],
        }
    ),
]


def synchronization_remarks(frequency: timedelta) -> Iterator[Remark]:
    """A warning for what DPM would not accept."""
    if not SHORTEST_SYNCHRONIZATION <= frequency <= LONGEST_SYNCHRONIZATION:
        yield Remark(
            ("synchronization",),
            f"{shown_duration(frequency)} is outside what DPM allows: 15m to 24h",
            "accepted here; make sure that it is meant",
            severity=Severity.WARNING,
        )
