"""One pack: header, blocks, table, footer. See FORMAT.md, section 4."""

import struct
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import numpy as np
import numpy.typing as npt

from reconciler.blocks.codec import HASH_BYTES, Bytes, Codec, Encoding, Kind, block_hash
from reconciler.blocks.layout import MOST_SLOTS

MOST_PACK_BYTES: Final = 64 << 20
PACK_VERSION: Final = 0

_HEADER = struct.Struct("<4sHHQ16s")
_FOOTER = struct.Struct("<4sHHQ16sQII")
_HEADER_MAGIC: Final = b"RCPK"
_FOOTER_MAGIC: Final = b"RCPF"
HEADER_BYTES: Final = _HEADER.size
FOOTER_BYTES: Final = _FOOTER.size + HASH_BYTES
ENTRY: Final = np.dtype(
    [
        ("offset", "<u4"),
        ("length", "<u4"),
        ("plain_length", "<u4"),
        ("encoding", "u1"),
        ("kind", "u1"),
        ("reserved", "<u2"),
        ("hash", "V32"),
    ]
)


@dataclass(frozen=True, slots=True)
class PackIdentity:
    """Which pack of which repository; stands in header and footer."""

    repository: UUID
    number: int

    def header(self) -> bytes:
        """The first bytes of the pack."""
        return _HEADER.pack(_HEADER_MAGIC, PACK_VERSION, 0, self.number, self.repository.bytes)


@dataclass(frozen=True, slots=True)
class PackFooter:
    """Where a pack's table is, and what it must hash to."""

    table_offset: int
    slots: int
    prefix: bytes
    digest: bytes

    @property
    def table_bytes(self) -> int:
        """Units: bytes."""
        return self.slots * ENTRY.itemsize


class PackTable:
    """The slots of one pack, validated: what an entry points at lies inside the pack."""

    def __init__(self, entries: npt.NDArray[np.void]) -> None:
        self.entries = entries
        self.offsets: list[int] = entries["offset"].tolist()
        self.lengths: list[int] = entries["length"].tolist()
        self.plain_lengths: list[int] = entries["plain_length"].tolist()
        self.kinds: list[int] = entries["kind"].tolist()
        self.encodings: list[int] = entries["encoding"].tolist()
        self.hashes = entries["hash"].tobytes()

    def __len__(self) -> int:
        return len(self.offsets)

    def hash(self, slot: int) -> bytes:
        """SHA-256 of the plain block."""
        return self.hashes[HASH_BYTES * slot : HASH_BYTES * (slot + 1)]

    def end(self, slot: int) -> int:
        """Where the stored bytes of a slot end."""
        return self.offsets[slot] + self.lengths[slot]

    def holds(self, slot: int, kind: Kind) -> bool:
        """Whether the slot exists, was not dropped, and is of that kind."""
        return slot < len(self) and self.lengths[slot] > 0 and self.kinds[slot] == kind

    def decode(self, slot: int, stored: Bytes, codec: Codec) -> bytes:
        """The plain block of a slot.

        Raises:
            ValueError: The stored bytes do not give a block of the slot's hash.
        """
        plain = codec.decode(stored, self.encodings[slot], self.plain_lengths[slot])
        if block_hash(plain) != self.hash(slot):
            raise ValueError("the block does not match its hash")
        return plain


class PackBuilder:
    """A pack that is being filled in memory; one thread."""

    def __init__(self, identity: PackIdentity, codec: Codec) -> None:
        self.identity = identity
        self._codec = codec
        self._parts: list[bytes] = [identity.header()]
        self._table: list[tuple[int, int, int, int, int, int, bytes]] = []
        self._offset = HEADER_BYTES

    def __len__(self) -> int:
        return len(self._table)

    def add(self, plain: Bytes, kind: Kind, digest: bytes) -> int:
        """Append a block; returns its slot."""
        encoding, stored = self._codec.encode(plain, kind)
        length, plain_length = len(stored), len(plain)
        self._table.append((self._offset, length, plain_length, encoding, kind, 0, digest))
        self._parts.append(stored)
        self._offset += length
        return len(self._table) - 1

    def has_room(self, target_bytes: int) -> bool:
        """Whether another block may go in."""
        return self._offset < target_bytes and len(self._table) < MOST_SLOTS

    def plain(self, slot: int) -> bytes:
        """A block that was added before."""
        _, _, plain_length, encoding, _, _, _ = self._table[slot]
        return self._codec.decode(self._parts[slot + 1], encoding, plain_length)

    def table(self) -> PackTable:
        """The table as it stands."""
        return PackTable(np.array(self._table, ENTRY))

    def finish(self, table: PackTable) -> bytes:
        """The whole object, of generation 0."""
        entries = table.entries.tobytes()
        number, repository = self.identity.number, self.identity.repository.bytes
        prefix = _FOOTER.pack(
            _FOOTER_MAGIC, PACK_VERSION, 0, number, repository, self._offset, len(table), 0
        )
        return b"".join([*self._parts, entries, prefix, block_hash(entries + prefix)])


def parse_footer(data: bytes, identity: PackIdentity, size: int) -> PackFooter:
    """The footer of a pack of `size` bytes.

    Raises:
        ValueError: It is none, or that of another pack.
    """
    magic, version, flags, number, repository, offset, slots, _ = _FOOTER.unpack_from(data)
    if magic != _FOOTER_MAGIC:
        raise ValueError("no pack ends here")
    if version != PACK_VERSION or flags:
        raise ValueError(f"pack version {version} instead of {PACK_VERSION}")
    if number != identity.number or repository != identity.repository.bytes:
        raise ValueError("this is another pack")
    if slots > MOST_SLOTS or offset + slots * ENTRY.itemsize + FOOTER_BYTES != size:
        raise ValueError("table and footer do not fill the rest of the pack")
    return PackFooter(offset, slots, data[: _FOOTER.size], data[_FOOTER.size :])


def parse_table(data: bytes, footer: PackFooter, most_plain_bytes: int) -> PackTable:
    """The table that a footer describes.

    Raises:
        ValueError: Its checksum does not match, or an entry points out of the pack.
    """
    if block_hash(data + footer.prefix) != footer.digest:
        raise ValueError("the table does not match its checksum")
    entries = np.frombuffer(data, ENTRY)
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
    return PackTable(entries)
