"""Labels of a machine, written where anybody who runs it can write: in its notes."""

from collections.abc import Mapping
from typing import Final

PREFIX: Final = "labels:"


def labels_of(notes: str) -> Mapping[str, str]:
    """The labels in the notes of a machine: `labels: tier=gold, app=erp`.

    Only lines that begin with `labels:` count, in any case; between labels there are commas or
    blanks. Of two labels with one key the later is meant. Whatever is no `key=value` is a remark of
    somebody's and ignored.
    """
    found: dict[str, str] = {}
    for line in notes.splitlines():
        prefix, words = line.strip()[: len(PREFIX)], line.strip()[len(PREFIX) :]
        if prefix.lower() != PREFIX:
            continue
        for word in words.replace(",", " ").split():
            key, _, value = word.partition("=")
            if key and value:
                found[key] = value
    return found
