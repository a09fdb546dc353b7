"""Bytes of files in the lab, made from a seed: the same seed gives the same bytes."""

import hashlib
from enum import StrEnum

_ALPHABET = b"etaoinshrdlucmfwypvbgkqjxz .,\r\n0123456789"
_COMMON = 16
_LETTERS = bytes(
    _ALPHABET[value % (len(_ALPHABET) if value % 4 == 0 else _COMMON)] for value in range(256)
)
"""Three of four bytes become one of the sixteen most common letters: text-like, half its size."""
_LINE = "2026-{month:02d}-{day:02d}T{hour:02d}:{minute:02d} {seed} order {number:08d} posted\r\n"


class Content(StrEnum):
    """How a file's bytes are made, from what compresses not at all to what does very well."""

    NOISE = "noise"
    LETTERS = "letters"
    RECORDS = "records"
    ZEROS = "zeros"


def make_content(kind: Content, seed: str, length: int) -> bytes:
    """Exactly `length` bytes of a kind."""
    match kind:
        case Content.NOISE:
            return _noise(seed, length)
        case Content.LETTERS:
            return _noise(seed, length).translate(_LETTERS)
        case Content.RECORDS:
            return _records(seed, length)
        case Content.ZEROS:
            return bytes(length)


def _noise(seed: str, length: int) -> bytes:
    return hashlib.shake_128(seed.encode()).digest(length)


def _records(seed: str, length: int) -> bytes:
    count = length // len(_line(seed, 0)) + 1
    return "".join(_line(seed, number) for number in range(count)).encode()[:length]


def _line(seed: str, number: int) -> str:
    return _LINE.format(
        month=number // 43_200 % 12 + 1,
        day=number // 1_440 % 28 + 1,
        hour=number // 60 % 24,
        minute=number % 60,
        seed=seed,
        number=number,
    )
