"""Tables of disk files: parts are read when they are needed and kept in bounded memory."""

from collections.abc import Sequence
from typing import Final

from reconciler.blocks.lru import Lru
from reconciler.model.ranges import ByteRange
from reconciler.ports import RandomAccess

PAGE_BYTES: Final = 64 << 10
"""8,192 entries of a VHDX's BAT: 8 GiB of a disk even when its blocks are only 1 MiB."""
CACHE_BYTES: Final = 32 << 20
"""Shared by all files of a chain."""
_BATCH_BYTES: Final = 4 << 20
"""What a host gives at once. Source: agent_contract.MAX_READ_BYTES."""

TableCache = Lru[tuple[int, ByteRange], bytes]
"""Parts of tables by file of the chain and place."""


class Tables:
    """The tables of one file of a chain."""

    def __init__(self, file: RandomAccess, cache: TableCache, file_index: int) -> None:
        self._file = file
        self._cache = cache
        self._index = file_index

    def parts(self, places: Sequence[ByteRange]) -> list[bytes]:
        """The bytes at some places of the file, which must lie in it.

        Shape: one result per place, in order; places of one call have one length, or nearly so.
        """
        found = {place: self._cache.get((self._index, place)) for place in places}
        missing = [place for place, part in found.items() if part is None]
        step = max(1, _BATCH_BYTES // missing[0].length) if missing else 1
        for first in range(0, len(missing), step):
            batch = missing[first : first + step]
            for place, part in zip(batch, self._file.read(batch), strict=True):
                self._cache.put((self._index, place), part, place.length)
                found[place] = part
        return [found[place] or b"" for place in places]
