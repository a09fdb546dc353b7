"""When each pack was read and found sound: what a sample takes first was verified longest ago."""

import os
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np

_RECORD: Final = np.dtype([("number", "<u8"), ("at", "<i8")])
"""Pack number; seconds since 1970."""


class VerifiedPacks:
    """A file of the cache; without it every pack counts as never verified."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._at = self._loaded()

    def oldest(self, packs: Collection[int], share: float) -> list[int]:
        """The share of packs that were verified longest ago, at least one.

        Units: `share` from 0 to 1.
        """
        count = min(len(packs), max(1, round(len(packs) * share)))
        return sorted(packs, key=lambda number: (self._at.get(number, 0), number))[:count]

    def keep_only(self, packs: Collection[int]) -> None:
        """Forget packs that nothing needs any more."""
        self._at = {number: self._at[number] for number in packs if number in self._at}

    def note(self, sound: Collection[int], at: datetime) -> None:
        """Remember which packs were read, and sound."""
        now = int(at.timestamp())
        self._at.update(dict.fromkeys(sound, now))
        records = np.array(sorted(self._at.items()), _RECORD)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        incoming = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        incoming.write_bytes(records.tobytes())
        incoming.replace(self._file)

    def _loaded(self) -> dict[int, int]:
        try:
            raw = self._file.read_bytes()
        except OSError:
            return {}
        records = np.frombuffer(raw[: len(raw) // _RECORD.itemsize * _RECORD.itemsize], _RECORD)
        return dict(zip(records["number"].tolist(), records["at"].tolist(), strict=True))
