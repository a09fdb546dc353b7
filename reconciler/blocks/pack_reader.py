"""Blocks by address, out of all packs of a repository."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from threading import local
from typing import Final, TypeVar
from uuid import UUID

from reconciler.blocks.codec import Codec, Kind, node_from, zero_hash
from reconciler.blocks.layout import (
    Addresses,
    address_of,
    pack_name,
    pack_of,
    parse_pack_name,
    shard_folder,
    shard_of,
    slot_of,
)
from reconciler.blocks.lru import Lru
from reconciler.blocks.objects import Objects, damaged
from reconciler.blocks.pack import (
    FOOTER_BYTES,
    HEADER_BYTES,
    MOST_PACK_BYTES,
    PackIdentity,
    PackTable,
    parse_footer,
    parse_table,
)
from reconciler.errors import BlockDamagedError, BlockMissingError

_TABLE_CACHE_BYTES: Final = 64 << 20
_NODE_CACHE_BYTES: Final = 32 << 20
_SHARD_CACHE_BYTES: Final = 16 << 20
_MOST_RUN_BYTES: Final = 8 << 20
_TAIL_BYTES: Final = 64 << 10
"""Read from a pack's end at once: nearly always the whole table."""

_MISSING_HINT: Final = "request a consistency check: it copies from the source what is missing"

Result = TypeVar("Result")
Shard = dict[int, int]
"""Pack number → newest generation."""


class PackReader:
    """Reads and verifies blocks; several threads may share one.

    Knows packs by listing the folder of the one that is wanted, never all folders. A pack that
    was written anew as its next generation meanwhile is looked up again, once.
    """

    def __init__(
        self, objects: Objects, repository: UUID, *, block_bytes: int, node_bytes: int
    ) -> None:
        self._objects = objects
        self._repository = repository
        self._block_bytes = block_bytes
        self._node_bytes = node_bytes
        self._tables: Lru[str, PackTable] = Lru(_TABLE_CACHE_BYTES)
        self._nodes: Lru[int, Addresses] = Lru(_NODE_CACHE_BYTES)
        self._shards: Lru[int, Shard] = Lru(_SHARD_CACHE_BYTES)
        self._threads = local()
        self._damaged: set[tuple[str, int]] = set()
        """Slots found damaged: no longer offered to those who look for a block they hold."""

    def fresh(self) -> "PackReader":
        """A reader that trusts nothing that was read before; what it finds damaged, both know."""
        reader = PackReader(
            self._objects,
            self._repository,
            block_bytes=self._block_bytes,
            node_bytes=self._node_bytes,
        )
        reader._damaged = self._damaged
        return reader

    def doubt(self) -> None:
        """Read everything anew from here on: something was damaged behind our back."""
        for cache in (self._tables, self._nodes, self._shards):
            cache.clear()

    def data(self, addresses: Sequence[int]) -> dict[int, bytes]:
        """Plain data blocks by their address, each verified by its hash.

        Raises:
            BlockMissingError: A pack or a slot is not there.
            BlockDamagedError: Stored bytes are not what was written.
        """
        result: dict[int, bytes] = {}
        for number, slots in _by_pack(addresses):
            for slot, plain in self._read(number, slots, Kind.DATA):
                result[address_of(number, slot)] = plain
        return result

    def node(self, address: int) -> Addresses:
        """A node of an address tree; read-only. Raises as `data` does."""
        if (node := self._nodes.get(address)) is None:
            ((_, plain),) = self._read(pack_of(address), [slot_of(address)], Kind.NODE)
            node = node_from(plain)
            self._nodes.put(address, node, node.nbytes)
        return node

    def hashes(self, addresses: Sequence[int]) -> list[bytes]:
        """SHA-256 of data blocks, from the tables alone; raises as `data` does.

        Shape: one for each address, in order; that of a block of zeros for address 0.
        """
        zero = zero_hash(self._block_bytes)
        return [self._hash(address) if address else zero for address in addresses]

    def known_hash(self, address: int) -> bytes | None:
        """The hash of a data block, None when it is not there or was found damaged.

        For guesses, so damage is no error here, and no folder is listed a second time.
        """
        if not address:
            return zero_hash(self._block_bytes)
        try:
            name = self._name(pack_of(address))
            is_damaged = (name, slot_of(address)) in self._damaged
            return None if is_damaged else self._entry(name, address)
        except (FileNotFoundError, BlockMissingError, BlockDamagedError):
            return None

    def packs(self, shard: int) -> Shard:
        """Packs of one folder, listed now."""
        found: Shard = {}
        for name in self._objects.names(shard_folder(shard)):
            if (parsed := parse_pack_name(name)) is not None:
                number, generation = parsed
                found[number] = max(generation, found.get(number, 0))
        self._shards.put(shard, found, 100 * (len(found) + 1))
        return found

    def table(self, number: int) -> PackTable:
        """The table of a pack, validated. Raises as `data` does."""
        return self._newest(number, lambda name: self._table(number, name))

    def added(self, number: int, table: PackTable) -> None:
        """Tell of a pack that this process has just written."""
        if (shard := self._shards.get(shard_of(number))) is not None:
            shard[number] = 0
        self._tables.put(pack_name(number, 0), table, _table_size(table))

    def deleted(self, number: int) -> None:
        """Tell of a pack that this process has just deleted: its blocks are offered no more."""
        if (shard := self._shards.get(shard_of(number))) is not None:
            shard.pop(number, None)

    def check_header(self, number: int) -> None:
        """Compare a pack's header with what it must be; reading blocks needs none of it.

        Raises:
            BlockDamagedError: It is something else.
        """
        header = PackIdentity(self._repository, number).header()

        def check(name: str) -> None:
            if self._objects.get_range(name, 0, HEADER_BYTES) != header:
                raise damaged(f"pack {name}: the header is damaged", pack=number)

        self._newest(number, check)

    def _newest(self, number: int, use: Callable[[str], Result]) -> Result:
        """What `use` makes of the pack's newest generation, looked up again if it has gone."""
        try:
            return use(self._name(number))
        except FileNotFoundError:
            self.packs(shard_of(number))
        try:
            return use(self._name(number))
        except FileNotFoundError as error:
            raise _missing(number) from error

    def _name(self, number: int) -> str:
        known = self._shards.get(shard_of(number))
        if known is None:
            known = self.packs(shard_of(number))
        if (generation := known.get(number)) is None:
            raise FileNotFoundError(pack_name(number, 0))
        return pack_name(number, generation)

    def _hash(self, address: int) -> bytes:
        return self._newest(pack_of(address), lambda name: self._entry(name, address))

    def _entry(self, name: str, address: int) -> bytes:
        table, slot = self._table(pack_of(address), name), slot_of(address)
        self._check(name, table, slot, Kind.DATA)
        return table.hash(slot)

    def _read(self, number: int, slots: list[int], kind: Kind) -> list[tuple[int, bytes]]:
        return self._newest(number, lambda name: self._read_pack(number, name, slots, kind))

    def _read_pack(
        self, number: int, name: str, slots: list[int], kind: Kind
    ) -> list[tuple[int, bytes]]:
        table = self._table(number, name)
        for slot in slots:
            self._check(name, table, slot, kind)
        result: list[tuple[int, bytes]] = []
        for run in _runs(table, slots):
            start = table.offsets[run[0]]
            stored = self._objects.get_range(name, start, table.end(run[-1]) - start)
            result += self._decoded(name, table, run, memoryview(stored))
        return result

    def _decoded(
        self, name: str, table: PackTable, run: list[int], stored: memoryview
    ) -> Iterator[tuple[int, bytes]]:
        start = table.offsets[run[0]]
        codec = self._codec()
        for slot in run:
            part = stored[table.offsets[slot] - start : table.end(slot) - start]
            try:
                plain = table.decode(slot, part, codec)
            except ValueError as error:
                self._damaged.add((name, slot))
                raise damaged(f"pack {name}, slot {slot}: {error}", pack=name, slot=slot) from error
            yield slot, plain

    def _check(self, name: str, table: PackTable, slot: int, kind: Kind) -> None:
        if not table.holds(slot, kind):
            raise BlockMissingError(
                f"pack {name} holds no {kind.name.lower()} in slot {slot}",
                hint=_MISSING_HINT,
                pack=name,
                slot=slot,
            )
        wanted = self._block_bytes if kind is Kind.DATA else self._node_bytes
        if table.plain_lengths[slot] != wanted:
            raise damaged(f"pack {name}, slot {slot}: not of {wanted} bytes", pack=name, slot=slot)

    def _table(self, number: int, name: str) -> PackTable:
        if (table := self._tables.get(name)) is None:
            try:
                table = self._load(number, name)
            except ValueError as error:
                raise damaged(f"pack {name}: {error}", pack=name) from error
            self._tables.put(name, table, _table_size(table))
        return table

    def _load(self, number: int, name: str) -> PackTable:
        size = self._objects.size(name)
        if not HEADER_BYTES + FOOTER_BYTES <= size <= MOST_PACK_BYTES:
            raise ValueError(f"{size} bytes are no pack")
        start = max(0, size - _TAIL_BYTES)
        tail = self._objects.get_range(name, start, size - start)
        identity = PackIdentity(self._repository, number)
        footer = parse_footer(tail[-FOOTER_BYTES:], identity, size)
        if footer.table_offset < start:
            start = footer.table_offset
            tail = self._objects.get_range(name, start, size - start)
        at = footer.table_offset - start
        entries = tail[at : at + footer.table_bytes]
        return parse_table(entries, footer, max(self._block_bytes, self._node_bytes))

    def _codec(self) -> Codec:
        codec: Codec | None = getattr(self._threads, "codec", None)
        if codec is None:
            codec = self._threads.codec = Codec()
        return codec


def _by_pack(addresses: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    slots: dict[int, list[int]] = {}
    for address in sorted(set(addresses)):
        slots.setdefault(pack_of(address), []).append(slot_of(address))
    yield from slots.items()


def _runs(table: PackTable, slots: list[int]) -> Iterator[list[int]]:
    """Slots in ascending order, cut where one read would not be of consecutive bytes."""
    run = [slots[0]]
    for before, slot in pairwise(slots):
        is_next = table.offsets[slot] == table.end(before)
        if not is_next or table.end(slot) - table.offsets[run[0]] > _MOST_RUN_BYTES:
            yield run
            run = []
        run.append(slot)
    yield run


def _table_size(table: PackTable) -> int:
    return 256 * (len(table) + 1)


def _missing(number: int) -> BlockMissingError:
    name = pack_name(number, 0).rpartition(".")[0]
    return BlockMissingError(f"pack {name} is not in the repository", hint=_MISSING_HINT, pack=name)
