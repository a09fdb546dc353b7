"""The law of what is left out: all other bytes of a recovered disk are the source's."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.manifest import Manifest
from reconciler.blocks.replica import synchronize, synchronize_by_hash
from reconciler.blocks.repository import Repository
from reconciler.blocks.sampling import compare_sample
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
from reconciler.model.page_files import Scratch, left_out
from reconciler.model.protection import (
    Cause,
    CauseKind,
    Consistency,
    DiskDescription,
    PointDescription,
)
from reconciler.model.ranges import ByteRange, merged

BLOCK, SECTOR = 4096, 512
SECTORS = 20 * 8 + 3
SIZE = SECTORS * SECTOR
DISK = DiskId("disk")
GEOMETRY = DiskGeometry(SIZE, SECTOR, 4096, DiskFormat.VHDX, 1 << 20)
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
    captured_at=datetime(2025, 1, 1, tzinfo=UTC),
    job=JobId("j"),
    policy_digest="",
    policy_commit="",
    base=None,
)

RANGES = st.lists(
    st.tuples(st.integers(0, SECTORS - 1), st.integers(1, 40)).map(
        lambda pair: ByteRange(pair[0] * SECTOR, min(pair[0] + pair[1], SECTORS) * SECTOR)
    ),
    max_size=4,
).map(merged)
STEPS = st.lists(st.tuples(RANGES, RANGES, st.booleans()), min_size=1, max_size=6)
"""What is written, what is page file afterwards, and whether all of it is compared."""


class Source:
    """A disk as bytes."""

    virtual_bytes = SIZE

    def __init__(self) -> None:
        self.data = bytearray(SIZE)

    def read(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        return [bytes(self.data[r.start : r.end]) for r in ranges]

    def hashes_of(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        return [sha256(data).digest() for data in self.read(ranges)]

    def allocated(self, start: int, end: int) -> Iterator[ByteRange]:
        yield from [ByteRange(start, end)] if start < end else []


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_every_byte_that_was_not_left_out_is_the_source_s(
    steps: list[tuple[tuple[ByteRange, ...], tuple[ByteRange, ...], bool]],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        store = FolderStore(Path(name))
        Repository.create(store, block_bytes=BLOCK, node_fan_out=4, passphrase=None)
        Repository.claim_writer(store)
        repository = Repository.open(store, cache=Path(name) / "c", writer=1, passphrase=None)
        source = Source()
        held: Manifest | None = None
        for number, (written, pages, is_compared) in enumerate(steps):
            for part in written:
                source.data[part.start : part.end] = bytes([number + 1]) * part.length
            held = _next(repository, held, source, number, (written, pages), is_compared)
            disk = RecoveryPointDisk(repository, held, DISK)
            recovered = bytearray(disk.read(0, SIZE))
            for out in disk.disk.description.left_out:
                assert any(p.start <= out.start and out.end <= p.end for p in pages)
                recovered[out.start : out.end] = source.data[out.start : out.end]
            assert recovered == source.data


def _next(
    repository: Repository,
    held: Manifest | None,
    source: Source,
    number: int,
    what: tuple[tuple[ByteRange, ...], tuple[ByteRange, ...]],
    is_compared: bool,  # noqa: FBT001 - drawn by Hypothesis
) -> Manifest:
    written, pages = what
    base = held.disks[0] if held else None
    description = DESCRIPTION
    if base is not None and not is_compared:
        scratch = [Scratch(part, "pagefile.sys") for part in pages]
        earlier = base.description.left_out
        description = replace(
            DESCRIPTION, left_out=left_out(written, earlier, scratch, BLOCK, SIZE)
        )
    draft = repository.draft()
    disk = draft.disk(description, base)
    if base is not None and is_compared:
        synchronize_by_hash(disk, source, repository.packs, on_progress=lambda _: None)
    else:
        synchronize(disk, source, written, on_progress=lambda _: None)
        assert compare_sample(disk, source, repository.packs, written).differences == ()
    draft.flush()
    return draft.seal(replace(POINT, id=RecoveryPointId(f"p{number}")))
