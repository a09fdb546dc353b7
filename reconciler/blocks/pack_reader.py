"""Blocks by address, out of all packs of a repository."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from threading import local
from typing import Final

from reconciler.blocks.arrays import Addresses
from reconciler.blocks.codec import Codec, Kind, block_hash, node_from
from reconciler.blocks.header import RepositoryHeader
from reconciler.blocks.keys import RepositoryKeys
from reconciler.blocks.layout import address_of, pack_of, slot_of
from reconciler.blocks.lru import Lru
from reconciler.blocks.objects import Objects, damaged
from reconciler.blocks.pack import PackIdentity, PackTable
from reconciler.blocks.pack_tables import PackTables, Shard, by_pack
from reconciler.errors import BlockDamagedError

_NODE_CACHE_BYTES: Final = 16 << 20
_MOST_RUN_BYTES: Final = 4 << 20
_SMALL_READ_BYTES: Final = 128 << 10


class PackReader:
    """Reads and verifies blocks; several threads may share one."""

    def __init__(
        self, objects: Objects, header: RepositoryHeader, keys: RepositoryKeys | None
    ) -> None:
        self.tables = PackTables(objects, header, keys)
        self._objects = objects
        self._header = header
        self._keys = keys
        self._block_bytes = header.block_bytes
        self._nodes: Lru[int, Addresses] = Lru(_NODE_CACHE_BYTES)
        self._threads = local()

    def fresh(self) -> "PackReader":
        """A reader that trusts nothing that was read before; what it finds damaged, both know."""
        reader = PackReader(self._objects, self._header, self._keys)
        reader.tables.damaged = self.tables.damaged
        return reader

    def id_of(self, digest: bytes) -> bytes:
        """What a block of that SHA-256 is known by in this repository."""
        return self.tables.id_of(digest)

    def identity(self, number: int) -> PackIdentity:
        """Which pack a number means here."""
        return self.tables.identity(number)

    def doubt(self) -> None:
        """Read everything anew from here on: something was damaged behind our back."""
        self.tables.doubt()
        self._nodes.clear()

    def data(self, addresses: Sequence[int]) -> dict[int, bytes]:
        """Plain data blocks by their address, each verified by its tag or hash.

        Raises:
            BlockMissingError: A pack or a slot is not there.
            BlockDamagedError: Stored bytes are not what was written.
        """
        result: dict[int, bytes] = {}
        for number, slots in _by_pack(addresses):
            for slot, plain in self._read(number, slots, Kind.DATA):
                result[address_of(number, slot)] = plain
        return result

    def block(self, address: int, kind: Kind) -> bytes:
        """One block or node in its plain form. Raises as `data` does."""
        ((_, plain),) = self._read(pack_of(address), [slot_of(address)], kind)
        return plain

    def data_into(self, addresses: Addresses, target: memoryview) -> None:
        """Plain data blocks one after the other; where an address is 0 the target is left alone.

        Raises as `data` does.
        """
        size = self._block_bytes
        for number, places, slots in by_pack(addresses):
            first: dict[int, int] = {}
            again: list[tuple[int, int]] = []
            for slot, place in zip(slots.tolist(), places.tolist(), strict=True):
                if (before := first.setdefault(slot, place)) != place:
                    again.append((place, before))
            self.tables.newest(number, partial(self._fill, number, first, target))
            for place, before in again:
                start = size * before
                target[size * place : size * (place + 1)] = target[start : start + size]

    def node(self, address: int) -> Addresses:
        """A node of an address tree; read-only. Raises as `data` does."""
        if (node := self._nodes.get(address)) is None:
            ((_, plain),) = self._read(pack_of(address), [slot_of(address)], Kind.NODE)
            node = node_from(plain)
            self._nodes.put(address, node, node.nbytes)
        return node

    def nodes(self, addresses: Sequence[int]) -> list[Addresses]:
        """Many nodes, read together where they lie together; in any order, and not kept."""
        return [
            node_from(plain)
            for number, slots in _by_pack(addresses)
            for _, plain in self._read(number, slots, Kind.NODE)
        ]

    def ids(self, addresses: Sequence[int]) -> list[bytes]:
        """Ids of data blocks, from the tables alone; raises as `data` does.

        Shape: one for each address, in order; that of a block of zeros for address 0.
        """
        tables = self.tables
        return [tables.id(address) if address else tables.zero_id for address in addresses]

    def known_id(self, address: int) -> bytes | None:
        """As `known_ids`, of one block."""
        return self.tables.known_ids([address])[0]

    def known_ids(self, addresses: Sequence[int] | Addresses) -> list[bytes | None]:
        """Ids of data blocks; None for one that is not there or was found damaged."""
        return self.tables.known_ids(addresses)

    def packs(self, shard: int) -> Shard:
        """Packs of one folder, listed now."""
        return self.tables.packs(shard)

    def table(self, number: int) -> PackTable:
        """The table of a pack, validated. Raises as `data` does."""
        return self.tables.table(number)

    def added(self, number: int, table: PackTable) -> None:
        """Tell of a pack that this process has just written."""
        self.tables.added(number, table)

    def faults(self, number: int) -> dict[int, BlockDamagedError]:
        """Read a whole pack in its order, and compare every block with its id.

        Shape: by the slot; those that are sound are left out. What is found damaged is not
        offered any more.

        Raises:
            BlockMissingError: There is no such pack.
            BlockDamagedError: Nothing of it can be trusted: its header, table or footer is damaged.
        """
        self.tables.check_header(number)
        return self.tables.newest(number, partial(self._faults, number))

    def _faults(self, number: int, name: str) -> dict[int, BlockDamagedError]:
        table = self.tables.named(number, name)
        nodes = set(table.slots(Kind.NODE))
        result: dict[int, BlockDamagedError] = {}
        for slot, stored in self._stored(name, table, sorted([*nodes, *table.slots(Kind.DATA)])):
            try:
                self._compare(table, slot, stored, is_node=slot in nodes)
            except ValueError as error:
                result[slot] = self._damaged(name, slot, error)
        return result

    def _compare(self, table: PackTable, slot: int, stored: memoryview, *, is_node: bool) -> None:
        """Compare a block with its id, though a tag has told already that it is what was sealed.

        Raises:
            ValueError: It is something else.
        """
        space = self._space()
        if is_node:
            digest = block_hash(table.decode(slot, stored, space.codec))
        else:
            table.decode_into(slot, stored, space.target, space.scratch, space.codec)
            digest = block_hash(space.target) if table.key is not None else b""
        if table.key is not None and self.id_of(digest) != table.id(slot):
            raise ValueError("the block does not match its id")

    def _read(self, number: int, slots: list[int], kind: Kind) -> list[tuple[int, bytes]]:
        def read(name: str) -> list[tuple[int, bytes]]:
            table, codec = self.tables.named(number, name), self._space().codec
            self.tables.check(name, table, slots, kind)
            result: list[tuple[int, bytes]] = []
            for slot, stored in self._stored(name, table, slots):
                try:
                    result.append((slot, table.decode(slot, stored, codec)))
                except ValueError as error:
                    raise self._damaged(name, slot, error) from error
            return result

        return self.tables.newest(number, read)

    def _fill(self, number: int, places: dict[int, int], target: memoryview, name: str) -> None:
        table, space, size = self.tables.named(number, name), self._space(), self._block_bytes
        slots = list(places)
        self.tables.check(name, table, slots, Kind.DATA)
        for slot, stored in self._stored(name, table, slots):
            start = size * places[slot]
            part = target[start : start + size]
            try:
                table.decode_into(slot, stored, part, space.scratch, space.codec)
            except ValueError as error:
                raise self._damaged(name, slot, error) from error

    def _stored(
        self, name: str, table: PackTable, slots: list[int]
    ) -> Iterator[tuple[int, memoryview]]:
        for run in _runs(table, slots):
            start, end = run[0][1], run[-1][2]
            stored = self._range(name, start, end - start)
            for slot, its_start, its_end in run:
                yield slot, stored[its_start - start : its_end - start]

    def _range(self, name: str, start: int, length: int) -> memoryview:
        """Bytes of a pack, until the thread reads others."""
        if length <= _SMALL_READ_BYTES:
            return memoryview(self._objects.get_range(name, start, length))
        space = self._space()
        if len(space.buffer) < length:
            space.buffer = bytearray(max(length, 2 * len(space.buffer)))
        stored = memoryview(space.buffer)[:length]
        self._objects.read_into(name, start, stored)
        return stored

    def _damaged(self, name: str, slot: int, error: ValueError) -> BlockDamagedError:
        fault = damaged(f"pack {name}, slot {slot}: {error}", pack=name, slot=slot)
        self.tables.damaged[name, slot] = fault
        return fault

    def _space(self) -> "_Space":
        space: _Space | None = getattr(self._threads, "space", None)
        if space is None:
            space = self._threads.space = _Space.of(self._block_bytes)
        return space


@dataclass(slots=True)
class _Space:
    """What a thread works in."""

    codec: Codec
    target: memoryview
    scratch: memoryview
    buffer: bytearray
    """For stored bytes; as long as the longest read so far."""

    @classmethod
    def of(cls, block_bytes: int) -> "_Space":
        target, scratch = (memoryview(bytearray(block_bytes)) for _ in range(2))
        return cls(Codec(), target, scratch, bytearray())


def _by_pack(addresses: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    slots: dict[int, list[int]] = {}
    for address in sorted(set(addresses)):
        slots.setdefault(pack_of(address), []).append(slot_of(address))
    yield from slots.items()


def _runs(table: PackTable, slots: Sequence[int]) -> Iterator[list[tuple[int, int, int]]]:
    """Ascending slots, cut where one read would not be of consecutive bytes.

    Shape: (slot, where its bytes begin, where they end).
    """
    entries = table.entries[slots]
    offsets, lengths = entries["offset"].tolist(), entries["length"].tolist()
    run: list[tuple[int, int, int]] = []
    start = last = 0
    for slot, offset, length in zip(slots, offsets, lengths, strict=True):
        end = offset + length
        if run and (offset != last or end - start > _MOST_RUN_BYTES):
            yield run
            run = []
        if not run:
            start = offset
        run.append((slot, offset, end))
        last = end
    if run:
        yield run
