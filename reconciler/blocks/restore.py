"""Write a disk of a recovery point to where it is wanted, in several threads."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Final, Self

from reconciler.blocks.arrays import Addresses, held_runs
from reconciler.blocks.disk_writer import MOST_WRITE_BYTES
from reconciler.blocks.threads import share
from reconciler.blocks.volume import RecoveryPointDisk

_STEP_BYTES: Final = 4 << 20

Write = Callable[[int, memoryview], object]
"""Takes an offset of the disk and its bytes, which are the caller's again when it returns."""


def restore(
    disk: RecoveryPointDisk,
    write: Write,
    *,
    on_progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Give all blocks that are not zeros to `write`, in no order.

    Args:
        disk: What to write.
        write: Where to; only one thread at a time calls it.
        on_progress: Told how many bytes were written, after each write. What it raises ends the
            work.

    Raises:
        BlockMissingError: A block is not there; what was written is to be thrown away.
        BlockDamagedError: A block cannot be trusted; likewise.
    """
    steps = disk.steps(max(1, _STEP_BYTES // disk.block_bytes))
    share(steps, _Restoring(disk, write, on_progress).worker)


class RawFile:
    """A new raw file with holes, for one thread at a time."""

    def __init__(self, path: Path, size: int) -> None:
        """Create it.

        Raises:
            FileExistsError: There is something at `path`.
        """
        self._file = path.open("xb", buffering=0)
        self._file.truncate(size)

    def write(self, offset: int, data: memoryview) -> None:
        """Put bytes at an offset."""
        self._file.seek(offset)
        while data:
            data = data[self._file.write(data[:MOST_WRITE_BYTES]) :]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()


class _Restoring:
    def __init__(
        self,
        disk: RecoveryPointDisk,
        write: Write,
        on_progress: Callable[[int], None],
    ) -> None:
        self._disk = disk
        self._write = write
        self._on_progress = on_progress
        self._lock = Lock()

    def worker(self) -> Callable[[tuple[int, Addresses]], None]:
        size = self._disk.block_bytes
        buffer = memoryview(bytearray(max(_STEP_BYTES, size)))

        def do(step: tuple[int, Addresses]) -> None:
            first, addresses = step
            self._disk.read_into(addresses, buffer)
            for offset, data in self._pieces(first, addresses, buffer):
                self._put(offset, data)

        return do

    def _pieces(
        self, first: int, addresses: Addresses, buffer: memoryview
    ) -> Iterator[tuple[int, memoryview]]:
        size = self._disk.block_bytes
        for lower, upper in held_runs(addresses):
            offset = (first + lower) * size
            length = min((upper - lower) * size, self._disk.size - offset)
            yield offset, buffer[lower * size : lower * size + length]

    def _put(self, offset: int, data: memoryview) -> None:
        with self._lock:
            self._write(offset, data)
            self._on_progress(len(data))
