"""Write a recovered disk as a new file; what all formats of a disk that grows have in common.

Nothing makes the file a disk before its last step: tables first, then everything is synced, then
what makes it valid, and synced again. So a file whose writing was interrupted is refused by
everybody.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from reconciler.errors import DiskNotSupportedError
from reconciler.model.machine import DiskGeometry

MOST_WRITE_BYTES: Final = 256 << 10
"""At once. Measured on ext4 into holes, 64 KiB take about a quarter more of the system's time, and
4 MiB 3 to 9 times as much, why is not known."""


class DiskWriter(ABC):
    """A new virtual disk that is being filled, for one thread.

    As a context manager it is closed at the end, or abandoned if that is an exception.
    """

    def __init__(self, path: Path, size: tuple[int, int, int], first_block: int) -> None:
        """Create the file.

        Args:
            path: Where.
            size: Bytes of the disk, of a sector and of a block.
            first_block: Where the first block may be put.

        Raises:
            FileExistsError: There is something at `path`.
            OSError: As the file system gave it; the file is closed.
        """
        self._path = path
        self._virtual_bytes, self._sector_bytes, self._block_bytes = size
        self._places: dict[int, int] = {}
        """Where each block's data begins."""
        self._end = first_block
        self._file = path.open("xb", buffering=0)

    @property
    def file_bytes(self) -> int:
        """Size of the file so far, holes included."""
        return self._end

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Put bytes at an offset of the virtual disk, in any order.

        Zeros take no room unless their block is in the file already.

        Raises:
            ValueError: Not whole sectors of the disk.
            OSError: As the file system gave it; the file is closed and no valid disk.
        """
        view = memoryview(data).cast("B")
        sector = self._sector_bytes
        if offset % sector or len(view) % sector:
            raise ValueError(f"{offset}, {len(view)} are not sectors of {sector} bytes")
        if not 0 <= offset <= offset + len(view) <= self._virtual_bytes:
            raise ValueError(f"{offset}, {len(view)} are not in the disk")
        try:
            for block, within, part in self._parts(offset, view):
                self._write_part(block, within, part)
        except OSError:
            self.abandon()
            raise

    def close(self) -> None:
        """Make the file a valid disk; safe to call again.

        Raises:
            OSError: As the file system gave it; the file is closed and no valid disk.
        """
        if self._file.closed:
            return
        try:
            self._file.truncate(self._end)
            self._write_tables()
            os.fsync(self._file.fileno())
            self._make_valid()
            os.fsync(self._file.fileno())
        finally:
            self._file.close()
        synced_folder(self._path.parent)

    def abandon(self) -> None:
        """Close the file as it is: no valid disk. It is left for the caller to remove."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    @abstractmethod
    def _allocate(self) -> int:
        """Room for a block at the file's end, all zeros: where its data begins."""

    @abstractmethod
    def _write_tables(self) -> None:
        """All that does not make the file valid."""

    @abstractmethod
    def _make_valid(self) -> None:
        """What does."""

    def _parts(self, offset: int, view: memoryview) -> Iterator[tuple[int, int, memoryview]]:
        """The data cut at blocks: block, offset in it, bytes."""
        done = 0
        while done < len(view):
            block, within = divmod(offset + done, self._block_bytes)
            length = min(self._block_bytes - within, len(view) - done)
            yield block, within, view[done : done + length]
            done += length

    def _write_part(self, block: int, within: int, part: memoryview) -> None:
        place = self._places.get(block)
        if place is None:
            if part == bytes(len(part)):
                return
            place = self._places[block] = self._allocate()
        self._put(place + within, part)

    def _put(self, offset: int, data: bytes | memoryview) -> None:
        self._file.seek(offset)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest[:MOST_WRITE_BYTES]) :]


def checked_id(path: Path, virtual_disk_id: str) -> UUID:
    """The id of a disk to be made.

    Raises:
        DiskNotSupportedError: It is none.
    """
    try:
        return UUID(virtual_disk_id)
    except ValueError as fault:
        raise DiskNotSupportedError(
            f"{path.name} cannot be made: '{virtual_disk_id[:80]}' is no virtual disk id",
            hint="the recovery point's manifest may be damaged: run a consistency check",
        ) from fault


def wrong_geometry(path: Path, what: str, geometry: DiskGeometry) -> DiskNotSupportedError:
    """The error for a disk that no file of its format can be."""
    return DiskNotSupportedError(
        f"{path.name} cannot be made: no {what} of {geometry}",
        hint="the recovery point's manifest may be damaged: run a consistency check",
    )


def synced_folder(folder: Path) -> None:
    """Make the file's name durable, where folders can be opened (not on Windows)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
