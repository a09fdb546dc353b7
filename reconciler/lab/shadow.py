"""Shadows: what each disk must hold, kept as plain raw files by code that knows no VHDX.

Every guest write goes to the virtual disk and, a second time, here. So a shadow judges the
virtual disk, what the product read of it, and what it gave back.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from reconciler.model.ranges import ByteRange

Write = tuple[int, bytes]
"""Where on the disk, and what."""


def create_shadow(path: Path, virtual_bytes: int, writes: Iterable[Write]) -> None:
    """A new shadow: all zero but for some writes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        stream.truncate(virtual_bytes)
    write_shadow(path, writes)


def write_shadow(path: Path, writes: Iterable[Write]) -> None:
    """Write in place."""
    with path.open("r+b", buffering=0) as stream:
        for offset, data in writes:
            stream.seek(offset)
            stream.write(data)


def hash_shadow(path: Path, places: Iterable[ByteRange]) -> str:
    """SHA-256 of the bytes at some places, one after the other."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as stream:
        for place in places:
            stream.seek(place.start)
            digest.update(stream.read(place.length))
    return digest.hexdigest()
