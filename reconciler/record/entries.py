"""What the catalogue holds beyond the nouns of the model: volumes, requests, alerts, passes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import uuid4

from reconciler.model.machine import ControllerSlot
from reconciler.model.names import (
    DataSourceId,
    DiskId,
    PlanId,
    PoolName,
    RctId,
    ReferencePointId,
    RequestId,
    VolumeId,
)


def new_id() -> str:
    """A fresh id in the form that hosts accept as a request id: a lower-case GUID."""
    return str(uuid4())


def new_request_id() -> RequestId:
    """A fresh id for a call that changes something on a host."""
    return RequestId(new_id())


@dataclass(frozen=True, slots=True)
class Volume:
    """One volume of a pool; it has one repository."""

    id: VolumeId
    pool: PoolName
    name: str
    path: str
    repository_id: str | None
    """None until a repository was made or found there."""
    writer_number: int
    """The highest writer number granted; 0 when none was."""
    stored_bytes: int | None = None
    """What its repository takes, as it was noted last; None until it was measured."""


@dataclass(frozen=True, slots=True)
class KnownDisk:
    """A disk of a data source as it was last seen."""

    id: DiskId
    virtual_disk_id: str
    slot: ControllerSlot | None
    """None once another disk sits where this one was."""


class ReferencePointState(StrEnum):
    """Whether changes are still counted from it."""

    CURRENT = "current"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class OwnReferencePoint:
    """A reference point that is ours because it stands here."""

    id: ReferencePointId
    source: DataSourceId
    state: ReferencePointState
    rct_ids: Mapping[DiskId, RctId]

    @property
    def is_current(self) -> bool:
        """Changes are still counted from it."""
        return self.state is ReferencePointState.CURRENT


class RequestState(StrEnum):
    """State of something an operator asked for."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Request:
    """Something an operator asked for, and what became of it.

    Shape: `parameters` and `result` hold JSON values only.
    """

    id: str
    kind: str
    source: DataSourceId | None
    parameters: Mapping[str, object]
    state: RequestState
    result: Mapping[str, object] | None
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Alert:
    """A condition that is open, or was."""

    kind: str
    subject: str
    severity: str
    message: str
    hint: str
    opened_at: datetime
    resolved_at: datetime | None
    host: str = ""
    """Where its subject is; empty when it is nowhere."""


@dataclass(frozen=True, slots=True)
class AlertChanges:
    """What a look at all conditions changed."""

    opened: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()


@dataclass(frozen=True, slots=True)
class PassRecord:
    """One pass of the loop, in figures."""

    started_at: datetime
    ended_at: datetime
    plan: PlanId
    policy_digest: str
    clock: str
    actions: int
    findings: int
    jobs_started: int


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """The last good bytes of a policy file."""

    path: str
    sha256: str
    content: bytes
    kept_at: datetime
