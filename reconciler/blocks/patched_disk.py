"""A disk at the moment of its checkpoint, read from the replica as far as that holds it."""

from collections.abc import Iterable
from typing import Final

from reconciler.blocks.replica import SourceDisk
from reconciler.blocks.volume import RecoveryPointDisk
from reconciler.errors import BlockDamagedError, BlockMissingError
from reconciler.model.ranges import ByteRange, clipped, common, merged, subtracted

_STEP_BYTES: Final = 4 << 20


class PatchedDisk:
    """What was written since a recovery point from the source, all else from the point.

    What the point has left out, and what is missing or damaged in it, is read from the source too.
    """

    def __init__(
        self, held: RecoveryPointDisk, source: SourceDisk, written: Iterable[ByteRange]
    ) -> None:
        self.size = source.virtual_bytes
        self.bytes_from_source = 0
        """Units: bytes."""
        self._held = held
        self._source = source
        left_out = (ByteRange(p.start, p.end) for p in held.disk.description.left_out)
        beyond = [ByteRange(held.size, self.size)] if held.size < self.size else []
        self._foreign = merged(clipped([*written, *left_out, *beyond], self.size))

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the disk; fewer than `length` only at its end. As its two sides raise."""
        end = min(offset + length, self.size)
        if offset < 0 or offset >= end:
            return b""
        wanted = ByteRange(offset, end)
        foreign = common([wanted], self._foreign)
        parts = [(part, self._from_source(part)) for part in foreign]
        parts += [(part, self._from_held(part)) for part in subtracted([wanted], foreign)]
        return b"".join(data for _, data in sorted(parts))

    def _from_source(self, part: ByteRange) -> bytes:
        self.bytes_from_source += part.length
        steps = range(part.start, part.end, _STEP_BYTES)
        return b"".join(
            self._source.read([ByteRange(at, min(at + _STEP_BYTES, part.end))])[0] for at in steps
        )

    def _from_held(self, part: ByteRange) -> bytes:
        try:
            return self._held.read(part.start, part.length)
        except (BlockMissingError, BlockDamagedError):
            return self._from_source(part)
