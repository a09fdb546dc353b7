"""What prune and drafts cost, counted in calls to the store: as much as what was deleted."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.manifest import Manifest
from reconciler.blocks.prune import Pruned, prune
from reconciler.blocks.repository import Repository
from reconciler.model.names import DataSourceId, RecoveryPointId
from tests.block_machine import DISK, POINT, described

if TYPE_CHECKING:
    from obspec import ObjectMeta

    from reconciler.ports import ObjectStore

BLOCK = 4096
FAN_OUT = 8
SOURCE = DataSourceId("source-1")
CHANGED = 6
"""Blocks of a disk that differ from point to point."""
MOST_TO_BEGIN = 8
"""Calls that a draft takes from its beginning to its first block."""


def tell(text: str) -> None:
    """Shown by `pytest -s`."""
    sys.stdout.write(f"{text}\n")


class CountingStore:
    """A store that counts what is asked of it, and how many bytes that are."""

    def __init__(self, store: FolderStore) -> None:
        self._store = store
        self.calls: Counter[str] = Counter()
        self.packs_read: Counter[str] = Counter()
        self.bytes_read = 0

    def put(self, path: str, file: Any, **options: Any) -> Any:
        self.calls["put"] += 1
        return self._store.put(path, file, **options)

    def settle(self, folder: str) -> None:
        self.calls["settle"] += 1
        self._store.settle(folder)

    def get(self, path: str) -> Any:
        found = self._store.get(path)
        self._read("get", path, found.meta["size"])
        return found

    def get_range(self, path: str, *, start: int, length: int) -> bytes:
        self._read("get", path, length)
        return self._store.get_range(path, start=start, length=length)

    def head(self, path: str) -> "ObjectMeta":
        self.calls["head"] += 1
        return self._store.head(path)

    def list(self, prefix: str) -> "Iterator[Sequence[ObjectMeta]]":
        self.calls["list"] += 1
        return self._store.list(prefix)

    def delete(self, path: str) -> None:
        self.calls["delete"] += 1
        self._store.delete(path)

    def _read(self, call: str, path: str, length: int) -> None:
        self.calls[call] += 1
        self.bytes_read += length
        if path.startswith("packs/"):
            self.packs_read[path] += length

    @contextmanager
    def counted(self) -> Iterator["CountingStore"]:
        """Count from here on; what was counted stays to be looked at."""
        self.calls.clear()
        self.packs_read.clear()
        self.bytes_read = 0
        yield self


class Machine:
    """A repository in a counting store, and points of one disk, each made on the one before."""

    def __init__(self, folder: Path, blocks: int) -> None:
        root = folder / "store"
        root.mkdir(parents=True)
        self.store = CountingStore(FolderStore(root))
        self._cache = folder / "cache"
        self._blocks = blocks
        self._last: Manifest | None = None
        self._made = 0
        self._ported = cast("ObjectStore", self.store)
        Repository.create(self._ported, block_bytes=BLOCK, node_fan_out=FAN_OUT)
        Repository.claim_writer(self._ported)
        self.repository = self.opened()

    def opened(self) -> Repository:
        """As a new process has it: nothing of it is in memory."""
        return Repository.open(self._ported, cache=self._cache, writer=1)

    def seal(self) -> RecoveryPointId:
        """A point that differs in a few blocks from the one before, the first in all."""
        base = self._last
        with self.repository.draft(SOURCE, base=base.point.id if base else None) as draft:
            disk = draft.disk(
                described(DISK, self._blocks * BLOCK), base.disks[0] if base else None
            )
            places = range(CHANGED) if base else range(self._blocks)
            for place in places:
                disk.put(place, unlike(self._made, place))
            draft.flush()
            point = RecoveryPointId(f"p{self._made:03}")
            self._last = draft.seal(replace(POINT, id=point, source=SOURCE))
        self._made += 1
        return point

    def pruned(self, *points: RecoveryPointId) -> Pruned:
        """As a new process does it, so that no cache in memory hides what it costs."""
        self.repository = self.opened()
        self.repository.drop(SOURCE, list(points))
        return prune(self.repository)


def unlike(*numbers: int) -> bytes:
    """A block like no other."""
    return b"".join(n.to_bytes(8, "little") for n in numbers).ljust(BLOCK, b"\1")


def cost_of_pruning_one(folder: Path, points: int, blocks: int = 64) -> CountingStore:
    """A point in the middle goes; everything before was pruned."""
    machine = Machine(folder, blocks)
    made = [machine.seal() for _ in range(points)]
    assert machine.pruned() == Pruned()
    with machine.store.counted() as store:
        pruned = machine.pruned(made[points // 2])
    assert (pruned.packs_deleted, pruned.packs_rewritten) == (1, 0)
    return store


def test_pruning_one_point_costs_the_same_in_a_large_repository(tmp_path: Path) -> None:
    few = cost_of_pruning_one(tmp_path / "few", 10)
    many = cost_of_pruning_one(tmp_path / "many", 100)
    large = cost_of_pruning_one(tmp_path / "large", 10, blocks=4096)

    tell(f"calls: {few.calls} {many.calls} {large.calls}")
    assert many.calls == few.calls
    assert len(many.packs_read) == len(few.packs_read) <= 2
    # how well the numbers in a node compress differs a little
    assert sum(many.packs_read.values()) < 1.1 * sum(few.packs_read.values())
    assert sum(large.calls.values()) <= sum(few.calls.values()) + 4  # its tree is higher by two
    assert len(large.packs_read) <= 2
    assert many.bytes_read < 1.1 * few.bytes_read
    assert large.bytes_read < 2 * few.bytes_read


def test_a_pack_that_is_written_anew_costs_itself_and_no_other(tmp_path: Path) -> None:
    read = []
    for points in (10, 60):
        machine = Machine(tmp_path / f"{points}", 64)
        first, *_ = [machine.seal() for _ in range(points)]
        blocks = machine.repository.manifest(SOURCE, first)
        assert blocks.disks[0].block_count == 64
        machine.pruned()
        with machine.store.counted() as store:
            pruned = machine.pruned(first)
        assert pruned.packs_deleted == 0  # most of the first one is of use for all others
        read.append((sum(store.calls.values()), len(store.packs_read)))
    assert read[0] == read[1]


def test_a_prune_with_nothing_to_do_reads_no_pack(tmp_path: Path) -> None:
    calls = []
    for points in (10, 100):
        machine = Machine(tmp_path / f"{points}", 64)
        for _ in range(points):
            machine.seal()
        machine.pruned()
        repository = machine.opened()
        with machine.store.counted() as store:
            assert prune(repository) == Pruned()
        assert store.packs_read == {}
        calls.append(dict(store.calls))

    tell(f"calls of a prune with nothing to do: {calls}")
    assert calls[0] == calls[1]
    assert sum(calls[0].values()) <= 8


def test_a_new_point_costs_the_next_prune_what_it_brought(tmp_path: Path) -> None:
    reads = []
    for points in (10, 100):
        machine = Machine(tmp_path / f"{points}", 64)
        for _ in range(points):
            machine.seal()
        machine.pruned()
        machine.seal()
        repository = machine.opened()
        with machine.store.counted() as store:
            assert prune(repository) == Pruned()
        assert len(store.packs_read) == 1
        reads.append(dict(store.calls))
    assert reads[0] == reads[1]


def test_to_begin_a_draft_costs_a_few_calls_whatever_is_stored(tmp_path: Path) -> None:
    costs = []
    for points in (2, 60):
        machine = Machine(tmp_path / f"{points}", 64)
        for _ in range(points):
            machine.seal()
        with machine.store.counted() as store:
            draft = machine.repository.draft(SOURCE, base=RecoveryPointId("p001"))
        costs.append(dict(store.calls))
        draft.drop()

    tell(f"calls to begin a draft: {costs}")
    assert costs[0] == costs[1]
    assert sum(costs[0].values()) <= MOST_TO_BEGIN


def test_to_begin_a_draft_while_something_is_condemned_costs_a_few_calls_more(
    tmp_path: Path,
) -> None:
    machine = Machine(tmp_path, 64)
    first, *_ = [machine.seal() for _ in range(5)]
    with machine.repository.draft(DataSourceId("other")):
        machine.repository.drop(SOURCE, [first, RecoveryPointId("p001")])
        assert prune(machine.repository).waits_for
        with machine.store.counted() as store:
            draft = machine.repository.draft(SOURCE)
        tell(f"calls to begin a draft while something is condemned: {dict(store.calls)}")
        assert sum(store.calls.values()) <= 2 * MOST_TO_BEGIN
        draft.drop()
