"""One step of the engine as a process: `python -m tests.benchmarks.engine_step FOLDER VERB …`.

The only module of the benchmarks that calls the engine; the others use what stands here. FOLDER
holds the repository (`store`) and the index (`cache`).
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.replica import SourceDisk, synchronize, synchronize_by_hash
from reconciler.blocks.repository import Repository
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
from tests.benchmarks.local_disk import LocalFiles, RawDisk

if TYPE_CHECKING:
    from reconciler.blocks.draft import Draft
    from reconciler.blocks.manifest import Manifest

PASSPHRASE = "5e" * 32
"""A key of 32 bytes: it needs no stretching, so opening costs what opening costs."""
SOURCE = DataSourceId("benchmark")
DISK = DiskId("disk")
WRITER = 1
READ_BYTES = 4 << 20


def create(folder: Path, block_bytes: str) -> None:
    """Begin a repository."""
    store = FolderStore(folder / "store")
    Repository.create(store, block_bytes=int(block_bytes), passphrase=PASSPHRASE)
    Repository.claim_writer(store, WRITER)


def capture(folder: Path, point: str, base: str, disk: str, changed: str = "") -> None:
    """A recovery point by changed ranges, none of them if no file tells; all without a base."""
    ranges = [] if not changed else json.loads(Path(changed).read_bytes())
    repository = opened(folder)
    make_point(
        repository,
        point,
        None if base == "-" else base,
        RawDisk(Path(disk)),
        [ByteRange(start, start + length) for start, length in ranges],
    )


def check(folder: Path, point: str, base: str, disk: str) -> None:
    """A consistency check against a disk, and its repair."""
    repository = opened(folder)
    source = RawDisk(Path(disk))
    with repository.draft(SOURCE, base=RecoveryPointId(base)) as draft:
        target = draft.disk(description(source), manifest(repository, base).disks[0])
        synchronize_by_hash(
            target, source, repository.packs, on_progress=lambda _: None, is_shared=True
        )
        sealed(draft, point)


def verify(folder: Path) -> None:
    """Read and check everything."""
    from reconciler.blocks.verify import verify as findings_of  # noqa: PLC0415 (costs time to load)

    repository = opened(folder, is_writing=False)
    points = (manifest(repository, point) for point in repository.manifests(SOURCE))
    for finding in findings_of(repository, points, read_blocks=True):
        raise SystemExit(f"the repository is damaged: {finding}")


def restore(folder: Path, point: str, out: str) -> None:
    """A recovery point as a new raw file with holes."""
    from reconciler.blocks.restore import RawFile  # noqa: PLC0415 (costs time to load)
    from reconciler.blocks.restore import restore as restore_disk  # noqa: PLC0415
    from reconciler.blocks.volume import RecoveryPointDisk  # noqa: PLC0415

    repository = opened(folder, is_writing=False)
    disk = RecoveryPointDisk(repository, manifest(repository, point), DISK)
    with RawFile(Path(out), disk.size) as file:
        restore_disk(disk, file.write)


def drop(folder: Path, *points: str) -> None:
    """Recovery points go, their blocks stay."""
    drop_from(opened(folder), points)


def prune(folder: Path, *points: str) -> None:
    """Recovery points go, and what only they held."""
    repository = opened(folder)
    drop_from(repository, points)
    sweep(repository)


def unpack(_: Path, disk: str, out: str) -> None:
    """The bytes of a VHD or VHDX as a raw file."""
    from reconciler.blocks.disk_file import open_disk  # noqa: PLC0415 (costs time to load)

    chain = open_disk(LocalFiles(), disk)
    with Path(out).open("xb", buffering=0) as file:
        file.truncate(chain.virtual_bytes)
        for held in chain.allocated(0, chain.virtual_bytes):
            for at in range(held.start, held.end, READ_BYTES):
                part = ByteRange(at, min(at + READ_BYTES, held.end))
                os.pwrite(file.fileno(), chain.read([part])[0], at)


def opened(folder: Path, *, is_writing: bool = True) -> Repository:
    """The repository of a folder."""
    return Repository.open(
        FolderStore(folder / "store"),
        cache=folder / "cache",
        writer=WRITER if is_writing else None,
        passphrase=PASSPHRASE,
    )


def drop_from(repository: Repository, points: Sequence[str]) -> None:
    """Recovery points go, their blocks stay."""
    repository.drop(SOURCE, [RecoveryPointId(point) for point in points])


def sweep(repository: Repository) -> None:
    """What no recovery point holds goes."""
    from reconciler.blocks.prune import prune  # noqa: PLC0415 (costs time to load)

    prune(repository)


def read_some(folder: Path, point: str, places: int) -> None:
    """Open a point anew, and read a block at places all over the disk."""
    from reconciler.blocks.volume import RecoveryPointDisk  # noqa: PLC0415 (costs time to load)

    repository = opened(folder, is_writing=False)
    disk = RecoveryPointDisk(repository, manifest(repository, point), DISK)
    for place in range(places):
        block = disk.size // places * place // disk.block_bytes
        disk.read(block * disk.block_bytes, disk.block_bytes)


def make_point(
    repository: Repository,
    point: str,
    base: "str | Manifest | None",
    source: SourceDisk,
    ranges: Iterable[ByteRange],
) -> "Manifest":
    """Synchronize and seal."""
    found = manifest(repository, base) if isinstance(base, str) else base
    with repository.draft(SOURCE, base=None if found is None else found.point.id) as draft:
        target = draft.disk(description(source), None if found is None else found.disks[0])
        synchronize(target, source, ranges, on_progress=lambda _: None, is_shared=True)
        return sealed(draft, point)


def manifest(repository: Repository, point: str) -> "Manifest":
    """A sealed point."""
    return repository.manifest(SOURCE, RecoveryPointId(point))


def sealed(draft: "Draft", point: str) -> "Manifest":
    """The draft as a recovery point."""
    draft.flush()
    return draft.seal(
        PointDescription(
            id=RecoveryPointId(point),
            source=SOURCE,
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
    )


def description(source: SourceDisk) -> DiskDescription:
    """What a draft must know of a disk."""
    geometry = DiskGeometry(source.virtual_bytes, 512, 4096, DiskFormat.VHDX, 1 << 25)
    return DiskDescription(DISK, ControllerSlot("SCSI", 0, 0), "id", geometry)


VERBS: Mapping[str, Callable[..., None]] = {
    step.__name__: step for step in (create, capture, check, verify, restore, drop, prune, unpack)
}


def main(arguments: Sequence[str]) -> int:
    """Do one step."""
    folder, verb, *rest = arguments
    VERBS[verb](Path(folder), *rest)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
