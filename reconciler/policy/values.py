"""The few types that fields of policies are made of, each with one spelling."""

import re
from datetime import time, timedelta
from functools import lru_cache
from ipaddress import ip_address
from typing import Annotated, Any, TypeVar
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from reconciler.policy.complaints import nearest, quoted

LONGEST = timedelta(days=36_500)
"""A hundred years: far enough for anybody, and every date minus it still exists."""

_NAME = r"^[a-z][a-z0-9-]{0,62}$"
DURATION_PATTERN = r"^[1-9][0-9]{0,7}[mhd]$"
_TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
_GUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_SECRET = r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$"  # noqa: S105 - a pattern, not a password
_HOST_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\Z")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_LONGEST_TEXT = 255
_SIZE = r"^[1-9][0-9]{0,7}([MGTP]i?B)$"
_PREFIXES = "MGTP"
_SIZE_UNITS: dict[str, int] = {f"{c}B": 1000**n for n, c in enumerate(_PREFIXES, 2)} | {
    f"{c}iB": 1024**n for n, c in enumerate(_PREFIXES, 2)
}
"""Name of a unit → bytes."""

T = TypeVar("T")


def wrong(problem: str, hint: str = "", *, is_about_key: bool = False) -> PydanticCustomError:
    """A complaint about a value; `problem` must not repeat a secret."""
    context = {"problem": problem, "hint": hint, "is_about_key": is_about_key}
    return PydanticCustomError("value", "{problem}", context)


def _text(value: str) -> str:
    """Text on one line. A control character is nearly always a backslash in double quotes."""
    if not value.strip():
        raise wrong("expected text, got nothing but blanks")
    if len(value) > _LONGEST_TEXT:
        raise wrong(f"longer than {_LONGEST_TEXT} characters")
    if any(ord(c) < ord(" ") or ord(c) == 0x7F for c in value):  # noqa: PLR2004 - DEL
        hint = "inside double quotes a backslash is special: use single quotes"
        raise wrong(f"text with a control character in it: {quoted(value)}", hint)
    return value


def _name(value: str) -> str:
    if not re.fullmatch(_NAME, value):
        better = re.sub(r"[^a-z0-9]+", "-", value[:63].lower()).strip("-")
        hint = f"'{better}' would do" if re.fullmatch(_NAME, better) else ""
        rule = "a name is 1 to 63 lower-case letters, digits and '-', and begins with a letter"
        raise wrong(f"{rule}; got {quoted(value)}", hint)
    return value


def duration(value: Any) -> timedelta:
    """The time that a text such as 15m means."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not re.fullmatch(DURATION_PATTERN, value):
        raise wrong(
            f"expected a duration such as 15m, 36h or 30d, got {quoted(value)}",
            "a number and m, h or d (minutes, hours, days), nothing between them",
        )
    meant = int(value[:-1]) * _UNITS[value[-1]]
    if meant > LONGEST:
        raise wrong(f"{quoted(value)} is longer than a hundred years", "write at most 36500d")
    return meant


def shown_duration(duration: timedelta) -> str:
    """The spelling of policy files, in the largest unit that is exact."""
    for unit in "dh":
        if duration % _UNITS[unit] == timedelta():
            return f"{duration // _UNITS[unit]}{unit}"
    return f"{duration // _UNITS['m']}m"


def size(value: Any) -> int:
    """The bytes that a text such as 500GiB means."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise wrong(f"expected a size with its unit, got {value}", "write 500GiB or 2TB")
    if not isinstance(value, str) or not (found := re.fullmatch(_SIZE, value)):
        raise wrong(
            f"expected a size such as 500GiB or 2TB, got {quoted(value)}",
            "a number and MB, GB, TB, PB (thousands) or MiB, GiB, TiB, PiB (1024s), no space",
        )
    unit = found[1]
    return int(value.removesuffix(unit)) * _SIZE_UNITS[unit]


def shown_size(count: int) -> str:
    """The spelling of policy files, in the unit that is exact and gives the smallest number."""
    exact = [(count // unit, name) for name, unit in _SIZE_UNITS.items() if count % unit == 0]
    number, name = min(exact)
    return f"{number}{name}"


def _time(value: Any) -> time:
    if isinstance(value, time):
        return value
    if not isinstance(value, str) or not re.fullmatch(_TIME, value):
        raise wrong(
            f"expected a time of day such as 08:00 or 22:30, got {quoted(value)}",
            "two digits, a colon, two digits, from 00:00 to 23:59",
        )
    return time(int(value[:2]), int(value[3:]))


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Every IANA zone that this computer knows."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


def _zone(value: str) -> str:
    if value not in zone_names():
        if not zone_names():
            hint = "this computer has no time zone database: install the package tzdata"
        else:
            near = nearest(value, zone_names()) or "Europe/Berlin"
            hint = f"write one of IANA's names, such as {near}"
        raise wrong(f"there is no time zone {quoted(value)}", hint)
    return value


def _guid(value: str) -> str:
    if not re.fullmatch(_GUID, value):
        hint = "PowerShell shows it: (Get-VM NAME).Id, without braces"
        raise wrong(f"expected the id of a virtual machine, got {quoted(value)}", hint)
    return value.lower()


def _address(value: str) -> str:
    try:
        ip_address(value)
    except ValueError:
        labels = value.rstrip(".").split(".")
        is_name = len(value) <= 253 and all(_HOST_LABEL.match(label) for label in labels)  # noqa: PLR2004 - RFC 1035 2.3.4
        if not is_name or labels[-1].isdecimal():
            hint = "only the name or the number: no scheme, port or path"
            raise wrong(f"expected a host name or IP address, got {quoted(value)}", hint) from None
    return value


def _secret(value: Any) -> str:
    """A reference to a secret. The value is never repeated: it may be the secret itself."""
    if not isinstance(value, str) or not re.fullmatch(_SECRET, value):
        raise wrong(
            "a secret does not belong in a policy file; expected a reference to one",
            "write env:NAME (an environment variable) or file:path (a file with only the secret)",
            is_about_key=True,  # the line of the value would show it
        )
    return value


def _given(value: Any) -> Any:
    """A key that is written has a value: `synchronization:` alone would be a silent no."""
    if value is None:
        raise wrong("expected a value, got nothing", "write one, or remove the key")
    return value


def _text_schema(pattern: str, **more: object) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, **more})


Text = Annotated[
    str,
    AfterValidator(_text),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": _LONGEST_TEXT}),
]
Name = Annotated[str, AfterValidator(_name), _text_schema(_NAME)]
Duration = Annotated[
    timedelta,
    BeforeValidator(duration),
    PlainSerializer(shown_duration, return_type=str, when_used="json"),
    _text_schema(DURATION_PATTERN, examples=["15m", "36h", "30d"]),
]
Size = Annotated[
    int,
    BeforeValidator(size),
    PlainSerializer(shown_size, return_type=str, when_used="json"),
    _text_schema(_SIZE, examples=["500GiB", "2TB"]),
]
"""Bytes."""
LocalTime = Annotated[
    time,
    BeforeValidator(_time),
    PlainSerializer(lambda value: f"{value:%H:%M}", return_type=str, when_used="json"),
    _text_schema(_TIME, examples=["08:00", "22:30"]),
]
Zone = Annotated[
    str, AfterValidator(_zone), WithJsonSchema({"type": "string", "examples": ["Europe/Berlin"]})
]
VmGuid = Annotated[str, AfterValidator(_guid), _text_schema(_GUID)]
Address = Annotated[
    str, AfterValidator(_address), WithJsonSchema({"type": "string", "maxLength": 253})
]
SecretReference = Annotated[
    str, BeforeValidator(_secret), _text_schema(_SECRET, examples=["env:LAB_PASSWORD"])
]

# Lists become tuples, which strict mode would refuse; the items stay strict.
Several = Annotated[tuple[T, ...], Field(strict=False, min_length=1)]
Optionally = Annotated[T | None, BeforeValidator(_given)]
