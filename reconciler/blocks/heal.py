"""Give damaged blocks back to their packs, where another place still has them.

Addresses never change, so a pack that lost blocks is written anew as its next generation, with
the same slots. It is sealed with a key of its own: no nonce is used twice. A pack of which a block
is found nowhere stays as it is, until everything of it can be given back.
"""

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.blocks.arrays import Entries
from reconciler.blocks.codec import Bytes, Codec, Kind, block_hash
from reconciler.blocks.generations import following
from reconciler.blocks.keys import TAG_BYTES, PackKey
from reconciler.blocks.layout import address_of
from reconciler.blocks.pack import SALT_BYTES, PackTable, table_and_footer
from reconciler.blocks.pack_reader import PackReader
from reconciler.blocks.repository import Repository
from reconciler.errors import BlockDamagedError, BlockMissingError

_LOST = (BlockDamagedError, BlockMissingError)


@dataclass(frozen=True, slots=True)
class Healed:
    """What became of the damaged blocks of a pack."""

    blocks: int
    lost: int
    """Blocks that nobody has any more."""


def heal(
    repository: Repository, number: int, slots: Collection[int], others: Sequence[Repository]
) -> Healed:
    """Write a damaged pack anew.

    Args:
        repository: Whose it is; open for writing.
        number: The pack.
        slots: What of it is damaged; nothing said means that none of it can be read.
        others: Where to look: a copy of the repository, or any that has blocks of the same ids
            and is open for writing, because its index is needed.

    Raises:
        RepositoryLockedError: Somebody else writes the pack anew.
        RepositoryUnavailableError: A storage does not answer.
    """
    origin = repository.packs if slots else _origin(repository, number, others)
    if origin is None:
        return Healed(0, 0)
    found = dict(_donated(repository, number, slots, others)) if slots else {}
    rewriting = _Rewriting(repository.packs, origin, number, found)
    generation = _next_generation(repository, number)
    data = rewriting.data(generation)
    if rewriting.lost:
        # A donor may turn up later, or the storage may read again what it cannot read now.
        return Healed(0, rewriting.lost)
    repository.replace_pack(number, generation, data)
    return Healed(len(found) if slots else rewriting.kept, 0)


def _origin(repository: Repository, number: int, others: Sequence[Repository]) -> PackReader | None:
    """Where a pack can be read: a copy of the repository, or what is left of the pack itself."""
    for other in (*(o for o in others if o.id == repository.id), repository):
        try:
            if other is repository and other.packs.table(number):
                return other.packs
            if not other.packs.faults(number):
                return other.packs
        except _LOST:
            continue
    return None


def _donated(
    repository: Repository, number: int, slots: Collection[int], others: Sequence[Repository]
) -> Iterator[tuple[int, bytes]]:
    table = repository.packs.table(number)
    nodes = set(table.slots(Kind.NODE))
    for slot in sorted(slots):
        kind = Kind.NODE if slot in nodes else Kind.DATA
        for donor in (repository, *others):
            plain = _block(donor, repository, address_of(number, slot), table.id(slot), kind)
            if plain is not None:
                yield slot, plain
                break


def _block(
    donor: Repository, repository: Repository, address: int, block_id: bytes, kind: Kind
) -> bytes | None:
    """A block that is just the one that is wanted, from where a donor may have it."""
    places = donor.find([block_id]) if kind is Kind.DATA else []
    if donor is not repository and donor.id == repository.id:
        places.append(address)
    for place in filter(None, places):
        try:
            plain = donor.packs.block(place, kind)
        except _LOST:
            continue
        if repository.packs.id_of(block_hash(plain)) == block_id:
            return plain
    return None


def _next_generation(repository: Repository, number: int) -> int:
    try:
        name = repository.packs.tables.newest(number, lambda name: name)
    except BlockMissingError:
        return 0
    return following(name)


class _Rewriting:
    """A pack's next generation."""

    def __init__(
        self, packs: PackReader, origin: PackReader, number: int, found: Mapping[int, bytes]
    ) -> None:
        self.kept = self.lost = 0
        self._identity = packs.identity(number)
        self._origin = origin
        self._number = number
        self._found = found

    def data(self, generation: int) -> bytes:
        """The whole object."""
        before = self._origin.table(self._number)
        salt = before.salt if before.key is None else secrets.token_bytes(SALT_BYTES)
        key = self._identity.key(salt)
        entries, result = before.entries.copy(), bytearray(self._identity.header(salt))
        for slot, packed in self._packed(before, entries):
            start = len(result)
            result += packed if key is None else _sealed(key, slot, packed)
            entries[slot]["offset"] = start
            entries[slot]["length"] = len(result) - start
        table = PackTable(entries, key, salt)
        return bytes(result) + table_and_footer(self._identity, table, len(result), generation)

    def _packed(self, table: PackTable, entries: Entries) -> Iterator[tuple[int, Bytes]]:
        """Slots with their encoded bytes, ascending; what nobody can read is counted."""
        codec = Codec()
        kinds = {slot: kind for kind in Kind for slot in table.slots(kind)}
        for slot, kind in sorted(kinds.items()):
            if (plain := self._found.get(slot)) is None:
                plain = self._readable(slot, kind)
            if plain is None:
                self.lost += 1
                continue
            self.kept += 1
            encoding, packed = codec.encode(plain, kind)
            entries[slot]["encoding"] = encoding
            yield slot, packed

    def _readable(self, slot: int, kind: Kind) -> bytes | None:
        try:
            return self._origin.block(address_of(self._number, slot), kind)
        except _LOST:
            return None


def _sealed(key: PackKey, slot: int, packed: Bytes) -> bytearray:
    sealed = bytearray(len(packed) + TAG_BYTES)
    key.seal_into(slot, packed, memoryview(sealed))
    return sealed
