"""How findings and reasons put things: plurals, times, commands, long lists."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

MOST_NAMED: Final = 10
"""Names in one list; the others are counted."""

_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


def counted(number: int, noun: str) -> str:
    """As in '1 point' and '2 points'."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


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
