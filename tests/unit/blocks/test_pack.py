import struct
from uuid import UUID

import numpy as np
import pytest

from reconciler.blocks.codec import Codec, Encoding, Kind, block_hash
from reconciler.blocks.keys import TAG_BYTES, RepositoryKeys
from reconciler.blocks.pack import (
    ENTRY_BYTES,
    FOOTER_BYTES,
    HEADER_BYTES,
    PackBuilder,
    PackIdentity,
    PackTable,
    entry_type,
    parse_footer,
    parse_table,
    table_and_footer,
)

REPOSITORY = UUID("00112233-4455-6677-8899-aabbccddeeff")
NUMBER = 0x10000001
KEYS = RepositoryKeys(b"k" * 32, REPOSITORY.bytes)
NOISE = np.random.default_rng(5).bytes(4096)
BLOCKS = [b"a" * 4096, NOISE, b"b" * 4096]


@pytest.fixture(params=[None, KEYS], ids=["plain", "sealed"])
def identity(request: pytest.FixtureRequest) -> PackIdentity:
    return PackIdentity(REPOSITORY, NUMBER, request.param)


def builder(identity: PackIdentity, buffer: bytearray | None = None) -> PackBuilder:
    pack = PackBuilder(identity, Codec(), 1 << 20, bytearray() if buffer is None else buffer)
    for block in BLOCKS:
        pack.add(block, Kind.DATA, block_hash(block))
    return pack


def built(identity: PackIdentity) -> bytes:
    pack = builder(identity)
    return bytes(pack.finish(pack.table()))


def table_of(pack: bytes, identity: PackIdentity, most_plain_bytes: int = 4096) -> PackTable:
    footer = parse_footer(pack[-FOOTER_BYTES:], identity, len(pack))
    data = pack[footer.table_offset :][: footer.table_bytes]
    return parse_table(data, footer, identity, most_plain_bytes)


def changed(pack: bytes, identity: PackIdentity, field: str, value: int) -> bytes:
    """The pack with one field of its first entry changed, and checksum and tag that match."""
    footer = parse_footer(pack[-FOOTER_BYTES:], identity, len(pack))
    old = table_of(pack, identity)
    entries = old.entries.copy()
    entries[field][0] = value
    tail = table_and_footer(
        identity, PackTable(entries, old.key, old.salt), footer.table_offset, footer.generation
    )
    return pack[: footer.table_offset] + tail


def test_the_sizes_are_those_of_the_format() -> None:
    assert (HEADER_BYTES, ENTRY_BYTES, entry_type().itemsize, FOOTER_BYTES) == (64, 48, 48, 144)


def test_the_bytes_are_those_of_the_format() -> None:
    pack = built(PackIdentity(REPOSITORY, NUMBER))

    assert pack[:4] == b"RCPK"
    assert struct.unpack_from("<HHQ", pack, 4) == (1, 0, NUMBER)
    assert pack[16:32] == REPOSITORY.bytes
    assert pack[32:64] == bytes(32)
    footer = pack[-144:]
    offset, slots, generation = struct.unpack_from("<QII", footer, 32)
    assert (footer[:4], slots, generation) == (b"RCPF", 3, 0)
    assert footer[48:112] == bytes(64)
    assert offset + 3 * 48 + 144 == len(pack)
    assert struct.unpack_from("<III", pack, offset)[::2] == (64, 4096)
    assert pack[offset + 16 : offset + 48] == block_hash(BLOCKS[0])
    assert NOISE in pack


def test_a_sealed_pack_shows_neither_blocks_nor_ids_and_says_so() -> None:
    pack = built(PackIdentity(REPOSITORY, NUMBER, KEYS))

    assert struct.unpack_from("<HH", pack, 4) == struct.unpack_from("<HH", pack, len(pack) - 140)
    assert struct.unpack_from("<HH", pack, 4) == (1, 1)
    salt = pack[32:64]
    assert any(salt)
    assert pack[-144 + 48 : -144 + 80] == salt
    assert all(block_hash(block) not in pack for block in BLOCKS)
    assert NOISE not in pack
    offset, slots = struct.unpack_from("<QI", pack, len(pack) - 144 + 32)
    assert offset + 48 * slots + TAG_BYTES + 144 == len(pack)


def test_no_two_packs_have_a_salt_in_common_and_no_two_generations_one_of_a_table() -> None:
    identity = PackIdentity(REPOSITORY, NUMBER, KEYS)
    one, other = built(identity), built(identity)
    again = changed(one, identity, "length", 0)

    assert one[32:64] == again[32:64] != other[32:64]
    assert len({pack[-144 + 80 : -144 + 112] for pack in (one, other, again)}) == 3


def test_blocks_come_back_from_their_slots(identity: PackIdentity) -> None:
    pack = built(identity)
    table = table_of(pack, identity)

    target, scratch = memoryview(bytearray(4096)), memoryview(bytearray(4096))
    for slot, block in enumerate(BLOCKS):
        stored = pack[table.offset(slot) : table.end(slot)]
        assert table.decode(slot, stored, Codec()) == block
        table.decode_into(slot, memoryview(stored), target, scratch, Codec())
        assert target == block
    assert table.holds(2, Kind.DATA)
    assert not table.holds(2, Kind.NODE)
    assert not table.holds(3, Kind.DATA)
    assert table.slots(Kind.DATA) == [0, 1, 2]
    assert table.ids(np.array([2, 0], np.uint64)) == [table.id(2), table.id(0)]


def test_no_block_comes_out_of_bytes_that_are_another_slot_s(identity: PackIdentity) -> None:
    pack = built(identity)
    table = table_of(pack, identity)
    target, scratch = memoryview(bytearray(4096)), memoryview(bytearray(4096))

    for slot, other in ((0, 2), (2, 0), (1, 0), (0, 1)):
        stored = pack[table.offset(other) : table.end(other)]
        with pytest.raises(ValueError, match=r"."):
            table.decode(slot, stored, Codec())
        with pytest.raises(ValueError, match=r"."):
            table.decode_into(slot, memoryview(stored), target, scratch, Codec())


@pytest.mark.parametrize("place", [0, 1, 2000, -1])
def test_a_flipped_bit_of_a_raw_block_is_found(identity: PackIdentity, place: int) -> None:
    pack = built(identity)
    table = table_of(pack, identity)
    stored = bytearray(pack[table.offset(1) : table.end(1)])
    stored[place] ^= 1

    with pytest.raises(ValueError, match=r"does not match its hash|not what was sealed"):
        table.decode(1, stored, Codec())


def test_a_pack_of_another_repository_or_number_is_refused(identity: PackIdentity) -> None:
    pack = built(identity)
    keys = identity.keys
    for other in (PackIdentity(REPOSITORY, 7, keys), PackIdentity(UUID(int=0), NUMBER, keys)):
        with pytest.raises(ValueError, match="another pack"):
            parse_footer(pack[-FOOTER_BYTES:], other, len(pack))


def test_a_plain_pack_is_refused_where_all_are_sealed_and_the_other_way_round() -> None:
    plain, sealed = PackIdentity(REPOSITORY, NUMBER), PackIdentity(REPOSITORY, NUMBER, KEYS)
    for wrote, reads in ((plain, sealed), (sealed, plain)):
        pack = built(wrote)
        with pytest.raises(ValueError, match="not of this repository"):
            parse_footer(pack[-FOOTER_BYTES:], reads, len(pack))


def test_a_table_sealed_with_another_key_is_refused() -> None:
    pack = built(PackIdentity(REPOSITORY, NUMBER, KEYS))
    other = PackIdentity(REPOSITORY, NUMBER, RepositoryKeys(b"o" * 32, REPOSITORY.bytes))

    with pytest.raises(ValueError, match="not what was sealed"):
        table_of(pack, other)


def test_a_footer_that_was_changed_is_refused_though_its_checksum_matches() -> None:
    identity = PackIdentity(REPOSITORY, NUMBER, KEYS)
    pack = bytearray(built(identity))
    struct.pack_into("<I", pack, len(pack) - 144 + 44, 9)  # the generation
    (offset,) = struct.unpack_from("<Q", pack, len(pack) - 144 + 32)
    pack[-32:] = block_hash(pack[offset:-32])

    with pytest.raises(ValueError, match="not what was sealed"):
        table_of(bytes(pack), identity)


def test_a_pack_that_was_cut_is_refused(identity: PackIdentity) -> None:
    pack = built(identity)
    with pytest.raises(ValueError, match="do not fill"):
        parse_footer(pack[-FOOTER_BYTES:], identity, len(pack) - 1)
    with pytest.raises(ValueError, match="no pack ends here"):
        parse_footer(pack[-FOOTER_BYTES - 1 : -1], identity, len(pack) - 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("offset", 63),
        ("offset", 2**32 - 1),
        ("length", 2**32 - 1),
        ("plain_length", 4097),
        ("encoding", 9),
        ("kind", 2),
    ],
)
def test_an_entry_out_of_bounds_is_refused_though_its_checksum_matches(
    identity: PackIdentity, field: str, value: int
) -> None:
    pack = changed(built(identity), identity, field, value)

    with pytest.raises(ValueError, match="points out"):
        table_of(pack, identity)


def test_a_dropped_slot_holds_nothing(identity: PackIdentity) -> None:
    table = table_of(changed(built(identity), identity, "length", 0), identity)

    assert not table.holds(0, Kind.DATA)
    assert table.holds(1, Kind.DATA)
    held = table.held(np.arange(5, dtype=np.uint64), Kind.DATA, 4096)
    assert held.tolist() == [False, True, True, False, False]


def test_a_block_that_is_still_in_memory_can_be_read(identity: PackIdentity) -> None:
    pack = builder(identity)

    assert [pack.plain(slot) for slot in range(3)] == BLOCKS


def test_a_buffer_that_was_used_before_leaves_nothing_behind(identity: PackIdentity) -> None:
    buffer = bytearray(b"\xee" * 300_000)
    pack = builder(identity, buffer)
    again = bytes(pack.finish(pack.table()))

    assert len(again) == len(built(identity))
    table = table_of(again, identity)
    stored = again[table.offset(1) : table.end(1)]
    assert table.decode(1, stored, Codec()) == NOISE
    assert pack.buffer is buffer


def test_a_pack_takes_blocks_until_its_room_is_used(identity: PackIdentity) -> None:
    pack = PackBuilder(identity, Codec(), 10_000, bytearray())
    count = 0
    while pack.has_room:
        pack.add(NOISE, Kind.DATA, block_hash(NOISE))
        count += 1

    assert count == 3
    assert len(pack) == 3


def test_a_sealed_block_opens_with_nothing_but_its_pack_s_key_and_its_slot() -> None:

    pack = built(PackIdentity(REPOSITORY, NUMBER, KEYS))
    table = table_of(pack, PackIdentity(REPOSITORY, NUMBER, KEYS))
    assert table.key is not None
    stored = pack[table.offset(1) : table.end(1)]

    assert table.key.open(1, stored) == NOISE
    assert len(stored) == len(NOISE) + TAG_BYTES
    with pytest.raises(ValueError, match="not what was sealed"):
        KEYS.pack(NUMBER + 1, pack[32:64]).open(1, stored)
    assert table.entries["encoding"].tolist() == [Encoding.ZSTD, Encoding.RAW, Encoding.ZSTD]
