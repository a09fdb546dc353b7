"""Everything we can do, as values; and what we will not do, with the remedy."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from reconciler.model.machine import NaturalKey
from reconciler.model.names import (
    CheckpointId,
    DataSourceId,
    GroupName,
    HostName,
    JobId,
    PlanId,
    PoolName,
    RecoveryPointId,
    ReferencePointId,
)
from reconciler.model.protection import Cause, Consistency


@dataclass(frozen=True, slots=True)
class Subject:
    """The machine an action is about; names are for people, the key is what counts."""

    key: NaturalKey
    name: str
    host: HostName
    group: GroupName | None


@dataclass(frozen=True, slots=True)
class CreateReplica:
    """Read every disk in full, verify, and seal the first recovery point."""

    subject: Subject
    reason: str
    pool: PoolName
    consistency: Consistency
    cause: Cause
    bytes_expected: int
    """Units: bytes; virtual sizes of the disks, so at most this is read."""
    is_tracked: bool
    """Whether a reference point can be made, so that the next backup knows what changed."""


@dataclass(frozen=True, slots=True)
class ExpressFullBackup:
    """Read what changed since the last recovery point and seal a new one."""

    subject: Subject
    reason: str
    source: DataSourceId
    consistency: Consistency
    cause: Cause
    based_on: RecoveryPointId
    """The replica's newest point when this was planned; a newer one makes the action void."""
    is_tracked: bool


@dataclass(frozen=True, slots=True)
class RemoveLeftovers:
    """Finish or undo what a dead job began, and remove what it left on the host."""

    subject: Subject
    reason: str
    source: DataSourceId
    is_tracked: bool
    jobs: tuple[JobId, ...] = ()
    checkpoints: tuple[CheckpointId, ...] = ()
    reference_points: tuple[ReferencePointId, ...] = ()


@dataclass(frozen=True, slots=True)
class RecoverDisks:
    """Write the disks of a recovery point to a folder."""

    subject: Subject
    reason: str
    request: str
    source: DataSourceId
    recovery_point: RecoveryPointId
    folder: str


Action = CreateReplica | ExpressFullBackup | RemoveLeftovers | RecoverDisks


class Severity(StrEnum):
    """How much a finding matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that will not be done, or that a person should know."""

    code: str
    about: str
    message: str
    hint: str
    severity: Severity = Severity.WARNING


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done now, in order, and what is not."""

    id: PlanId
    made_for: datetime
    clock: str
    policy_digest: str
    policy_commit: str
    actions: tuple[Action, ...] = ()
    findings: tuple[Finding, ...] = field(default=())
