"""Whatever bytes a guest has: its page files are found right or not at all, within bounds."""

from dataclasses import dataclass
from functools import cache
from uuid import UUID

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from reconciler.blocks.guest.bytes import GuestBytes, NotUnderstood
from reconciler.blocks.guest.ntfs import PAGE_FILES, NtfsVolume
from reconciler.blocks.guest.page_files import page_files
from reconciler.blocks.guest.partitions import partitions
from reconciler.model.ranges import ByteRange, merged, subtracted
from tests.guest_disks import (
    BASIC_DATA,
    LDM_DATA,
    MIB,
    ODD_END,
    RESERVED,
    SECTOR,
    Memory,
    extents_by_libfsntfs,
    fragmented,
    gpt,
    mbr,
    odd_disk,
    odd_place,
    unpacked,
)

MOST_BYTES, MOST_READS = 4 << 20, 4096
Change = tuple[int, bytes]


@dataclass(frozen=True)
class Volume:
    """A volume, and where the structures are that its reader looks at."""

    data: bytes
    sector: int
    places: tuple[ByteRange, ...]


class Watched(Memory):
    """Remembers where it is read."""

    def __init__(self, data: bytes | bytearray) -> None:
        super().__init__(data)
        self.places: list[ByteRange] = []

    def read(self, offset: int, length: int) -> bytes:
        assert 0 <= offset < offset + length <= self.size
        self.places.append(ByteRange(offset, offset + length))
        return super().read(offset, length)


@cache
def volume(name: str) -> Volume:
    place = None if name.startswith("fragmented") else odd_place(name)
    data = bytes(odd_disk()[place.start : place.end] if place else fragmented(name))
    sector = 4096 if name.endswith("4k") else SECTOR
    watched = Watched(data)
    list(NtfsVolume(GuestBytes(watched), ByteRange(0, len(data)), sector).page_files())
    return Volume(data, sector, tuple(dict.fromkeys(watched.places)))


WHOLE = ("listed", "plain", "scattered", "fragmented-512", "fragmented-4k")
FEW = st.sampled_from([0, 1, 2, 3, 4, 8, 0x10, 0x20, 0x30, 0x7F, 0x80, 0x81, 0xFE, 0xFF])
BYTES = st.lists(FEW | st.integers(0, 255), min_size=1, max_size=8).map(bytes)


@st.composite
def damages(draw: st.DrawFn) -> tuple[str, list[Change]]:
    """A volume, and other bytes for some that its reader looks at."""
    name = draw(st.sampled_from(WHOLE))
    changes: list[Change] = []
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.sampled_from(volume(name).places))
        changes.append((place.start + draw(st.integers(0, place.length - 1)), draw(BYTES)))
    return name, changes


@settings(max_examples=300)
@given(damages())
def test_a_damaged_volume_hides_nothing_but_what_another_reader_calls_a_page_file(
    drawn: tuple[str, list[Change]],
) -> None:
    name, changes = drawn
    data = bytearray(volume(name).data)
    for at, new in changes:
        data[at : at + len(new)] = new
    memory = Memory(data)
    try:
        reader = NtfsVolume(GuestBytes(memory), ByteRange(0, len(data)), volume(name).sector)
        found = dict(reader.page_files())
    except NotUnderstood:
        event("refused")
        return
    finally:
        assert memory.bytes_read <= MOST_BYTES
        assert memory.reads <= MOST_READS
    for file, places in found.items():
        try:
            judged = extents_by_libfsntfs(data, file)
        except OSError:
            event("the judge refuses")
            continue
        event("judged")
        assert judged is not None
        assert subtracted(merged(places), judged) == ()


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_damaged_here_is_whole_before(name: str) -> None:
    whole = volume(name)
    reader = NtfsVolume(GuestBytes(Memory(whole.data)), ByteRange(0, len(whole.data)), whole.sector)
    found = dict(reader.page_files())

    assert found.keys() <= PAGE_FILES
    assert found
    for file, places in found.items():
        assert merged(places) == extents_by_libfsntfs(whole.data, file)


class Patched(Memory):
    """The odd disk under other first bytes."""

    def __init__(self, first: bytes) -> None:
        super().__init__(unpacked("odd-volumes", ODD_END * MIB))
        self._first = first

    def read(self, offset: int, length: int) -> bytes:
        data = super().read(offset, length)
        new = self._first[offset : offset + length]
        return new + data[len(new) :]


def require_right(first: bytes) -> None:
    """What is hidden of the odd disk is what libfsntfs calls a page file."""
    memory = Patched(first)

    found = page_files(memory, SECTOR)

    assert memory.bytes_read == found.bytes_read <= MOST_BYTES
    assert memory.reads <= MOST_READS
    hidden = merged(each.part for each in found.scratch)
    assert subtracted(hidden, of_page_files()) == ()
    event("found" if hidden else "nothing found")


PLACES = st.sampled_from(
    [1, 2, 34, 2048, 2049, 28672, 53248, 55296, 81920, 86015, 88063, 88064, 112639]
)
FIRST, LAST = 2048, 26623
"""Sectors of the volume with the page file in many pieces."""


@settings(max_examples=300)
@given(
    changes=st.lists(st.tuples(st.integers(440, 511), BYTES), min_size=0, max_size=3),
    entry=st.tuples(st.sampled_from([7, 0x0F, 0x42, 0xEE, 0x83]), PLACES, PLACES),
)
def test_of_a_damaged_mbr_nothing_is_hidden_but_page_files(
    changes: list[Change], entry: tuple[int, int, int]
) -> None:
    data = bytearray(mbr((7, FIRST, LAST + 1 - FIRST), entry))
    for at, new in changes:
        data[at : at + len(new)] = new
    require_right(bytes(data[:SECTOR]))


@settings(max_examples=300)
@given(
    changes=st.lists(st.tuples(st.integers(512, 603) | st.integers(1024, 1300), BYTES), max_size=1),
    entries=st.lists(
        st.tuples(st.sampled_from([BASIC_DATA, RESERVED, LDM_DATA]), PLACES, PLACES), max_size=3
    ),
    other=st.dictionaries(
        st.sampled_from(["length", "here", "table", "count", "entry"]),
        st.sampled_from([0, 1, 2, 33, 64, 92, 128, 136, 512, 1 << 31, (1 << 32) - 1]),
        max_size=1,
    ),
)
def test_of_a_damaged_gpt_nothing_is_hidden_but_page_files(
    changes: list[Change], entries: list[tuple[UUID, int, int]], other: dict[str, int]
) -> None:
    data = bytearray(34 * SECTOR)
    parts = gpt(ODD_END * MIB // SECTOR, [(BASIC_DATA, FIRST, LAST), *entries], **other)
    for name in ("protective", "header", "table"):
        at, part = parts[name]
        data[at : at + len(part)] = part
    for at, new in changes:
        data[at : at + len(new)] = new
    require_right(bytes(data))


@cache
def of_page_files() -> tuple[ByteRange, ...]:
    """All that libfsntfs calls a page file, in the volumes of the odd disk that are plain."""
    found: list[ByteRange] = []
    for name in ("listed", "plain", "scattered", "resident", "linked", "named"):
        where = odd_place(name)
        for file in PAGE_FILES:
            extents = extents_by_libfsntfs(odd_disk()[where.start : where.end], file) or ()
            found += [ByteRange(where.start + p.start, where.start + p.end) for p in extents]
    return merged(found)


@settings(max_examples=300)
@given(first=st.binary(min_size=0, max_size=1024), sector=st.sampled_from([512, 4096]))
def test_any_first_bytes_are_a_table_or_refused(first: bytes, sector: int) -> None:
    for data in (first, first[:510] + b"\x55\xaa" + first[510:] + bytes(64 << 10)):
        memory = Memory(data)
        try:
            found = partitions(GuestBytes(memory), sector)
        except NotUnderstood:
            pass
        else:
            assert all(0 <= p.start < p.end <= len(data) for p in found.places)
        assert memory.bytes_read <= MOST_BYTES


@settings(max_examples=300)
@given(
    body=st.binary(min_size=0, max_size=2048),
    sector=st.sampled_from([512, 4096]),
    is_boot=st.booleans(),
)
def test_any_bytes_are_a_volume_or_refused(body: bytes, sector: int, is_boot: bool) -> None:  # noqa: FBT001 - drawn by Hypothesis
    data = bytearray((volume("plain").data[:512] if is_boot else b"") + body)
    data = (data + b"FILE0" * 13_000)[: 64 << 10]
    memory = Memory(data)
    with pytest.raises(NotUnderstood):
        list(NtfsVolume(GuestBytes(memory), ByteRange(0, len(data)), sector).page_files())
    assert memory.reads <= MOST_READS
