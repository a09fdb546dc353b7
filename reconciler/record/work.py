"""A job and what is written down with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from reconciler.model.names import (
    DataSourceId,
    HostName,
    JobId,
    PlanId,
    RecoveryPointId,
    ReferencePointId,
    RequestId,
    VolumeId,
)
from reconciler.record.entries import new_id


class JobState(StrEnum):
    """State of a job; the first two are live."""

    READY = "ready"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Intent:
    """What a job is about to do on a host, written before it does: it tells later what is ours."""

    job: JobId
    volume: VolumeId
    recovery_point: RecoveryPointId
    checkpoint_name: str
    checkpoint_request: RequestId
    conversion_request: RequestId
    reference_points_seen: tuple[ReferencePointId, ...]
    """All of the machine before the checkpoint: what was there already is not this job's."""
    base_recovery_point: RecoveryPointId | None
    base_reference_point: ReferencePointId | None
    save_request: RequestId | None = None
    """Set when the machine is to be saved for its capture; it may be saved from then on."""
    resume_request: RequestId | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is.

    Units: bytes.
    """

    step: str
    done_bytes: int = 0
    total_bytes: int = 0


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """What became of a job.

    Shape: `code` and `retry` are empty on success; `facts` hold JSON values only.
    """

    is_success: bool
    code: str = ""
    message: str = ""
    hint: str = ""
    retry: str = ""
    """What must happen before another try, see `errors.Retry`."""
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failures:
    """Jobs of one data source that failed one after the other; the rest is of the latest."""

    count: int
    last_at: datetime
    code: str
    retry: str
    message: str


@dataclass(frozen=True, slots=True)
class JobOrder:
    """A job that is wanted; its id is chosen here, as the intent and names on hosts hold it."""

    kind: str
    source: DataSourceId | None
    host: HostName | None
    plan: PlanId
    intent: Intent | None = None
    not_before: datetime | None = None
    id: JobId = field(default_factory=lambda: JobId(new_id()))


@dataclass(frozen=True, slots=True)
class Job:
    """One run of one action."""

    id: JobId
    kind: str
    source: DataSourceId | None
    host: HostName | None
    plan: PlanId
    state: JobState
    owner: str | None
    """Who claimed it last, see `owner.py`; None before the first claim."""
    epoch: int
    """Raised by each claim, takeover and abandonment; writes that name an older one are refused."""
    beat_at: datetime | None
    not_before: datetime
    intent: Intent | None
    progress: Progress | None
    outcome: JobOutcome | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def is_live(self) -> bool:
        """Waits for its turn, or runs."""
        return self.state in {JobState.READY, JobState.RUNNING}
