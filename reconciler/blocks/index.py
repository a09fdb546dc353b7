"""Which blocks there are already: a cache, never the truth.

Sorted runs of (16 bytes of hash, address), merged when their sizes come near each other, the
large ones in files that are mapped and not read. An answer is a guess until the pack's own table
confirms it: the files may be old, damaged or another repository's, and the worst that follows is
a block stored twice.
"""

import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final

import numpy as np
import numpy.typing as npt

from reconciler.blocks.document import Document, from_bytes, to_bytes
from reconciler.blocks.layout import SLOT_BITS, Addresses
from reconciler.errors import RepositoryError, RepositoryUnavailableError

Words = npt.NDArray[np.uint64]

_LISTING: Final = "index.json"
_MOST_LISTING_BYTES: Final = 16 << 20
_MEMORY_ENTRIES: Final = 1 << 16
_PARTS: Final = 256
"""A merge of files goes through this many slices of the hash space, so its memory is bounded."""


class _RunFile(Document):
    name: str
    entries: int


class _Listing(Document):
    repository: str
    files: tuple[_RunFile, ...]
    covered: dict[str, int]


@dataclass(frozen=True, slots=True)
class Run:
    """Entries sorted by the first eight bytes of their hash."""

    high: Words
    low: Words
    addresses: Addresses
    file: str | None = None

    def __len__(self) -> int:
        return len(self.high)

    def between(self, lower: int, upper: int | None) -> "Run":
        """Entries from one hash prefix up to another."""
        ends = np.array([lower, upper or 0], np.uint64)
        start, stop = (int(i) for i in np.searchsorted(self.high, ends))
        part = slice(start, len(self) if upper is None else stop)
        return Run(self.high[part], self.low[part], self.addresses[part])


@dataclass(slots=True)
class _State:
    runs: tuple[Run, ...] = ()
    covered: dict[int, int] = field(default_factory=dict)


class BlockIndex:
    """Hash → address; several threads may share one, several processes not."""

    def __init__(self, folder: Path, repository: str) -> None:
        self._folder = folder
        self._repository = repository
        self._lock = Lock()
        self._state = _State()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._load()
        except OSError as error:
            raise _cannot_keep(folder, error) from error

    @property
    def covered(self) -> Mapping[int, int]:
        """For each writer, the sequence below which all packs have been added."""
        return dict(self._state.covered)

    def find(self, hashes: Sequence[bytes]) -> list[int]:
        """A likely address of each hash, 0 where none is known."""
        words = _words(hashes)
        result = np.zeros(len(words), np.uint64)
        for run in self._state.runs:
            at = np.searchsorted(run.high, words[:, 0])
            at[at == len(run)] = 0
            hit = (run.high[at] == words[:, 0]) & (run.low[at] == words[:, 1])
            result[hit] = run.addresses[at[hit]]
        return [int(address) for address in result]

    def add(self, hashes: Sequence[bytes], addresses: Sequence[int]) -> None:
        """Enter blocks of a durable pack."""
        if not hashes:
            return
        words = _words(hashes)
        with self._lock:
            new = _sorted(words[:, 0], words[:, 1], np.array(addresses, np.uint64))
            runs = list(self._state.runs)
            group = [new]
            while runs and len(runs[-1]) < 2 * sum(len(run) for run in group):
                group.insert(0, runs.pop())
            merged = new if len(group) == 1 else self._merged(group)
            self._state.runs = (*runs, merged)

    def forget(self, packs: Sequence[int]) -> None:
        """Drop the entries of packs that are about to be deleted.

        They would be no danger, but hide where the same blocks are stored anew.
        """
        gone = np.array(packs, np.uint64)
        with self._lock:
            runs = (self._without(run, gone) for run in self._state.runs)
            self._state.runs = tuple(run for run in runs if len(run))

    def save(self, covered: Mapping[int, int]) -> None:
        """Write down what is in memory, so that the next process need not read pack tables."""
        with self._lock:
            runs = self._state.runs
            loose = [run for run in runs if run.file is None]
            kept = tuple(run for run in runs if run.file is not None)
            if loose:
                kept = (*kept, self._in_file(loose))
            self._state.runs = kept
            self._state.covered.update(covered)
            self._write_listing()

    def _merged(self, group: list[Run]) -> Run:
        if sum(len(run) for run in group) > _MEMORY_ENTRIES:
            return self._in_file(group)
        return _joined(group)

    def _without(self, run: Run, gone: Words) -> Run:
        kept = sum(len(_rest(part, gone)) for part in _slices([run]))
        if kept == len(run):
            return run
        if run.file is None or not kept:
            return _rest(run, gone)
        return self._in_file([run], kept, lambda part: _rest(part, gone))

    def _in_file(
        self, group: list[Run], count: int = 0, reduced: Callable[[Run], Run] = lambda part: part
    ) -> Run:
        """The entries of all runs in one new file, or the `count` that `reduced` leaves of them."""
        count = count or sum(len(run) for run in group)
        name = f"{secrets.token_hex(8)}.run"
        try:
            # Written, not mapped: a full disk is an error here, and would be a crash there.
            with (self._folder / name).open("xb", buffering=0) as file:
                at = 0
                for part in map(reduced, _slices(group)):
                    for row, words in enumerate((part.high, part.low, part.addresses)):
                        file.seek(8 * (row * count + at))
                        file.write(words.astype("<u8", copy=False).tobytes())
                    at += len(part)
                os.fsync(file.fileno())
        except OSError as error:
            raise _cannot_keep(self._folder, error) from error
        return self._mapped(_RunFile(name=name, entries=count))

    def _mapped(self, file: _RunFile) -> Run:
        words = np.memmap(self._folder / file.name, "<u8", "r", shape=(3, file.entries))
        return Run(words[0], words[1], words[2], file.name)

    def _write_listing(self) -> None:
        files = [_RunFile(name=run.file, entries=len(run)) for run in self._state.runs if run.file]
        covered = {str(writer): end for writer, end in self._state.covered.items()}
        listing = _Listing(repository=self._repository, files=tuple(files), covered=covered)
        new = self._folder / f"{_LISTING}.new"
        try:
            with new.open("wb") as file:
                file.write(to_bytes(listing))
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._folder / _LISTING)
            self._sweep({file.name for file in files})
        except OSError as error:
            raise _cannot_keep(self._folder, error) from error

    def _load(self) -> None:
        listing = self._read_listing()
        if listing is not None and self._is_whole(listing):
            self._state.runs = tuple(self._mapped(file) for file in listing.files)
            self._state.covered = {int(w): end for w, end in listing.covered.items()}
        self._sweep({run.file for run in self._state.runs if run.file})

    def _read_listing(self) -> _Listing | None:
        try:
            data = (self._folder / _LISTING).read_bytes()[:_MOST_LISTING_BYTES]
            listing = from_bytes(_Listing, data, _LISTING)
        except (FileNotFoundError, RepositoryError):
            return None
        return listing if listing.repository == self._repository else None

    def _is_whole(self, listing: _Listing) -> bool:
        """Whether every file is there and of its size; else all is built anew."""
        with suppress(OSError):
            return all(
                (self._folder / file.name).stat().st_size == 24 * file.entries > 0
                and Path(file.name).name == file.name
                for file in listing.files
            ) and all(writer.isdigit() for writer in listing.covered)
        return False

    def _sweep(self, wanted: set[str]) -> None:
        for path in self._folder.glob("*.run"):
            if path.name not in wanted:
                path.unlink(missing_ok=True)


def _words(hashes: Sequence[bytes]) -> Words:
    joined = b"".join([digest[:16] for digest in hashes])
    return np.frombuffer(joined, "<u8").reshape(-1, 2)


def _sorted(high: Words, low: Words, addresses: Addresses) -> Run:
    order = np.argsort(high, kind="stable")
    return Run(high[order], low[order], addresses[order])


def _joined(group: Sequence[Run]) -> Run:
    return _sorted(
        np.concatenate([run.high for run in group]),
        np.concatenate([run.low for run in group]),
        np.concatenate([run.addresses for run in group]),
    )


def _slices(group: Sequence[Run]) -> Iterator[Run]:
    """All entries in ascending order, a slice of the hash space at a time."""
    width = 2**64 // _PARTS

    def joined(part: int) -> Run:
        upper = None if part == _PARTS - 1 else (part + 1) * width
        return _joined([run.between(part * width, upper) for run in group])

    return map(joined, range(_PARTS))


def _rest(run: Run, gone: Words) -> Run:
    """The entries that do not point into packs that are gone."""
    left = ~np.isin(run.addresses >> np.uint64(SLOT_BITS), gone)
    return Run(run.high[left], run.low[left], run.addresses[left])


def _cannot_keep(folder: Path, error: OSError) -> RepositoryUnavailableError:
    return RepositoryUnavailableError(
        f"the index cannot be kept in {folder}: {error.strerror or error}",
        hint="give the cache folder space and rights, or set another one; it holds no truth",
    )
