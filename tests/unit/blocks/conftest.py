"""A small repository, plain and encrypted: blocks of 4 KiB, nodes of eight addresses."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.manifest import Manifest
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

BLOCK = 4096
KEY = "5e" * 32
"""A passphrase that is a key itself, and so costs no time."""


@pytest.fixture(params=[None, KEY], ids=["plain", "encrypted"])
def passphrase(request: pytest.FixtureRequest) -> str | None:
    """What opens the repository; each test runs over one without and one with encryption."""
    found: str | None = request.param
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of the store."""
    root = tmp_path / "store"
    root.mkdir()
    return root


@pytest.fixture
def store(root: Path, passphrase: str | None) -> FolderStore:
    """A store with an empty repository and writer number 1."""
    store = FolderStore(root)
    Repository.create(store, block_bytes=BLOCK, node_fan_out=8, passphrase=passphrase)
    assert Repository.claim_writer(store) == 1
    return store


@pytest.fixture
def opened(store: FolderStore, tmp_path: Path, passphrase: str | None) -> Callable[[], Repository]:
    """Opens the repository for writing as writer 1."""
    cache = tmp_path / "cache"
    return lambda: Repository.open(store, cache=cache, writer=1, passphrase=passphrase)


@pytest.fixture
def reader(store: FolderStore, tmp_path: Path, passphrase: str | None) -> Callable[[], Repository]:
    """Opens the repository for reading."""
    cache = tmp_path / "none"
    return lambda: Repository.open(store, cache=cache, writer=None, passphrase=passphrase)


@pytest.fixture
def repository(opened: Callable[[], Repository]) -> Repository:
    return opened()


@pytest.fixture
def other(
    repository: Repository, store: FolderStore, tmp_path: Path, passphrase: str | None
) -> Repository:
    """The repository as another server has it open."""
    number = Repository.claim_writer(store)
    return Repository.open(store, cache=tmp_path / "other", writer=number, passphrase=passphrase)


@pytest.fixture
def make_disk() -> Callable[[int], DiskDescription]:
    def make(size: int) -> DiskDescription:
        geometry = DiskGeometry(size, 512, 4096, DiskFormat.VHDX, 1 << 20)
        return DiskDescription(DiskId("disk-1"), ControllerSlot("SCSI", 0, 1), "v-1", geometry)

    return make


@pytest.fixture
def make_point() -> Callable[[str], PointDescription]:
    def make(point: str) -> PointDescription:
        return PointDescription(
            id=RecoveryPointId(point),
            source=DataSourceId("source-1"),
            key=NaturalKey(VmId("vm-1"), Role.PRIMARY),
            machine_name="büro-01",
            host=HostName("hv1"),
            group=GroupName("office"),
            cause=Cause(CauseKind.SLOT, datetime(2025, 3, 1, 12, tzinfo=UTC)),
            consistency=Consistency.APPLICATION,
            captured_at=datetime(2025, 3, 1, 12, 0, 7, 123456, tzinfo=UTC),
            job=JobId("job-1"),
            policy_digest="ab" * 32,
            policy_commit="c0ffee",
            base=None,
            configuration_files={"vm.vmcx": "AAEC"},
        )

    return make


@pytest.fixture
def seal(
    make_disk: Callable[[int], DiskDescription], make_point: Callable[[str], PointDescription]
) -> Callable[[Repository, str, bytes], Manifest]:
    """Seals a recovery point of one disk, made from nothing."""

    def make(repository: Repository, point: str, data: bytes) -> Manifest:
        draft = repository.draft()
        draft.disk(make_disk(len(data)), None).put(0, data)
        draft.flush()
        return draft.seal(make_point(point))

    return make


@pytest.fixture
def flip() -> Callable[[Path, int], None]:
    """Damages one byte of a file."""

    def damage(file: Path, offset: int) -> None:
        data = bytearray(file.read_bytes())
        data[offset] ^= 0x40
        file.write_bytes(data)

    return damage
