"""Files of the lab: whole replacement, one owner of a folder, copies that keep holes.

The calls that only POSIX has stand here, each with a portable way beside it.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from reconciler.errors import SettingsError

_CHUNK_BYTES = 1 << 20


def replace_file(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put `data` in the place of a file; a reader sees the old bytes or the new ones."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
        stream.write(data)
    draft.replace(path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for a lock that one process at a time has; for short work on what several share."""
    with path.open("ab") as stream:
        _lock(stream, waits=True)
        yield


class FolderLock:
    """One process may own a folder; the lock dies with its process, however that ends."""

    def __init__(self, folder: Path) -> None:
        try:
            self._stream = (folder / "lock").open("ab")
        except FileNotFoundError as error:
            raise SettingsError(
                f"{folder} holds no host of a lab", hint="make one: reconciler lab up"
            ) from error
        if not _lock(self._stream):
            self._stream.close()
            raise SettingsError(
                f"another process serves {folder}", hint="stop it: reconciler lab down"
            )

    def release(self) -> None:
        """Give the folder back."""
        self._stream.close()


def copy_sparse(source: Path, target: Path) -> None:
    """Copy a file; what is a hole, or all zero, stays a hole."""
    with source.open("rb") as read, target.open("wb") as written:
        size = source.stat().st_size
        for start, end in _data_parts(read, size):
            for offset in range(start, end, _CHUNK_BYTES):
                read.seek(offset)
                chunk = read.read(min(_CHUNK_BYTES, end - offset))
                if chunk.count(0) != len(chunk):
                    written.seek(offset)
                    written.write(chunk)
        written.truncate(size)


def _data_parts(stream: IO[bytes], size: int) -> Iterator[tuple[int, int]]:
    """The parts of a file that may hold bytes; the whole file where holes cannot be asked for."""
    if not hasattr(os, "SEEK_DATA"):
        yield 0, size
        return
    end = 0
    while end < size:
        try:
            start = os.lseek(stream.fileno(), end, os.SEEK_DATA)
        except OSError:
            return
        end = os.lseek(stream.fileno(), start, os.SEEK_HOLE)
        yield start, end


def _lock(stream: IO[bytes], *, waits: bool = False) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415

            msvcrt.locking(stream.fileno(), msvcrt.LK_LOCK if waits else msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415

            fcntl.flock(stream, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except OSError:
        return False
    return True
