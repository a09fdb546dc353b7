"""The YAML parser's errors in the words of somebody who writes policies."""

import re

from ruamel.yaml.error import MarkedYAMLError, YAMLError

from reconciler.policy.complaints import Position

_LINE_BREAK = re.compile(r"\r\n|\n|\r")
_DEFAULT_HINT = "look at this line and the one above it: indentation, quotes and brackets"
_HINTS = (
    ("mapping values are not allowed", "a text with a colon in it goes in quotes"),
    ("escape", "inside double quotes a backslash is special: use single quotes"),
    ("hexadecimal", "inside double quotes a backslash is special: use single quotes"),
    ("quoted scalar", "close the quotes"),
    ("unexpected ':'", "inside [ ] and { } a text with a colon in it goes in quotes"),
    ("flow sequence", "commas between items, ] at the end, quotes around text with : or ? in it"),
    ("flow mapping", "commas between keys, } at the end, quotes around text with : or ? in it"),
    ("could not find expected ':'", "a key needs a colon and a space after it"),
    ("cannot start any token", "text that begins with a special character goes in quotes"),
    ("block mapping", "keys of one mapping begin in the same column"),
    ("block sequence", "items of one list begin in the same column"),
)


def yaml_problem(error: YAMLError, text: str) -> tuple[Position, str, str]:
    """Where it is, what it is, and what to do about it."""
    if not isinstance(error, MarkedYAMLError):
        return Position(1, 1), f"not valid YAML: {type(error).__name__}", _DEFAULT_HINT
    mark = error.problem_mark or error.context_mark
    problem = str(error.problem or error.context or "the text cannot be understood")
    if ("end of stream" in problem or "stream end" in problem) and error.context_mark:
        mark = error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    tab = _tab_in_indentation(text, line, column)
    if tab is not None:
        return Position(line + 1, tab + 1), "tabs cannot indent YAML", "indent with spaces"
    facts = f"{error.context or ''} {problem}"
    hint = next((hint for words, hint in _HINTS if words in facts), _DEFAULT_HINT)
    return Position(line + 1, column + 1), f"not valid YAML: {_one_line(problem)}", hint


def _one_line(problem: str) -> str:
    """The parser's words without line breaks, in a bounded length."""
    return " ".join(problem.split())[:200]


def _tab_in_indentation(text: str, line: int, column: int) -> int | None:
    """Where a tab is among the blanks that the line begins with, up to `column`."""
    lines = _LINE_BREAK.split(text)
    if line >= len(lines):
        return None
    shown = lines[line]
    indentation = shown[: len(shown) - len(shown.lstrip(" \t"))]
    tab = indentation.find("\t")
    return tab if 0 <= tab <= column else None
