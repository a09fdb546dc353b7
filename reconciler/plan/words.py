"""How findings and reasons put things: plurals, times, commands, long lists."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

MOST_NAMED: Final = 10
"""Names in one list; the others are counted."""

_UNITS: Final = ("bytes", "KiB", "MiB", "GiB", "TiB")
_STEP: Final = 1024
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


def counted(number: int, noun: str) -> str:
    """As in '1 point' and '2 points'."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def shown_bytes(count: int) -> str:
    """A number of bytes for people: 12.3 GiB."""
    size, unit = float(count), _UNITS[0]
    for unit in _UNITS:
        if size < _STEP or unit == _UNITS[-1]:
            break
        size /= _STEP
    return f"{count} bytes" if unit == _UNITS[0] else f"{size:.1f} {unit}"


def shown(at: datetime) -> str:
    """A time in UTC, to the minute."""
    return at.isoformat(timespec="minutes")


def request_command(verb: str, machine: str) -> str:
    """What to type to ask for something; a name that a shell would take apart is quoted."""
    is_plain = bool(machine) and _PLAIN.issuperset(machine) and not machine.startswith("-")
    name = machine if is_plain else "'" + machine.replace("'", "'\\''") + "'"
    return f"reconciler request {verb} {name}"


def listed(names: Sequence[str]) -> str:
    """Names in order, the first ones only where there are many."""
    told = ", ".join(names[:MOST_NAMED])
    more = len(names) - MOST_NAMED
    return f"{told} and {more} more" if more > 0 else told
