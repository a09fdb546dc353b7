"""Where new blocks go: the open pack of one draft."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import numpy as np

from reconciler.blocks.codec import Bytes, Codec, Kind, block_hash, data_blocks, node_from
from reconciler.blocks.index import BlockIndex
from reconciler.blocks.layout import Addresses, address_of, pack_name, pack_of, slot_of
from reconciler.blocks.numbers import PackNumbers
from reconciler.blocks.objects import Objects
from reconciler.blocks.pack import PackBuilder, PackIdentity
from reconciler.blocks.pack_reader import PackReader
from reconciler.errors import RepositoryLockedError

PACK_TARGET_BYTES: Final = 16 << 20


class BlockSink:
    """What all writers of one open repository share."""

    def __init__(
        self, objects: Objects, packs: PackReader, numbers: PackNumbers, index: BlockIndex
    ) -> None:
        self.objects = objects
        self.packs = packs
        self.numbers = numbers
        self.index = index

    def find(self, hashes: Sequence[bytes]) -> list[int]:
        """Addresses of blocks that are durable already, 0 for the others.

        The index only guesses: the table of the pack must hold the very hash.
        """
        return [
            address if address and self.packs.known_hash(address) == digest else 0
            for address, digest in zip(self.index.find(hashes), hashes, strict=True)
        ]

    def write(self, pack: PackBuilder) -> int:
        """Put a pack; on return it is durable and others find its blocks.

        Returns:
            Its size in bytes.

        Raises:
            RepositoryLockedError: Another process writes with our writer number.
        """
        number = pack.identity.number
        table = pack.table()
        data = pack.finish(table)
        try:
            self.objects.create(pack_name(number, 0), data)
        except FileExistsError as error:
            raise RepositoryLockedError(
                f"pack {pack_name(number, 0)} is there already: writer number "
                f"{self.numbers.writer} is used by another process",
                hint="stop the other process, or claim another writer number for this one",
            ) from error
        self.packs.added(number, table)
        slots = [slot for slot, kind in enumerate(table.kinds) if kind == Kind.DATA]
        self.index.add(
            [table.hash(slot) for slot in slots], [address_of(number, slot) for slot in slots]
        )
        self.numbers.settled(number)
        return len(data)

    def save_index(self) -> None:
        """Write the index down; it covers all that is durable of ours."""
        self.index.save({self.numbers.writer: self.numbers.all_settled_below})


class BlockWriter:
    """Stores blocks that are new, and says where all of them are; one thread."""

    def __init__(self, sink: BlockSink, repository: UUID, *, pack_bytes: int) -> None:
        self._sink = sink
        self._repository = repository
        self._pack_bytes = pack_bytes
        self._codec = Codec()
        self._pack: PackBuilder | None = None
        self._in_pack: dict[bytes, int] = {}
        self.bytes_stored = 0
        self.blocks_new = 0

    @property
    def is_open(self) -> bool:
        """Whether something is stored that is not durable."""
        return self._pack is not None

    def blocks(self, plain: memoryview, block_bytes: int) -> Addresses:
        """The addresses of whole data blocks, stored where they are new.

        Shape: `plain` is a multiple of `block_bytes` long.
        """
        rows = np.frombuffer(plain, np.uint64).reshape(-1, block_bytes // 8)
        result = np.zeros(len(rows), np.uint64)
        present = data_blocks(rows)
        parts = [plain[row * block_bytes : (row + 1) * block_bytes] for row in present]
        hashes = [block_hash(part) for part in parts]
        found = self._sink.find(hashes) if hashes else []
        for row, part, digest, address in zip(present, parts, hashes, found, strict=True):
            result[row] = address or self._in_pack.get(digest) or self._new(part, digest)
        return result

    def store_node(self, plain: bytes) -> int:
        """Append a node; returns its address."""
        return self._append(plain, Kind.NODE, block_hash(plain))

    def load_node(self, address: int) -> Addresses:
        """A node, also one that is in the open pack still."""
        if self._pack is not None and self._pack.identity.number == pack_of(address):
            return node_from(self._pack.plain(slot_of(address)))
        return self._sink.packs.node(address)

    def flush(self) -> None:
        """Make everything durable that was stored so far."""
        if self._pack is not None:
            self.bytes_stored += self._sink.write(self._pack)
            self._pack = None
            self._in_pack.clear()

    def _new(self, plain: Bytes, digest: bytes) -> int:
        address = self._append(plain, Kind.DATA, digest)
        self._in_pack[digest] = address
        self.blocks_new += 1
        return address

    def _append(self, plain: Bytes, kind: Kind, digest: bytes) -> int:
        if self._pack is not None and not self._pack.has_room(self._pack_bytes):
            self.flush()
        if self._pack is None:
            identity = PackIdentity(self._repository, self._sink.numbers.take())
            self._pack = PackBuilder(identity, self._codec)
        slot = self._pack.add(plain, kind, digest)
        return address_of(self._pack.identity.number, slot)
