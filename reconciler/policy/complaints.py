"""Complaints: what is wrong, exactly where, and what would be right."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

Location = tuple[str | int, ...]
"""The way to a value inside a document: keys and list indexes."""

EXCERPT_CHARACTERS = 100
MOST_COMPLAINTS = 50
"""More than these of one file are not shown."""

_LINE_BREAK = re.compile(r"\r\n|\n|\r")
_SECRET = re.compile(
    r"""(?ix) ( \b (?: pass?\w* | secret\w* | token\w* | \w+_key ) ["']? \s* : \s* )
        (?! ["']? (?: env | file ) : ) \S .* """
)
_SECRET_FOLLOWS = re.compile(
    r"""(?i)\b(?:pass?\w*|secret\w*|token\w*|\w+_key)["']?\s*:\s*(?:[|>]\S*)?\s*\Z"""
)
_KEY_LINE = re.compile(r"\s*[A-Za-z0-9+/=]{60,80}\s*\Z")
"""A line of a private key that was pasted with its indentation lost."""


class Code(StrEnum):
    """Stable names of what can be wrong, for scripts."""

    SYNTAX = "policy.syntax"
    UNKNOWN_KEY = "policy.unknown_key"
    VALUE = "policy.value"
    CONFLICT = "policy.conflict"


class Severity(StrEnum):
    """Whether the file can be used."""

    ERROR = "error"
    WARNING = "warning"


class Position(NamedTuple):
    """Units: lines and characters, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to say about a place in a document, before its line is known."""

    location: Location
    text: str
    hint: str = ""
    code: Code = Code.VALUE
    severity: Severity = Severity.ERROR
    is_about_key: bool = False
    """The caret goes below the key instead of its value."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """A remark with its place in a file. Secrets in the excerpt are masked."""

    path: str
    line: int
    column: int
    where: str
    text: str
    hint: str
    code: Code
    severity: Severity
    excerpt: str = ""
    caret: int = 0
    """Where in the excerpt the caret goes."""

    def render(self) -> str:
        """The complaint as a person reads it, with the line and a caret."""
        field = f"{self.where}: " if self.where else ""
        kind = "warning: " if self.severity is Severity.WARNING else ""
        out = [f"{self.path}:{self.line}:{self.column}: {kind}{field}{self.text}"]
        if self.excerpt:
            out += [f"{self.line:>5} | {self.excerpt}", f"      | {' ' * self.caret}^"]
        if self.hint:
            out.append(f"      = hint: {self.hint}")
        return "\n".join(out)


class Source:
    """The text of one file, kept for the lines that complaints show."""

    def __init__(self, path: str, raw: bytes) -> None:
        self.path = path
        self.raw = raw

    @cached_property
    def lines(self) -> list[str]:
        """Shape: at least one."""
        return _LINE_BREAK.split(self.raw.decode("utf-8-sig", "replace"))

    def complaint(self, position: Position, remark: Remark) -> Complaint:
        """Put a remark in its place; a position outside the file moves to its nearest end."""
        line = min(max(position.line, 1), len(self.lines))
        text = self.lines[line - 1]
        column = min(max(position.column, 1), len(text) + 1)
        if line > 1 and _SECRET_FOLLOWS.search(self.lines[line - 2]):
            text = "***"
        excerpt, caret = _excerpt(text, column - 1)
        return Complaint(
            path=self.path,
            line=line,
            column=column,
            where=dotted(remark.location),
            text=remark.text,
            hint=remark.hint,
            code=remark.code,
            severity=remark.severity,
            excerpt=excerpt,
            caret=caret,
        )


def _excerpt(line: str, at: int) -> tuple[str, int]:
    """A window of the line around `at`, printable and without secrets, and `at` inside it."""
    shown = "".join(c if c.isprintable() else " " if c == "\t" else "\N{REPLACEMENT CHARACTER}"
                    for c in line)  # fmt: skip
    shown = _KEY_LINE.sub("***", _SECRET.sub(r"\1***", shown))
    start = max(0, at - EXCERPT_CHARACTERS + 20)
    excerpt = shown[start : start + EXCERPT_CHARACTERS]
    return excerpt, min(at - start, len(excerpt))


def dotted(location: Location) -> str:
    """A location as people write it: `members[0].host`."""
    out = ""
    for step in location:
        if isinstance(step, int):
            out += f"[{step}]"
        else:
            out += f".{step}" if out else step
    return out if len(out) <= EXCERPT_CHARACTERS else out[:EXCERPT_CHARACTERS] + "…"


def quoted(value: object) -> str:
    """A value as a complaint repeats it: short, and on one line."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    shown = ascii(text) if not text.isprintable() else f"'{text}'"
    shown = shown if len(shown) <= EXCERPT_CHARACTERS else shown[:EXCERPT_CHARACTERS] + "…'"
    return shown if isinstance(value, str) else shown.strip("'")


def nearest(wrong: str, known: Iterable[str]) -> str:
    """The known name that is spelled most like this one; empty when none is near."""
    found = get_close_matches(wrong[:EXCERPT_CHARACTERS], sorted(known), n=1, cutoff=0.6)
    return found[0] if found else ""


def did_you_mean(wrong: str, known: Iterable[str], label: str) -> str:
    """The nearest known name, or all of them when there are few."""
    names = sorted(known)
    if near := nearest(wrong, names):
        return f"did you mean '{near}'?"
    shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")  # noqa: PLR2004
    return f"{label}: {shown}" if names else ""


def in_order(complaints: Iterable[Complaint]) -> tuple[Complaint, ...]:
    """By line, without repetition."""
    return tuple(sorted(set(complaints), key=lambda c: (c.path, c.line, c.column, c.text)))
