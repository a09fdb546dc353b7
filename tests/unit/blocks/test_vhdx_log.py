"""Logs are replayed in memory, or the file is refused; the file itself is never changed."""

import struct
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from random import Random  # noqa: TID251 (seeded)
from uuid import UUID

import pytest

from reconciler.blocks import vhdx_format as form
from reconciler.blocks.vhdx import open_chain
from reconciler.blocks.vhdx_format import MIB, Header, sealed
from reconciler.blocks.vhdx_log import replayed
from reconciler.blocks.vhdx_overlay import OverlaidFile, PendingWrite
from reconciler.errors import DiskUnreadableError
from reconciler.lab.disks import LabDisk
from reconciler.model.machine import DiskFormat, DiskGeometry
from reconciler.model.ranges import ByteRange
from tests.disk_images import FolderFiles, MemoryFile

GUID = UUID("00112233-4455-6677-8899-aabbccddeeff")
OTHER = UUID("ffeeddcc-bbaa-9988-7766-554433221100")
SECTOR = 4096
FILE_BYTES = 4 * MIB
PATH = "C:\\VMs\\disk.vhdx"
HEADER = Header(1, GUID, GUID, GUID, MIB, MIB)


def entry(
    sequence: int,
    tail: int,
    updates: Sequence[tuple[int, bytes | int]] = (),
    guid: UUID = GUID,
    sizes: tuple[int, int] = (FILE_BYTES, FILE_BYTES),
) -> bytes:
    """A log entry: (offset, sector) writes, (offset, length) zeros."""
    descriptors, sectors = b"", b""
    for offset, new in updates:
        if isinstance(new, int):
            descriptors += struct.pack("<4sIQQQ", b"zero", 0, new, offset, sequence)
        else:
            descriptors += struct.pack("<4s4s8sQQ", b"desc", new[-4:], new[:8], offset, sequence)
            high, low = divmod(sequence, 1 << 32)
            sectors += struct.pack("<4sI4084sI", b"data", high, new[8:-4], low)
    length = SECTOR + len(sectors)
    head = struct.pack(
        "<4sIIIQII16sQQ", b"loge", 0, length, tail, sequence, len(updates), 0, guid.bytes_le, *sizes
    )
    return sealed((head + descriptors).ljust(SECTOR, b"\0") + sectors)


def file_with(*entries: tuple[int, bytes]) -> MemoryFile:
    """A file of ones with entries at offsets of its log, which may wrap."""
    log = bytearray(MIB)
    for offset, data in entries:
        for index, byte in enumerate(data):
            log[(offset + index) % MIB] = byte
    return MemoryFile(b"\1" * MIB + bytes(log) + b"\1" * (FILE_BYTES - 2 * MIB))


def sector(text: bytes) -> bytes:
    return (text * SECTOR)[:SECTOR]


def at(file: MemoryFile, offset: int) -> bytes:
    view = replayed(file, PATH, HEADER)
    return bytes(view.read([ByteRange(offset, offset + SECTOR)])[0])


PLACE = 3 * MIB


def test_a_file_with_an_empty_log_is_taken_as_it_is() -> None:
    file = file_with()

    assert replayed(file, PATH, replace(HEADER, log_guid=form.NO_GUID)) is file


def test_later_entries_win_and_first_and_last_bytes_come_from_the_descriptor() -> None:
    first = entry(5, 0, [(PLACE, sector(b"old"))])
    second = entry(6, 0, [(PLACE, sector(b"newer bytes"))])

    assert at(file_with((0, first), (len(first), second)), PLACE) == sector(b"newer bytes")


def test_zero_descriptors_zero_and_data_after_them_stays() -> None:
    one = entry(1, 0, [(PLACE, 8 * SECTOR), (PLACE + SECTOR, sector(b"x"))])
    file = file_with((0, one))
    view = replayed(file, PATH, HEADER)

    (data,) = view.read([ByteRange(PLACE - 10, PLACE + 9 * SECTOR)])

    zeros = bytes(SECTOR)
    assert data == b"\1" * 10 + zeros + sector(b"x") + zeros * 6 + b"\1" * SECTOR


def test_a_sequence_may_wrap_around_the_end_of_the_log() -> None:
    start = MIB - SECTOR
    first = entry(8, start, [(PLACE, sector(b"a"))])
    second = entry(9, start, [(PLACE + SECTOR, sector(b"b"))])
    file = file_with((start, first), (start + len(first), second))

    assert at(file, PLACE) == sector(b"a")
    assert at(file, PLACE + SECTOR) == sector(b"b")


def test_the_newest_complete_sequence_is_replayed_and_no_other() -> None:
    old = entry(3, 0, [(PLACE, sector(b"old"))])
    new = entry(9, 64 * SECTOR, [(PLACE + SECTOR, sector(b"new"))])
    foreign = entry(20, 96 * SECTOR, [(PLACE, sector(b"foreign"))], guid=OTHER)
    lost_tail = entry(30, 200 * SECTOR, [(PLACE, sector(b"lost"))])
    file = file_with(
        (0, old), (64 * SECTOR, new), (96 * SECTOR, foreign), (128 * SECTOR, lost_tail)
    )

    assert at(file, PLACE) == b"\1" * SECTOR
    assert at(file, PLACE + SECTOR) == sector(b"new")


def test_an_entry_before_the_tail_was_applied_already_and_is_left_out() -> None:
    first = entry(5, 0, [(PLACE, sector(b"done"))])
    second = entry(6, len(first), [(PLACE + SECTOR, sector(b"new"))])

    assert at(file_with((0, first), (len(first), second)), PLACE) == b"\1" * SECTOR


@pytest.mark.parametrize("place", [4, 16, 64 + 24, 100, SECTOR + 6, 2 * SECTOR - 1])
def test_a_torn_entry_ends_the_log_before_it(place: int) -> None:
    first = entry(5, 0, [(PLACE, sector(b"good"))])
    torn = bytearray(entry(6, 0, [(PLACE, sector(b"torn"))]))
    torn[place] ^= 0x40

    assert at(file_with((0, first), (len(first), bytes(torn))), PLACE) == sector(b"good")


def test_a_log_without_a_complete_sequence_is_refused() -> None:
    with pytest.raises(DiskUnreadableError, match="no complete sequence"):
        at(file_with((0, entry(5, 8 * SECTOR, [(PLACE, sector(b"x"))]))), PLACE)


def test_a_file_shorter_than_its_log_knows_was_cut() -> None:
    longer = (FILE_BYTES + MIB, FILE_BYTES + MIB)

    with pytest.raises(DiskUnreadableError, match="was cut"):
        at(file_with((0, entry(5, 0, sizes=longer))), PLACE)


def test_a_file_that_was_not_extended_in_time_reads_zeros_there() -> None:
    file = file_with((0, entry(5, 0, sizes=(FILE_BYTES, FILE_BYTES + MIB))))

    view = replayed(file, PATH, HEADER)

    assert view.size == FILE_BYTES + MIB
    (data,) = view.read([ByteRange(FILE_BYTES - 4, FILE_BYTES + 4)])
    assert data == b"\1\1\1\1\0\0\0\0"


def test_a_log_that_wants_an_absurd_file_is_refused() -> None:
    with pytest.raises(DiskUnreadableError, match="wants a file of"):
        at(file_with((0, entry(5, 0, [(1 << 62, sector(b"x"))]))), PLACE)


def test_entries_inside_of_entries_end_in_a_refusal_not_in_hours() -> None:
    head = struct.pack("<4sIIIQII16sQQ", b"loge", 0, MIB, 0, 1, 0, 0, GUID.bytes_le, 0, 0)
    file = file_with(*((offset, head) for offset in range(0, MIB, SECTOR)))

    with pytest.raises(DiskUnreadableError, match="inside of entries"):
        at(file, PLACE)


def test_only_hashes_that_a_pending_write_touches_are_made_here() -> None:
    file = MemoryFile(b"\1" * 65_536)
    write = PendingWrite(ByteRange(8192, 12_288), b"\2" * 4096)
    view = OverlaidFile(file, [write], 65_536)
    clean, touched = ByteRange(0, 8192), ByteRange(8191, 8193)

    hashes = view.hashes([touched, clean])

    assert hashes == [sha256(b"\1\2").digest(), sha256(b"\1" * 8192).digest()]
    assert [r for kind, r in file.calls if kind == "hashes"] == [(clean,)]


def test_a_disk_with_pending_table_updates_shows_them(tmp_path: Path) -> None:
    path = tmp_path / "disk.vhdx"
    disk = LabDisk.create(path, DiskGeometry(64 * MIB, 512, 4096, DiskFormat.VHDX, MIB), str(GUID))
    disk.write(0, b"a" * 512)
    disk.leave_pending_log(5 * MIB - 512, b"b" * 1024)
    before = path.read_bytes()

    chain = open_chain(FolderFiles(path.parent), PATH)

    wanted = [ByteRange(0, 512), ByteRange(5 * MIB - 1024, 5 * MIB + 1024)]
    assert chain.read(wanted) == [b"a" * 512, bytes(512) + b"b" * 1024 + bytes(512)]
    assert path.read_bytes() == before


def test_the_last_write_to_a_place_is_the_one_that_counts_however_they_overlap() -> None:
    random = Random(7)
    file = MemoryFile(b"\1" * 65_536)
    for _ in range(50):
        expected, writes = bytearray(file.data), []
        for number in range(2, 2 + random.randrange(1, 30)):
            start, length = random.randrange(100) * 512, random.randrange(1, 28) * 512
            new = None if number % 5 == 0 else bytes([number]) * length
            writes.append(PendingWrite(ByteRange(start, start + length), new))
            expected[start : start + length] = new or bytes(length)
        view = OverlaidFile(file, writes, 65_536)

        assert view.read([ByteRange(0, 65_536)]) == [bytes(expected)]


def test_many_writes_to_one_place_leave_what_each_was_the_last_to_cover() -> None:
    """Each inside of the one before, as a hostile log has them."""
    whole = 64 << 30
    count = 5000
    writes = [PendingWrite(ByteRange(n * SECTOR, whole - n * SECTOR), None) for n in range(count)]

    view = OverlaidFile(MemoryFile(b"\1"), writes, whole)

    assert view.pending_writes == 2 * count - 1
    assert view.pending_bytes == 0


def test_valid_entries_of_another_log_do_not_use_up_what_may_be_looked_at() -> None:
    """A log that was in use for long is full of them."""
    stale = [(at, entry(9, 0, [(PLACE, sector(b"stale"))], OTHER)) for at in range(8192, MIB, 8192)]

    current = (0, entry(1, 0, [(PLACE, sector(b"now"))]))

    assert at(file_with(current, *stale), PLACE) == sector(b"now")


def test_entries_inside_of_entries_are_refused() -> None:
    one = entry(1, 0).ljust(SECTOR, b"\0")
    data = bytearray(file_with(*((at, one) for at in range(0, MIB, SECTOR))).data)
    for place in range(MIB, 2 * MIB, SECTOR):
        data[place + 8 : place + 12] = MIB.to_bytes(4, "little")

    with pytest.raises(DiskUnreadableError, match="entries inside of entries"):
        replayed(MemoryFile(bytes(data)), PATH, HEADER)
