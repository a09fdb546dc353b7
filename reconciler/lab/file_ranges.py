"""Ranges of a file as the agent's functions give them: joined, or the hash of each."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from reconciler.agent_contract import MAX_RANGES, MAX_READ_BYTES, unpack_ranges
from reconciler.lab.wire.body import AgentError
from reconciler.model.ranges import ByteRange, pieces, total_bytes

_PAIR_BYTES = 16


def read_ranges(local: Path, path: str, packed: bytes) -> tuple[int, bytes]:
    """Size of the file, and the ranges one after the other; `path` is what the caller calls it.

    Raises:
        AgentError: FileNotFound, RangeNotAllowed.
    """
    size = _size(local, path)
    ranges = _checked(packed, size)
    if total_bytes(ranges) > MAX_READ_BYTES:
        raise _range_error(f"more than {MAX_READ_BYTES} bytes in one read")
    return size, b"".join(_read(local, path, ranges))


def hash_ranges(local: Path, path: str, packed: bytes) -> bytes:
    """SHA-256 of each range, one after the other.

    Raises:
        AgentError: FileNotFound, RangeNotAllowed.
    """
    result = b""
    for this in _checked(packed, _size(local, path)):
        digest = hashlib.sha256()
        for part in _read(local, path, list(pieces([this], MAX_READ_BYTES))):
            digest.update(part)
        result += digest.digest()
    return result


def file_not_found(path: str) -> AgentError:
    """The error for a file that is not there."""
    text = f"Cannot find {path}"
    return AgentError("FileNotFound", text, category="ObjectNotFound", target=path)


def _size(local: Path, path: str) -> int:
    try:
        return local.stat().st_size
    except FileNotFoundError:
        raise file_not_found(path) from None


def _read(local: Path, path: str, ranges: Sequence[ByteRange]) -> Iterator[bytes]:
    try:
        with local.open("rb", buffering=0) as stream:
            for this in ranges:
                stream.seek(this.start)
                data = stream.read(this.length)
                if len(data) != this.length:
                    raise _range_error(f"the file is shorter than {this.end} now")
                yield data
    except FileNotFoundError:
        raise file_not_found(path) from None


def _checked(packed: bytes, size: int) -> tuple[ByteRange, ...]:
    try:
        ranges = unpack_ranges(packed)
    except ValueError as error:
        raise _range_error(str(error)) from error
    if not 0 < len(ranges) <= MAX_RANGES or len(ranges) * _PAIR_BYTES != len(packed):
        raise _range_error(f"{len(ranges)} ranges; 1 to {MAX_RANGES}, none of them empty")
    for this in ranges:
        if this.end > size:
            raise _range_error(f"{this.start}..{this.end} is past the end, {size}")
    return ranges


def _range_error(text: str) -> AgentError:
    return AgentError("RangeNotAllowed", text, category="InvalidArgument")
