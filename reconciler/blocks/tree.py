"""The address tree of one disk: copy-on-write, read lazily, written from the leaves up.

Level 0 nodes hold addresses of data blocks, level n nodes those of level n-1 nodes; address 0
stands for blocks that are all zeros, at every level. See FORMAT.md, section 6.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from reconciler.blocks.arrays import Addresses, np

LoadNode = Callable[[int], Addresses]
StoreNode = Callable[[bytes], int]

_MOST_LEAVES: Final = 4096
"""Leaves that a draft holds in memory: 32 MiB of them at the default fan-out."""


@dataclass(frozen=True, slots=True)
class TreeShape:
    """How many blocks, and how many addresses a node has."""

    block_count: int
    fan_out: int

    @property
    def height(self) -> int:
        """Levels of nodes, at least one."""
        height, reach = 1, self.fan_out
        while reach < self.block_count:
            height, reach = height + 1, reach * self.fan_out
        return height

    def entries(self, level: int, index: int) -> int:
        """How many entries of a node stand for blocks of the disk; the others must be 0."""
        reach: int = self.fan_out**level
        wanted = -(-self.block_count // reach) - index * self.fan_out
        return max(0, min(self.fan_out, wanted))


@dataclass(frozen=True, slots=True)
class Tree:
    """A sealed tree."""

    shape: TreeShape
    root: int

    def leaves(
        self, load: LoadNode, first: int = 0, end: int | None = None
    ) -> Iterator[tuple[int, int]]:
        """Leaves that hold anything, among those of the blocks `first` up to `end`.

        Shape: (number of the leaf's first block, address of the leaf), ascending.
        """
        end = self.shape.block_count if end is None else min(end, self.shape.block_count)
        if self.root and first < end:
            yield from self._leaves(load, range(first, end), self.shape.height - 1, 0, self.root)

    def runs(self, load: LoadNode) -> Iterator[tuple[int, Addresses]]:
        """The disk's addresses leaf by leaf; leaves of zeros are left out.

        Shape: (number of the first block, addresses up to the end of leaf or disk), ascending.
        """
        for first, address in self.leaves(load):
            yield first, load(address)[: self.shape.block_count - first]

    def addresses(self, load: LoadNode, first: int, count: int) -> Addresses:
        """The addresses of `count` consecutive blocks."""
        result = np.zeros(count, np.uint64)
        for start, address in self.leaves(load, first, first + count):
            lower, upper = max(first, start), min(first + count, start + self.shape.fan_out)
            result[lower - first : upper - first] = load(address)[lower - start : upper - start]
        return result

    def _leaves(
        self, load: LoadNode, blocks: range, level: int, index: int, address: int
    ) -> Iterator[tuple[int, int]]:
        fan_out = self.shape.fan_out
        if level == 0:
            yield index * fan_out, address
            return
        reach, offset = fan_out**level, index * fan_out
        lower = max(0, blocks.start // reach - offset)
        upper = min(self.shape.entries(level, index), -(-blocks.stop // reach) - offset)
        node = load(address)
        for entry in (np.flatnonzero(node[lower:upper]) + lower).tolist():
            yield from self._leaves(load, blocks, level - 1, offset + entry, int(node[entry]))


class DraftTree:
    """A tree that is being changed; one thread.

    Only nodes on the way to what is changed are loaded, and only those that differ from what
    was loaded are stored.
    """

    def __init__(
        self, shape: TreeShape, load: LoadNode, store: StoreNode, base: Tree | None
    ) -> None:
        self.shape = shape
        self._load = load
        self._store = store
        self._top = shape.height - 1
        self._nodes: list[dict[int, Addresses]] = [{} for _ in range(shape.height)]
        self._dirty: list[set[int]] = [set() for _ in range(shape.height)]
        self._root = 0 if base is None else self._fitted(base)
        if base is not None and base.shape.block_count > shape.block_count:
            self.clear(shape.block_count, shape.fan_out**shape.height)

    @property
    def is_dirty(self) -> bool:
        """Whether there is anything to write."""
        return any(self._dirty)

    def addresses(self, first: int, count: int) -> Addresses:
        """The addresses of `count` consecutive blocks as they stand now."""
        result = np.zeros(count, np.uint64)
        for leaf, lower, upper in self._spans(first, count):
            if self._exists(leaf):
                start = leaf * self.shape.fan_out
                part = self._node(0, leaf)[lower - start : upper - start]
                result[lower - first : upper - first] = part
        self._spill()
        return result

    def set(self, first: int, addresses: Addresses) -> None:
        """Give consecutive blocks these addresses."""
        for leaf, lower, upper in self._spans(first, len(addresses)):
            start = leaf * self.shape.fan_out
            part = self._node(0, leaf)[lower - start : upper - start]
            new = addresses[lower - first : upper - first]
            if not np.array_equal(part, new):
                part[:] = new
                self._dirty[0].add(leaf)
        self._spill()

    def clear(self, first: int, end: int) -> None:
        """Make the blocks from `first` up to `end` zero; whole subtrees are cut off at once."""
        if first < end:
            self._clear(self._top, 0, first, end)
            self._spill()

    def write(self) -> int:
        """Store what changed; returns the address of the root, 0 for a disk of zeros."""
        for level in range(self.shape.height):
            for index in sorted(self._dirty[level]):
                self._settle(level, index)
        return self._root

    def _spans(self, first: int, count: int) -> Iterator[tuple[int, int, int]]:
        """Leaves that a span of blocks touches, each with the part of the span in it."""
        fan_out, end = self.shape.fan_out, first + count
        while first < end:
            leaf = first // fan_out
            upper = min(end, (leaf + 1) * fan_out)
            yield leaf, first, upper
            first = upper

    def _address(self, level: int, index: int) -> int:
        if level == self._top:
            return self._root
        parent, entry = divmod(index, self.shape.fan_out)
        return int(self._node(level + 1, parent)[entry])

    def _exists(self, leaf: int) -> bool:
        for level in range(self._top, -1, -1):
            index = leaf // self.shape.fan_out**level
            if index not in self._nodes[level] and not self._address(level, index):
                return False
        return True

    def _node(self, level: int, index: int) -> Addresses:
        if (node := self._nodes[level].get(index)) is None:
            address = self._address(level, index)
            node = self._load(address).copy() if address else self._empty()
            self._nodes[level][index] = node
        return node

    def _empty(self) -> Addresses:
        return np.zeros(self.shape.fan_out, np.uint64)

    def _settle(self, level: int, index: int) -> None:
        """Store one node, and enter its address into its parent."""
        self._dirty[level].discard(index)
        node, before = self._nodes[level][index], self._address(level, index)
        if not node.any():
            address = 0
        elif before and np.array_equal(self._load(before), node):
            address = before
        else:
            address = self._store(node.astype("<u8", copy=False).tobytes())
        if address == before:
            return
        if level == self._top:
            self._root = address
        else:
            parent, entry = divmod(index, self.shape.fan_out)
            self._node(level + 1, parent)[entry] = address
            self._dirty[level + 1].add(parent)

    def _spill(self) -> None:
        """Store all leaves when there are too many of them to hold."""
        if len(self._nodes[0]) > _MOST_LEAVES and self._top > 0:
            for index in sorted(self._dirty[0]):
                self._settle(0, index)
            self._nodes[0].clear()

    def _clear(self, level: int, index: int, first: int, end: int) -> None:
        reach = self.shape.fan_out**level
        start = index * self.shape.fan_out * reach
        lower, upper = max(first, start), min(end, start + self.shape.fan_out * reach)
        whole = range(-(-(lower - start) // reach), (upper - start) // reach)
        for child in sorted({(lower - start) // reach, (upper - 1 - start) // reach} - set(whole)):
            below = index * self.shape.fan_out + child
            if below in self._nodes[level - 1] or self._address(level - 1, below):
                self._clear(level - 1, below, lower, upper)
        if not whole:
            return
        node = self._node(level, index)
        if level > 0:
            self._forget(level - 1, index * self.shape.fan_out, whole)
        if node[whole.start : whole.stop].any():
            node[whole.start : whole.stop] = 0
            self._dirty[level].add(index)

    def _forget(self, level: int, offset: int, entries: range) -> None:
        """Drop what is loaded of subtrees that are cut off."""
        lower, upper = offset + entries.start, offset + entries.stop
        while level >= 0:
            for index in [i for i in self._nodes[level] if lower <= i < upper]:
                del self._nodes[level][index]
                self._dirty[level].discard(index)
            level -= 1
            lower, upper = lower * self.shape.fan_out, upper * self.shape.fan_out

    def _fitted(self, base: Tree) -> int:
        """The base's root at this tree's height: a grown tree has the base's as its first child."""
        root = base.root
        for _ in range(base.shape.height - self.shape.height):
            root = int(self._load(root)[0]) if root else 0
        for level in range(base.shape.height, self.shape.height):
            node = self._nodes[level][0] = self._empty()
            node[0] = root if level == base.shape.height else 0
            self._dirty[level].add(0)
        return 0 if self.shape.height > base.shape.height else root
