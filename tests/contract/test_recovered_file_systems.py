"""A guest's file system after incrementals that left out its page file: whole but for that."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from reconciler.execute.page_files import ALL_OF_IT, Leaving
from reconciler.logs import Event
from reconciler.model.protection import LeftOut
from reconciler.model.ranges import ByteRange, common, merged, subtracted, total_bytes
from tests.guest_disks import GENERATION, SECTOR, Memory, extents_by_libfsntfs, generations
from tests.guest_replica import LEAVING, Guest, Replica
from tests.ntfs_checks import require_as_the_guest_had_it, require_clean

VOLUME = slice(GENERATION.volume.start, GENERATION.volume.end)


def written(before: bytes, after: bytes) -> tuple[ByteRange, ...]:
    """What a host that tracks changes would tell."""
    places = (ByteRange(at, at + SECTOR) for at in range(0, len(after), SECTOR))
    return merged(p for p in places if before[p.start : p.end] != after[p.start : p.end])


def taken(
    replica: Replica, before: bytes, disk: bytes, how: Leaving = LEAVING
) -> tuple[LeftOut, ...]:
    """One more recovery point of a disk; what it left out."""
    return replica.take(Guest(Memory(disk)), written(before, disk), how)


def places(parts: Sequence[LeftOut]) -> tuple[ByteRange, ...]:
    return merged(ByteRange(each.start, each.end) for each in parts)


@pytest.mark.parametrize("block_bytes", [4096, 16384, 65536])
def test_after_each_incremental_the_file_system_is_whole_but_for_the_page_files(
    tmp_path: Path, block_bytes: int
) -> None:
    replica = Replica(tmp_path, block_bytes)
    before = bytes(GENERATION.size)
    told: list[tuple[LeftOut, ...]] = []
    for disk in generations():
        told.append(taken(replica, before, disk))
        before = disk
        recovered = bytearray(replica.recovered())
        require_as_the_guest_had_it(bytes(recovered[VOLUME]), disk[VOLUME])
        for part in places(told[-1]):
            recovered[part.start : part.end] = disk[part.start : part.end]
        assert recovered == disk
    first, *others = told
    assert first == ()  # the first copy is whole
    assert all(others)
    assert {part.reason for part in others[-1]} == {"pagefile.sys", "swapfile.sys"}
    require_clean(replica.recovered()[VOLUME], tmp_path)


def test_documents_where_a_page_file_was_left_out_before_are_copied(tmp_path: Path) -> None:
    replica = Replica(tmp_path, 4096)
    one, two, three, _ = generations()
    taken(replica, bytes(len(one)), one)
    earlier = taken(replica, one, two)
    paged = extents_by_libfsntfs(two[VOLUME], "pagefile.sys") or ()
    still = extents_by_libfsntfs(three[VOLUME], "pagefile.sys") or ()
    shift = GENERATION.volume.start
    gone = [ByteRange(p.start + shift, p.end + shift) for p in subtracted(paged, still)]
    assert common(gone, places(earlier))

    taken(replica, two, three)

    recovered = replica.recovered()
    for part in gone:
        assert recovered[part.start : part.end] == three[part.start : part.end]


def test_what_is_left_out_is_what_another_reader_calls_a_page_file(tmp_path: Path) -> None:
    replica = Replica(tmp_path, 4096)
    before = bytes(GENERATION.size)
    shift = GENERATION.volume.start
    for disk in generations():
        out = places(taken(replica, before, disk))
        before = disk
        judged = [
            ByteRange(part.start + shift, part.end + shift)
            for name in ("pagefile.sys", "swapfile.sys")
            for part in extents_by_libfsntfs(disk[VOLUME], name) or ()
        ]
        assert subtracted(out, judged) == ()
        assert not out or total_bytes(out) > 100_000


def test_without_the_rule_every_byte_is_copied(tmp_path: Path) -> None:
    replica = Replica(tmp_path, 4096)
    before = bytes(GENERATION.size)
    for disk in generations():
        assert taken(replica, before, disk, ALL_OF_IT) == ()
        before = disk
        assert replica.recovered() == disk


def test_a_disk_whose_page_files_cannot_be_found_is_told_of_once(tmp_path: Path) -> None:
    replica = Replica(tmp_path, 4096)
    at = GENERATION.volume.start + 3
    locked = [disk[:at] + b"-FVE-FS-" + disk[at + 8 :] for disk in generations()]
    before = bytes(GENERATION.size)
    with capture_logs() as lines:
        for disk in locked:
            assert taken(replica, before, disk) == ()
            before = disk
            assert replica.recovered() == disk

    told = [line for line in lines if line["event"] is Event.PAGE_FILES_UNKNOWN]
    assert [line["log_level"] for line in told] == ["info", "debug", "debug"]
    assert told[0]["reasons"] == (f"volume at {at - 3}: it is locked by BitLocker",)
    assert told[0]["disk"] == "SCSI 0:0"
