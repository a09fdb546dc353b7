"""What a Hyper-V host tells of itself and its machines, in names and numbers only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from reconciler.model.names import CheckpointId, HostName, RctId, ReferencePointId, VmId
from reconciler.model.requirements import FileServerLook, Requirements


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

    def label(self, name: str) -> str:
        """A machine's name for people; one that is no primary says so, as it shares its name."""
        return name if self.role is Role.PRIMARY else f"{name}/{self.role.value}"


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
class SharedDisk:
    """A disk file that several machines may write to: no checkpoint of one of them holds it."""

    slot: ControllerSlot
    path: str


@dataclass(frozen=True, slots=True)
class IntegrationService:
    """One integration component, known by the GUID of its kind (names are localised)."""

    component_id: str
    is_enabled: bool
    status: str


@dataclass(frozen=True, slots=True)
class Replication:
    """What Hyper-V Replica tells of a machine; texts are enum names."""

    state: str
    health: str
    last_replicated_at: datetime | None = None
    last_applied_at: datetime | None = None


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
    shared: tuple[SharedDisk, ...] = ()
    integration_services: tuple[IntegrationService, ...] = ()
    faults: tuple[str, ...] = ()
    """What the host told of this machine that nobody can protect it with."""
    notes: str = ""
    user_checkpoints: int = 0
    """The user's own; they are not backed up, but the disks are read through to their end."""
    is_clustered: bool = False
    replication: Replication | None = None
    """None when Hyper-V Replica has nothing to do with it."""
    job_types: tuple[int, ...] = ()
    """What Hyper-V is doing with it now.

    Source: Msvm_ConcreteJob.JobType; hyperv-facts.md §1.3.
    """

    @property
    def id(self) -> VmId:
        """Hyper-V's id; not unique over roles."""
        return self.key.vm_id

    @property
    def label(self) -> str:
        """Its name for people."""
        return self.key.label(self.name)


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
    has_warnings: bool = False
    """Its making ended with warnings, as when a writer in the guest failed; told at that only."""


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
    computer_name: str = ""
    """What it calls itself; a cluster knows its nodes by this."""
    cluster: str = ""
    """The failover cluster it is a node of; empty for a stand-alone host."""


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """A failover cluster as one of its nodes sees it; nodes by computer name, lower case."""

    name: str
    node_states: Mapping[str, str]
    """Up, Down, Paused or Joining."""
    owners: Mapping[VmId, str]
    """The node that owns each clustered machine."""
    group_states: Mapping[VmId, str] = field(default_factory=dict)
    """Of the machine's group: Online, Offline, Failed, PartialOnline or Pending."""


@dataclass(frozen=True, slots=True)
class HostVolume:
    """A volume of a host.

    Units: bytes.
    """

    path: str
    """Where it is mounted, with a final backslash."""
    size_bytes: int
    free_bytes: int
    is_cluster_shared: bool = False
    is_deduplicated: bool = False
    is_encrypted: bool = False
    """BitLocker protection is on."""


@dataclass(frozen=True, slots=True)
class HostEvent:
    """An event of a host's System log that tells of lost nodes or restarts.

    Source: hyperv-facts.md §3.3.
    """

    record_id: int
    provider: str
    id: int
    at: datetime
    node: str
    """The computer it is about, lower case."""


@dataclass(frozen=True, slots=True)
class HostReport:
    """One consistent look at one host."""

    facts: HostFacts
    machines: tuple[VirtualMachine, ...]
    checkpoints: tuple[Checkpoint, ...]
    reference_points: tuple[ReferencePoint, ...]
    cluster: ClusterFacts | None = None
    volumes: tuple[HostVolume, ...] = ()
    events: tuple[HostEvent, ...] = ()
    """Later ones than the caller has seen, oldest first."""
    requirements: Requirements | None = None
    """None when nobody asked yet, or the host could not tell."""
    file_servers: Mapping[str, FileServerLook] = field(default_factory=dict)
    """Of its machines' disks, by what the paths call them, lower case; asked with the above."""
    has_new_log: bool = False
    """The log was cleared since: its records are counted anew, and all of them are new."""


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
