import numpy as np
import pytest

from reconciler.blocks.arrays import Addresses
from reconciler.blocks.tree import DraftTree, Tree, TreeShape

FAN_OUT = 4


class Nodes:
    """Nodes by address, with counts of what was loaded and stored."""

    def __init__(self) -> None:
        self.kept: dict[int, Addresses] = {}
        self.loaded: list[int] = []

    def load(self, address: int) -> Addresses:
        self.loaded.append(address)
        return self.kept[address]

    def store(self, plain: bytes) -> int:
        address = 1_000_000 + len(self.kept)
        self.kept[address] = np.frombuffer(plain, "<u8")
        return address


def draft(nodes: Nodes, blocks: int, base: Tree | None = None) -> DraftTree:
    return DraftTree(TreeShape(blocks, FAN_OUT), nodes.load, nodes.store, base)


def sealed(tree: DraftTree) -> Tree:
    return Tree(tree.shape, tree.write())


def content(nodes: Nodes, tree: Tree) -> list[int]:
    result: list[int] = tree.addresses(nodes.load, 0, tree.shape.block_count).tolist()
    return result


def numbered(nodes: Nodes, blocks: int) -> Tree:
    tree = draft(nodes, blocks)
    tree.set(0, np.arange(1, blocks + 1, dtype=np.uint64))
    return sealed(tree)


@pytest.mark.parametrize(
    ("blocks", "height"), [(1, 1), (4, 1), (5, 2), (16, 2), (17, 3), (64, 3), (65, 4)]
)
def test_the_height_is_the_least_that_reaches_every_block(blocks: int, height: int) -> None:
    assert TreeShape(blocks, FAN_OUT).height == height


def test_a_disk_of_zeros_needs_no_node() -> None:
    nodes = Nodes()

    tree = sealed(draft(nodes, 1000))

    assert (tree.root, nodes.kept) == (0, {})
    assert list(tree.runs(nodes.load)) == []


def test_what_is_set_is_read() -> None:
    nodes = Nodes()

    assert content(nodes, numbered(nodes, 70)) == list(range(1, 71))


def test_one_change_stores_one_node_for_each_level() -> None:
    nodes = Nodes()
    base = numbered(nodes, 256)
    before = len(nodes.kept)
    nodes.loaded.clear()

    tree = draft(nodes, 256, base)
    tree.set(100, np.array([7777], np.uint64))
    after = sealed(tree)

    assert len(nodes.kept) - before == base.shape.height
    assert len(set(nodes.loaded)) == base.shape.height
    assert content(nodes, after)[100] == 7777
    assert content(nodes, base)[100] == 101


def test_setting_what_is_there_already_changes_nothing() -> None:
    nodes = Nodes()
    base = numbered(nodes, 256)
    before = len(nodes.kept)

    tree = draft(nodes, 256, base)
    tree.set(0, np.arange(1, 257, dtype=np.uint64))
    assert not tree.is_dirty
    tree.set(9, np.array([5], np.uint64))
    tree.set(9, np.array([10], np.uint64))

    assert sealed(tree) == base
    assert len(nodes.kept) == before


def test_clearing_the_whole_disk_loads_only_the_root() -> None:
    nodes = Nodes()
    base = numbered(nodes, 256)
    nodes.loaded.clear()

    tree = draft(nodes, 256, base)
    tree.clear(0, 256)

    assert sealed(tree).root == 0
    assert set(nodes.loaded) == {base.root}


@pytest.mark.parametrize(("first", "end"), [(0, 1), (3, 5), (10, 50), (16, 64), (69, 70), (0, 70)])
def test_cleared_blocks_are_zero_and_others_stay(first: int, end: int) -> None:
    nodes = Nodes()
    tree = draft(nodes, 70, numbered(nodes, 70))
    tree.set(20, np.array([9, 9, 9], np.uint64))
    expected = [9 if 20 <= b < 23 else b + 1 for b in range(70)]
    expected[first:end] = [0] * (end - first)

    tree.clear(first, end)

    assert tree.addresses(0, 70).tolist() == expected
    assert content(nodes, sealed(tree)) == expected


def test_blocks_that_were_cleared_before_they_were_written_stay_zero() -> None:
    nodes = Nodes()
    tree = draft(nodes, 70)
    tree.set(0, np.arange(1, 71, dtype=np.uint64))
    tree.clear(0, 70)

    assert sealed(tree).root == 0


@pytest.mark.parametrize("before", [1, 3, 4, 5, 16, 17, 64, 65, 200])
@pytest.mark.parametrize("after", [1, 3, 4, 5, 16, 17, 64, 65, 200])
def test_a_disk_that_changed_its_size_keeps_what_both_have(before: int, after: int) -> None:
    nodes = Nodes()
    base = numbered(nodes, before)

    smaller_or_larger = sealed(draft(nodes, after, base))
    back = sealed(draft(nodes, before, smaller_or_larger))

    both = min(before, after)
    assert content(nodes, smaller_or_larger) == [*range(1, both + 1), *[0] * (after - both)]
    assert content(nodes, back) == [*range(1, both + 1), *[0] * (before - both)]


def test_leaves_that_no_longer_fit_in_memory_are_stored_and_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("reconciler.blocks.tree._MOST_LEAVES", 3)
    nodes = Nodes()
    tree = draft(nodes, 256)
    for block in [*range(0, 256, 3), *range(0, 256, 5)]:
        tree.set(block, np.array([block + 1], np.uint64))

    assert nodes.loaded  # of leaves that were stored, as they are changed again
    expected = [b + 1 if b % 3 == 0 or b % 5 == 0 else 0 for b in range(256)]
    assert content(nodes, sealed(tree)) == expected


def test_runs_skip_subtrees_of_zeros() -> None:
    nodes = Nodes()
    tree = draft(nodes, 4**6)
    tree.set(4**5 + 1, np.array([5], np.uint64))
    done = sealed(tree)
    nodes.loaded.clear()

    ((first, addresses),) = done.runs(nodes.load)

    assert (first, addresses.tolist()) == (4**5, [0, 5, 0, 0])
    assert len(nodes.loaded) == done.shape.height
