"""Everything we can do, as values; and what we will not do, with the remedy."""

from collections.abc import Mapping
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
from reconciler.model.observed import Watch
from reconciler.model.page_files import USUAL_PAGE_FILES, PageFiles
from reconciler.model.protection import USUAL_WISH, Cause, Consistency, ConsistencyWish
from reconciler.plan.rooms import Headroom


@dataclass(frozen=True, slots=True)
class Subject:
    """The machine an action is about; names are for people, the key is what counts."""

    key: NaturalKey
    name: str
    host: HostName
    group: GroupName | None

    @property
    def label(self) -> str:
        """The machine's name for people."""
        return self.key.label(self.name)


@dataclass(frozen=True, slots=True)
class CreateReplica:
    """Read every disk in full, verify, and seal the first recovery point."""

    subject: Subject
    reason: str
    pool: PoolName
    consistency: Consistency
    """What it will be if the machine stays as it was observed; looked at again when it is taken."""
    cause: Cause
    bytes_expected: int
    """Units: bytes; virtual sizes of the disks, so at most this is read."""
    is_tracked: bool
    """Whether a reference point can be made, so that the next backup knows what changed."""
    wish: ConsistencyWish = USUAL_WISH
    requests: tuple[str, ...] = ()
    """Requests that this answers."""
    saves_machine: bool = False
    """As observed, it runs and has to be saved for this; it runs on at once."""
    volume: str = ""
    """Name of the volume of the pool that it goes to."""
    placement: str = ""
    """Why it goes there."""
    bytes_to_provision: int = 0
    """Units: bytes; what it may come to take there, with all the points that are kept."""
    media: str = ""
    """Folder of what was exported of it, so that only what differs is read over the network."""


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
    wish: ConsistencyWish = USUAL_WISH
    missed_slots: int = 0
    """Slots before the present one that have no recovery point; this one makes up for them."""
    requests: tuple[str, ...] = ()
    """Requests that this answers; with one it is never void."""
    saves_machine: bool = False
    """As observed, it runs and has to be saved for this; it runs on at once."""
    page_files: PageFiles = USUAL_PAGE_FILES
    """What of its disks is not copied."""


@dataclass(frozen=True, slots=True)
class ConsistencyCheck:
    """Compare all of the replica with its source by hashes, repair it, and seal a point."""

    subject: Subject
    reason: str
    source: DataSourceId
    consistency: Consistency
    cause: Cause
    based_on: RecoveryPointId
    is_tracked: bool
    wish: ConsistencyWish = USUAL_WISH
    requests: tuple[str, ...] = ()
    saves_machine: bool = False
    """As observed, it runs and has to be saved for this; it runs on at once."""


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
    resumes: bool = False
    """A dead job saved the machine, and it is still saved: let it run on first of all."""


@dataclass(frozen=True, slots=True)
class ExpirePoints:
    """Delete recovery points that are older than their group keeps them."""

    subject: Subject
    reason: str
    source: DataSourceId
    points: tuple[RecoveryPointId, ...]
    """Oldest first; never the head."""
    requests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeletePoints:
    """Delete the whole replica of a machine that no group claims, as a person asked."""

    subject: Subject
    reason: str
    source: DataSourceId
    count: int
    """Recovery points that it has."""
    requests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecoverDisks:
    """Write the disks of a recovery point to a folder."""

    subject: Subject
    reason: str
    request: str
    source: DataSourceId
    recovery_point: RecoveryPointId
    folder: str


Capture = CreateReplica | ExpressFullBackup | ConsistencyCheck
"""What makes a recovery point."""

Action = (
    CreateReplica
    | ExpressFullBackup
    | ConsistencyCheck
    | RemoveLeftovers
    | ExpirePoints
    | DeletePoints
    | RecoverDisks
)


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
    host: HostName | None = None
    """Where the machine it is about was seen last; None when it is about no machine."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A replica that may differ from its source from now on, and why (a lost node, say)."""

    source: DataSourceId
    machine: str
    reason: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that cannot be done as things are, and why."""

    request: str
    message: str
    hint: str


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
    doubts: tuple[Doubt, ...] = ()
    """Written down before any action begins, together with `watches`."""
    watches: Mapping[HostName, Watch] = field(default_factory=dict)
    """How far the events of each host are taken note of in this plan."""
    neighbours: Mapping[HostName, tuple[HostName, ...]] = field(default_factory=dict)
    """The other nodes of each host's cluster, where its machines may go meanwhile."""
    refusals: tuple[Refusal, ...] = ()
    headroom: Headroom = field(default_factory=Headroom)
    """What its captures may need on the volumes of the machines' disks, while they are at work."""
    unknown: frozenset[HostName] = frozenset()
    """Hosts that said nothing: alerts about what runs there stay as they are."""
    members: frozenset[DataSourceId] = frozenset()
    """What groups claim; all there is, while a broken policy file may claim anything."""
    undecided: frozenset[tuple[str, str]] = frozenset()
    """Codes and subjects of findings that nobody can make or take back now, because a host says
    nothing or a policy file is broken: alerts about them stay as they are."""
