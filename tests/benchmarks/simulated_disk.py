"""A disk of any size that takes no room: each block is made when it is read."""

from collections.abc import Iterator, Sequence
from hashlib import sha256, shake_128

from reconciler.model.ranges import ByteRange

BLOCK = 65_536


class SimulatedDisk:
    """Blocks are half noise and half compressible; a change gives a block other bytes.

    With `distinct`, contents repeat after so many blocks: a disk that is full, and soon read.
    """

    def __init__(self, virtual_bytes: int, data_bytes: int, distinct: int | None = None) -> None:
        self.virtual_bytes = virtual_bytes
        self.data_bytes = data_bytes
        self.generations: dict[int, int] = {}
        self._distinct = distinct
        self._noise = shake_128(b"noise").digest(BLOCK // 2)

    def change(self, blocks: Sequence[int]) -> list[ByteRange]:
        """Give these blocks new bytes; the ranges that tell it."""
        for block in blocks:
            self.generations[block] = self.generations.get(block, 0) + 1
        return [ByteRange(b * BLOCK, (b + 1) * BLOCK) for b in sorted(set(blocks))]

    def read(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        """Whole blocks, each with its number in it."""
        return [
            b"".join(self._block(number) for number in range(r.start // BLOCK, r.end // BLOCK))
            for r in ranges
        ]

    def hashes_of(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        """SHA-256 of each range."""
        return [sha256(data).digest() for data in self.read(ranges)]

    def allocated(self, start: int, end: int) -> Iterator[ByteRange]:
        """The first part, and everything once something was changed."""
        last = end if self.generations else min(end, self.data_bytes)
        if start < last:
            yield ByteRange(start, last)

    def _block(self, number: int) -> bytes:
        generation = self.generations.get(number, 0)
        if self._distinct is not None and not generation:
            number %= self._distinct
        mark = number.to_bytes(8, "little") + generation.to_bytes(8, "little")
        return mark * (BLOCK // 32) + mark + self._noise[16:]
