"""One pack: header, blocks, table, footer. See FORMAT.md, section 5."""

import secrets
import struct
from dataclasses import dataclass, field
from functools import cache
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag

from reconciler.blocks.arrays import Addresses, Booleans, DataType, Entries, np
from reconciler.blocks.codec import HASH_BYTES, Bytes, Codec, Encoding, Kind, block_hash
from reconciler.blocks.keys import NONCE_BYTES, TAG_BYTES, PackKey, RepositoryKeys
from reconciler.blocks.layout import MOST_SLOTS

MOST_PACK_BYTES: Final = 64 << 20
PACK_VERSION: Final = 1
SEALED: Final = 1
"""The flag of a pack whose blocks and table are encrypted."""

SALT_BYTES: Final = 32
_NO_SALT: Final = bytes(SALT_BYTES)
_HEADER: Final = struct.Struct("<4sHHQ16s32s")
_FOOTER: Final = struct.Struct("<4sHHQ16sQII32s32s")
_HEADER_MAGIC: Final = b"RCPK"
_FOOTER_MAGIC: Final = b"RCPF"
_LEAST_BUFFER_BYTES: Final = 256 << 10
_NO_NONCE: Final = bytes(NONCE_BYTES)
"""Each table has a key of its own, so one nonce serves them all."""
HEADER_BYTES: Final = _HEADER.size
FOOTER_BYTES: Final = _FOOTER.size + HASH_BYTES
_ENTRY: Final = struct.Struct("<IIIBB")
"""What of an entry is not reserved, and not its id."""
ENTRY_BYTES: Final = 48


@cache
def entry_type() -> DataType:
    """One entry of a table."""
    return np.dtype(
        [
            ("offset", "<u4"),
            ("length", "<u4"),
            ("plain_length", "<u4"),
            ("encoding", "u1"),
            ("kind", "u1"),
            ("reserved", "<u2"),
            ("id", "V32"),
        ]
    )


@dataclass(frozen=True, slots=True)
class PackIdentity:
    """Which pack of which repository, and what its blocks are sealed with."""

    repository: UUID
    number: int
    keys: RepositoryKeys | None = field(default=None, repr=False)

    @property
    def flags(self) -> int:
        """What header and footer must say."""
        return 0 if self.keys is None else SEALED

    def header(self, salt: bytes) -> bytes:
        """The first bytes of the pack."""
        number, repository = self.number, self.repository.bytes
        return _HEADER.pack(_HEADER_MAGIC, PACK_VERSION, self.flags, number, repository, salt)

    def key(self, salt: bytes) -> PackKey | None:
        """The pack's own key, in an encrypted repository."""
        return None if self.keys is None else self.keys.pack(self.number, salt)


@dataclass(frozen=True, slots=True)
class PackFooter:
    """Where a pack's table is, and what it must hash to."""

    table_offset: int
    slots: int
    generation: int
    salt: bytes
    table_salt: bytes
    prefix: bytes
    digest: bytes
    is_sealed: bool

    @property
    def table_bytes(self) -> int:
        """Units: bytes, as it is stored."""
        return self.slots * ENTRY_BYTES + self.is_sealed * TAG_BYTES


class PackTable:
    """The slots of one pack, validated: what an entry points at lies inside the pack.

    Kept as the bytes it was read as, 48 a slot: many tables are in memory at once.
    """

    def __init__(self, entries: Entries, key: PackKey | None, salt: bytes = _NO_SALT) -> None:
        self.key = key
        self.salt = salt
        self._raw = entries.tobytes()

    def __len__(self) -> int:
        return len(self._raw) // ENTRY_BYTES

    @property
    def entries(self) -> Entries:
        """All slots, for work on many at once."""
        return np.frombuffer(self._raw, entry_type())

    def id(self, slot: int) -> bytes:
        """SHA-256 of the plain block, or in an encrypted repository what its keys make of it."""
        end = ENTRY_BYTES * (slot + 1)
        return self._raw[end - HASH_BYTES : end]

    def ids(self, slots: Addresses) -> list[bytes]:
        """Ids of many slots, in order."""
        found: list[bytes] = self.entries["id"][slots].tolist()
        return found

    def offset(self, slot: int) -> int:
        """Where the stored bytes of a slot begin."""
        return self._entry(slot)[0]

    def end(self, slot: int) -> int:
        """Where the stored bytes of a slot end."""
        offset, length, _, _, _ = self._entry(slot)
        return offset + length

    def holds(self, slot: int, kind: Kind) -> bool:
        """Whether the slot exists, was not dropped, and is of that kind."""
        if slot >= len(self):
            return False
        _, length, _, _, its_kind = self._entry(slot)
        return length > 0 and its_kind == kind

    def held(self, slots: Addresses, kind: Kind, plain_bytes: int) -> Booleans:
        """As `holds`, of many slots at once, and whether what they hold is of that length."""
        entries = self.entries
        wanted = (
            (entries["length"] > 0)
            & (entries["kind"] == kind)
            & (entries["plain_length"] == plain_bytes)
        )
        result = slots < len(entries)
        result[result] = wanted[slots[result]]
        return result

    def slots(self, kind: Kind) -> list[int]:
        """Which slots hold anything of a kind, ascending."""
        entries = self.entries
        found: list[int] = np.flatnonzero(
            (entries["length"] > 0) & (entries["kind"] == kind)
        ).tolist()
        return found

    def decode(self, slot: int, stored: Bytes, codec: Codec) -> bytes:
        """The plain block of a slot; what is not sealed is compared with its hash.

        Raises:
            ValueError: The stored bytes are not what was written.
        """
        _, _, plain_length, encoding, _ = self._entry(slot)
        if self.key is not None:
            return codec.decode(self.key.open(slot, stored), encoding, plain_length)
        plain = codec.decode(stored, encoding, plain_length)
        self._require_hash(slot, plain)
        return plain

    def decode_into(
        self, slot: int, stored: memoryview, target: memoryview, scratch: memoryview, codec: Codec
    ) -> None:
        """As `decode` for data, into a buffer of just the block's length.

        Args:
            slot: Which.
            stored: Its stored bytes.
            target: Where the block goes.
            scratch: To work in, as long as a block.
            codec: The thread's own.
        """
        _, _, _, encoding, _ = self._entry(slot)
        if self.key is None:
            codec.decode_into(stored, encoding, target)
            self._require_hash(slot, target)
        elif encoding == Encoding.RAW:
            self._open_into(slot, stored, target, len(target))
        else:
            length = len(stored) - TAG_BYTES
            self._open_into(slot, stored, scratch, length)
            codec.decode_into(scratch[:length], encoding, target)

    def _open_into(self, slot: int, stored: memoryview, target: memoryview, length: int) -> None:
        if len(stored) != length + TAG_BYTES or length > len(target):
            raise ValueError(f"{len(stored)} bytes cannot be a sealed block")
        assert self.key is not None  # noqa: S101 (its callers have asked)
        self.key.open_into(slot, stored, target)

    def _require_hash(self, slot: int, plain: Bytes) -> None:
        if block_hash(plain) != self.id(slot):
            raise ValueError("the block does not match its hash")

    def _entry(self, slot: int) -> tuple[int, int, int, int, int]:
        """Offset, length, length of the plain block, encoding, kind."""
        return _ENTRY.unpack_from(self._raw, ENTRY_BYTES * slot)


class PackBuilder:
    """A pack that is being filled in one buffer; one thread."""

    def __init__(
        self, identity: PackIdentity, codec: Codec, room_bytes: int, buffer: bytearray
    ) -> None:
        """Begin a pack.

        Args:
            identity: Whose it is.
            codec: The thread's own.
            room_bytes: How large it may become, with one more block than that.
            buffer: To work in; grows as needed, and is free again when the pack is durable.
        """
        self.identity = identity
        self.buffer = buffer
        self._codec = codec
        self._room_bytes = room_bytes
        self._salt = _NO_SALT if identity.keys is None else secrets.token_bytes(SALT_BYTES)
        self._key = identity.key(self._salt)
        self._reserve(HEADER_BYTES)
        self.buffer[:HEADER_BYTES] = identity.header(self._salt)
        self._entries: list[tuple[int, int, int, int, int, int, bytes]] = []
        self._end = HEADER_BYTES

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, plain: Bytes, kind: Kind, block_id: bytes) -> int:
        """Append a block; returns its slot."""
        encoding, packed = self._codec.encode(plain, kind)
        slot, start = len(self._entries), self._end
        end = start + len(packed) + (0 if self._key is None else TAG_BYTES)
        self._reserve(end)
        if self._key is None:
            self.buffer[start:end] = packed
        else:
            self._key.seal_into(slot, packed, memoryview(self.buffer)[start:end])
        self._end = end
        self._entries.append((start, end - start, len(plain), encoding, kind, 0, block_id))
        return slot

    @property
    def has_room(self) -> bool:
        """Whether another block may go in."""
        return self._end < self._room_bytes and len(self._entries) < MOST_SLOTS

    def plain(self, slot: int) -> bytes:
        """A block that was added before."""
        offset, length, plain_length, encoding, _, _, _ = self._entries[slot]
        stored: Bytes = memoryview(self.buffer)[offset : offset + length]
        if self._key is not None:
            stored = self._key.open(slot, stored)
        return self._codec.decode(stored, encoding, plain_length)

    def table(self) -> PackTable:
        """The table as it stands."""
        return PackTable(np.array(self._entries, entry_type()), self._key, self._salt)

    def finish(self, table: PackTable) -> memoryview:
        """The whole object, of generation 0; nothing can be added after."""
        tail = table_and_footer(self.identity, table, self._end, generation=0)
        end = self._end + len(tail)
        self._reserve(end)
        self.buffer[self._end : end] = tail
        return memoryview(self.buffer)[:end]

    def _reserve(self, end: int) -> None:
        if end > len(self.buffer):
            self.buffer += bytes(max(end - len(self.buffer), len(self.buffer), _LEAST_BUFFER_BYTES))


def table_and_footer(
    identity: PackIdentity, table: PackTable, table_offset: int, generation: int
) -> bytes:
    """What follows the blocks of a pack; the table's key is used for this one generation."""
    entries, table_salt = table.entries.tobytes(), _NO_SALT
    if table.key is not None:
        table_salt = secrets.token_bytes(SALT_BYTES)
    prefix = _FOOTER.pack(
        _FOOTER_MAGIC,
        PACK_VERSION,
        identity.flags,
        identity.number,
        identity.repository.bytes,
        table_offset,
        len(table),
        generation,
        table.salt,
        table_salt,
    )
    if table.key is not None:
        entries = table.key.table_cipher(table_salt).encrypt(_NO_NONCE, entries, prefix)
    return b"".join([entries, prefix, block_hash(entries + prefix)])


def parse_footer(data: bytes, identity: PackIdentity, size: int) -> PackFooter:
    """The footer of a pack of `size` bytes.

    Raises:
        ValueError: It is none, or that of another pack.
    """
    magic, version, flags, number, repository, offset, slots, generation, salt, table_salt = (
        _FOOTER.unpack_from(data)
    )
    if magic != _FOOTER_MAGIC:
        raise ValueError("no pack ends here")
    if version != PACK_VERSION or flags != identity.flags:
        raise ValueError(f"pack version {version} with flags {flags}: not of this repository")
    if number != identity.number or repository != identity.repository.bytes:
        raise ValueError("this is another pack")
    prefix, digest = data[: _FOOTER.size], data[_FOOTER.size :]
    footer = PackFooter(
        offset, slots, generation, salt, table_salt, prefix, digest, flags == SEALED
    )
    if slots > MOST_SLOTS or offset + footer.table_bytes + FOOTER_BYTES != size:
        raise ValueError("table and footer do not fill the rest of the pack")
    return footer


def parse_table(
    data: bytes, footer: PackFooter, identity: PackIdentity, most_plain_bytes: int
) -> PackTable:
    """The table that a footer describes.

    Raises:
        ValueError: Its checksum does not match, or an entry points out of the pack.
    """
    if block_hash(data + footer.prefix) != footer.digest:
        raise ValueError("the table does not match its checksum")
    key = identity.key(footer.salt)
    if key is not None:
        try:
            data = key.table_cipher(footer.table_salt).decrypt(_NO_NONCE, data, footer.prefix)
        except InvalidTag as error:
            raise ValueError("the table is not what was sealed") from error
    entries = np.frombuffer(data, entry_type())
    ends = entries["offset"].astype(np.uint64) + entries["length"]
    kept = entries["length"] > 0
    fits = (
        (entries["offset"] >= HEADER_BYTES)
        & (ends <= footer.table_offset)
        & (entries["plain_length"] <= most_plain_bytes)
        & (entries["encoding"] <= max(Encoding))
        & (entries["kind"] <= max(Kind))
    )
    if not bool(np.all(fits | ~kept)):
        raise ValueError("an entry of the table points out of the pack")
    return PackTable(entries, key, footer.salt)
