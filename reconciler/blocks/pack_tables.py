"""Which packs there are, and what their tables say."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final, TypeVar

from reconciler.blocks.arrays import Addresses, Booleans, Places, np
from reconciler.blocks.codec import Kind, zero_hash
from reconciler.blocks.header import RepositoryHeader
from reconciler.blocks.keys import RepositoryKeys
from reconciler.blocks.layout import (
    MOST_SLOTS,
    SLOT_BITS,
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
    ENTRY_BYTES,
    FOOTER_BYTES,
    HEADER_BYTES,
    MOST_PACK_BYTES,
    PackIdentity,
    PackTable,
    parse_footer,
    parse_table,
)
from reconciler.errors import BlockDamagedError, BlockMissingError

_TABLE_CACHE_BYTES: Final = 32 << 20
_SHARD_CACHE_BYTES: Final = 8 << 20
_TAIL_BYTES: Final = 64 << 10
"""Read from a pack's end at once: nearly always the whole table."""
_KEY_BYTES: Final = 4 << 10
"""About what a table takes beside its entries, most of it the pack's key made ready."""

_MISSING_HINT: Final = "request a consistency check: it copies from the source what is missing"

Result = TypeVar("Result")
Shard = dict[int, int]
"""Pack number → newest generation."""


class PackTables:
    """Tables of packs, validated and kept for a while; several threads may share one.

    Knows packs by listing the folder of the one that is wanted, never all folders. A pack that
    was written anew as its next generation meanwhile is looked up again, once.
    """

    def __init__(
        self, objects: Objects, header: RepositoryHeader, keys: RepositoryKeys | None
    ) -> None:
        self._objects = objects
        self._repository = header.id
        self._keys = keys
        self.block_bytes = header.block_bytes
        self.node_bytes = header.node_bytes
        self.zero_id = self.id_of(zero_hash(header.block_bytes))
        self._tables: Lru[str, PackTable] = Lru(_TABLE_CACHE_BYTES)
        self._shards: Lru[int, Shard] = Lru(_SHARD_CACHE_BYTES)
        self.damaged: dict[tuple[str, int], BlockDamagedError] = {}
        """Slots of generations that were read as damaged: nobody is offered what they hold."""

    def id_of(self, digest: bytes) -> bytes:
        """What a block of that SHA-256 is known by in this repository."""
        return digest if self._keys is None else self._keys.block_id(digest)

    def identity(self, number: int) -> PackIdentity:
        """Which pack a number means here."""
        return PackIdentity(self._repository, number, self._keys)

    def doubt(self) -> None:
        """Read everything anew from here on: something was damaged or deleted behind our back."""
        self._tables.clear()
        self._shards.clear()

    def packs(self, shard: int) -> Shard:
        """Packs of one folder, listed now."""
        clears = self._shards.clears
        found: Shard = {}
        for name in self._objects.names(shard_folder(shard)):
            if (parsed := parse_pack_name(name)) is not None:
                number, generation = parsed
                found[number] = max(generation, found.get(number, 0))
        self._shards.put(shard, found, 100 * (len(found) + 1), clears)
        return found

    def table(self, number: int) -> PackTable:
        """The table of a pack, validated.

        Raises:
            BlockMissingError: There is no such pack.
            BlockDamagedError: Its table or footer is not what was written.
        """
        return self.newest(number, lambda name: self.named(number, name))

    def added(self, number: int, table: PackTable) -> None:
        """Tell of a pack that this process has just written."""
        if (shard := self._shards.get(shard_of(number))) is not None:
            shard[number] = 0
        self._tables.put(pack_name(number, 0), table, _size(table))

    def id(self, address: int) -> bytes:
        """The id of a data block; raises as `table` does."""
        return self.newest(pack_of(address), lambda name: self._id(name, address))

    def known_ids(self, addresses: Sequence[int] | Addresses) -> list[bytes | None]:
        """Ids of data blocks; None for one that is not there or was found damaged.

        For guesses, so damage is no error here, and no folder is listed a second time.

        Shape: one for each address, in order; that of a block of zeros for address 0.
        """
        wanted = np.asarray(addresses, np.uint64)
        result: list[bytes | None] = [self.zero_id] * len(wanted)
        for number, places, slots in by_pack(wanted):
            known = self._known_ids(number, slots)
            for place, block_id in zip(places.tolist(), known, strict=True):
                result[place] = block_id
        return result

    def faults(
        self, number: int, slots: Addresses
    ) -> dict[int, BlockMissingError | BlockDamagedError]:
        """What is wrong with data blocks of a pack, as far as its table and earlier reads tell.

        Shape: by slot; those that are sound are left out.

        Raises:
            BlockMissingError: There is no such pack.
            BlockDamagedError: Nothing of it can be trusted.
        """

        def look(name: str) -> dict[int, BlockMissingError | BlockDamagedError]:
            doubtful = slots[~self._sound(number, slots, name)].tolist()
            return {slot: self._fault(number, name, slot) for slot in doubtful}

        return self.newest(number, look)

    def check(self, name: str, table: PackTable, slots: Sequence[int], kind: Kind) -> None:
        """Make sure that slots hold what is expected there.

        Raises:
            BlockMissingError: One holds nothing of that kind.
            BlockDamagedError: One holds something of another length.
        """
        size = self.block_bytes if kind is Kind.DATA else self.node_bytes
        wanted = np.asarray(slots, np.uint64)
        sound = table.held(wanted, kind, size)
        if not sound.all():
            raise self._unfit(name, table, int(wanted[~sound][0]), kind)

    def check_header(self, number: int) -> None:
        """Compare a pack's header with what it must be; reading blocks needs none of it.

        Raises:
            BlockDamagedError: It is something else.
        """
        identity = self.identity(number)

        def check(name: str) -> None:
            header = identity.header(self.named(number, name).salt)
            if self._objects.get_range(name, 0, HEADER_BYTES) != header:
                raise damaged(f"pack {name}: the header is damaged", pack=number)

        self.newest(number, check)

    def newest(self, number: int, use: Callable[[str], Result]) -> Result:
        """What `use` makes of the pack's newest generation, looked up again if it has gone."""
        try:
            return use(self.name(number))
        except FileNotFoundError:
            self.packs(shard_of(number))
        try:
            return use(self.name(number))
        except FileNotFoundError as error:
            raise _missing(number) from error

    def name(self, number: int) -> str:
        """The object that is the pack's newest generation, as known.

        Raises:
            FileNotFoundError: There is none.
        """
        known = self._shards.get(shard_of(number))
        if known is None:
            known = self.packs(shard_of(number))
        if (generation := known.get(number)) is None:
            raise FileNotFoundError(pack_name(number, 0))
        return pack_name(number, generation)

    def named(self, number: int, name: str) -> PackTable:
        """The table of one generation of a pack.

        Raises:
            FileNotFoundError: It has gone.
            BlockDamagedError: It is not what was written.
        """
        if (table := self._tables.get(name)) is None:
            clears = self._tables.clears
            try:
                table = self._load(number, name)
            except ValueError as error:
                raise damaged(f"pack {name}: {error}", pack=name) from error
            self._tables.put(name, table, _size(table), clears)
        return table

    def _id(self, name: str, address: int) -> bytes:
        table, slot = self.named(pack_of(address), name), slot_of(address)
        self.check(name, table, [slot], Kind.DATA)
        return table.id(slot)

    def _known_ids(self, number: int, slots: Addresses) -> list[bytes | None]:
        try:
            name = self.name(number)
            table = self.named(number, name)
        except (FileNotFoundError, BlockMissingError, BlockDamagedError):
            return [None] * len(slots)
        sound = self._sound(number, slots, name)
        if sound.all():
            return [*table.ids(slots)]
        ids = iter(table.ids(slots[sound]))
        return [next(ids) if is_sound else None for is_sound in sound.tolist()]

    def _sound(self, number: int, slots: Addresses, name: str) -> Booleans:
        sound = self.named(number, name).held(slots, Kind.DATA, self.block_bytes)
        if self.damaged:
            sound &= [(name, slot) not in self.damaged for slot in slots.tolist()]
        return sound

    def _fault(self, number: int, name: str, slot: int) -> BlockMissingError | BlockDamagedError:
        read = self.damaged.get((name, slot))
        return read or self._unfit(name, self.named(number, name), slot, Kind.DATA)

    def _unfit(
        self, name: str, table: PackTable, slot: int, kind: Kind
    ) -> BlockMissingError | BlockDamagedError:
        if table.holds(slot, kind):
            size = self.block_bytes if kind is Kind.DATA else self.node_bytes
            return damaged(f"pack {name}, slot {slot}: not of {size} bytes", pack=name, slot=slot)
        return BlockMissingError(
            f"pack {name} holds no {kind.name.lower()} in slot {slot}",
            hint=_MISSING_HINT,
            pack=name,
            slot=slot,
        )

    def _load(self, number: int, name: str) -> PackTable:
        size = self._objects.size(name)
        if not HEADER_BYTES + FOOTER_BYTES <= size <= MOST_PACK_BYTES:
            raise ValueError(f"{size} bytes are no pack")
        start = max(0, size - _TAIL_BYTES)
        tail = self._objects.get_range(name, start, size - start)
        identity = self.identity(number)
        footer = parse_footer(tail[-FOOTER_BYTES:], identity, size)
        if footer.table_offset < start:
            start = footer.table_offset
            tail = self._objects.get_range(name, start, size - start)
        at = footer.table_offset - start
        entries = tail[at : at + footer.table_bytes]
        return parse_table(entries, footer, identity, max(self.block_bytes, self.node_bytes))


def by_pack(addresses: Addresses) -> Iterator[tuple[int, Places, Addresses]]:
    """Addresses pack by pack; zeros are left out.

    Shape: (pack number, places in `addresses`, slots), packs and slots ascending.
    """
    order = np.argsort(addresses, kind="stable")
    ordered = addresses[order]
    first = int(np.searchsorted(ordered, 1))
    order, ordered = order[first:], ordered[first:]
    numbers = ordered >> np.uint64(SLOT_BITS)
    slots: Addresses = ordered & np.uint64(MOST_SLOTS - 1)
    cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
    for lower, upper in pairwise(cuts):
        if lower < upper:
            yield int(numbers[lower]), order[lower:upper], slots[lower:upper]


def _size(table: PackTable) -> int:
    return ENTRY_BYTES * len(table) + _KEY_BYTES


def _missing(number: int) -> BlockMissingError:
    name = pack_name(number, 0).rpartition(".")[0]
    return BlockMissingError(f"pack {name} is not in the repository", hint=_MISSING_HINT, pack=name)
