"""The law of the counts: whatever was sealed and dropped, they are of the points that there are."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.blocks import counts as module
from reconciler.blocks.arrays import Addresses, np
from reconciler.blocks.counted_points import kept_counts
from reconciler.blocks.counts import CountedPoint, ReferenceCounts
from reconciler.blocks.layout import address_of, pack_number, pack_of, shard_of, slot_of
from reconciler.blocks.prune import prune
from reconciler.blocks.shard_counts import CountsLostError
from tests.block_machine import BLOCK, KEY, SOURCE, Machine, noise, some

FAN_OUT = 4
HEIGHT = 2
REPOSITORY = "r"
FEW_SHARDS = 2

Trees = tuple[tuple[int, int], ...]


@dataclass
class Forest:
    """Trees of nodes in packs far from each other, so that each falls into another shard."""

    nodes: dict[int, tuple[int, ...]] = field(default_factory=dict)
    _used: int = 0

    def node(self, children: Sequence[int]) -> int:
        address = self.address()
        self.nodes[address] = tuple(children)
        return address

    def address(self) -> int:
        self._used += 1
        number = pack_number(1 + self._used % 2, 1 + 500 * (self._used % 13))
        return address_of(number, self._used // 26)

    def load(self, addresses: Sequence[int]) -> list[Addresses]:
        return [np.array(self.nodes[address], np.uint64) for address in addresses]

    def expected(self, points: Sequence[Trees]) -> Counter[int]:
        """By brute force: how many roots, or nodes that anything refers to, refer to each."""
        result: Counter[int] = Counter()
        for trees in points:
            for level, root in trees:
                self._count(level, root, result)
        return result

    def _count(self, level: int, address: int, result: Counter[int]) -> None:
        if not address:
            return
        result[address] += 1
        if result[address] == 1 and level >= 0:
            for child in self.nodes[address]:
                self._count(level - 1, child, result)


def counted(counts: ReferenceCounts, addresses: Sequence[int]) -> dict[int, int]:
    found = {}
    for address in addresses:
        slots = counts.of_pack(pack_of(address), slot_of(address) + 1)
        found[address] = int(slots[slot_of(address)])
    return found


@contextmanager
def a_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@contextmanager
def few_shards() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_MOST_SHARDS", FEW_SHARDS)
        patch.setattr(module, "_NODES_AT_ONCE", 3)
        yield


class Law:
    """Counts, and what they should be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.counts = ReferenceCounts(folder, REPOSITORY)
        self.forest = Forest()
        self.points: dict[str, Trees] = {}
        self.blocks = [self.forest.address() for _ in range(30)]
        self._leaves: list[int] = []
        self._tops: list[int] = []

    def seal(self, name: str, draw: Callable[[st.SearchStrategy[int]], int]) -> None:
        """A point of up to two disks, made of new nodes and of those that there are."""
        trees = []
        for _ in range(draw(st.integers(1, 2))):
            reach = draw(st.integers(0, 3))
            children = [self._leaf(draw, reach) for _ in range(draw(st.integers(0, FAN_OUT)))]
            trees.append((HEIGHT - 1, self._top(children, draw)))
        self.points[name] = tuple(trees)
        self.counts.add(self.points[name], self.forest.load)
        self.counts.points[name] = CountedPoint(stamp=name, trees=self.points[name])

    def _leaf(self, draw: Callable[[st.SearchStrategy[int]], int], reach: int) -> int:
        known = sorted(self._alive(self._leaves))
        if known and draw(st.integers(0, 2)):
            return known[draw(st.integers(0, len(known) - 1))]
        picked = [self.blocks[draw(st.integers(0, 29))] for _ in range(reach)]
        leaf = self.forest.node([*picked, 0])
        self._leaves.append(leaf)
        return leaf

    def _top(self, children: list[int], draw: Callable[[st.SearchStrategy[int]], int]) -> int:
        known = sorted(self._alive(self._tops))
        if known and not draw(st.integers(0, 3)):
            return known[draw(st.integers(0, len(known) - 1))]
        top = self.forest.node(children) if children else 0
        if top:
            self._tops.append(top)
        return top

    def _alive(self, nodes: Sequence[int]) -> set[int]:
        """What a new point may share is only what another one has."""
        return set(nodes) & set(self.expected)

    @property
    def expected(self) -> Counter[int]:
        return self.forest.expected(list(self.points.values()))

    def drop(self, name: str) -> None:
        self.counts.remove(self.points.pop(name), self.forest.load)
        del self.counts.points[name]

    def reopened(self) -> None:
        self.counts.save()
        self.counts = ReferenceCounts(self.folder, REPOSITORY)

    def check(self) -> None:
        addresses = [*self.blocks, *self.forest.nodes]
        expected = self.expected
        found = counted(self.counts, addresses)
        assert found == {address: expected[address] for address in addresses}
        used = {pack_of(address) for address in +expected}
        for number in {pack_of(address) for address in addresses}:
            assert self.counts.is_used(number) == (number in used)


STEPS = st.lists(st.sampled_from(["seal", "drop", "save", "check"]), min_size=1, max_size=16)


@settings(max_examples=60)
@given(STEPS, st.data())
def test_counts_are_what_brute_force_tells(steps: list[str], data: st.DataObject) -> None:
    with a_folder() as folder, few_shards():
        law = Law(folder)
        dropped: set[int] = set()
        for number, step in enumerate(steps):
            match step:
                case "seal":
                    law.seal(f"p{number}", data.draw)
                case "drop" if law.points:
                    before = set(+law.expected)
                    law.drop(data.draw(st.sampled_from(sorted(law.points))))
                    gone = {pack_of(each) for each in before - set(+law.expected)}
                    assert gone <= law.counts.doubtful
                    dropped |= gone
                case "save":
                    law.reopened()
                    assert set(law.counts.points) == set(law.points)
                case _:
                    law.check()
        law.reopened()
        law.check()
        assert dropped <= law.counts.doubtful
        for name in sorted(law.points):
            law.drop(name)
        law.check()


FLIPS = st.integers(1, 255)


@settings(max_examples=25)
@given(st.data())
def test_a_file_that_is_damaged_or_missing_is_told_and_never_believed(data: st.DataObject) -> None:
    with a_folder() as folder, few_shards():
        law = Law(folder)
        for number in range(4):
            law.seal(f"p{number}", data.draw)
        root = law.forest.node([law.blocks[0]])
        law.counts.add(((0, root),), law.forest.load)
        law.counts.save()
        files = sorted(folder.glob("*.counts"))  # in an order of chance, and of several sizes
        file = files[data.draw(st.integers(0, 99)) % len(files)]
        if data.draw(st.booleans(), label="missing"):
            file.unlink()
        else:
            content = bytearray(file.read_bytes())
            content[data.draw(st.integers(0, 1 << 20)) % len(content)] ^= data.draw(FLIPS)
            file.write_bytes(content)

        law.counts = ReferenceCounts(folder, REPOSITORY)
        with pytest.raises(CountsLostError):
            law.check()
        law.counts.discard()
        assert ReferenceCounts(folder, REPOSITORY).points == {}


@settings(max_examples=25)
@given(st.integers(0), st.integers(1, 255))
def test_a_listing_that_is_damaged_is_as_none(at: int, flip: int) -> None:
    with a_folder() as folder:
        law = Law(folder)
        root = law.forest.node([law.blocks[0]])
        law.counts.add(((0, root),), law.forest.load)
        law.counts.points["p"] = CountedPoint(stamp="s", trees=((0, root),))
        law.counts.judged = 7
        law.counts.save()
        listing = folder / "counts.json"
        content = bytearray(listing.read_bytes())
        content[at % len(content)] ^= flip
        listing.write_bytes(content)

        again = ReferenceCounts(folder, REPOSITORY)
        assert (again.points, again.judged, again.doubtful) == ({}, 1, set())
        assert not again.is_used(pack_of(root))


def test_counts_of_another_repository_are_as_none(tmp_path: Path) -> None:
    law = Law(tmp_path)
    law.counts.points["p"] = CountedPoint(stamp="s", trees=())
    law.counts.save()

    assert ReferenceCounts(tmp_path, REPOSITORY).points
    assert not ReferenceCounts(tmp_path, "another").points


def test_a_folder_where_a_file_should_be_is_as_a_file_that_is_gone(tmp_path: Path) -> None:
    law = Law(tmp_path)
    root = law.forest.node([law.blocks[0]])
    law.counts.add(((0, root),), law.forest.load)
    law.counts.save()
    for file in tmp_path.glob("*.counts"):
        file.unlink()
        file.mkdir()

    with pytest.raises(CountsLostError):
        ReferenceCounts(tmp_path, REPOSITORY).is_used(pack_of(root))
    (tmp_path / "counts.json").unlink()
    (tmp_path / "counts.json").mkdir()
    assert not ReferenceCounts(tmp_path, REPOSITORY).points


def test_what_was_never_counted_is_not_taken_back(tmp_path: Path) -> None:
    law = Law(tmp_path)
    root = law.forest.node([law.blocks[0]])

    with pytest.raises(CountsLostError):
        law.counts.remove(((0, root),), law.forest.load)


def test_a_count_that_is_full_keeps_its_block_for_good(tmp_path: Path) -> None:
    counts, forest = ReferenceCounts(tmp_path, REPOSITORY), Forest()
    block = forest.address()
    roots = [forest.node([block] * 40_000) for _ in range(2)]
    trees = tuple((0, root) for root in roots)

    counts.add(trees, forest.load)
    counts.save()
    counts.remove(trees, forest.load)

    assert counts.is_used(pack_of(block))
    assert not any(counts.of_pack(pack_of(root), 99)[slot_of(root)] for root in roots)


def test_only_what_changed_is_written_down(tmp_path: Path) -> None:
    law = Law(tmp_path)
    roots = [law.forest.node([law.blocks[n]]) for n in range(13)]
    law.counts.add(tuple((0, root) for root in roots), law.forest.load)
    law.counts.save()
    before = {file.name for file in tmp_path.glob("*.counts")}

    law.counts.remove(((0, roots[0]),), law.forest.load)
    law.counts.save()

    after = {file.name for file in tmp_path.glob("*.counts")}
    shards = {shard_of(pack_of(address)) for address in (roots[0], law.blocks[0])}
    assert len(after - before) == len(before - after) == len(shards) < len(before)


def points_of(machine: Machine) -> Counter[int]:
    """By brute force, of all recovery points of a repository."""
    result: Counter[int] = Counter()

    def count(level: int, address: int) -> None:
        if address:
            result[address] += 1
            if result[address] == 1 and level >= 0:
                for child in machine.repository.packs.node(address).tolist():
                    count(level - 1, child)

    for point in machine.repository.manifests(SOURCE):
        for disk in machine.manifest(point).disks:
            count(disk.tree.shape.height - 1, disk.root)
    return result


def assert_true_of(machine: Machine) -> None:
    repository = machine.repository
    counts = ReferenceCounts(repository.cache / "counts-1", str(repository.id))
    expected = points_of(machine)
    for address, count in expected.items():
        assert counts.of_pack(pack_of(address), slot_of(address) + 1)[slot_of(address)] == count
    for number in machine.packs():
        slots = counts.of_pack(number, 500)
        assert set(np.flatnonzero(slots).tolist()) == machine.used().get(number, set())


def assert_true_or_told(machine: Machine) -> None:
    """After a prune. That a file is lost tells who needs it; that prune may have needed none."""
    try:
        assert_true_of(machine)
    except CountsLostError:
        kept_counts(machine.repository).discard()
        prune(machine.repository)
        assert_true_of(machine)


class Fate:
    """What happens to a repository, and to the folder of its counts."""

    def __init__(self, folder: Path, passphrase: str | None) -> None:
        self.machine = Machine.made(folder / "store", passphrase)
        self._kept = folder / "kept"
        self._sealed = 0

    @property
    def _cache(self) -> Path:
        return self.machine.repository.cache / "counts-1"

    def seal(self, pick: int, *, is_on: bool = False) -> None:
        there = sorted(self.machine.manifests)
        content = some(pick % 3, 12, 100) + noise(self._sealed, 3 * BLOCK)
        base = there[pick % len(there)] if there and is_on else None
        self.machine.seal(f"p{self._sealed:02}", {"disk": content}, base)
        self._sealed += 1

    def seal_on(self, pick: int) -> None:
        self.seal(pick, is_on=True)

    def drop(self, pick: int) -> None:
        if there := sorted(self.machine.manifests):
            self.machine.drop(there[pick % len(there)])

    def prune(self, _: int) -> None:
        assert not prune(self.machine.repository).waits_for
        assert_true_or_told(self.machine)

    def reopen(self, _: int) -> None:
        self.machine.repository = self.machine.opened()

    def copy(self, _: int) -> None:
        if self._cache.is_dir():
            shutil.rmtree(self._kept, ignore_errors=True)
            shutil.copytree(self._cache, self._kept)

    def restore(self, _: int) -> None:
        if self._kept.is_dir():
            shutil.rmtree(self._cache, ignore_errors=True)
            shutil.copytree(self._kept, self._cache)

    def lose(self, pick: int) -> None:
        if files := sorted(self._cache.glob("*")):
            files[pick % len(files)].unlink()


HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                Fate.seal,
                Fate.seal_on,
                Fate.drop,
                Fate.prune,
                Fate.reopen,
                Fate.copy,
                Fate.restore,
                Fate.lose,
            ]
        ),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=16,
)


@settings(max_examples=40)
@given(HAPPENINGS, st.sampled_from([None, KEY]))
def test_counts_of_a_repository_are_true_whatever_becomes_of_their_folder(
    happenings: list[tuple[Callable[[Fate, int], None], int]], passphrase: str | None
) -> None:
    with a_folder() as folder, few_shards():
        fate = Fate(folder, passphrase)
        for happening, pick in happenings:
            happening(fate, pick)

        machine = fate.machine
        prune(machine.repository)
        assert_true_or_told(machine)
        assert set(machine.packs()) == set(machine.used())
