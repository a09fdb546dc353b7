"""numpy, loaded at its first use, and the types of its arrays.

Loading it costs more than a pass that finds nothing to copy. So the names of array types stand
here, where only type checkers look.
"""

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from reconciler.blocks.late import Late
from reconciler.model.ranges import ByteRange

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Addresses = npt.NDArray[np.uint64]
    """One 64-bit address per block or node; 0 is the zero block."""
    Words = npt.NDArray[np.uint64]
    Places = npt.NDArray[np.intp]
    """Indices into another array."""
    Booleans = npt.NDArray[np.bool_]
    Entries = npt.NDArray[np.void]
    DataType = np.dtype[np.void]
else:
    # Nothing here does linear algebra, for which numpy starts a thread for each processor: they
    # would do nothing but spin for a while.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    np = Late("numpy")
    Addresses = Words = Places = Booleans = Entries = DataType = Any

__all__ = [
    "Addresses",
    "Booleans",
    "DataType",
    "Entries",
    "Places",
    "Words",
    "held_runs",
    "np",
    "touched",
]


def held_runs(values: Addresses | Booleans) -> Iterator[tuple[int, int]]:
    """Where there is anything but zeros: pairs of first and one past last."""
    edges = np.flatnonzero(np.diff(values != 0, prepend=False, append=False))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def touched(blocks: range, block_bytes: int, ranges: Iterable[ByteRange]) -> Booleans:
    """Which of some blocks of a disk have a byte in the ranges."""
    result = np.zeros(len(blocks), np.bool_)
    for part in ranges:
        first = max(part.start // block_bytes - blocks.start, 0)
        result[first : max(-(-part.end // block_bytes) - blocks.start, 0)] = True
    return result
