"""Bytes of a guest's disk, a bounded number of them, and how its structures are refused."""

from struct import Struct, error
from typing import Any, Final, Protocol

_MOST_BYTES: Final = 4 << 20
_MOST_READS: Final = 4096
_WORDS: Final = {1: Struct("<B"), 2: Struct("<H"), 4: Struct("<I"), 8: Struct("<Q")}


class NotUnderstood(Exception):  # noqa: N818 - it is no error: nothing is left out then
    """A structure on a guest's disk is none that we read; says which."""


class DiskBytes(Protocol):
    """A disk of known size that can be read anywhere."""

    @property
    def size(self) -> int:
        """Units: bytes."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the disk; fewer than `length` only at its end."""
        ...


class GuestBytes:
    """Reads a disk until a guest has made us read more than any real one needs."""

    def __init__(self, disk: DiskBytes) -> None:
        self.size = disk.size
        self.bytes_read = 0
        self.reads = 0
        self._disk = disk

    def read(self, offset: int, length: int) -> bytes:
        """Exactly so many bytes.

        Raises:
            NotUnderstood: They are not all on the disk, or were too many in all.
        """
        if offset < 0 or length <= 0 or offset + length > self.size:
            raise NotUnderstood(f"{length} bytes at {offset} are not on the disk")
        if self.bytes_read + length > _MOST_BYTES or self.reads >= _MOST_READS:
            raise NotUnderstood("its tables are too large")
        self.bytes_read += length
        self.reads += 1
        return self._disk.read(offset, length)


def number(data: bytes, offset: int, length: int) -> int:
    """A little-endian number within a structure.

    Raises:
        NotUnderstood: The structure ends before it.
    """
    if offset < 0 or offset + length > len(data):
        raise NotUnderstood(f"a structure ends at {len(data)}, before the field at {offset}")
    return int(_WORDS[length].unpack_from(data, offset)[0])


def fields(layout: Struct, data: bytes, offset: int = 0) -> tuple[Any, ...]:
    """Several fields at once.

    Raises:
        NotUnderstood: The structure ends before them.
    """
    try:
        return layout.unpack_from(data, offset)
    except error as cause:
        raise NotUnderstood(f"a structure ends at {len(data)}: {cause}") from cause
