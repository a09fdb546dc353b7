"""Local files as sources of disks: what SMB or the agent give in production, without their cost."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from reconciler.model.ranges import ByteRange


class RawDisk:
    """A raw disk; any number of threads may read it. Holes are told by the file system."""

    def __init__(self, path: Path) -> None:
        self.virtual_bytes = path.stat().st_size
        self._file = os.open(path, os.O_RDONLY)

    def read(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        """The bytes of each range."""
        return [os.pread(self._file, part.length, part.start) for part in ranges]

    def hashes_of(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        """SHA-256 of each range, as the agent would tell it."""
        buffer = memoryview(bytearray(max((part.length for part in ranges), default=0)))
        return [hashlib.sha256(self._piece(part, buffer)).digest() for part in ranges]

    def _piece(self, part: ByteRange, buffer: memoryview) -> memoryview:
        """A range in a buffer that stays: new memory for each would cost as much as hashing."""
        piece = buffer[: part.length]
        if os.preadv(self._file, [piece], part.start) != part.length:
            raise EOFError(f"no {part.length} bytes at {part.start}")
        return piece

    def allocated(self, start: int, end: int) -> Iterator[ByteRange]:
        """What is no hole."""
        at = start
        with suppress(OSError):  # ENXIO: nothing but a hole is left
            while at < end and (data := os.lseek(self._file, at, os.SEEK_DATA)) < end:
                at = min(end, os.lseek(self._file, data, os.SEEK_HOLE))
                yield ByteRange(data, at)


class LocalFile:
    """A local file as a host would give it."""

    def __init__(self, path: Path) -> None:
        self.size = path.stat().st_size
        self._file = os.open(path, os.O_RDONLY)

    def read(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        """The bytes of each range."""
        return [os.pread(self._file, part.length, part.start) for part in ranges]

    def hashes(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        """SHA-256 of each range."""
        return [hashlib.sha256(data).digest() for data in self.read(ranges)]


class LocalFiles:
    """Local files by their path."""

    def open(self, path: str) -> LocalFile:
        """A file that stays open until its process ends."""
        return LocalFile(Path(path))
