import secrets

import numpy as np
import pytest
import zstandard

from reconciler.blocks.codec import Codec, Encoding, Kind, data_blocks, zero_hash


def test_text_is_compressed_and_noise_is_kept_raw() -> None:
    codec, noise = Codec(), secrets.token_bytes(4096)

    assert codec.encode(b"text" * 1024, Kind.DATA)[0] is Encoding.ZSTD
    assert codec.encode(noise, Kind.DATA) == (Encoding.RAW, noise)


def test_a_node_of_new_blocks_is_hardly_any_bytes() -> None:
    node = (np.arange(1024, dtype=np.uint64) + (1 << 50)).astype("<u8").tobytes()
    codec = Codec()

    encoding, stored = codec.encode(node, Kind.NODE)

    assert encoding is Encoding.DIFFERENCES
    assert len(stored) < 64
    assert codec.decode(stored, encoding, len(node)) == node


def test_differences_wrap_around() -> None:
    node = np.tile(np.array([2**64 - 1, 0, 5, 1], np.uint64), 64).astype("<u8").tobytes()
    codec = Codec()

    encoding, stored = codec.encode(node, Kind.NODE)

    assert codec.decode(stored, encoding, len(node)) == node


def test_a_frame_that_promises_another_size_is_refused_before_it_is_opened() -> None:
    bomb = zstandard.compress(bytes(64 << 20))

    with pytest.raises(ValueError, match="another length"):
        Codec().decode(bomb, Encoding.ZSTD, 4096)


@pytest.mark.parametrize(
    ("stored", "encoding"),
    [
        (b"short", Encoding.RAW),
        (b"no frame", Encoding.ZSTD),
        (zstandard.compress(bytes(4096)) + b"x", Encoding.ZSTD),
        (zstandard.compress(bytes(4096))[:-1], Encoding.ZSTD),
    ],
)
def test_what_encode_did_not_make_is_a_value_error(stored: bytes, encoding: Encoding) -> None:
    with pytest.raises(ValueError, match=r"."):
        Codec().decode(stored, encoding, 4096)


def test_a_single_byte_makes_a_block_data() -> None:
    blocks = np.zeros((4, 512), np.uint64)
    blocks[1, 511] = 1
    blocks[3, 0] = 1

    assert data_blocks(blocks) == [1, 3]


def test_the_hash_of_zeros_is_that_of_the_plain_block() -> None:
    # sha256sum of 4,096 zero bytes
    assert zero_hash(4096).hex().startswith("ad7facb2586fc6e966c004d7d1d16b02")
