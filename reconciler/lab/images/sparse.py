"""Sparse disk images in few bytes: runs of offset, length and bytes, compressed as one stream."""

import struct
from collections.abc import Iterable, Iterator

import zstandard

_RUN = struct.Struct("<QI")
_MOST_BYTES = 256 << 20
"""Bound of what an image may unpack to; ours are far smaller."""

Run = tuple[int, bytes]
"""Where on the disk, and what is there."""


def pack_runs(runs: Iterable[Run]) -> bytes:
    """The compressed form of some runs."""
    plain = b"".join(_RUN.pack(offset, len(data)) + data for offset, data in runs)
    return zstandard.ZstdCompressor(level=19).compress(plain)


def unpack_runs(packed: bytes) -> Iterator[Run]:
    """Inverse of `pack_runs`.

    Raises:
        ValueError: The bytes are no runs of ours.
    """
    try:
        plain = zstandard.ZstdDecompressor().decompress(packed, max_output_size=_MOST_BYTES)
    except zstandard.ZstdError as error:
        raise ValueError(f"not a sparse image: {error}") from error
    position = 0
    while position < len(plain):
        offset, length = _RUN.unpack_from(plain, position)
        position += _RUN.size
        if position + length > len(plain):
            raise ValueError(f"a run of {length} bytes is cut short")
        yield offset, plain[position : position + length]
        position += length
