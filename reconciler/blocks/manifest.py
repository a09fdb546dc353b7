"""A recovery point as an object: what it is, and the root of each disk's address tree."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from reconciler.blocks.document import (
    Document,
    DocumentT,
    Moment,
    from_bytes,
    microseconds,
    moment,
    to_bytes,
)
from reconciler.blocks.layout import FIRST_WRITER, FORMAT_VERSION, LAST_WRITER
from reconciler.blocks.objects import damaged
from reconciler.blocks.tree import Tree, TreeShape
from reconciler.errors import ItemNotFoundError
from reconciler.model.machine import (
    ControllerSlot,
    DiskFormat,
    DiskGeometry,
    NaturalKey,
    Role,
)
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
    LeftOut,
    PointDescription,
)

MOST_MANIFEST_BYTES: Final = 16 << 20
MOST_VIRTUAL_BYTES: Final = 64 << 40
"""The largest VHDX. Source: [MS-VHDX] 2.6.2.2."""


@dataclass(frozen=True, slots=True)
class DiskManifest:
    """One disk of a recovery point."""

    description: DiskDescription
    block_bytes: int
    fan_out: int
    root: int
    """Address of the root of the tree; 0 for a disk of zeros."""

    @property
    def virtual_bytes(self) -> int:
        """Units: bytes."""
        return self.description.geometry.virtual_bytes

    @property
    def block_count(self) -> int:
        """Blocks of the disk; the last may be part of one."""
        return -(-self.virtual_bytes // self.block_bytes)

    @property
    def tree(self) -> Tree:
        """Where the blocks are."""
        return Tree(TreeShape(self.block_count, self.fan_out), self.root)


@dataclass(frozen=True, slots=True)
class Statistics:
    """What making a recovery point took.

    Units: bytes; blocks.
    """

    bytes_read: int
    bytes_stored: int
    blocks_new: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """One sealed recovery point."""

    point: PointDescription
    disks: tuple[DiskManifest, ...]
    writer: int
    statistics: Statistics

    @property
    def descriptions(self) -> tuple[DiskDescription, ...]:
        """All disks as they were described."""
        return tuple(disk.description for disk in self.disks)

    def disk(self, disk_id: DiskId) -> DiskManifest:
        """One of the disks.

        Raises:
            ItemNotFoundError: The recovery point has no such disk.
        """
        for disk in self.disks:
            if disk.description.id == disk_id:
                return disk
        raise ItemNotFoundError(
            f"recovery point {self.point.id} has no disk {disk_id}",
            hint=f"it has {', '.join(d.description.id for d in self.disks) or 'no disks'}",
        )


Text = Annotated[str, Meta(max_length=4096)]
Count = Annotated[int, Meta(ge=0)]
Address = Annotated[int, Meta(ge=0)]
_END_ADDRESS: Final = 1 << 64
Bytes = Annotated[int, Meta(ge=0, le=MOST_VIRTUAL_BYTES)]
BlockBytes = Annotated[int, Meta(ge=512, le=4 << 20)]


class _Slot(Document, frozen=True, kw_only=True):
    controller_type: Text
    controller_number: Count
    location: Count

    def model(self) -> ControllerSlot:
        return ControllerSlot(self.controller_type, self.controller_number, self.location)


class _Geometry(Document, frozen=True, kw_only=True):
    virtual_bytes: Annotated[int, Meta(ge=1, le=MOST_VIRTUAL_BYTES)]
    logical_sector_bytes: Bytes
    physical_sector_bytes: Bytes
    format: DiskFormat
    format_block_bytes: Bytes

    def model(self) -> DiskGeometry:
        return DiskGeometry(
            self.virtual_bytes,
            self.logical_sector_bytes,
            self.physical_sector_bytes,
            self.format,
            self.format_block_bytes,
        )


class _LeftOut(Document, frozen=True, kw_only=True):
    start: Bytes
    end: Bytes
    reason: Text

    def model(self) -> LeftOut:
        return LeftOut(self.start, self.end, self.reason)


class _DiskDescription(Document, frozen=True, kw_only=True):
    id: Text
    slot: _Slot
    virtual_disk_id: Text
    geometry: _Geometry
    left_out: tuple[_LeftOut, ...]

    def model(self) -> DiskDescription:
        return DiskDescription(
            DiskId(self.id),
            self.slot.model(),
            self.virtual_disk_id,
            self.geometry.model(),
            tuple(part.model() for part in self.left_out),
        )


class _Disk(Document, frozen=True, kw_only=True):
    description: _DiskDescription
    block_bytes: BlockBytes
    block_count: Count
    fan_out: Annotated[int, Meta(ge=2, le=1 << 16)]
    height: Annotated[int, Meta(ge=1, le=64)]
    root: Address

    def model(self) -> DiskManifest:
        disk = DiskManifest(self.description.model(), self.block_bytes, self.fan_out, self.root)
        if self.root >= _END_ADDRESS:
            raise ValueError(f"disk {self.description.id}: no tree has such a root")
        if (disk.block_count, disk.tree.shape.height) != (self.block_count, self.height):
            raise ValueError(f"disk {self.description.id}: its size does not go with its tree")
        return disk


class _Key(Document, frozen=True, kw_only=True):
    vm_id: Text
    role: Role


class _Cause(Document, frozen=True, kw_only=True):
    kind: CauseKind
    slot_at: Moment | None

    def model(self) -> Cause:
        return Cause(self.kind, None if self.slot_at is None else moment(self.slot_at))


class _Point(Document, frozen=True, kw_only=True):
    id: Text
    source: Text
    key: _Key
    machine_name: Text
    host: Text
    group: Text
    cause: _Cause
    consistency: Consistency
    captured_at: Moment
    job: Text
    policy_digest: Text
    policy_commit: Text
    base: Text | None
    configuration_files: dict[str, str]

    def model(self) -> PointDescription:
        return PointDescription(
            id=RecoveryPointId(self.id),
            source=DataSourceId(self.source),
            key=NaturalKey(VmId(self.key.vm_id), self.key.role),
            machine_name=self.machine_name,
            host=HostName(self.host),
            group=GroupName(self.group),
            cause=self.cause.model(),
            consistency=self.consistency,
            captured_at=moment(self.captured_at),
            job=JobId(self.job),
            policy_digest=self.policy_digest,
            policy_commit=self.policy_commit,
            base=None if self.base is None else RecoveryPointId(self.base),
            configuration_files=dict(self.configuration_files),
        )


class _Statistics(Document, frozen=True, kw_only=True):
    bytes_read: Count
    bytes_stored: Count
    blocks_new: Count


class _Manifest(Document, frozen=True, kw_only=True):
    format: Literal["reconciler-manifest"] = "reconciler-manifest"
    version: int
    point: _Point
    disks: tuple[_Disk, ...]
    writer: Annotated[int, Meta(ge=FIRST_WRITER, le=LAST_WRITER)]
    statistics: _Statistics

    def model(self) -> Manifest:
        statistics = self.statistics
        return Manifest(
            self.point.model(),
            tuple(disk.model() for disk in self.disks),
            self.writer,
            Statistics(statistics.bytes_read, statistics.bytes_stored, statistics.blocks_new),
        )


def manifest_bytes(manifest: Manifest) -> bytes:
    """The stored form of a manifest."""
    disks = tuple(
        _Disk(
            description=_stored(_DiskDescription, disk.description),
            block_bytes=disk.block_bytes,
            block_count=disk.block_count,
            fan_out=disk.fan_out,
            height=disk.tree.shape.height,
            root=disk.root,
        )
        for disk in manifest.disks
    )
    return to_bytes(
        _Manifest(
            version=FORMAT_VERSION,
            point=_point(manifest.point),
            disks=disks,
            writer=manifest.writer,
            statistics=_stored(_Statistics, manifest.statistics),
        )
    )


def _stored(kind: type[DocumentT], described: object) -> DocumentT:
    """A value of the model as the document that has its fields."""
    return msgspec.convert(described, kind, from_attributes=True)


def _point(point: PointDescription) -> _Point:
    slot_at = point.cause.slot_at
    return _Point(
        id=point.id,
        source=point.source,
        key=_stored(_Key, point.key),
        machine_name=point.machine_name,
        host=point.host,
        group=point.group,
        cause=_Cause(
            kind=point.cause.kind, slot_at=None if slot_at is None else microseconds(slot_at)
        ),
        consistency=point.consistency,
        captured_at=microseconds(point.captured_at),
        job=point.job,
        policy_digest=point.policy_digest,
        policy_commit=point.policy_commit,
        base=point.base,
        configuration_files=dict(point.configuration_files),
    )


def parse_manifest(data: bytes, name: str) -> Manifest:
    """A manifest from its stored form, every field validated.

    Raises:
        BlockDamagedError: It is not what `manifest_bytes` wrote.
    """
    document = from_bytes(_Manifest, data, name)
    if document.version != FORMAT_VERSION:
        raise damaged(f"{name} has version {document.version} instead of {FORMAT_VERSION}")
    try:
        return document.model()
    except ValueError as error:
        raise damaged(f"{name}: {error}") from error
