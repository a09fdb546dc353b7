"""How often each block and node is referred to: a cache, made of all recovery points or of none.

A point that is new adds its root; a node that was not referred to before adds all that it refers
to. A point that went takes its root away; a node that nothing refers to any more takes away all
that it referred to. So what is read follows what was made and deleted since the last time. Counts
that were lost or damaged are made anew from all points, which costs time and nothing else.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Final

from reconciler.blocks import layout
from reconciler.blocks.arrays import Addresses, np
from reconciler.blocks.document import Document, from_bytes, to_bytes
from reconciler.blocks.layout import FIRST_SEQUENCE, MOST_SLOTS, SLOT_BITS, shard_of
from reconciler.blocks.shard_counts import Counts, CountsLostError, ShardCounts
from reconciler.errors import RepositoryError, RepositoryUnavailableError

LoadNodes = Callable[[Sequence[int]], Sequence[Addresses]]

_LISTING: Final = "counts.json"
_MOST_SHARDS: Final = 64
"""In memory: each of 1,024 packs takes about a megabyte."""
_NODES_AT_ONCE: Final = 128


class CountedPoint(Document, frozen=True, kw_only=True):
    """A recovery point that is in the counts."""

    stamp: str
    """Size and time of its manifest: another one of the same name is another point."""
    trees: tuple[tuple[int, int], ...]
    """Level and address of each root."""


class _Listing(Document, frozen=True, kw_only=True):
    repository: str
    judged: int
    doubtful: tuple[int, ...]
    points: dict[str, CountedPoint]
    shards: dict[str, str]


class ReferenceCounts:
    """The counts of one repository, in a folder of this process; one thread."""

    def __init__(self, folder: Path, repository: str) -> None:
        self.points: dict[str, CountedPoint] = {}
        """By the name of the manifest."""
        self.judged = FIRST_SEQUENCE
        """Own packs of sequences below were looked at since they were written."""
        self.doubtful: set[int] = set()
        """Packs in which something lost its last reference since they were looked at."""
        self._folder = folder
        self._repository = repository
        self._files: dict[int, str] = {}
        self._shards: dict[int, ShardCounts] = {}
        self._dirty: set[int] = set()
        self._load()

    def discard(self) -> None:
        """Forget all for good: the next one counts anew.

        Raises:
            RepositoryUnavailableError: The folder does not let go of it.
        """
        try:
            (self._folder / _LISTING).unlink(missing_ok=True)
        except OSError as error:
            raise _cannot_keep(self._folder, error) from error

    def add(self, trees: Iterable[tuple[int, int]], load: LoadNodes) -> None:
        """Count what roots refer to; raises what `load` does, and then nothing is worth keeping."""
        for level, root in trees:
            self._walk(level, root, load, self._more)

    def remove(self, trees: Iterable[tuple[int, int]], load: LoadNodes) -> None:
        """Take back what roots referred to; raises as `add` does.

        Raises:
            CountsLostError: It had not been counted.
        """
        for level, root in trees:
            self._walk(level, root, load, self._fewer)

    def is_used(self, number: int) -> bool:
        """Whether anything refers to any slot of a pack."""
        return bool(self._shard(shard_of(number)).of_pack(number).any())

    def of_pack(self, number: int, slots: int) -> Counts:
        """The counts of a pack's slots."""
        known = self._shard(shard_of(number)).of_pack(number)[:slots]
        return np.pad(known, (0, slots - len(known)))

    def forget(self, number: int) -> None:
        """A pack is gone."""
        self._shard(shard_of(number)).of_pack(number)[:] = 0
        self._dirty.add(shard_of(number))
        self.doubtful.discard(number)

    def save(self) -> None:
        """Write down what changed.

        Raises:
            RepositoryUnavailableError: The folder does not take it.
        """
        try:
            for shard in sorted(self._dirty):
                self._spill(shard)
            self._shards.clear()
            listing = _Listing(
                repository=self._repository,
                judged=self.judged,
                doubtful=tuple(sorted(self.doubtful)),
                points=self.points,
                shards={str(shard): name for shard, name in self._files.items()},
            )
            self._replace(_LISTING, to_bytes(listing))
            for path in self._folder.glob("*.counts"):
                if path.name not in self._files.values():
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise _cannot_keep(self._folder, error) from error

    def _walk(
        self, level: int, root: int, load: LoadNodes, count: Callable[[Addresses], Addresses]
    ) -> None:
        """Count a root, and from there on what each node that was new, or went, refers to."""
        nodes = count(np.array([root] if root else [], np.uint64))
        for below in range(level, -1, -1):
            found = [nodes[:0]]
            for first in range(0, len(nodes), _NODES_AT_ONCE):
                some = load(nodes[first : first + _NODES_AT_ONCE].tolist())
                changed = count(np.concatenate([node[node != 0] for node in some]))
                if below:
                    found.append(changed)
            nodes = np.concatenate(found)

    def _more(self, addresses: Addresses) -> Addresses:
        """Count references; which addresses had none before."""
        return self._changed(addresses, +1)

    def _fewer(self, addresses: Addresses) -> Addresses:
        """Take references back; which addresses have none left."""
        return self._changed(addresses, -1)

    def _changed(self, addresses: Addresses, sign: int) -> Addresses:
        unique, times = np.unique(addresses, return_counts=True)
        result = np.zeros(len(unique), np.bool_)
        numbers = unique >> np.uint64(SLOT_BITS)
        shards = numbers >> np.uint64(layout.SHARD_BITS)
        edges = [0, *(np.flatnonzero(np.diff(shards)) + 1).tolist(), len(unique)]
        for lower, upper in pairwise(edges):
            if lower == upper:
                continue
            part = slice(lower, upper)
            before, after = self._shard(int(shards[lower])).changed(
                numbers[part], unique[part] & np.uint64(MOST_SLOTS - 1), sign * times[part]
            )
            self._dirty.add(int(shards[lower]))
            result[part] = (before == 0) if sign > 0 else (after == 0)
        if sign < 0:
            self.doubtful.update(np.unique(numbers[result]).tolist())
        return unique[result]

    def _shard(self, shard: int) -> ShardCounts:
        if (known := self._shards.pop(shard, None)) is None:
            file = self._files.get(shard)
            known = ShardCounts() if file is None else self._read(file)
            if len(self._shards) >= _MOST_SHARDS:
                self._let_go(next(iter(self._shards)))
        self._shards[shard] = known
        return known

    def _let_go(self, shard: int) -> None:
        try:
            if shard in self._dirty:
                self._spill(shard)
        except OSError as error:
            raise _cannot_keep(self._folder, error) from error
        del self._shards[shard]

    def _spill(self, shard: int) -> None:
        """Write a shard down; what was listed before is there still."""
        self._files[shard] = self._write(self._shards[shard])
        self._dirty.discard(shard)

    def _load(self) -> None:
        with suppress(OSError, RepositoryError):
            data = (self._folder / _LISTING).read_bytes()
            listing = from_bytes(_Listing, data, _LISTING)
            if listing.repository != self._repository:
                return
            self.points, self.judged = dict(listing.points), listing.judged
            self.doubtful, self._files = set(listing.doubtful), _files(listing)

    def _read(self, name: str) -> ShardCounts:
        """A shard's file.

        Raises:
            CountsLostError: It is gone, or not what was written.
        """
        try:
            data = (self._folder / Path(name).name).read_bytes()
        except OSError as error:
            raise CountsLostError(name) from error
        body, digest = data[:-32], data[-32:]
        if hashlib.sha256(body).digest() != digest:
            raise CountsLostError(name)
        return ShardCounts.from_bytes(body)

    def _write(self, shard: ShardCounts) -> str:
        body = shard.to_bytes()
        name = f"{secrets.token_hex(8)}.counts"
        self._replace(name, body + hashlib.sha256(body).digest())
        return name

    def _replace(self, name: str, data: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        # Not synced: what a power cut tears does not match its checksum, and is counted anew.
        new = self._folder / f"{name}.new"
        new.write_bytes(data)
        new.replace(self._folder / name)


def _files(listing: _Listing) -> dict[int, str]:
    return {int(shard): name for shard, name in listing.shards.items() if shard.isdigit()}


def _cannot_keep(folder: Path, error: OSError) -> RepositoryUnavailableError:
    return RepositoryUnavailableError(
        f"the counts cannot be kept in {folder}: {error.strerror or error}",
        hint="give the cache folder space and rights, or set another one; it holds no truth",
    )
