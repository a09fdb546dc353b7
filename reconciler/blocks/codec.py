"""From a plain block to stored bytes and back."""

import hashlib
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Final

from reconciler.blocks.arrays import Addresses, Words, np
from reconciler.blocks.late import Late

if TYPE_CHECKING:
    import zstandard
else:
    zstandard = Late("zstandard")

Bytes = bytes | bytearray | memoryview

HASH_BYTES: Final = 32
_DATA_PARAMETERS: Final = {"hash_log": 13, "min_match": 7}
"""zstd level 1, but its table fits the first cache, and the shortest matches are left: a twentieth
less time for a hundredth more bytes."""
_NODE_LEVEL: Final = 3
"""Level 1 looks for no matches as short as those of a node's differences: 16 times the bytes."""
_WORTH_IT: Final = 0.97
_PROBE_STRIDE: Final = 512


class Kind(IntEnum):
    """What a slot of a pack holds."""

    DATA = 0
    NODE = 1


class Encoding(IntEnum):
    """How the bytes of a slot were made from the plain ones."""

    RAW = 0
    ZSTD = 1
    DIFFERENCES = 2
    """Nodes: each address minus the one before, modulo 2^64, then zstd."""


class Codec:
    """Compresses and decompresses; one for each thread, as zstd contexts cannot be shared."""

    def __init__(self) -> None:
        parameters = zstandard.ZstdCompressionParameters.from_level(1, **_DATA_PARAMETERS)
        self._data_compressor = zstandard.ZstdCompressor(compression_params=parameters)
        self._node_compressor = zstandard.ZstdCompressor(level=_NODE_LEVEL)
        self._decompressor = zstandard.ZstdDecompressor()

    def encode(self, plain: Bytes, kind: Kind) -> tuple[Encoding, Bytes]:
        """The compressed form of a block, or itself where that saves less than 3 %."""
        if kind is Kind.NODE:
            encoding = Encoding.DIFFERENCES
            packed = self._node_compressor.compress(_differences(plain))
        else:
            encoding = Encoding.ZSTD
            packed = self._data_compressor.compress(plain)
        if len(packed) < len(plain) * _WORTH_IT:
            return encoding, packed
        return Encoding.RAW, plain

    def decode(self, stored: Bytes, encoding: int, plain_bytes: int) -> bytes:
        """The plain form of a block.

        Raises:
            ValueError: The bytes are none that `encode` makes for that length.
        """
        if encoding == Encoding.RAW:
            return _of_length(bytes(stored), plain_bytes)
        try:
            # The size in the frame decides how much zstd allocates: check it before.
            if zstandard.frame_content_size(stored) != plain_bytes:
                raise ValueError("a compressed block of another length")
            plain = self._decompressor.decompress(stored, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from error
        plain = _of_length(plain, plain_bytes)
        return _sums(plain) if encoding == Encoding.DIFFERENCES else plain

    def decode_into(self, stored: Bytes, encoding: int, target: memoryview) -> None:
        """As `decode` for data, into a buffer of just the block's length: nothing is allocated.

        Raises:
            ValueError: As in `decode`; the buffer may hold part of a block then.
        """
        if encoding == Encoding.RAW:
            if len(stored) != len(target):
                raise ValueError(f"{len(stored)} bytes instead of {len(target)}")
            target[:] = stored
            return
        try:
            if zstandard.frame_content_size(stored) != len(target):
                raise ValueError("a compressed block of another length")
            length = self._decompressor.stream_reader(stored).readinto(target)
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from error
        if length != len(target):
            raise ValueError(f"{length} bytes instead of {len(target)}")


def block_hash(plain: Bytes) -> bytes:
    """What identifies a block: SHA-256 of its plain bytes, which a Hyper-V host can compute too."""
    return hashlib.sha256(plain).digest()


@cache
def zero_hash(block_bytes: int) -> bytes:
    """The hash of the block that is never stored."""
    return block_hash(bytes(block_bytes))


def data_blocks(blocks: Words) -> list[int]:
    """Which rows are not all zeros.

    Looks at one word in 512 first; only rows that are zero there are read in full.
    """
    probed: list[bool] = np.asarray(blocks[:, ::_PROBE_STRIDE].any(axis=1)).tolist()
    return [row for row, is_hit in enumerate(probed) if is_hit or blocks[row].any()]


def node_from(plain: bytes) -> Addresses:
    """The addresses of a node; read-only."""
    return np.frombuffer(plain, "<u8")


def _differences(plain: Bytes) -> bytes:
    addresses = np.frombuffer(plain, "<u8")
    result = addresses.copy()
    result[1:] -= addresses[:-1]
    return result.tobytes()


def _sums(plain: bytes) -> bytes:
    return np.cumsum(np.frombuffer(plain, "<u8"), dtype=np.dtype("<u8")).tobytes()


def _of_length(plain: bytes, wanted: int) -> bytes:
    if len(plain) != wanted:
        raise ValueError(f"{len(plain)} bytes instead of {wanted}")
    return plain
