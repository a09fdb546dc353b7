"""What one simulated host remembers; one document, always replaced as a whole.

Ids are random, so a lab that is made anew shares none with the one before.
"""

import json
import uuid
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from reconciler.agent_contract import ENDED, OperationState
from reconciler.lab.requirements import RequirementState
from reconciler.model.machine import ControllerSlot

STATE_VERSION = 2


class Record(BaseModel):
    """Part of a document of the lab."""

    model_config = ConfigDict(extra="forbid", validate_assignment=False)


class DiskState(Record):
    """One virtual disk of a machine.

    Shape: `chain` holds host paths, base first; the machine writes to the last one. It is empty for
    a disk that was made as a pass-through one. `changes` are merged ranges (start, end) by the
    epoch they were written in; a checkpoint closes an epoch.
    Units: bytes.
    """

    number: int
    image: str
    slot: ControllerSlot
    virtual_disk_id: str
    virtual_bytes: int
    logical_sector_bytes: int
    physical_sector_bytes: int
    format_block_bytes: int
    format: str = "VHDX"
    chain: list[str]
    kept_files: int = 1
    """The base, and the files above it that a user's checkpoint made: none of them is merged."""
    is_merging: bool = False
    """A merge of the last file into the one before has begun; nothing else may happen first."""
    tracking: str = Field(default_factory=lambda: str(uuid.uuid4()))
    epoch: int = 1
    changes: dict[int, list[tuple[int, int]]] = Field(default_factory=dict)
    hashes: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of the known files as they are now."""
    properties: dict[str, JsonValue] = Field(default_factory=dict)
    """What a person set, shown instead of the facts."""

    @property
    def live_path(self) -> str:
        """The file that the machine writes to; empty when it never had one."""
        return self.chain[-1] if self.chain else ""

    @property
    def is_shared(self) -> bool:
        """Whether several machines may have it; no checkpoint holds it then."""
        is_set = self.properties.get("VhdFormat") == "VHDSet"
        return is_set or bool(self.properties.get("SupportPersistentReservations"))

    @property
    def has_file(self) -> bool:
        """False for a pass-through disk."""
        return bool(self.chain) and self.properties.get("DiskNumber") is None


class CheckpointDisk(Record):
    """The file of one disk that a checkpoint keeps, and the last epoch that it holds."""

    number: int
    path: str
    epoch: int


class CheckpointState(Record):
    """A recovery checkpoint."""

    id: str
    name: str
    created_at: str
    disks: list[CheckpointDisk]
    configuration_files: list[str] = Field(default_factory=list)
    """Host paths."""


class TrackedDiskState(Record):
    """One disk of a reference point, as it was attached then."""

    number: int
    slot: ControllerSlot
    virtual_disk_id: str
    rct_id: str


class ReferencePointState(Record):
    """A kept place to count changes from."""

    id: str
    disks: list[TrackedDiskState]


class ServiceState(Record):
    """One integration component."""

    component_id: str
    is_enabled: bool = True
    status: str = "Ok"


class JobRecord(Record):
    """Something that Hyper-V is doing with a machine."""

    type: int
    state: str = "Running"


class FaultRecord(Record):
    """Something that goes wrong until it is cleared; see `faults`."""

    kind: str
    left: int | None = None
    """How often yet; None: until it is cleared."""
    paused: list[str] = Field(default_factory=list)
    """Machines that it has stopped, and that run on without it."""


class MachineState(Record):
    """One virtual machine; `properties` are the contract's fields that are no objects."""

    vm_id: str
    label: str
    """The name it was made with: names its shadow files, whatever it is called later."""
    is_clustered: bool = False
    """Its files lie in the folder of the cluster, where every node finds them."""
    memory_bytes: int = 64 << 20
    """What is kept of it when it is saved."""
    properties: dict[str, JsonValue]
    services: list[ServiceState]
    scsi_controllers: int | None = None
    """None: as many as its disks need, and one at least."""
    integration_version: str | None = None
    """None: what the host has."""
    group_state: str | None = None
    """What its cluster shows of its group; None: what follows from its state."""
    jobs: list[JobRecord] = Field(default_factory=list)
    disks: list[DiskState]
    checkpoints: list[CheckpointState] = Field(default_factory=list)
    reference_points: list[ReferencePointState] = Field(default_factory=list)
    faults: list[FaultRecord] = Field(default_factory=list)
    switch: str = "LAN"
    """The virtual switch that its adapter is connected to; empty for none."""

    @property
    def name(self) -> str:
        """What people call it."""
        return str(self.properties["Name"])

    @property
    def state(self) -> str:
        """Name of the VMState."""
        return str(self.properties["State"])

    def named_paths(self) -> frozenset[str]:
        """Files that some checkpoint keeps, so that nothing may write to or move them."""
        return frozenset(disk.path for point in self.checkpoints for disk in point.disks)


class OperationRecord(Record):
    """One request to do something, in the journal."""

    request_id: str
    function: str
    vm_id: str
    arguments: dict[str, str] = Field(default_factory=dict)
    state: OperationState = OperationState.STARTING
    percent: int = 0
    error_code: int = 0
    error_description: str = ""
    checkpoint_id: str | None = None
    reference_point_id: str | None = None
    made_vm_id: str | None = None
    incompatibilities: list[str] = Field(default_factory=list)
    files: list[str] = Field(default_factory=list)
    """Disk files that the machine had when this took it off the host."""

    @property
    def has_ended(self) -> bool:
        """Whatever the end was."""
        return self.state in ENDED


class PendingWrite(Record):
    """What a guest is about to write: enough to do it again after a kill."""

    vm_id: str
    seed: str
    total_bytes: int


class VolumeState(Record):
    """A volume of a host or of a cluster, by where it is mounted.

    Units: bytes.
    """

    path: str
    size_bytes: int = 1 << 40
    free_bytes: int = 1 << 39
    is_deduplicated: bool = False
    protection: str = "Off"
    """BitLocker's ProtectionStatus."""


class EventRecord(Record):
    """An event of the host's System log."""

    record_id: int
    provider: str
    id: int
    at: str
    node: str


class Power(StrEnum):
    """How the host last ended."""

    ON = "on"
    """Not at all, as far as it knows: its process may have been killed."""
    STOPPED = "stopped"
    LOST = "lost"


class HostState(Record):
    """One host."""

    version: int = STATE_VERSION
    name: str
    os_build: int
    booted_at: str
    power: Power = Power.ON
    cluster: str = ""
    """The cluster that it is a node of: a folder beside the host's."""
    switches: list[str] = Field(default_factory=lambda: ["LAN"])
    disk_folder: str = "C:\\Users\\Public\\Documents\\Hyper-V\\Virtual Hard Disks"
    machine_folder: str = "C:\\ProgramData\\Microsoft\\Windows\\Hyper-V"
    volumes: list[VolumeState] = Field(default_factory=list)
    requirements: RequirementState = Field(default_factory=RequirementState)
    events: list[EventRecord] = Field(default_factory=list)
    last_record_id: int = 0
    machines: dict[str, MachineState] = Field(default_factory=dict)
    operations: dict[str, OperationRecord] = Field(default_factory=dict)
    pending: PendingWrite | None = None
    faults: list[FaultRecord] = Field(default_factory=list)

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """The state in a document.

        Raises:
            ValueError: It is not one of this version.
        """
        version = json.loads(text).get("version")
        if version != STATE_VERSION:
            raise ValueError(f"its version is {version}, not {STATE_VERSION}")
        return cls.model_validate_json(text)


def new_id() -> str:
    """A fresh GUID in the contract's spelling."""
    return str(uuid.uuid4())
