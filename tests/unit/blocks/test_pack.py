import struct
from uuid import UUID

import numpy as np
import pytest

from reconciler.blocks.codec import Codec, Kind, block_hash
from reconciler.blocks.pack import (
    ENTRY,
    FOOTER_BYTES,
    HEADER_BYTES,
    PackBuilder,
    PackIdentity,
    parse_footer,
    parse_table,
)

IDENTITY = PackIdentity(UUID("00112233-4455-6677-8899-aabbccddeeff"), 0x10000001)
BLOCKS = [b"a" * 4096, bytes(range(256)) * 16, b"b" * 4096]


def built() -> bytes:
    builder = PackBuilder(IDENTITY, Codec())
    for block in BLOCKS:
        builder.add(block, Kind.DATA, block_hash(block))
    return builder.finish(builder.table())


def changed(pack: bytes, field: str, value: int) -> bytes:
    """The pack with one field of its first entry changed, and a checksum that matches."""
    footer = parse_footer(pack[-FOOTER_BYTES:], IDENTITY, len(pack))
    entries = np.frombuffer(pack, ENTRY, footer.slots, footer.table_offset).copy()
    entries[field][0] = value
    table = entries.tobytes()
    digest = block_hash(table + footer.prefix)
    return pack[: footer.table_offset] + table + footer.prefix + digest


def test_the_sizes_are_those_of_the_format() -> None:
    assert (HEADER_BYTES, ENTRY.itemsize, FOOTER_BYTES) == (32, 48, 80)


def test_the_bytes_are_those_of_the_format() -> None:
    pack = built()

    assert pack[:4] == b"RCPK"
    assert struct.unpack_from("<HHQ", pack, 4) == (0, 0, 0x10000001)
    assert pack[16:32] == IDENTITY.repository.bytes
    footer = pack[-80:]
    offset, slots, generation = struct.unpack_from("<QII", footer, 32)
    assert (footer[:4], slots, generation) == (b"RCPF", 3, 0)
    assert offset + 3 * 48 + 80 == len(pack)
    assert struct.unpack_from("<III", pack, offset)[::2] == (32, 4096)
    assert pack[offset + 16 : offset + 48] == block_hash(BLOCKS[0])


def test_blocks_come_back_from_their_slots() -> None:
    pack = built()
    footer = parse_footer(pack[-FOOTER_BYTES:], IDENTITY, len(pack))
    table = parse_table(pack[footer.table_offset :][: footer.table_bytes], footer, 4096)

    for slot, block in enumerate(BLOCKS):
        stored = pack[table.offsets[slot] : table.end(slot)]
        assert table.decode(slot, stored, Codec()) == block
    assert table.holds(2, Kind.DATA)
    assert not table.holds(2, Kind.NODE)
    assert not table.holds(3, Kind.DATA)


def test_a_pack_of_another_repository_or_number_is_refused() -> None:
    pack = built()
    for other in (PackIdentity(IDENTITY.repository, 7), PackIdentity(UUID(int=0), IDENTITY.number)):
        with pytest.raises(ValueError, match="another pack"):
            parse_footer(pack[-FOOTER_BYTES:], other, len(pack))


def test_a_pack_that_was_cut_is_refused() -> None:
    pack = built()
    with pytest.raises(ValueError, match="do not fill"):
        parse_footer(pack[-FOOTER_BYTES:], IDENTITY, len(pack) - 1)
    with pytest.raises(ValueError, match="no pack ends here"):
        parse_footer(pack[-FOOTER_BYTES - 1 : -1], IDENTITY, len(pack) - 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("offset", 31),
        ("offset", 2**32 - 1),
        ("length", 2**32 - 1),
        ("plain_length", 4097),
        ("encoding", 9),
        ("kind", 2),
    ],
)
def test_an_entry_out_of_bounds_is_refused_though_its_checksum_matches(
    field: str, value: int
) -> None:
    pack = changed(built(), field, value)
    footer = parse_footer(pack[-FOOTER_BYTES:], IDENTITY, len(pack))

    with pytest.raises(ValueError, match="points out"):
        parse_table(pack[footer.table_offset :][: footer.table_bytes], footer, 4096)


def test_a_dropped_slot_holds_nothing() -> None:
    pack = changed(built(), "length", 0)
    footer = parse_footer(pack[-FOOTER_BYTES:], IDENTITY, len(pack))
    table = parse_table(pack[footer.table_offset :][: footer.table_bytes], footer, 4096)

    assert not table.holds(0, Kind.DATA)
    assert table.holds(1, Kind.DATA)


def test_a_block_that_is_still_in_memory_can_be_read() -> None:
    builder = PackBuilder(IDENTITY, Codec())
    slots = [builder.add(block, Kind.DATA, block_hash(block)) for block in BLOCKS]

    assert [builder.plain(slot) for slot in slots] == BLOCKS
