"""Values of a line in words of JSON: bounded, printable and without secrets."""

import re
from collections.abc import Collection, Mapping, Set
from itertools import islice
from typing import Any

from reconciler.logs.redaction import MASK, SECRETS

_MOST_CHARACTERS = 16_384
_MOST_ITEMS = 100
_MOST_DEPTH = 8
_DEEPER = "…"
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1
"""Whole numbers that JSON readers take."""
_TELLING = re.compile(
    r"password|passwd|passphrase|secret|credential|authorization"
    r"|(?:^|_)(?:pwd|token|cookie|sas|connection_string"
    r"|(?:api|access|account|private|shared)_?key)s?(?:_|$)"
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NOT_WORD = re.compile(r"[^a-z0-9]+")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def cleaned(event: Mapping[str, object]) -> dict[str, Any]:
    """The fields of a line, ready to be printed."""
    return _cleaned_mapping(event, _MOST_DEPTH)


def _cleaned(value: object, depth: int) -> Any:
    if isinstance(value, Mapping):
        return _cleaned_mapping(value, depth - 1) if depth else _DEEPER
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"{memoryview(value).nbytes} bytes"
    if isinstance(value, (list, tuple, Set)):
        return _cleaned_items(value, depth - 1) if depth else _DEEPER
    return _cleaned_scalar(value)


def _cleaned_scalar(value: object) -> str | float | None:
    match value:
        case None | bool() | float():
            return value
        case int() if _LEAST <= value <= _MOST and not _is_secret(value):
            return value
        case _:
            return _text(value)


def _is_secret(value: int) -> bool:
    text = str(value)
    return SECRETS.redact(text) != text


def _cleaned_mapping(value: Mapping[Any, object], depth: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, item in islice(value.items(), _MOST_ITEMS):
        name = _text(key)
        is_hidden = item is not None and _is_telling(name)
        result[name] = MASK if is_hidden else _cleaned(item, depth)
    return result


def _cleaned_items(values: Collection[object], depth: int) -> list[Any]:
    result = [_cleaned(item, depth) for item in islice(values, _MOST_ITEMS)]
    if len(values) > _MOST_ITEMS:
        result.append(f"and {len(values) - _MOST_ITEMS} more")
    return result


def _is_telling(name: str) -> bool:
    snake = _NOT_WORD.sub("_", _HUMP.sub("_", name).lower())
    return _TELLING.search(snake) is not None


def _text(value: object) -> str:
    try:
        text = str(value)
    except Exception:  # noqa: BLE001 a line about a broken object must still come out
        return f"an unprintable {type(value).__name__}"
    # secrets go before the cut, as half a secret would no longer be found
    text = SECRETS.redact(text)
    if len(text) > _MOST_CHARACTERS:
        half = _MOST_CHARACTERS // 2
        text = f"{text[:half]}… ({len(text)} characters) …{text[-half:]}"
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)
