"""Ranges of a virtual disk as arrays, with the place of each in one file of its chain.

A list of changes costs a few numpy calls and one or two reads, however large the disk is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Offsets = npt.NDArray[np.int64]
ZEROS: Final = -1
IN_PARENT: Final = -2


@dataclass(frozen=True, slots=True)
class Pieces:
    """Virtual ranges and where each begins in the file, or ZEROS, or IN_PARENT.

    Shape: three arrays of one length; sorted and disjoint if the ranges asked for were.
    """

    starts: Offsets
    ends: Offsets
    places: Offsets

    def where(self, mask: npt.NDArray[np.bool_]) -> "Pieces":
        """Only the pieces that the mask selects."""
        return Pieces(self.starts[mask], self.ends[mask], self.places[mask])


def cut(starts: Offsets, ends: Offsets, step: int) -> tuple[Offsets, Offsets, Offsets]:
    """Ranges cut at multiples of `step`: starts, ends, and start // step of each piece."""
    first = starts // step
    counts = (ends - 1) // step - first + 1
    source = np.repeat(np.arange(len(starts)), counts)
    within = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)
    index = first[source] + within
    return (
        np.maximum(starts[source], index * step),
        np.minimum(ends[source], (index + 1) * step),
        index,
    )


def inside(starts: Offsets, ends: Offsets, size: int) -> tuple[Offsets, Offsets, Pieces]:
    """Ranges cut at a file's own disk: what lies in it (starts, ends), and the zeros behind it."""
    begins = starts < size
    beyond = ends > size
    rest = np.maximum(starts[beyond], size)
    zeros = Pieces(rest, ends[beyond], np.full(len(rest), ZEROS))
    return starts[begins], np.minimum(ends[begins], size), zeros


def joined(parts: Sequence[Pieces]) -> Pieces:
    """Pieces of several lists in one, sorted."""
    starts = np.concatenate([p.starts for p in parts])
    order = np.argsort(starts, kind="stable")
    return Pieces(
        starts[order],
        np.concatenate([p.ends for p in parts])[order],
        np.concatenate([p.places for p in parts])[order],
    )


def cut_by_bits(
    whole: Pieces, index: int, bits: npt.NDArray[np.uint8], sector: tuple[int, int], clear: int
) -> Pieces:
    """One of the pieces, cut where its sector bits change.

    Shape: `bits` has one element for each sector that the piece touches.

    Args:
        whole: The pieces.
        index: Which of them.
        bits: 1 for a sector that is in the file.
        sector: Its bytes, and where the first one begins on the virtual disk.
        clear: What a sector that is not in the file means, ZEROS or IN_PARENT.
    """
    start, end, place = (int(a[index]) for a in (whole.starts, whole.ends, whole.places))
    changes = np.flatnonzero(np.diff(bits, prepend=~bits[:1]))
    starts = sector[1] + changes * sector[0]
    starts[0] = start
    ends = np.append(starts[1:], end)
    return Pieces(starts, ends, np.where(bits[changes] == 1, place + starts - start, clear))
