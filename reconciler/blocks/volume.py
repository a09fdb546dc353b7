"""A disk of a recovery point, as bytes that can be read anywhere."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from reconciler.blocks.layout import Addresses
from reconciler.blocks.lru import Lru
from reconciler.blocks.manifest import DiskManifest, Manifest
from reconciler.blocks.repository import Repository
from reconciler.model.names import DiskId

_STEP_BYTES: Final = 4 << 20
_CACHE_BYTES: Final = 16 << 20
_SMALL_BLOCKS: Final = 16
"""Reads of up to this many blocks are kept for the next ones; a restore would wash them out."""


class RecoveryPointDisk:
    """Reads are verified by hash: wrong bytes are never returned; one thread.

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
            for lower, upper in _runs(addresses):
                if first + lower != end:
                    if end > start:
                        yield start, end - start
                    start = first + lower
                end = first + upper
        if end > start:
            yield start, end - start

    def hashes(self, blocks: Sequence[int]) -> list[bytes]:
        """SHA-256 of whole blocks, padded with zeros at the end of the disk; no block is read.

        Shape: one for each block, in order.
        """
        return self._packs.hashes(self.addresses(blocks))

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
        found = self._blocks(addresses)
        zeros = bytes(self.block_bytes)
        data = b"".join([found.get(address, zeros) for address in addresses.tolist()])
        shift = first * self.block_bytes
        if start == shift and end - shift == len(data):
            return data
        return data[start - shift : end - shift]

    def _blocks(self, addresses: Addresses) -> dict[int, bytes]:
        wanted = set(addresses[addresses != 0].tolist())
        if len(addresses) > _SMALL_BLOCKS:
            return self._packs.data(list(wanted))
        found = {a: plain for a in wanted if (plain := self._cache.get(a)) is not None}
        fresh = self._packs.data([a for a in wanted if a not in found])
        for address, plain in fresh.items():
            self._cache.put(address, plain, len(plain))
        return found | fresh


def _runs(addresses: Addresses) -> Iterator[tuple[int, int]]:
    """Where a leaf holds anything: pairs of first and one past last."""
    edges = np.flatnonzero(np.diff(addresses != 0, prepend=False, append=False))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
