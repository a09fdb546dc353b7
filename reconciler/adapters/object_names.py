"""What every store asks of a name and of a range, before it touches anything."""

import re
from typing import Final

_STEP: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}")
_MOST_NAME: Final = 1024


def name_steps(path: str) -> list[str]:
    """The folders of an object's name, and its own; a name that could lead elsewhere is refused."""
    if not is_name(path):
        raise ValueError(f"{path[:200]!r} is not the name of an object")
    return path.split("/")


def is_name(path: str) -> bool:
    """Whether an object may be called so."""
    return len(path) <= _MOST_NAME and all(_STEP.fullmatch(step) for step in path.split("/"))


def range_length(start: int, end: int | None, length: int | None) -> int:
    """How many bytes were asked for, one way or the other.

    Units: bytes; at least one.
    """
    if length is None:
        if end is None:
            raise ValueError("a range needs an end or a length")
        length = end - start
    if start < 0 or length <= 0:
        raise ValueError(f"no range: {length} bytes at {start}")
    return length
