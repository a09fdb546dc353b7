"""What one simulated host remembers; one document, always replaced as a whole.

Ids are random, so a lab that is made anew shares none with the one before.
"""

import uuid
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from reconciler.agent_contract import ENDED, OperationState
from reconciler.model.machine import ControllerSlot

STATE_VERSION = 1


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=False)


class DiskState(_Record):
    """One virtual disk of a machine.

    Shape: `chain` holds host paths, base first; the machine writes to the last one. `changes` are
    merged ranges (start, end) by the epoch they were written in; a checkpoint closes an epoch.
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
    chain: list[str]
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
        """The file that the machine writes to."""
        return self.chain[-1]

    @property
    def has_file(self) -> bool:
        """False for a pass-through disk."""
        return self.properties.get("DiskNumber") is None


class CheckpointDisk(_Record):
    """The file of one disk that a checkpoint keeps, and the last epoch that it holds."""

    number: int
    path: str
    epoch: int


class CheckpointState(_Record):
    """A recovery checkpoint."""

    id: str
    name: str
    created_at: str
    disks: list[CheckpointDisk]


class TrackedDiskState(_Record):
    """One disk of a reference point, as it was attached then."""

    number: int
    slot: ControllerSlot
    virtual_disk_id: str
    rct_id: str


class ReferencePointState(_Record):
    """A kept place to count changes from."""

    id: str
    disks: list[TrackedDiskState]


class ServiceState(_Record):
    """One integration component."""

    component_id: str
    is_enabled: bool = True
    status: str = "Ok"


class MachineState(_Record):
    """One virtual machine; `properties` are the contract's fields that are no objects."""

    vm_id: str
    label: str
    """The name it was made with: names its shadow files, whatever it is called later."""
    properties: dict[str, JsonValue]
    services: list[ServiceState]
    disks: list[DiskState]
    checkpoints: list[CheckpointState] = Field(default_factory=list)
    reference_points: list[ReferencePointState] = Field(default_factory=list)

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


class OperationRecord(_Record):
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

    @property
    def has_ended(self) -> bool:
        """Whatever the end was."""
        return self.state in ENDED


class PendingWrite(_Record):
    """What a guest is about to write: enough to do it again after a kill."""

    vm_id: str
    seed: str
    total_bytes: int


class HostState(_Record):
    """One host."""

    version: int = STATE_VERSION
    name: str
    os_build: int
    booted_at: str
    machines: dict[str, MachineState] = Field(default_factory=dict)
    operations: dict[str, OperationRecord] = Field(default_factory=dict)
    pending: PendingWrite | None = None

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """The state in a document.

        Raises:
            ValueError: It is not one of this version.
        """
        state = cls.model_validate_json(text)
        if state.version != STATE_VERSION:
            raise ValueError(f"version {state.version}, not {STATE_VERSION}")
        return state


def new_id() -> str:
    """A fresh GUID in the contract's spelling."""
    return str(uuid.uuid4())
