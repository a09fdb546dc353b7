"""What the repository costs: `make bench`. Prints JSON; ratios say more than the figures.

A small change must cost what changed and not what exists: the same thousand blocks are changed on a
disk of 1 GiB and on one of 1 TiB, and the ratio of both is printed.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import shake_128
from pathlib import Path

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.manifest import Manifest
from reconciler.blocks.replica import synchronize
from reconciler.blocks.repository import Repository
from reconciler.blocks.volume import RecoveryPointDisk
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
from reconciler.model.protection import (
    Cause,
    CauseKind,
    Consistency,
    DiskDescription,
    PointDescription,
)
from reconciler.model.ranges import ByteRange

MIB = 1 << 20
DATA_BYTES = 256 * MIB
BLOCK = 65_536
CHANGES = 1000


class Disk:
    """A disk whose first part is half compressible; a change gives a block other bytes."""

    def __init__(self, virtual_bytes: int, data_bytes: int) -> None:
        self.virtual_bytes = virtual_bytes
        self.data_bytes = data_bytes
        self.generation = 0
        self._noise = shake_128(b"noise").digest(BLOCK // 2)

    def read(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        """Whole blocks, each with its number in it."""
        return [
            b"".join(self._block(n) for n in range(r.start // BLOCK, r.end // BLOCK))
            for r in ranges
        ]

    def allocated(self, start: int, end: int) -> Iterator[ByteRange]:
        """The first part, and everything once it was changed."""
        last = end if self.generation else min(end, self.data_bytes)
        if start < last:
            yield ByteRange(start, last)

    def _block(self, number: int) -> bytes:
        mark = number.to_bytes(8, "little") + self.generation.to_bytes(8, "little")
        return mark * (BLOCK // 32) + mark + self._noise[16:]


def measure(folder: Path, virtual_bytes: int) -> dict[str, float]:
    """Initial, unchanged, a thousand changes and restore of one disk."""
    folder.mkdir()
    store = FolderStore(folder)
    Repository.create(store)
    writer = Repository.claim_writer(store)
    repository = Repository.open(store, cache=folder / "cache", writer=writer)
    disk = Disk(virtual_bytes, min(DATA_BYTES, virtual_bytes))
    first, initial_s, stored = capture(repository, disk, None, [ByteRange(0, virtual_bytes)])
    same, unchanged_s, _ = capture(repository, disk, first, [])
    disk.generation = 1
    step = virtual_bytes // CHANGES // BLOCK * BLOCK
    changes = [ByteRange(i * step, i * step + BLOCK) for i in range(CHANGES)]
    last, changed_s, written = capture(repository, disk, same, changes)
    began = time.perf_counter()
    point = RecoveryPointDisk(repository, last, last.descriptions[0].id)
    for first_block, count in point.allocated_runs():
        point.read(first_block * BLOCK, min(count * BLOCK, 4 * MIB))
    return {
        "initial_mb_per_s": DATA_BYTES / initial_s / 1e6,
        "initial_stored_share": stored / DATA_BYTES,
        "unchanged_s": unchanged_s,
        "thousand_changes_s": changed_s,
        "thousand_changes_written_share": written / (CHANGES * BLOCK),
        "walk_s": time.perf_counter() - began,
    }


def capture(
    repository: Repository, disk: Disk, base: Manifest | None, ranges: Sequence[ByteRange]
) -> tuple[Manifest, float, int]:
    """One point: its manifest, seconds, bytes stored."""
    began = time.perf_counter()
    draft = repository.draft()
    geometry = DiskGeometry(disk.virtual_bytes, 512, 4096, DiskFormat.VHDX, 1 << 25)
    slot = ControllerSlot("SCSI", 0, 0)
    description = DiskDescription(DiskId("disk"), slot, "id", geometry)
    target = draft.disk(description, base.disks[0] if base else None)
    synchronize(target, disk, ranges, on_progress=lambda _: None)
    draft.flush()
    manifest = draft.seal(description_of(f"p{time.perf_counter_ns()}"))
    return manifest, time.perf_counter() - began, manifest.statistics.bytes_stored


def description_of(name: str) -> PointDescription:
    """What a manifest needs beside its disks."""
    return PointDescription(
        id=RecoveryPointId(name),
        source=DataSourceId("source"),
        key=NaturalKey(VmId("vm"), Role.PRIMARY),
        machine_name="vm",
        host=HostName("host"),
        group=GroupName("group"),
        cause=Cause(CauseKind.REQUEST, None),
        consistency=Consistency.CRASH,
        captured_at=datetime(2026, 1, 1, tzinfo=UTC),
        job=JobId("job"),
        policy_digest="",
        policy_commit="",
        base=None,
    )


def main() -> int:
    """Both disks, and the ratio."""
    with tempfile.TemporaryDirectory() as folder:
        small = measure(Path(folder) / "small", 1 << 30)
        large = measure(Path(folder) / "large", 1 << 40)
    ratio = {name: large[name] / small[name] for name in ("unchanged_s", "thousand_changes_s")}
    print(json.dumps({"1 GiB": small, "1 TiB": large, "1 TiB / 1 GiB": ratio}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
