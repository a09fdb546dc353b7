"""CRC-32C (Castagnoli), the checksum of VHDX structures, in lanes so that numpy does the work.

A CRC is linear over exclusive or: the data is cut into lanes, all lanes advance together one byte
a step, and their registers are folded into one by a table that skips a whole lane.
"""

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

POLYNOMIAL: Final = 0x82F63B78
"""0x1EDC6F41 with its bits in reflected order. Source: [MS-VHDX] 1.1, RFC 3720 B.4."""
_LANE_BYTES: Final = 256
_Words = npt.NDArray[np.uint32]


def crc32c(data: bytes | bytearray | memoryview) -> int:
    """CRC-32C of `data`."""
    whole = len(data) // _LANE_BYTES * _LANE_BYTES
    register = _advanced_by_lanes(0xFFFFFFFF, memoryview(data)[:whole])
    table = _byte_table_as_ints()
    for byte in memoryview(data)[whole:]:
        register = table[(register ^ byte) & 0xFF] ^ (register >> 8)
    return register ^ 0xFFFFFFFF


def _advanced_by_lanes(register: int, data: memoryview) -> int:
    if not data:
        return register
    lanes = np.frombuffer(data, np.uint8).reshape(-1, _LANE_BYTES)
    registers = np.zeros(len(lanes), np.uint32)
    table = _byte_table()
    for column in lanes.T:
        registers = table[(registers ^ column) & 0xFF] ^ (registers >> np.uint32(8))
    first, second, third, fourth = _lane_skip_table()
    for lane in registers.tolist():
        register = lane ^ (
            first[register & 0xFF]
            ^ second[register >> 8 & 0xFF]
            ^ third[register >> 16 & 0xFF]
            ^ fourth[register >> 24]
        )
    return register


@cache
def _byte_table() -> _Words:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        low = table & np.uint32(1)
        table = (table >> np.uint32(1)) ^ low * np.uint32(POLYNOMIAL)
    return table


@cache
def _byte_table_as_ints() -> list[int]:
    return [int(word) for word in _byte_table()]


@cache
def _lane_skip_table() -> list[list[int]]:
    """For each byte of a register: what it becomes after a lane of zero bytes."""
    table = _byte_table()
    shifts = np.arange(4, dtype=np.uint32)[:, None] * np.uint32(8)
    registers = np.arange(256, dtype=np.uint32)[None, :] << shifts
    for _ in range(_LANE_BYTES):
        registers = table[registers & 0xFF] ^ (registers >> np.uint32(8))
    return [[int(word) for word in row] for row in registers]
