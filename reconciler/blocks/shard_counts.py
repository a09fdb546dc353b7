"""Reference counts of the packs of one shard."""

from typing import TYPE_CHECKING, Any, Final, Self

from reconciler.blocks.arrays import Addresses, Places, np

if TYPE_CHECKING:
    import numpy.typing as npt

    Counts = npt.NDArray[np.uint16]
else:
    Counts = Any

_MOST: Final = 0xFFFF
"""Counts stay there: the block is kept until all counts are made anew."""
_PACKS: Final = 1024
"""Of a shard."""
_SLOTS_AT_ONCE: Final = 64
"""A pack is given room for so many more."""


class CountsLostError(Exception):
    """The counts cannot be used any more; all is counted anew."""


class ShardCounts:
    """The counts of some packs in one array, so that many are changed in one step."""

    def __init__(self) -> None:
        self._slots = np.zeros(_PACKS, np.int64)
        """How many slots of each pack are counted."""
        self._starts = self._slots
        self._counts: Counts = np.zeros(0, np.uint16)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` gave."""
        shard = cls()
        slots = np.frombuffer(data, "<u4", _PACKS).astype(np.int64)
        shard._slots, shard._starts = slots, np.cumsum(slots) - slots
        shard._counts = np.frombuffer(data, "<u2", offset=4 * _PACKS).astype(np.uint16)
        return shard

    def to_bytes(self) -> bytes:
        """How many slots each pack has, then all counts."""
        return self._slots.astype("<u4").tobytes() + self._counts.astype("<u2").tobytes()

    def of_pack(self, number: int) -> Counts:
        """The counts of a pack's slots, to be changed in place; those that are left out are 0."""
        place = number % _PACKS
        start = int(self._starts[place])
        return self._counts[start : start + int(self._slots[place])]

    def changed(self, numbers: Addresses, slots: Addresses, by: Places) -> tuple[Places, Places]:
        """Change counts, each at most once; what they were before and are after.

        Raises:
            CountsLostError: More was taken back than had been counted; nothing was changed.
        """
        packs, slots_at = (numbers % np.uint64(_PACKS)).astype(np.intp), slots.astype(np.intp)
        if (slots_at >= self._slots[packs]).any():
            self._make_room(packs, slots_at)
        places = self._starts[packs] + slots_at
        before = self._counts[places].astype(np.intp)
        after = np.minimum(before + by, _MOST)
        after[before == _MOST] = _MOST
        if (after < 0).any():
            raise CountsLostError("taken back what was never counted")
        self._counts[places] = after
        return before, after

    def _make_room(self, packs: Places, slots: Places) -> None:
        wanted = self._slots.copy()
        np.maximum.at(wanted, packs, slots + 1)
        wanted = -(-wanted // _SLOTS_AT_ONCE) * _SLOTS_AT_ONCE
        starts = np.cumsum(wanted) - wanted
        counts = np.zeros(int(wanted.sum()), np.uint16)
        moved = np.repeat(starts - self._starts, self._slots)
        counts[np.arange(len(self._counts)) + moved] = self._counts
        self._slots, self._starts, self._counts = wanted, starts, counts
