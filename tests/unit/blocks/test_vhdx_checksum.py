import pytest

from reconciler.blocks.vhdx_checksum import POLYNOMIAL, crc32c


def bit_by_bit(data: bytes) -> int:
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (POLYNOMIAL * (register & 1))
    return register ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ],
)
def test_the_vectors_of_the_iscsi_standard_come_out(data: bytes, expected: int) -> None:
    assert crc32c(data) == expected


@pytest.mark.parametrize("length", [1, 255, 256, 257, 512, 4096, 5003])
def test_lanes_give_what_single_bits_give(length: int) -> None:
    data = bytes(i * i * 7 % 251 for i in range(length))

    assert crc32c(data) == bit_by_bit(data)
