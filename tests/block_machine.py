"""A small repository in a folder, and all that was ever put into it as plain bytes."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.layout import pack_of, parse_pack_name, slot_of
from reconciler.blocks.manifest import DiskManifest, Manifest
from reconciler.blocks.prune import WORTH
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
from tests.second_reader.repository import Reader

BLOCK = 4096
FAN_OUT = 8
PACK_BYTES = 9 * BLOCK
SOURCE = DataSourceId("source")
DISK = DiskId("disk")
WORDS, KEY = "höhe und tiefe", "5e" * 32
POINT = PointDescription(
    id=RecoveryPointId("p"),
    source=SOURCE,
    key=NaturalKey(VmId("vm"), Role.PRIMARY),
    machine_name='büro \u2028 \x7f " \\ / \x01',
    host=HostName("hv1"),
    group=GroupName("g"),
    cause=Cause(CauseKind.SLOT, datetime(2025, 1, 1, tzinfo=UTC)),
    consistency=Consistency.CRASH,
    captured_at=datetime(2025, 1, 1, 0, 0, 1, 5, tzinfo=UTC),
    job=JobId("j"),
    policy_digest="",
    policy_commit="",
    base=None,
    configuration_files={"vm.vmcx": "AAEC"},
)


def described(disk: DiskId, size: int) -> DiskDescription:
    geometry = DiskGeometry(size, 512, 4096, DiskFormat.VHDX, 1 << 20)
    return DiskDescription(disk, ControllerSlot("SCSI", 0, 0), "v", geometry)


def create(root: Path, passphrase: str | None) -> None:
    """A new repository in a folder that is there."""
    store = FolderStore(root)
    Repository.create(store, block_bytes=BLOCK, node_fan_out=FAN_OUT, passphrase=passphrase)


def read(repository: Repository, manifest: Manifest, disk_id: DiskId = DISK) -> bytes:
    """All bytes of a disk."""
    disk = RecoveryPointDisk(repository, manifest, disk_id)
    return disk.read(0, disk.size)


@dataclass
class Machine:
    """A repository, and all that was ever put into it as plain bytes."""

    root: Path
    passphrase: str | None
    kept: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)

    @classmethod
    def made(cls, root: Path, passphrase: str | None) -> "Machine":
        """A new repository in a new folder."""
        root.mkdir(parents=True)
        create(root, passphrase)
        Repository.claim_writer(FolderStore(root))
        return cls(root, passphrase)

    def __post_init__(self) -> None:
        self.repository = self.opened()

    def opened(self) -> Repository:
        cache = self.root.parent / "cache"
        store = FolderStore(self.root)
        return Repository.open(store, cache=cache, writer=1, passphrase=self.passphrase)

    def reader(self) -> Repository:
        cache = self.root.parent / "none"
        store = FolderStore(self.root)
        return Repository.open(store, cache=cache, writer=None, passphrase=self.passphrase)

    def second(self) -> Reader:
        """The same, read by FORMAT.md alone."""
        return Reader(self.root, self.passphrase)

    def seal(self, point: str, disks: dict[str, bytes], base: str | None = None) -> Manifest:
        """A recovery point of disks that are read again in full, on top of a base."""
        old_id = None if base is None else RecoveryPointId(base)
        with self.repository.draft(SOURCE, base=old_id, pack_bytes=PACK_BYTES) as draft:
            for name, data in disks.items():
                old = self._base(base, name)
                disk = draft.disk(described(DiskId(name), len(data)), old)
                disk.clear(0, disk.block_count)
                disk.put(0, data)
            draft.flush()
            manifest = draft.seal(replace(POINT, id=RecoveryPointId(point)))
        self.manifests[point] = manifest
        self.kept |= {(SOURCE, point, name): data for name, data in disks.items()}
        return manifest

    def manifest(self, point: str) -> Manifest:
        """One of the recovery points."""
        return self.repository.manifest(SOURCE, RecoveryPointId(point))

    def drop(self, *points: str) -> None:
        self.repository.drop(SOURCE, [RecoveryPointId(point) for point in points])
        for point in points:
            self.manifests.pop(point, None)
        self.kept = {key: data for key, data in self.kept.items() if key[1] not in points}

    def packs(self) -> dict[int, list[str]]:
        """All packs by their number, as the names of their generations."""
        found: dict[int, list[str]] = {}
        for file in sorted(self.root.glob("packs/*/*/*")):
            name = file.relative_to(self.root).as_posix()
            if (parsed := parse_pack_name(name)) is not None:
                found.setdefault(parsed[0], []).append(name)
        return found

    def _base(self, point: str | None, disk: str) -> DiskManifest | None:
        disks = () if point is None else self.manifest(point).disks
        return next((each for each in disks if each.description.id == disk), None)

    def used(self) -> Mapping[int, set[int]]:
        """Slots of each pack that a recovery point refers to."""
        points = self.repository.manifests(SOURCE)
        return used_slots(self.repository, [self.manifest(point) for point in points])


def used_slots(repository: Repository, manifests: Iterable[Manifest]) -> dict[int, set[int]]:
    """By brute force: slots of each pack that a recovery point refers to."""
    used: dict[int, set[int]] = {}

    def mark(level: int, address: int) -> None:
        if address:
            used.setdefault(pack_of(address), set()).add(slot_of(address))
            for child in repository.packs.node(address).tolist() if level >= 0 else ():
                mark(level - 1, child)

    for manifest in manifests:
        for disk in manifest.disks:
            mark(disk.tree.shape.height - 1, disk.root)
    return used


def assert_only_used_packs(
    repository: Repository, root: Path, manifests: Iterable[Manifest]
) -> None:
    """One generation of each pack that is used is there, without much that is of no use."""
    used = used_slots(repository, manifests)
    names = [file.relative_to(root).as_posix() for file in root.glob("packs/*/*/*")]
    assert sorted(number for number, _ in filter(None, map(parse_pack_name, names))) == sorted(used)
    for number, slots in used.items():
        lengths = repository.packs.table(number).entries["length"].tolist()
        useless = sum(length for slot, length in enumerate(lengths) if slot not in slots)
        assert useless < WORTH * sum(lengths)


def noise(seed: int, length: int) -> bytes:
    return hashlib.shake_128(seed.to_bytes(8, "little")).digest(length)


def some(seed: int, blocks: int, tail: int = 0) -> bytes:
    """Blocks of all sorts: zeros, noise, what compresses well, what is there often."""
    rng = np.random.default_rng(seed)
    kinds = [
        lambda: bytes(BLOCK),
        lambda: rng.bytes(BLOCK),
        lambda: rng.bytes(8) * (BLOCK // 8),
        lambda: b"often" * 819 + b"!",
    ]
    return b"".join(kinds[kind]() for kind in rng.integers(0, len(kinds), blocks)) + noise(
        seed, tail
    )
