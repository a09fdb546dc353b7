"""Leave a VHDX as a host does that lost its power: table updates only in its log.

Source: [MS-VHDX] 2.3.
"""

import struct
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from reconciler.blocks.vhdx_format import LOG_SECTOR_BYTES, Header, sealed
from reconciler.lab.disk_tables import DiskTables

_ENTRY: Final = struct.Struct("<4sIIIQII16sQQ")
_DESCRIPTOR: Final = struct.Struct("<4s4s8sQQ")


def write_log(tables: DiskTables, guid: UUID, updates: Mapping[int, bytes]) -> None:
    """Write one log entry for each updated sector, and let the header point to them.

    The sequence starts at the log's last sectors and goes on at its beginning, as in a log that
    has been in use for a while.
    """
    header = tables.header
    at = header.log_length - 2 * LOG_SECTOR_BYTES
    tail = at
    for sequence, (offset, sector) in enumerate(sorted(updates.items()), start=0x1_0000_0001):
        entry = _entry(sequence, tail, (guid, tables.end), (offset, sector))
        _put_in_ring(tables, header, at, entry)
        at = (at + len(entry)) % header.log_length
    tables.set_header(log_guid=guid)


def _entry(
    sequence: int, tail: int, guid_and_size: tuple[UUID, int], update: tuple[int, bytes]
) -> bytes:
    guid, size = guid_and_size
    offset, sector = update
    high, low = divmod(sequence, 1 << 32)
    length = 2 * LOG_SECTOR_BYTES
    head = _ENTRY.pack(b"loge", 0, length, tail, sequence, 1, 0, guid.bytes_le, size, size)
    head += _DESCRIPTOR.pack(b"desc", sector[-4:], sector[:8], offset, sequence)
    data = b"data" + high.to_bytes(4, "little") + sector[8:-4] + low.to_bytes(4, "little")
    return sealed(head.ljust(LOG_SECTOR_BYTES, b"\0") + data)


def _put_in_ring(tables: DiskTables, header: Header, at: int, entry: bytes) -> None:
    room = header.log_length - at
    tables.put(header.log_offset + at, entry[:room])
    tables.put(header.log_offset, entry[room:])
