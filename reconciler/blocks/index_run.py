"""One sorted run of the index, in memory or mapped from a file.

A file of n entries is three arrays of 64-bit words: the keys, ascending; their addresses; and the
place of the first key of each bucket, with the end behind the last one. A bucket is what shares the
upper bits of its keys, about 32 of them, so a look-up touches one page of each array however long
the run is. Keys are parts of hashes, so buckets are of one size but for chance.
"""

import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from reconciler.blocks.arrays import Addresses, Booleans, Words, np

_BUCKET: Final = 32
_WIDEST: Final = 1024
"""A bucket that chance cannot have made: the file is damaged, and finds nothing there."""
_SLICE: Final = 1 << 20
"""Entries that a merge holds at once; so its memory is bounded."""
_PREFETCH_BYTES: Final = 256 << 20
"""Smaller files stay in the page cache; asking for their pages would only cost time."""


@dataclass(frozen=True, slots=True)
class Run:
    """Entries sorted by their key, each key once."""

    keys: Words
    addresses: Addresses
    starts: Words | None = None
    """Of a mapped run."""
    file: str | None = None
    mapped: mmap.mmap | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, keys: Words) -> Addresses:
        """The address of each key, 0 for one that is not here."""
        if self.starts is None:
            at = np.searchsorted(self.keys, keys).astype(np.uint64)
            at[at == len(self)] = 0
        else:
            at = self._in_buckets(self.starts, keys)
        return np.where(self.keys[at] == keys, self.addresses[at], np.uint64(0))

    def between(self, lower: int, upper: int | None) -> "Run":
        """Entries from one key up to another."""
        ends = np.array([lower, upper or 0], np.uint64)
        start, stop = (int(i) for i in np.searchsorted(self.keys, ends))
        part = slice(start, len(self) if upper is None else stop)
        return Run(self.keys[part], self.addresses[part])

    def _in_buckets(self, starts: Words, keys: Words) -> Words:
        """Where each key is, or some other place."""
        bits = bucket_bits(len(self))
        buckets = keys >> np.uint64(64 - bits) if bits else np.zeros_like(keys)
        first = starts[buckets]
        if self.mapped is not None and len(self.mapped) > _PREFETCH_BYTES:
            self._prefetch(first)
        width = int(np.clip((starts[buckets + np.uint64(1)] - first).max(), 1, _WIDEST))
        window = first[:, None] + np.arange(width, dtype=np.uint64)
        np.minimum(window, np.uint64(len(self) - 1), out=window)
        column = (self.keys[window] == keys[:, None]).argmax(axis=1)
        found: Words = window[np.arange(len(keys)), column]
        return found

    def _prefetch(self, first: Words) -> None:
        """Ask for the pages of all look-ups at once, instead of waiting for one after the other."""
        assert self.mapped is not None  # noqa: S101 (asked before)
        last = len(self.mapped) - 1
        for page in np.unique(first * np.uint64(8) // np.uint64(mmap.PAGESIZE)).tolist():
            if page * mmap.PAGESIZE < last:
                self.mapped.madvise(mmap.MADV_WILLNEED, page * mmap.PAGESIZE, mmap.PAGESIZE)


def bucket_bits(entries: int) -> int:
    """How many upper bits of a key choose its bucket."""
    return max(0, (entries // _BUCKET).bit_length())


def file_bytes(entries: int) -> int:
    """The size of a run's file."""
    return 16 * entries + 8 * ((1 << bucket_bits(entries)) + 1)


def map_run(folder: Path, name: str, entries: int) -> Run:
    """A run from its file, of the right size.

    Raises:
        OSError: The file cannot be read.
    """
    with (folder / name).open("rb") as file:
        mapped = mmap.mmap(file.fileno(), file_bytes(entries), access=mmap.ACCESS_READ)
    # What lies beside a page that is wanted is not: look-ups are spread over all of the file.
    mapped.madvise(mmap.MADV_RANDOM)
    words = np.frombuffer(mapped, "<u8")
    keys, addresses, starts = np.split(words, [entries, 2 * entries])
    return Run(keys, addresses, starts, name, mapped)


def write_run(file: IO[bytes], parts: Callable[[], Iterator[Run]]) -> int:
    """Write ascending parts of a run as one file, and sync it; returns the number of entries.

    Args:
        file: New and unbuffered.
        parts: The parts; asked for twice, as the number of entries decides where arrays begin.
    """
    entries = sum(len(part) for part in parts())
    bits = bucket_bits(entries)
    counts = np.zeros((1 << bits) + 1, np.uint64)
    at = 0
    for part in parts():
        file.seek(8 * at)
        file.write(part.keys.astype("<u8", copy=False).tobytes())
        file.seek(8 * (entries + at))
        file.write(part.addresses.astype("<u8", copy=False).tobytes())
        buckets = part.keys >> np.uint64(64 - bits) if bits else np.zeros_like(part.keys)
        found, each = np.unique(buckets, return_counts=True)
        counts[found.astype(np.int64) + 1] += each.astype(np.uint64)
        at += len(part)
    file.seek(16 * entries)
    file.write(np.cumsum(counts, dtype=np.uint64).astype("<u8", copy=False).tobytes())
    file.flush()
    os.fsync(file.fileno())
    return entries


def merged(runs: Sequence[Run], keep: Callable[[Addresses], Booleans] | None = None) -> Run:
    """All entries of runs, older ones first; of equal keys the newest stays.

    Args:
        runs: What is merged.
        keep: Which of the addresses stay, as a mask; all without it.
    """
    keys = np.concatenate([run.keys for run in runs])
    addresses = np.concatenate([run.addresses for run in runs])
    if keep is not None:
        mask = keep(addresses)
        keys, addresses = keys[mask], addresses[mask]
    order = np.argsort(keys, kind="stable")
    keys, addresses = keys[order], addresses[order]
    is_last = np.append(keys[1:] != keys[:-1], True)[: len(keys)]
    return Run(keys[is_last], addresses[is_last])


def slices(
    runs: Sequence[Run], keep: Callable[[Addresses], Booleans] | None = None
) -> Iterator[Run]:
    """As `merged`, a slice of all keys at a time."""
    count = max(1, sum(len(run) for run in runs) // _SLICE)
    width = 2**64 // count
    for part in range(count):
        upper = None if part == count - 1 else (part + 1) * width
        yield merged([run.between(part * width, upper) for run in runs], keep)
