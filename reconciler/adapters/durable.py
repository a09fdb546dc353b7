"""Files that survive a power cut; the calls that only POSIX has are all here."""

import os
import re
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final

from typing_extensions import Buffer

Content = IO[bytes] | Path | bytes | Buffer | Iterator[Buffer] | Iterable[Buffer]

CHUNK_BYTES: Final = 4 << 20
_WRITE_BYTES: Final = 256 << 10
"""At once. Measured on ext4: a pack of 16 MiB in one piece takes 4 to 7 times as much of the
system's time, why is not known."""


def write(file: Path, content: Content) -> None:
    """Write a new file and sync it; not yet its entry in the folder.

    Raises:
        FileExistsError: There is one already.
    """
    with file.open("xb", buffering=0) as target:
        for part in parts(content):
            rest = memoryview(part).cast("B")
            while rest:
                rest = rest[target.write(rest[:_WRITE_BYTES]) :]
        os.fsync(target.fileno())


def parts(content: Content) -> Iterator[Buffer]:
    """The bytes of whatever may be put."""
    if isinstance(content, Path):
        with content.open("rb") as source:
            yield from iter(lambda: source.read(CHUNK_BYTES), b"")
    elif hasattr(content, "read"):
        yield from iter(lambda: content.read(CHUNK_BYTES), b"")
    elif (buffer := _as_buffer(content)) is not None:
        yield buffer
    elif not isinstance(content, Buffer):
        yield from content


def whole(content: Content) -> memoryview:
    """All bytes of whatever may be put, in one piece: no object of ours is large."""
    buffer = _as_buffer(content)
    return memoryview(b"".join(parts(content))) if buffer is None else buffer.cast("B")


def _as_buffer(content: object) -> memoryview | None:
    """Anything with the buffer protocol, which has no class to ask for before Python 3.12."""
    try:
        return memoryview(content)  # type: ignore[arg-type]
    except TypeError:
        return None


def read_range(file: Path, start: int, length: int) -> bytes:
    """Bytes of a file; fewer than `length` only at its end."""
    with file.open("rb", buffering=0) as source:
        source.seek(start)
        data = source.read(length)
        while len(data) < length and (more := source.read(length - len(data))):
            data += more
    return data


def read_range_into(file: Path, start: int, target: memoryview) -> int:
    """Bytes of a file into a buffer, which is left unfilled only at the file's end."""
    done = 0
    with file.open("rb", buffering=0) as source:
        source.seek(start)
        while done < len(target) and (more := source.readinto(target[done:])):
            done += more
    return done


def sync_folders(folder: Path, root: Path) -> None:
    """Make the entries of a folder durable, and those of all above it up to a root."""
    while folder != root:
        sync_folder(folder)
        folder = folder.parent
    sync_folder(root)


def sync_folder(folder: Path) -> None:
    """Make the entries of a folder durable: what was linked, renamed or removed there."""
    if os.name != "posix":
        return  # Windows cannot sync folders, and keeps their entries in its journal
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def host_label() -> str:
    """This machine's name, as part of a file name."""
    return re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:64]


def is_left_behind(name: str) -> bool:
    """Whether an incoming file was left by a process of this machine that is dead."""
    host, _, rest = name.partition("~")
    process = rest.partition("~")[0]
    if host != host_label() or not process.isdigit() or os.name != "posix":
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
