"""A replica of one guest's disk, made and brought up to date in this process."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, cast

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.disk_chain import DiskChain
from reconciler.blocks.header import DEFAULT_BLOCK_BYTES
from reconciler.blocks.manifest import Manifest
from reconciler.blocks.replica import synchronize
from reconciler.blocks.repository import Repository
from reconciler.blocks.volume import RecoveryPointDisk
from reconciler.execute.page_files import Leaving
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
from reconciler.model.ranges import ByteRange, common, total_bytes

SECTOR = 512
DISK = DiskId("disk")
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


class DiskNow(Protocol):
    """The bytes of a disk at one moment."""

    @property
    def size(self) -> int: ...

    def read(self, offset: int, length: int) -> bytes: ...


class Guest:
    """A guest's disk, as the chain of its checkpoint gives it."""

    logical_sector_bytes = SECTOR
    paths = ("C:\\disk.vhdx",)

    def __init__(self, disk: DiskNow, allocated: Sequence[ByteRange] | None = None) -> None:
        """Where it is not allocated it is zeros; all of it is when left out."""
        self.virtual_bytes = disk.size
        self.bytes_read = 0
        self._disk = disk
        self._allocated = [ByteRange(0, disk.size)] if allocated is None else allocated

    def read(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        self.bytes_read += total_bytes(ranges)
        return [self._disk.read(r.start, r.length) for r in ranges]

    def allocated(self, start: int, end: int) -> Iterator[ByteRange]:
        yield from common(self._allocated, [ByteRange(start, end)] if start < end else [])


class Replica:
    """A repository with one disk, brought up to date moment by moment."""

    def __init__(self, folder: Path, block_bytes: int = DEFAULT_BLOCK_BYTES) -> None:
        store = FolderStore(folder)
        Repository.create(store, block_bytes=block_bytes, node_fan_out=8, passphrase=None)
        Repository.claim_writer(store)
        cache = folder / "cache"
        self.repository = Repository.open(store, cache=cache, writer=1, passphrase=None)
        self.held: Manifest | None = None
        self._number = 0

    def take(
        self, guest: Guest, changes: Sequence[ByteRange], leaving: Leaving
    ) -> tuple[LeftOut, ...]:
        """One more recovery point; what it left out."""
        base = self.held.disks[0] if self.held else None
        geometry = DiskGeometry(guest.virtual_bytes, SECTOR, 4096, DiskFormat.VHDX, 1 << 20)
        description = DiskDescription(DISK, ControllerSlot("SCSI", 0, 0), "v", geometry)
        out = self.left_out(guest, changes, leaving)
        draft = self.repository.draft()
        disk = draft.disk(replace(description, left_out=out), base)
        synchronize(disk, guest, changes, on_progress=lambda _: None)
        draft.flush()
        self._number += 1
        held = self.held.point.id if self.held else None
        point = replace(POINT, id=RecoveryPointId(f"p{self._number}"), base=held)
        self.held = draft.seal(point)
        return out

    def left_out(
        self, guest: Guest, changes: Sequence[ByteRange], leaving: Leaving
    ) -> tuple[LeftOut, ...]:
        """What the next recovery point would leave out."""
        if self.held is None:
            return ()
        source = cast("DiskChain", guest)
        return leaving.left_out((self.repository, self.held), self.held.disks[0], source, changes)

    def recovered(self) -> bytes:
        assert self.held is not None
        disk = RecoveryPointDisk(self.repository, self.held, DISK)
        return disk.read(0, disk.size)
