"""One consistent look at hosts and catalogue: everything a plan may rest on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from reconciler.model.machine import Inventory, NaturalKey
from reconciler.model.names import (
    DataSourceId,
    HostName,
    JobId,
    PoolName,
    RecoveryPointId,
    ReferencePointId,
    ServerId,
    VolumeId,
)
from reconciler.model.protection import (
    DataSource,
    InconsistentSpan,
    RecoveryPoint,
    Replica,
)

CHECKPOINT_PREFIX = "reconciler"


def checkpoint_name(server: ServerId, job: JobId) -> str:
    """The name by which a checkpoint on a host is known to be ours, and whose."""
    return f"{CHECKPOINT_PREFIX} {server} {job}"


def job_of(server: ServerId, name: str) -> JobId | None:
    """The job that made a checkpoint of this name; None when it is not this server's."""
    match name.split(" "):
        case [prefix, owner, job] if prefix == CHECKPOINT_PREFIX and owner == server:
            return JobId(job)
        case _:
            return None


@dataclass(frozen=True, slots=True)
class UnfinishedJob:
    """A job whose owner is gone, and what it may have left behind."""

    id: JobId
    source: DataSourceId
    started_at: datetime
    has_saved: bool = False
    """It was about to save the machine, which may still be saved."""


@dataclass(frozen=True, slots=True)
class Saving:
    """A job at work that was about to save its machine, and has not noted that it runs on."""

    job: JobId
    is_overdue: bool = False
    """It copies already, and the machine was to run on before that."""


@dataclass(frozen=True, slots=True)
class RecoveryRequest:
    """A person asked for the disks of a recovery point."""

    id: str
    source: DataSourceId
    recovery_point: RecoveryPointId
    folder: str


class RequestKind(StrEnum):
    """What a person may ask for, beside recoveries."""

    BACKUP = "backup"
    CONSISTENCY_CHECK = "consistency_check"
    DELETE_POINTS = "delete_points"
    EXPIRY = "expiry"
    """Let points expire that a guard holds back because they are so many."""
    IMPORT = "import"
    """Create a replica from the media in a folder."""


@dataclass(frozen=True, slots=True)
class OnDemand:
    """A person asked for something to be done with one data source."""

    id: str
    kind: RequestKind
    source: DataSourceId
    folder: str = ""
    """Of the media of an import."""


@dataclass(frozen=True, slots=True)
class Watch:
    """How far a host's events were taken note of, and when it had booted last."""

    booted_at: datetime
    last_event: int
    """Record id in its System log."""
    announced_at: datetime | None = None
    """When it last said that it shuts down; its loss may be told only when it is silent."""


class VolumeState(StrEnum):
    """What can be done with a volume of a pool."""

    USABLE = "usable"
    READ_ONLY = "read_only"
    """Recoveries work."""
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class VolumeFacts:
    """A volume of a pool as it was found.

    Units: bytes. None where nobody can tell, as of a store in a cloud.
    """

    pool: PoolName
    name: str
    id: VolumeId | None
    """None until something is put on it."""
    place: str
    state: VolumeState = VolumeState.USABLE
    problem: str = ""
    """Why it is not usable."""
    hint: str = ""
    total_bytes: int | None = None
    free_bytes: int | None = None
    stored_bytes: int | None = 0
    """What its repository takes."""
    is_strange: bool = False
    """Whether it holds a repository that the catalogue does not know."""

    @property
    def label(self) -> str:
        """Its name for people."""
        return f"{self.pool}/{self.name}"


@dataclass(frozen=True, slots=True)
class StoredGrowth:
    """What the points of a data source have stored.

    Units: bytes.
    """

    created_bytes: int | None
    """Stored when its replica was created; None when that is not known any more."""
    later_bytes: int
    """Stored since the oldest point that is left."""
    since: datetime
    """When that was captured."""
    until: datetime
    """When the newest one was."""


@dataclass(frozen=True, slots=True)
class Activity:
    """How fast the disks of a data source change, and how long its jobs take: its newest points.

    What a first copy read and how long it took says nothing of either.
    """

    changed_bytes: int = 0
    over: timedelta = timedelta()
    """In which those changed; zero while nobody can tell."""
    longest_job: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Observed:
    """Hosts and catalogue at one moment."""

    server: ServerId
    inventory: Inventory = field(default_factory=Inventory)
    sources: Mapping[DataSourceId, DataSource] = field(default_factory=dict)
    replicas: Mapping[DataSourceId, Replica] = field(default_factory=dict)
    running: Mapping[DataSourceId, JobId] = field(default_factory=dict)
    """Jobs that are at work now, in this process or in another that lives."""
    saving: Mapping[DataSourceId, Saving] = field(default_factory=dict)
    """Those of the running jobs whose machine may be saved now."""
    unfinished: tuple[UnfinishedJob, ...] = ()
    superseded: Mapping[ReferencePointId, DataSourceId] = field(default_factory=dict)
    """Reference points of ours that a newer one has replaced."""
    recoveries: tuple[RecoveryRequest, ...] = ()
    requests: tuple[OnDemand, ...] = ()
    """Open ones, oldest first."""
    old_points: Mapping[DataSourceId, tuple[RecoveryPoint, ...]] = field(default_factory=dict)
    """Points older than their group keeps them at most, oldest first; never the head."""
    point_counts: Mapping[DataSourceId, int] = field(default_factory=dict)
    """All points of each data source that has any."""
    damaged_points: Mapping[DataSourceId, int] = field(default_factory=dict)
    """How many points of a source hold damage; those without any are absent."""
    inconsistent_spans: Mapping[DataSourceId, tuple[InconsistentSpan, ...]] = field(
        default_factory=dict
    )
    watches: Mapping[HostName, Watch] = field(default_factory=dict)
    """What was noted of each host before; none for a host that is seen for the first time."""
    volumes: tuple[VolumeFacts, ...] = ()
    """Those of the policies, in their order."""
    growth: Mapping[DataSourceId, StoredGrowth] = field(default_factory=dict)
    """Only where somebody asked for figures; the plan does not rest on it."""
    activity: Mapping[DataSourceId, Activity] = field(default_factory=dict)
    """Only of those that have points beside that of their first copy."""
    by_key: Mapping[NaturalKey, DataSource] = field(init=False, repr=False, compare=False)
    """The data sources once more, as a plan looks them up; made here."""

    def __post_init__(self) -> None:
        by_key = {source.key: source for source in self.sources.values()}
        object.__setattr__(self, "by_key", by_key)

    def source_of(self, key: NaturalKey) -> DataSource | None:
        """What we hold of a machine."""
        return self.by_key.get(key)

    def is_silent(self, host: HostName) -> bool:
        """Whether the host gave no usable answer."""
        return host in self.inventory.silent
