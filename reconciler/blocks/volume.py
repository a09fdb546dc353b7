"""A disk of a recovery point, as bytes that can be read anywhere."""

from collections.abc import Iterator, Sequence
from typing import Final

from reconciler.blocks.arrays import Addresses, held_runs, np
from reconciler.blocks.lru import Lru
from reconciler.blocks.manifest import DiskManifest, Manifest
from reconciler.blocks.repository import Repository
from reconciler.model.names import DiskId

_STEP_BYTES: Final = 4 << 20
_CACHE_BYTES: Final = 16 << 20
_SMALL_BLOCKS: Final = 16
"""Reads of up to this many blocks are kept for the next ones; a restore would wash them out."""


class RecoveryPointDisk:
    """Reads are verified by tag or hash: wrong bytes are never returned; one thread.

    Every read may raise BlockMissingError or BlockDamagedError, which name pack and slot.
    """

    def __init__(self, repository: Repository, manifest: Manifest, disk_id: DiskId) -> None:
        self.disk: DiskManifest = manifest.disk(disk_id)
        self.block_bytes = self.disk.block_bytes
        self._packs = repository.packs
        self._tree = self.disk.tree
        self._cache: Lru[int, bytes] = Lru(_CACHE_BYTES)

    @property
    def size(self) -> int:
        """Units: bytes."""
        return self.disk.virtual_bytes

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the disk; fewer than `length` only at its end."""
        end = min(offset + length, self.size)
        if offset < 0 or length < 0:
            raise ValueError(f"cannot read {length} bytes at {offset}")
        if offset >= end:
            return b""
        parts = [
            self._part(start, min(start + _STEP_BYTES, end))
            for start in range(offset, end, _STEP_BYTES)
        ]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def allocated_runs(self) -> Iterator[tuple[int, int]]:
        """Runs of blocks that are not zeros.

        Shape: (first block, count), ascending and never touching.
        """
        start = end = 0
        for first, addresses in self._tree.runs(self._packs.node):
            for lower, upper in held_runs(addresses):
                if first + lower != end:
                    if end > start:
                        yield start, end - start
                    start = first + lower
                end = first + upper
        if end > start:
            yield start, end - start

    def held_bytes(self) -> int:
        """What a restore writes. Units: bytes."""
        size = self.block_bytes
        runs = ((first * size, (first + count) * size) for first, count in self.allocated_runs())
        return sum(min(end, self.size) - start for start, end in runs)

    def steps(self, most_blocks: int) -> Iterator[tuple[int, Addresses]]:
        """The disk's addresses a few at a time; where there is nothing but zeros it is left out.

        Shape: (first block, addresses), ascending.
        """
        for first, addresses in self._tree.runs(self._packs.node):
            for start in range(0, len(addresses), most_blocks):
                step = addresses[start : start + most_blocks]
                if step.any():
                    yield first + start, step

    def read_into(self, addresses: Addresses, target: memoryview) -> None:
        """Whole blocks one after the other; those of zeros are left as they were.

        Several threads may do so at once.
        """
        self._packs.data_into(addresses, target)

    def ids(self, blocks: Sequence[int]) -> list[bytes]:
        """Ids of whole blocks, padded with zeros at the end of the disk; no block is read.

        Shape: one for each block, in order.
        """
        return self._packs.ids(self.addresses(blocks))

    def addresses(self, blocks: Sequence[int]) -> list[int]:
        """Where blocks are, 0 for blocks of zeros.

        Shape: one for each block, in order.
        """
        result: dict[int, int] = {}
        wanted = np.unique(np.array(blocks, np.int64))
        for run in np.split(wanted, np.flatnonzero(np.diff(wanted) != 1) + 1):
            if len(run):
                first = int(run[0])
                found = self._tree.addresses(self._packs.node, first, len(run)).tolist()
                result.update(enumerate(found, first))
        return [result[block] for block in blocks]

    def _part(self, start: int, end: int) -> bytes:
        first = start // self.block_bytes
        count = -(-end // self.block_bytes) - first
        addresses = self._tree.addresses(self._packs.node, first, count)
        data = self._blocks(addresses)
        shift = first * self.block_bytes
        if start == shift and end - shift == len(data):
            return data
        return data[start - shift : end - shift]

    def _blocks(self, addresses: Addresses) -> bytes:
        if len(addresses) > _SMALL_BLOCKS:
            whole = bytearray(len(addresses) * self.block_bytes)
            self._packs.data_into(addresses, memoryview(whole))
            return bytes(whole)
        wanted = set(addresses[addresses != 0].tolist())
        found = {a: plain for a in wanted if (plain := self._cache.get(a)) is not None}
        fresh = self._packs.data([a for a in wanted if a not in found])
        for address, plain in fresh.items():
            self._cache.put(address, plain, len(plain))
        found.update(fresh)
        zeros = bytes(self.block_bytes)
        return b"".join([found.get(address, zeros) for address in addresses.tolist()])
