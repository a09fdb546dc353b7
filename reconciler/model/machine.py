"""What a Hyper-V host tells of itself and its machines, in names and numbers only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from reconciler.model.names import CheckpointId, HostName, RctId, ReferencePointId, VmId


class Role(StrEnum):
    """Which of the machines that share one Hyper-V id this is."""

    PRIMARY = "primary"
    REPLICA = "replica"
    EXTENDED_REPLICA = "extended_replica"
    TEST_REPLICA = "test_replica"


@dataclass(frozen=True, slots=True, order=True)
class NaturalKey:
    """What identifies a data source on any host: a replica VM carries its primary's id."""

    vm_id: VmId
    role: Role

    def __str__(self) -> str:
        return f"{self.vm_id}/{self.role.value}"


@dataclass(frozen=True, slots=True, order=True)
class ControllerSlot:
    """Where a disk is attached, e.g. SCSI 0:1."""

    controller_type: str
    controller_number: int
    location: int

    def __str__(self) -> str:
        return f"{self.controller_type} {self.controller_number}:{self.location}"


class DiskFormat(StrEnum):
    """File format of a virtual disk."""

    VHD = "VHD"
    VHDX = "VHDX"


@dataclass(frozen=True, slots=True)
class DiskGeometry:
    """What a true copy of a virtual disk must have beside its bytes.

    Units: bytes throughout.
    """

    virtual_bytes: int
    logical_sector_bytes: int
    physical_sector_bytes: int
    format: DiskFormat
    format_block_bytes: int
    """Block size of the VHDX itself; 0 for a fixed VHD. Not the repository's block size."""


@dataclass(frozen=True, slots=True)
class VirtualDisk:
    """A disk image attached to a machine or to one of its checkpoints."""

    slot: ControllerSlot
    path: str
    virtual_disk_id: str
    geometry: DiskGeometry


@dataclass(frozen=True, slots=True)
class PassThroughDisk:
    """A physical disk given to a machine: no file, so nothing the host can back up."""

    slot: ControllerSlot
    disk_number: int


@dataclass(frozen=True, slots=True)
class IntegrationService:
    """One integration component, known by the GUID of its kind (names are localised)."""

    component_id: str
    is_enabled: bool
    status: str


@dataclass(frozen=True, slots=True)
class VirtualMachine:
    """One sighting of a machine on one host; texts are enum names, never localised."""

    key: NaturalKey
    name: str
    host: HostName
    state: str
    generation: int
    configuration_version: str
    operational_status: tuple[str, ...]
    guest_os: str
    """OSName of the key-value pairs that the guest publishes; empty when it publishes none."""
    disks: tuple[VirtualDisk, ...]
    pass_through: tuple[PassThroughDisk, ...] = ()
    integration_services: tuple[IntegrationService, ...] = ()
    faults: tuple[str, ...] = ()
    """What the host told of this machine that nobody can protect it with."""

    @property
    def id(self) -> VmId:
        """Hyper-V's id; not unique over roles."""
        return self.key.vm_id


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A recovery checkpoint: its disks are files that nothing writes to while it exists."""

    id: CheckpointId
    vm_id: VmId
    name: str
    created_at: datetime
    disks: tuple[VirtualDisk, ...]
    faults: tuple[str, ...] = ()
    """Disks that were told but cannot be used, and why."""


@dataclass(frozen=True, slots=True)
class TrackedDisk:
    """One disk of a reference point: where it was attached, and its change tracking id."""

    slot: ControllerSlot
    virtual_disk_id: str
    rct_id: RctId


@dataclass(frozen=True, slots=True)
class ReferencePoint:
    """What Hyper-V counts changes from. It has no name: an id in our records makes it ours."""

    id: ReferencePointId
    vm_id: VmId
    disks: tuple[TrackedDisk, ...]


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The host itself."""

    name: HostName
    os_build: int
    """14393 is Server 2016, 17763 2019, 20348 2022, 26100 2025; below 14393 there is no RCT."""
    agent_version: str
    contract_version: int
    booted_at: datetime


@dataclass(frozen=True, slots=True)
class HostReport:
    """One consistent look at one host."""

    facts: HostFacts
    machines: tuple[VirtualMachine, ...]
    checkpoints: tuple[Checkpoint, ...]
    reference_points: tuple[ReferencePoint, ...]


@dataclass(frozen=True, slots=True)
class SilentHost:
    """A host that gave no usable answer: what runs there is unknown, not gone."""

    name: HostName
    code: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """What the hosts said, and which said nothing."""

    reports: Mapping[HostName, HostReport] = field(default_factory=dict)
    silent: Mapping[HostName, SilentHost] = field(default_factory=dict)
