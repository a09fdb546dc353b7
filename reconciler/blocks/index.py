"""Which blocks there are already: a cache, never the truth.

Sorted runs of (8 bytes of a block's id, address), merged when their sizes come near each other, the
large ones in files that are mapped and not read. An answer is a guess until the pack's own table
confirms it: the files may be old, damaged or another repository's, and the worst that follows is
a block stored twice.
"""

import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Final

from reconciler.blocks.arrays import Addresses, Booleans, Words, np
from reconciler.blocks.document import Document, from_bytes, to_bytes
from reconciler.blocks.index_run import Run, file_bytes, map_run, merged, slices, write_run
from reconciler.blocks.layout import SLOT_BITS
from reconciler.errors import RepositoryError, RepositoryUnavailableError

_LISTING: Final = "index.json"
_MOST_LISTING_BYTES: Final = 16 << 20
_MEMORY_ENTRIES: Final = 1 << 16
_MOST_FORGOTTEN: Final = 1 << 14
"""Deleted packs that are remembered; when there are more, their entries go out of the files."""


class _RunFile(Document, frozen=True, kw_only=True):
    name: str
    entries: int


class _Listing(Document, frozen=True, kw_only=True):
    repository: str
    files: tuple[_RunFile, ...]
    covered: dict[str, int]
    forgotten: tuple[int, ...] = ()


class BlockIndex:
    """Block id → address; several threads may share one, several processes not."""

    def __init__(self, folder: Path, repository: str) -> None:
        self._folder = folder
        self._repository = repository
        self._lock = Lock()
        self._listed: tuple[_RunFile, ...] = ()
        """Files that were not mapped yet: many a pass never asks."""
        self._known: tuple[Run, ...] = ()
        self._covered: dict[int, int] = {}
        self._forgotten: tuple[int, ...] = ()
        self._is_saved = True
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._load()
        except OSError as error:
            raise _cannot_keep(folder, error) from error

    @property
    def covered(self) -> Mapping[int, int]:
        """For each writer, the sequence below which all packs have been added."""
        return dict(self._covered)

    def find(self, ids: Sequence[bytes]) -> list[int]:
        """A likely address of each block, 0 where none is known."""
        with self._lock:
            runs, forgotten = self._runs(), self._forgotten
        keys = _keys(ids)
        result = np.zeros(len(keys), np.uint64)
        for run in runs:
            found = run.find(keys)
            if forgotten:
                found[~_kept(found, forgotten)] = 0
            result = np.where(found != 0, found, result)
        guesses: list[int] = result.tolist()
        return guesses

    def add(self, ids: Sequence[bytes], addresses: Sequence[int]) -> None:
        """Enter blocks of a durable pack."""
        if not ids:
            return
        with self._lock:
            runs = list(self._runs())
            group = [merged([Run(_keys(ids), np.array(addresses, np.uint64))])]
            while runs and len(runs[-1]) < 2 * sum(len(run) for run in group):
                group.insert(0, runs.pop())
            self._known = (*runs, *self._joined(group))
            self._is_saved = False

    def forget(self, packs: Iterable[int]) -> None:
        """Drop the entries of packs that are about to be deleted.

        They would be no danger, but hide where the same blocks are stored anew.
        """
        with self._lock:
            self._forgotten = tuple(sorted({*self._forgotten, *packs}))
            self._is_saved = False
            if len(self._forgotten) > _MOST_FORGOTTEN:
                self._known = self._joined(self._runs())
                self._forgotten = ()

    def save(self, covered: Mapping[int, int]) -> None:
        """Write down what is in memory, so that the next process need not read pack tables."""
        with self._lock:
            is_news = any(self._covered.get(writer) != end for writer, end in covered.items())
            if self._is_saved and not is_news:
                return
            # Mapped only where it is needed: what was listed and not asked for is as it was.
            loose = [run for run in self._known if run.file is None]
            if loose:
                kept = tuple(run for run in self._known if run.file is not None)
                self._known = (*kept, *self._in_file(loose))
            self._covered.update(covered)
            self._write_listing()
            self._is_saved = True

    def _runs(self) -> tuple[Run, ...]:
        """All runs, older ones first."""
        if self._listed:
            try:
                self._known = tuple(
                    map_run(self._folder, file.name, file.entries) for file in self._listed
                )
            except OSError as error:
                raise _cannot_keep(self._folder, error) from error
            self._listed = ()
        return self._known

    def _joined(self, group: Sequence[Run]) -> tuple[Run, ...]:
        """Runs as one, without what was forgotten."""
        if sum(len(run) for run in group) > _MEMORY_ENTRIES:
            return self._in_file(group)
        run = merged(group, self._keep) if group else ()
        return (run,) if run else ()

    def _keep(self, addresses: Addresses) -> Booleans:
        return _kept(addresses, self._forgotten)

    def _in_file(self, group: Sequence[Run]) -> tuple[Run, ...]:
        """The entries of all runs in one new file."""
        name = f"{secrets.token_hex(8)}.run"
        try:
            # Written, not mapped: a full disk is an error here, and would be a crash there.
            with (self._folder / name).open("xb", buffering=0) as file:
                entries = write_run(file, lambda: slices(group, self._keep))
            return (map_run(self._folder, name, entries),) if entries else ()
        except OSError as error:
            raise _cannot_keep(self._folder, error) from error

    def _write_listing(self) -> None:
        files = self._listed or tuple(
            _RunFile(name=run.file, entries=len(run)) for run in self._known if run.file
        )
        listing = _Listing(
            repository=self._repository,
            files=files,
            covered={str(writer): end for writer, end in self._covered.items()},
            forgotten=self._forgotten,
        )
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
            self._listed = listing.files
            self._covered = {int(w): end for w, end in listing.covered.items()}
            self._forgotten = listing.forgotten
        self._sweep({file.name for file in self._listed})

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
                file.entries > 0
                and (self._folder / file.name).stat().st_size == file_bytes(file.entries)
                and Path(file.name).name == file.name
                for file in listing.files
            ) and all(writer.isdigit() for writer in listing.covered)
        return False

    def _sweep(self, wanted: set[str]) -> None:
        for path in self._folder.glob("*.run"):
            if path.name not in wanted:
                path.unlink(missing_ok=True)


def _keys(ids: Sequence[bytes]) -> Words:
    return np.frombuffer(b"".join([block_id[:8] for block_id in ids]), "<u8")


def _kept(addresses: Addresses, forgotten: Sequence[int]) -> Booleans:
    """Which addresses do not point into packs that are gone."""
    gone = np.array(forgotten, np.uint64)
    left: Booleans = ~np.isin(addresses >> np.uint64(SLOT_BITS), gone)
    return left


def _cannot_keep(folder: Path, error: OSError) -> RepositoryUnavailableError:
    return RepositoryUnavailableError(
        f"the index cannot be kept in {folder}: {error.strerror or error}",
        hint="give the cache folder space and rights, or set another one; it holds no truth",
    )
