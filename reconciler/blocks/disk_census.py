"""Count the blocks of one file of a disk, and see that no two share a place.

A reader looks at entries only when it needs them; this looks at all, a page at a time.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np

from reconciler.blocks.disk_pieces import Offsets
from reconciler.errors import DiskUnreadableError

_STEP_BLOCKS: Final = 8192
"""A page of a VHDX's block table."""
MAX_PLACES: Final = 4 << 20
"""Ours, to bound memory to some 64 MiB: 128 TiB in blocks of 32 MiB, 4 TiB in blocks of 1 MiB."""
_TOLD_PROBLEMS: Final = 10


class CountedImage(Protocol):
    """A file of a chain that has blocks."""

    @property
    def path(self) -> str:
        """Of the file."""
        ...

    @property
    def block_bytes(self) -> int:
        """Of the virtual disk that a block holds. Units: bytes."""
        ...

    @property
    def span_bytes(self) -> int:
        """That a block takes in the file. Units: bytes."""
        ...

    @property
    def blocks(self) -> int:
        """How many the disk has; 0 for a format without."""
        ...

    def census(self, first: int, last: int) -> tuple[dict[str, int], Offsets]:
        """How many blocks from `first` up to `last` are in which state, and where they lie.

        Raises:
            DiskUnreadableError: An entry breaks the format.
        """
        ...


@dataclass(slots=True)
class Census:
    """What a block table says."""

    states: Counter[str] = field(default_factory=Counter)
    """Blocks by state; those of pages with a wrong entry are not counted."""
    stored: int = 0
    """Blocks that are in the file."""
    problems: list[str] = field(default_factory=list)


def count_blocks(image: CountedImage) -> Census:
    """Look at every entry of a file's block table; what is wrong is told, not raised."""
    census = Census()
    places = list(_counted(image, census))
    if census.stored > MAX_PLACES:
        census.problems.append(
            f"{image.path} has more than {MAX_PLACES} blocks: overlaps were not looked for"
        )
    elif overlap := _overlap(np.concatenate([*places, np.empty(0, np.int64)]), image.span_bytes):
        census.problems.append(f"{image.path} has two blocks at {overlap[0]} and {overlap[1]}")
    return census


def _counted(image: CountedImage, census: Census) -> Iterator[Offsets]:
    faults = 0
    for first in range(0, image.blocks, _STEP_BLOCKS):
        try:
            states, places = image.census(first, min(first + _STEP_BLOCKS, image.blocks))
        except DiskUnreadableError as fault:
            faults += 1
            if faults <= _TOLD_PROBLEMS:
                census.problems.append(fault.message)
            continue
        census.states.update(states)
        census.stored += len(places)
        if census.stored <= MAX_PLACES:
            yield places
    if faults > _TOLD_PROBLEMS:
        more = faults - _TOLD_PROBLEMS
        census.problems.append(f"{image.path} has wrong entries on {more} more pages")


def _overlap(places: Offsets, span_bytes: int) -> tuple[int, int] | None:
    """Two blocks of which one begins within the other; none, if there are no such."""
    places.sort()
    wrong = np.flatnonzero(np.diff(places) < span_bytes)
    if not len(wrong):
        return None
    return int(places[wrong[0]]), int(places[wrong[0] + 1])
