"""A repository on each store: made, extended, verified and given back."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from reconciler.adapters.smb_store import SmbStore
from reconciler.blocks.repository import Repository
from reconciler.blocks.verify import verify
from reconciler.blocks.volume import RecoveryPointDisk
from reconciler.model.machine import ControllerSlot, DiskFormat, DiskGeometry, NaturalKey, Role
from reconciler.model.names import (
    DataSourceId,
    DiskId,
    GroupName,
    HostName,
    JobId,
    PoolName,
    RecoveryPointId,
    VmId,
    VolumeId,
)
from reconciler.model.protection import (
    Cause,
    CauseKind,
    Consistency,
    DiskDescription,
    Head,
    PointDescription,
)
from reconciler.policy.storage import Volume as VolumePolicy
from reconciler.ports import ObjectStore
from reconciler.record.entries import Volume
from reconciler.volume_stores import open_store
from tests.storage_servers import Declared

BLOCK = 64 << 10
DISK = DiskDescription(
    DiskId("disk-1"),
    ControllerSlot("SCSI", 0, 1),
    "v-1",
    DiskGeometry(120 * BLOCK, 512, 4096, DiskFormat.VHDX, 1 << 20),
)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIRST = PointDescription(
    id=RecoveryPointId("p1"),
    source=DataSourceId("source-1"),
    key=NaturalKey(VmId("vm-1"), Role.PRIMARY),
    machine_name="erp",
    host=HostName("hv1"),
    group=GroupName("finance"),
    cause=Cause(CauseKind.SLOT, NOON),
    consistency=Consistency.APPLICATION,
    captured_at=NOON,
    job=JobId("job-1"),
    policy_digest="ab" * 32,
    policy_commit="",
    base=None,
    configuration_files={},
)


def noise(seed: int, size: int) -> bytes:
    return np.random.default_rng(seed).bytes(size)


Opener = Callable[[], ObjectStore]


@pytest.fixture(params=["folder", "smb", "azure", "azure-sas", "s3"])
def again(request: pytest.FixtureRequest, declared: Declared) -> Iterator[Opener]:
    """Opens the same volume anew, as another process would."""
    policy = VolumePolicy.model_validate({"name": "main-1"} | declared(request.param))
    opened: list[ObjectStore] = []

    def open_it() -> ObjectStore:
        repository = None if not opened else "known"
        place = policy.place
        volume = Volume(VolumeId("v"), PoolName("main"), policy.name, place, repository, 0)
        opened.append(open_store(volume, policy))
        return opened[-1]

    yield open_it
    for store in opened:
        if isinstance(store, SmbStore):
            store.close()


def test_a_repository_is_made_extended_verified_and_given_back(
    again: Opener, tmp_path: Path
) -> None:
    first = noise(1, 120 * BLOCK)
    second = first[: 7 * BLOCK] + noise(2, BLOCK) + first[8 * BLOCK :]
    made = again()
    Repository.create(made, block_bytes=BLOCK)
    writer = Repository.claim_writer(made)
    repository = Repository.open(made, cache=tmp_path / "one", writer=writer)
    draft = repository.draft(pack_bytes=1 << 20)
    draft.disk(DISK, None).put(0, first)
    draft.flush()
    base = draft.seal(FIRST)

    extended = Repository.open(again(), cache=tmp_path / "two", writer=writer)
    draft = extended.draft()
    draft.disk(DISK, base.disks[0]).put(7, second[7 * BLOCK : 8 * BLOCK])
    draft.flush()
    newest = draft.seal(replace(FIRST, id=RecoveryPointId("p2"), base=FIRST.id))
    extended.set_head(Head(FIRST.source, newest.point.id, None, {}))

    read = Repository.open(again(), cache=tmp_path / "three", writer=None)
    points = [read.manifest(FIRST.source, point) for point in read.manifests(FIRST.source)]
    assert [point.point.id for point in points] == ["p1", "p2"]
    assert newest.statistics.blocks_new == 1
    assert list(verify(read, points, read_blocks=True)) == []
    for point, data in zip(points, (first, second), strict=True):
        disk = RecoveryPointDisk(read, point, DISK.id)
        assert disk.read(0, disk.size) == data
    head = read.head(FIRST.source)
    assert head is not None
    assert head.recovery_point == newest.point.id


def test_what_a_store_has_lost_is_found_by_verify(again: Opener, tmp_path: Path) -> None:
    """With this, a verification that finds nothing says something."""
    store = again()
    Repository.create(store, block_bytes=BLOCK)
    writer = Repository.claim_writer(store)
    repository = Repository.open(store, cache=tmp_path / "one", writer=writer)
    draft = repository.draft()
    draft.disk(DISK, None).put(0, noise(3, 9 * BLOCK))
    draft.flush()
    draft.seal(FIRST)
    packs = [meta["path"] for chunk in store.list("packs") for meta in chunk]

    store.delete(packs[0])

    read = Repository.open(again(), cache=tmp_path / "two", writer=None)
    manifest = read.manifest(FIRST.source, FIRST.id)
    assert list(verify(read, [manifest], read_blocks=True)) != []
