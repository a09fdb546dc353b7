"""Repeatable chance: the same seed always rolls the same numbers."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """A small generator for choices in the lab; good enough to vary, never to keep secrets."""

    def __init__(self, *seed: object) -> None:
        self._seed = "/".join(map(str, seed)).encode()
        self._rolls = 0

    def below(self, limit: int) -> int:
        """A whole number from 0 up to, not including, `limit`."""
        self._rolls += 1
        digest = hashlib.sha256(self._seed + self._rolls.to_bytes(8, "little")).digest()
        return int.from_bytes(digest[:8], "little") % limit

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def one_in(self, times: int) -> bool:
        """True once in so many times, on average."""
        return self.below(times) == 0

    def pick(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The same items in another order (Fisher and Yates)."""
        result = list(items)
        for last in range(len(result) - 1, 0, -1):
            other = self.below(last + 1)
            result[last], result[other] = result[other], result[last]
        return result
