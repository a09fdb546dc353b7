"""Bytes to text, and plain scalars to values: YAML 1.2 core schema, numbers of sane length."""

import re

from reconciler.policy.complaints import Code, Position, Remark

_NOT_YAML = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
"""All but the printable characters of YAML 1.2.2 section 5.1; also all but its three line breaks
that editors do not show as such: what looks like one line is one line.
"""
_NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\Z|0o[0-7]{1,20}\Z|0x[0-9a-fA-F]{1,15}\Z")
_FRACTION = re.compile(
    r"[-+]?(?:\.[0-9]{1,20}|[0-9]{1,20}\.[0-9]{0,20})(?:[eE][-+]?[0-9]{1,3})?\Z"
    r"|[-+]?[0-9]{1,20}[eE][-+]?[0-9]{1,3}\Z"
)
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}

Scalar = str | int | float | bool | None


class YamlRefusedError(Exception):
    """The text is not the YAML that we accept; carries every place that says so."""

    def __init__(self, *found: tuple[Position, Remark]) -> None:
        super().__init__(found[0][1].text)
        self.found = found


def refused(line: int, column: int, text: str, hint: str) -> YamlRefusedError:
    """A refusal at one place, not inside any value."""
    return YamlRefusedError((Position(line, column), Remark((), text, hint, Code.SYNTAX)))


def decode(raw: bytes, most_bytes: int) -> str:
    """The text of a file.

    Raises:
        YamlRefusedError: Too large, not UTF-8, or with characters that YAML does not allow.
    """
    if len(raw) > most_bytes:
        raise refused(
            1, 1, f"the file is larger than {most_bytes:,} bytes", "split it into several files"
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _place(raw[: error.start].decode("utf-8-sig", "replace"))
        text = f"not UTF-8: byte 0x{raw[error.start]:02x}"
        raise refused(line, column, text, "save the file as UTF-8") from None
    if bad := _NOT_YAML.search(text):
        line, column = _place(text[: bad.start()])
        raise refused(
            line,
            column,
            f"the character U+{ord(bad.group()):04X} is not allowed in YAML",
            "remove it; it is invisible in most editors",
        )
    return text


def _place(before: str) -> tuple[int, int]:
    """Line and column of what follows `before`."""
    lines = re.split(r"\r\n|\n|\r", before)
    return len(lines), len(lines[-1]) + 1


def plain_value(text: str) -> Scalar:
    """What a scalar without quotes means; whatever is not plainly something else is text.

    Source: YAML 1.2.2 section 10.3.2, without .inf and .nan, which no policy needs.
    """
    if text in _WORDS:
        return _WORDS[text]
    first = text[0]
    if not ("0" <= first <= "9" or first in "+-."):
        return text
    if _NUMBER.match(text):
        return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
    return float(text) if _FRACTION.match(text) else text
