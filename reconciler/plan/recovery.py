"""Which recovery point a person means."""

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from reconciler.errors import ItemNotFoundError
from reconciler.model.protection import RecoveryPoint


def parse_at(text: str, zone: ZoneInfo) -> datetime:
    """A time as people write it, in UTC; without an offset it is in the zone given.

    Raises:
        ItemNotFoundError: It is no time.
    """
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ItemNotFoundError(
            f"'{text}' is no time",
            hint="write it as 2026-11-24T18:00, or 2026-11-24T18:00+01:00 with an offset",
        ) from error


def newest_at(points: Sequence[RecoveryPoint], at: datetime | None, machine: str) -> RecoveryPoint:
    """The newest recovery point at or before a time; without one, the newest of all.

    Raises:
        ItemNotFoundError: There is none that old.
    """
    # times are shown in whole seconds, and what is shown must find its point
    fitting = [p for p in points if at is None or p.captured_at.replace(microsecond=0) <= at]
    if fitting:
        return max(fitting, key=lambda p: p.captured_at)
    if not points:
        raise ItemNotFoundError(
            f"{machine} has no recovery point", hint="see what there is: reconciler show"
        )
    oldest = min(p.captured_at for p in points)
    raise ItemNotFoundError(
        f"{machine} has no recovery point at or before {at:%Y-%m-%d %H:%M:%S} UTC",
        hint=f"the oldest is of {oldest:%Y-%m-%dT%H:%M:%S}+00:00; see all: reconciler show",
    )
