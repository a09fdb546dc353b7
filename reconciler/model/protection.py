"""Replicas, recovery points and what is written down with each of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from reconciler.model.machine import ControllerSlot, DiskGeometry, NaturalKey
from reconciler.model.names import (
    DataSourceId,
    DiskId,
    GroupName,
    HostName,
    JobId,
    RctId,
    RecoveryPointId,
    ReferencePointId,
    VolumeId,
)


class Consistency(StrEnum):
    """How a recovery point was captured; the worst that may have to be repaired at its start."""

    APPLICATION = "application"
    FILE_SYSTEM = "file_system"
    CRASH = "crash"
    OFFLINE = "offline"


class Otherwise(StrEnum):
    """What a policy wants where a machine cannot be captured online."""

    SAVED_STATE = "saved_state"
    """Save the machine, capture it, and let it run on at once."""
    CRASH = "crash"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class ConsistencyWish:
    """What a policy wants of a capture."""

    asks_guest: bool = True
    """False: the guest is never asked to take part; what it would be left with is a crash."""
    otherwise: Otherwise = Otherwise.SAVED_STATE
    """Where the guest is asked and cannot answer."""


USUAL_WISH = ConsistencyWish()


class ReplicaState(StrEnum):
    """State of the protected copy."""

    MISSING = "missing"
    CONSISTENT = "consistent"
    INCONSISTENT = "inconsistent"


class CauseKind(StrEnum):
    """Why a recovery point was made."""

    REPLICA_CREATION = "replica_creation"
    SLOT = "slot"
    REQUEST = "request"
    CONSISTENCY_CHECK = "consistency_check"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a recovery point was made, and the slot it fills."""

    kind: CauseKind
    slot_at: datetime | None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Bytes of a disk that a recovery point does not hold, and why: a page file's.

    Older bytes of the disk are in their place.
    """

    start: int
    end: int
    reason: str


@dataclass(frozen=True, slots=True)
class DiskDescription:
    """One disk as a manifest describes it: enough to give a true disk back."""

    id: DiskId
    slot: ControllerSlot
    virtual_disk_id: str
    geometry: DiskGeometry
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class PointDescription:
    """One recovery point as its manifest describes it: enough to rebuild a catalogue."""

    id: RecoveryPointId
    source: DataSourceId
    key: NaturalKey
    machine_name: str
    host: HostName
    group: GroupName
    cause: Cause
    consistency: Consistency
    captured_at: datetime
    """The server's clock just before the checkpoint call."""
    job: JobId
    policy_digest: str
    policy_commit: str
    base: RecoveryPointId | None
    configuration_files: Mapping[str, str] = field(default_factory=dict)
    """File name → base64 of its bytes."""


@dataclass(frozen=True, slots=True)
class RecoveryPoint:
    """A sealed version one can recover from, as the catalogue knows it.

    Units: bytes.
    """

    id: RecoveryPointId
    source: DataSourceId
    volume: VolumeId
    captured_at: datetime
    consistency: Consistency
    cause: Cause
    job: JobId
    bytes_read: int
    bytes_stored: int
    damage: str = ""
    """What of it cannot be given back, as the last verification found; empty when all can."""


@dataclass(frozen=True, slots=True)
class Head:
    """The replica itself: the newest manifest, and where the next changes count from.

    A reference point is never newer than the manifest it stands beside; an older one is safe.
    """

    source: DataSourceId
    recovery_point: RecoveryPointId
    reference_point: ReferencePointId | None
    rct_ids: Mapping[DiskId, RctId]


@dataclass(frozen=True, slots=True)
class DataSource:
    """A machine we hold something of, or are about to."""

    id: DataSourceId
    key: NaturalKey
    machine_name: str
    host: HostName
    group: GroupName

    @property
    def label(self) -> str:
        """The machine's name for people."""
        return self.key.label(self.machine_name)


@dataclass(frozen=True, slots=True)
class Replica:
    """The protected copy of one data source."""

    source: DataSourceId
    state: ReplicaState
    volume: VolumeId | None
    head: Head | None
    latest_captured_at: datetime | None
    checked_at: datetime | None = None
    """When all of it was last compared with its source; its creation counts."""
    doubt: str = ""
    """Why it is inconsistent; empty when it is not."""


@dataclass(frozen=True, slots=True)
class InconsistentSpan:
    """A time in which a replica may have differed; such days do not count as retention."""

    source: DataSourceId
    began_at: datetime
    ended_at: datetime | None
    reason: str
