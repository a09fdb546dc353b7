"""What was used last, up to a number of bytes."""

from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Lru(Generic[Key, Value]):
    """A bounded cache that several threads may share."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._clears = 0
        self._lock = Lock()

    @property
    def clears(self) -> int:
        """How often all was dropped; see `put`."""
        return self._clears

    def get(self, key: Key) -> Value | None:
        """The value, now the last one to go."""
        with self._lock:
            if (found := self._kept.get(key)) is None:
                return None
            self._kept.move_to_end(key)
            return found[0]

    def put(self, key: Key, value: Value, size: int, clears: int | None = None) -> None:
        """Keep a value; those used longest ago make room.

        A value that was looked up before the last clear, as `clears` then told, is not kept.

        Units: `size` in bytes.
        """
        with self._lock:
            if clears not in {None, self._clears}:
                return
            self._drop(key)
            self._kept[key] = (value, size)
            self._bytes += size
            while self._bytes > self._most_bytes and len(self._kept) > 1:
                self._drop(next(iter(self._kept)))

    def forget(self, key: Key) -> None:
        """Drop a value, if it is kept."""
        with self._lock:
            self._drop(key)

    def clear(self) -> None:
        """Drop all values."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0
            self._clears += 1

    def _drop(self, key: Key) -> None:
        if (found := self._kept.pop(key, None)) is not None:
            self._bytes -= found[1]
