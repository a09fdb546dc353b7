"""A member of a group, with all that decides what is done for it."""

from dataclasses import dataclass
from datetime import datetime

from reconciler.model.machine import HostFacts, VirtualMachine
from reconciler.model.names import DataSourceId, GroupName, JobId, VolumeId
from reconciler.model.observed import OnDemand, RequestKind
from reconciler.model.protection import DataSource, Head, Replica, ReplicaState
from reconciler.plan.actions import Subject
from reconciler.plan.due import is_filled, latest_slot, missed_slots
from reconciler.plan.index import Index
from reconciler.plan.members import Member
from reconciler.plan.rooms import Room
from reconciler.plan.tracking import is_tracked
from reconciler.plan.volumes import Trouble, Volumes
from reconciler.policy.protection_group import ProtectionGroup


@dataclass(frozen=True, slots=True)
class Protected:
    """A replica that has a head: there is something to go on from."""

    source: DataSource
    replica: Replica
    head: Head


@dataclass(frozen=True, slots=True)
class Standing:
    """A member, what is held of it and what was asked for it."""

    group: ProtectionGroup
    machine: VirtualMachine
    facts: HostFacts
    now: datetime
    slot: datetime
    """The newest time at which a recovery point is wanted."""
    is_tracked: bool
    source: DataSource | None
    replica: Replica | None
    protected: Protected | None
    """None where the replica has to be created."""
    doubt: str
    """That the replica may differ, and why; empty when it is consistent, or there is none."""
    job: JobId | None
    """What is at work on it."""
    requests: tuple[OnDemand, ...]
    trouble: Trouble | None = None
    """Why nothing can be written to the volume of its replica now."""
    shortage: Room | None = None
    """A volume of its disks without room for what grows there while it is backed up."""
    undescribed: tuple[str, ...] = ()
    """File servers of its disks that no policy describes."""

    @property
    def subject(self) -> Subject:
        """As actions name it."""
        machine = self.machine
        return Subject(machine.key, machine.name, machine.host, GroupName(self.group.name))

    @property
    def volume(self) -> VolumeId | None:
        """Where its replica is; None while there is none."""
        return self.protected.replica.volume if self.protected else None

    @property
    def captured_at(self) -> datetime | None:
        """When the replica's newest point was captured."""
        return self.protected.replica.latest_captured_at if self.protected else None

    @property
    def is_slot_filled(self) -> bool:
        """Whether there is a recovery point since the slot."""
        return is_filled(self.slot, self.captured_at, self.now)

    @property
    def missed(self) -> int:
        """Slots before the present one that have no recovery point, while there is a replica."""
        since = self.captured_at
        if since is None or self.is_slot_filled:
            return 0
        return missed_slots(self.group, since, self.slot, is_tracked=self.is_tracked)

    @property
    def media(self) -> str:
        """Folder of the media that its replica is to be created from; empty when of none."""
        folders = (r.folder for r in self.requests if r.kind is RequestKind.IMPORT)
        return next(folders, "")

    def asked(self, *kinds: RequestKind) -> tuple[str, ...]:
        """Ids of the open requests of some kinds."""
        return tuple(request.id for request in self.requests if request.kind in kinds)


def standing(
    member: Member,
    index: Index,
    doubts: dict[DataSourceId, str],
    now: datetime,
    volumes: Volumes | None = None,
) -> Standing:
    """All there is to know of a member. `doubts` are those that this plan raises."""
    observed, machine, group = index.observed, member.machine, member.group
    facts = observed.inventory.reports[machine.host].facts
    source = observed.source_of(machine.key)
    replica = observed.replicas.get(source.id) if source else None
    protected = _protected(source, replica)
    tracked = is_tracked(facts, machine)
    return Standing(
        group=group,
        machine=machine,
        facts=facts,
        now=now,
        slot=latest_slot(group, now, is_tracked=tracked),
        is_tracked=tracked,
        source=source,
        replica=replica,
        protected=protected,
        doubt=_doubt(protected, doubts),
        job=observed.running.get(source.id) if source else None,
        requests=index.requests.get(source.id, ()) if source else (),
        trouble=volumes.trouble_of(replica.volume) if volumes and protected and replica else None,
    )


def _protected(source: DataSource | None, replica: Replica | None) -> Protected | None:
    if source is None or replica is None or replica.head is None:
        return None
    if replica.state is ReplicaState.MISSING:
        return None
    return Protected(source, replica, replica.head)


def _doubt(protected: Protected | None, doubts: dict[DataSourceId, str]) -> str:
    if protected is None:
        return ""
    is_inconsistent = protected.replica.state is ReplicaState.INCONSISTENT
    why = protected.replica.doubt if is_inconsistent else doubts.get(protected.source.id, "")
    if why:
        return f"the replica may differ: {why}"
    return "the replica may differ from the machine" if is_inconsistent else ""
