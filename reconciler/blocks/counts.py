"""How often each block and node is referred to: a cache, made of all recovery points or of none.

A point that is new adds its root; a node that was not referred to before adds all that it refers
to. A point that went takes its root away; a node that nothing refers to any more takes away all
that it referred to. So what is read follows what was made and deleted since the last time. Counts
that were lost or damaged are made anew from all points, which costs time and nothing else.
"""

import hashlib
import secrets
import struct
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from reconciler.blocks.arrays import Addresses, np
from reconciler.blocks.document import Document, from_bytes, to_bytes
from reconciler.blocks.layout import FIRST_SEQUENCE, shard_of
from reconciler.blocks.pack_tables import by_pack
from reconciler.errors import RepositoryError, RepositoryUnavailableError

if TYPE_CHECKING:
    import numpy.typing as npt

    Counts = npt.NDArray[np.uint16]
else:
    Counts = Any

LoadNode = Callable[[int], Addresses]

_LISTING: Final = "counts.json"
_HEAD: Final = struct.Struct("<QI")
"""Pack number and how many counts follow."""
_MOST: Final = 0xFFFF
"""Counts stay there: the block is kept until all counts are made anew."""
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
        self._shards: dict[int, dict[int, Counts]] = {}
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

    def add(self, trees: Iterable[tuple[int, int]], load: LoadNode) -> None:
        """Count what roots refer to; raises what `load` does, and then nothing is worth keeping."""
        for level, root in trees:
            self._walk(level, root, load, self._more)

    def remove(self, trees: Iterable[tuple[int, int]], load: LoadNode) -> None:
        """Take back what roots referred to; raises as `add` does.

        Raises:
            CountsLostError: It had not been counted.
        """
        for level, root in trees:
            self._walk(level, root, load, self._fewer)

    def is_used(self, number: int) -> bool:
        """Whether anything refers to any slot of a pack."""
        known = self._shard(number).get(number)
        return known is not None and bool(known.any())

    def of_pack(self, number: int, slots: int) -> Counts:
        """The counts of a pack's slots."""
        result = np.zeros(slots, np.uint16)
        known = self._shard(number).get(number)
        if known is not None:
            result[: len(known)] = known[:slots]
        return result

    def forget(self, number: int) -> None:
        """A pack is gone."""
        if self._shard(number).pop(number, None) is not None:
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
        self, level: int, root: int, load: LoadNode, count: Callable[[Addresses], Addresses]
    ) -> None:
        """Count a root, and from there on what each node that was new, or went, refers to."""
        nodes = count(np.array([root] if root else [], np.uint64))
        for below in range(level, -1, -1):
            found = [nodes[:0]]
            for first in range(0, len(nodes), _NODES_AT_ONCE):
                some = nodes[first : first + _NODES_AT_ONCE].tolist()
                changed = count(np.concatenate([_children(load(address)) for address in some]))
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
        for number, places, slots in by_pack(unique):
            counts = self._counts(number, int(slots[-1]) + 1)
            before = counts[slots].astype(np.int64)
            after = np.minimum(before + sign * times[places], _MOST)
            after[before == _MOST] = _MOST
            if (after < 0).any():
                raise CountsLostError(f"pack {number}")  # taken back what was never counted
            counts[slots] = after
            result[places] = (before == 0) if sign > 0 else (after == 0)
            if sign < 0 and result[places].any():
                self.doubtful.add(number)
        return unique[result]

    def _counts(self, number: int, slots: int) -> Counts:
        """The counts of a pack, to be changed."""
        shard = self._shard(number)
        self._dirty.add(shard_of(number))
        known = shard.get(number)
        if known is None or len(known) < slots:
            grown = np.zeros(slots, np.uint16)
            if known is not None:
                grown[: len(known)] = known
            known = shard[number] = grown
        return known

    def _shard(self, number: int) -> dict[int, Counts]:
        shard = shard_of(number)
        if (known := self._shards.pop(shard, None)) is None:
            file = self._files.get(shard)
            known = {} if file is None else self._read(file)
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

    def _read(self, name: str) -> dict[int, Counts]:
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
        result: dict[int, Counts] = {}
        at = 0
        while at < len(body):
            number, slots = _HEAD.unpack_from(body, at)
            at += _HEAD.size
            result[number] = np.frombuffer(body, "<u2", slots, at).astype(np.uint16)
            at += 2 * slots
        return result

    def _write(self, shard: Mapping[int, Counts]) -> str:
        parts: list[bytes] = []
        for number, counts in sorted(shard.items()):
            parts += [_HEAD.pack(number, len(counts)), counts.astype("<u2").tobytes()]
        body = b"".join(parts)
        name = f"{secrets.token_hex(8)}.counts"
        self._replace(name, body + hashlib.sha256(body).digest())
        return name

    def _replace(self, name: str, data: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        # Not synced: what a power cut tears does not match its checksum, and is counted anew.
        new = self._folder / f"{name}.new"
        new.write_bytes(data)
        new.replace(self._folder / name)


class CountsLostError(Exception):
    """The counts cannot be used any more; all is counted anew."""


def _files(listing: _Listing) -> dict[int, str]:
    return {int(shard): name for shard, name in listing.shards.items() if shard.isdigit()}


def _cannot_keep(folder: Path, error: OSError) -> RepositoryUnavailableError:
    return RepositoryUnavailableError(
        f"the counts cannot be kept in {folder}: {error.strerror or error}",
        hint="give the cache folder space and rights, or set another one; it holds no truth",
    )


def _children(node: Addresses) -> Addresses:
    children: Addresses = node[np.flatnonzero(node)]
    return children
