"""A guest's file system after incrementals that left out its page file: whole but for that."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from structlog.testing import capture_logs

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.disk_chain import DiskChain
from reconciler.blocks.manifest import Manifest
from reconciler.blocks.replica import synchronize
from reconciler.blocks.repository import Repository
from reconciler.blocks.volume import RecoveryPointDisk
from reconciler.execute.page_files import ALL_OF_IT, Leaving
from reconciler.logs import Event
from reconciler.model.machine import ControllerSlot, DiskFormat, DiskGeometry, NaturalKey, Role
from reconciler.model.names import (
    DataSourceId,
    DiskId,
    GroupName,
    HostName,
    JobId,
    RecoveryPointId,
    VmId,
)
from reconciler.model.page_files import USUAL_PAGE_FILES
from reconciler.model.protection import (
    Cause,
    CauseKind,
    Consistency,
    DiskDescription,
    LeftOut,
    PointDescription,
)
from reconciler.model.ranges import ByteRange, common, merged, subtracted, total_bytes
from tests.guest_disks import GENERATION, SECTOR, extents_by_libfsntfs, generations
from tests.ntfs_checks import require_as_the_guest_had_it, require_clean

DISK = DiskId("disk")
VOLUME = slice(GENERATION.volume.start, GENERATION.volume.end)
GEOMETRY = DiskGeometry(GENERATION.size, SECTOR, 4096, DiskFormat.VHDX, 1 << 20)
DESCRIPTION = DiskDescription(DISK, ControllerSlot("SCSI", 0, 0), "v", GEOMETRY)
POINT = PointDescription(
    id=RecoveryPointId("p"),
    source=DataSourceId("source"),
    key=NaturalKey(VmId("vm"), Role.PRIMARY),
    machine_name="vm",
    host=HostName("hv1"),
    group=GroupName("g"),
    cause=Cause(CauseKind.REQUEST, None),
    consistency=Consistency.APPLICATION,
    captured_at=datetime(2026, 1, 1, tzinfo=UTC),
    job=JobId("j"),
    policy_digest="",
    policy_commit="",
    base=None,
)
LEAVING = Leaving(USUAL_PAGE_FILES, trusts_tables=True)


class Guest:
    """A guest's disk at one moment, as the chain of its checkpoint gives it."""

    virtual_bytes = GENERATION.size
    logical_sector_bytes = SECTOR
    paths = ("C:\\disk.vhdx",)

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.bytes_read = 0

    def read(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        self.bytes_read += total_bytes(ranges)
        return [self._data[r.start : r.end] for r in ranges]

    def allocated(self, start: int, end: int) -> Iterator[ByteRange]:
        yield from [ByteRange(start, end)] if start < end else []


def written(before: bytes, after: bytes) -> tuple[ByteRange, ...]:
    """What a host that tracks changes would tell."""
    places = (ByteRange(at, at + SECTOR) for at in range(0, len(after), SECTOR))
    return merged(p for p in places if before[p.start : p.end] != after[p.start : p.end])


class Replica:
    """A repository with one disk, brought up to date moment by moment."""

    def __init__(self, folder: Path, block_bytes: int) -> None:
        store = FolderStore(folder)
        Repository.create(store, block_bytes=block_bytes, node_fan_out=8, passphrase=None)
        Repository.claim_writer(store)
        cache = folder / "cache"
        self.repository = Repository.open(store, cache=cache, writer=1, passphrase=None)
        self.held: Manifest | None = None
        self.number = 0

    def take(
        self, data: bytes, changes: Sequence[ByteRange], leaving: Leaving
    ) -> tuple[LeftOut, ...]:
        """One more recovery point; what it left out."""
        guest = Guest(data)
        base = self.held.disks[0] if self.held else None
        out: tuple[LeftOut, ...] = ()
        if self.held is not None and base is not None:
            source = cast("DiskChain", guest)
            out = leaving.left_out((self.repository, self.held), base, source, changes)
        draft = self.repository.draft()
        disk = draft.disk(replace(DESCRIPTION, left_out=out), base)
        synchronize(disk, guest, changes, on_progress=lambda _: None)
        draft.flush()
        self.number += 1
        held = self.held.point.id if self.held else None
        point = replace(POINT, id=RecoveryPointId(f"p{self.number}"), base=held)
        self.held = draft.seal(point)
        return out

    def recovered(self) -> bytes:
        assert self.held is not None
        return RecoveryPointDisk(self.repository, self.held, DISK).read(0, GENERATION.size)


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
        told.append(replica.take(disk, written(before, disk), LEAVING))
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
    replica.take(one, written(bytes(len(one)), one), LEAVING)
    earlier = replica.take(two, written(one, two), LEAVING)
    paged = extents_by_libfsntfs(two[VOLUME], "pagefile.sys") or ()
    still = extents_by_libfsntfs(three[VOLUME], "pagefile.sys") or ()
    shift = GENERATION.volume.start
    taken = [ByteRange(p.start + shift, p.end + shift) for p in subtracted(paged, still)]
    assert common(taken, places(earlier))

    replica.take(three, written(two, three), LEAVING)

    recovered = replica.recovered()
    for part in taken:
        assert recovered[part.start : part.end] == three[part.start : part.end]


def test_what_is_left_out_is_what_another_reader_calls_a_page_file(tmp_path: Path) -> None:
    replica = Replica(tmp_path, 4096)
    before = bytes(GENERATION.size)
    shift = GENERATION.volume.start
    for disk in generations():
        out = places(replica.take(disk, written(before, disk), LEAVING))
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
        assert replica.take(disk, written(before, disk), ALL_OF_IT) == ()
        before = disk
        assert replica.recovered() == disk


def test_a_disk_whose_page_files_cannot_be_found_is_told_of_once(tmp_path: Path) -> None:
    replica = Replica(tmp_path, 4096)
    at = GENERATION.volume.start + 3
    locked = [disk[:at] + b"-FVE-FS-" + disk[at + 8 :] for disk in generations()]
    before = bytes(GENERATION.size)
    with capture_logs() as lines:
        for disk in locked:
            assert replica.take(disk, written(before, disk), LEAVING) == ()
            before = disk
            assert replica.recovered() == disk

    told = [line for line in lines if line["event"] is Event.PAGE_FILES_UNKNOWN]
    assert [line["log_level"] for line in told] == ["info", "debug", "debug"]
    assert told[0]["reasons"] == (f"volume at {at - 3}: it is locked by BitLocker",)
    assert told[0]["disk"] == "SCSI 0:0"
