"""Protection groups: members, schedule, retention and target."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from reconciler.policy.complaints import Remark
from reconciler.policy.consistency import Capture, ConsistencyChecks
from reconciler.policy.initial_replication import InitialReplication
from reconciler.policy.kind import Header, PolicyModel, repeats
from reconciler.policy.page_files import PageFiles
from reconciler.policy.retention import retention_remarks
from reconciler.policy.schedule import RecoveryPoints, Synchronization, synchronization_remarks
from reconciler.policy.selectors import Candidate, Exclusion, Selector, matches
from reconciler.policy.values import Duration, Name, Optionally, Several, Zone


class Online(PolicyModel):
    """Online protection: copies of recovery points in Azure."""

    enabled: bool
    """Whether the recovery points of the group are copied. Not available yet: a plan says so."""


class ChosenVolume(PolicyModel):
    """The volume that the replicas of some members go to."""

    member: Selector
    """Which members; of several choices that fit one the first counts."""

    volume: Name
    """Name of a volume of the group's pool."""


class ProtectionGroup(Header):
    """Virtual machines that share one promise: how often, how long, where."""

    kind: Literal["ProtectionGroup"]
    """What this policy describes."""

    members: Several[Selector]
    """Which virtual machines belong; one selector that picks a machine is enough."""

    exclude: Several[Exclusion] = ()
    """Which of them do not, and why; one that picks a machine is enough."""

    pool: Name
    """Name of the StoragePool policy that holds the replicas."""

    co_location: bool = True
    """Whether its data may share volumes, and equal blocks, with other groups. Where false, its
    replicas go to volumes that hold no other group. Unlike in DPM it is true when left out: a
    pool of one volume could take no second group otherwise."""

    volume: Optionally[Name] = None
    """The volume of the pool for all its new replicas; the one with most room when left out."""

    volumes: Several[ChosenVolume] = ()
    """Volumes for the new replicas of some members, before 'volume' is asked."""

    zone: Zone
    """IANA time zone that the times of day are in: Europe/Berlin."""

    retention: Duration
    """How long a recovery point is kept: 30d. A day is 24 hours."""

    keep_at_least: int = Field(default=1, ge=1, le=10_000)
    """So many recovery points of each machine are kept, however old they are."""

    recovery_points: RecoveryPoints
    """When a recovery point is made."""

    synchronization: Optionally[Synchronization] = None
    """How often changes are brought over between those times: 15m. Each makes a recovery point.
    'just_before_recovery_points', and leaving it out, mean: not between them."""

    consistency: Capture = Capture()
    """How consistent its recovery points have to be; as the guest makes them when left out."""

    consistency_check: ConsistencyChecks = ConsistencyChecks()
    """When a replica is compared with its machine and repaired; when inconsistent if left out."""

    page_files: PageFiles = PageFiles()
    """What guests page to is left out of incrementals, as DPM does; so it is when left out."""

    initial_replication: Optionally[InitialReplication] = None
    """When the replica of a machine is created; at once when left out."""

    online: Optionally[Online] = None
    """Copies of recovery points in Azure. Not available yet."""

    @property
    def time_zone(self) -> ZoneInfo:
        """The zone as datetimes want it."""
        return ZoneInfo(self.zone)

    @property
    def frequency(self) -> timedelta | None:
        """Time between synchronizations; None when there are none of their own."""
        return self.synchronization if isinstance(self.synchronization, timedelta) else None

    def volume_for(self, candidate: Candidate) -> str | None:
        """The volume that was chosen for a member; None where the plan chooses."""
        chosen = (each.volume for each in self.volumes if matches(each.member, candidate))
        return next(chosen, self.volume)

    def claims(self, candidate: Candidate) -> bool:
        """Whether the machine belongs: picked, and not excluded."""
        return self._picks(candidate) and self.exclusion_of(candidate) is None

    def exclusion_of(self, candidate: Candidate) -> Exclusion | None:
        """Why a machine that is picked does not belong; None when it does, or is not picked."""
        if not self._picks(candidate):
            return None
        return next((e for e in self.exclude if matches(e, candidate)), None)

    def _picks(self, candidate: Candidate) -> bool:
        return any(matches(selector, candidate) for selector in self.members)

    def remarks(self) -> Iterator[Remark]:
        """What is there twice or contradicts itself, and bounds of DPM."""
        yield from repeats(("members",), self.members)
        yield from repeats(("exclude",), self.exclude)
        yield from repeats(("volumes",), self.volumes)
        yield from self.recovery_points.remarks_at(("recovery_points",))
        yield from retention_remarks(self.retention, self.keep_at_least)
        if self.frequency is not None:
            yield from synchronization_remarks(self.frequency)
        yield from self.consistency.remarks_at(("consistency",))
        yield from self.consistency_check.remarks_at(("consistency_check",))
        yield from self.page_files.remarks_at(("page_files",))
        if self.initial_replication is not None:
            yield from self.initial_replication.remarks_at(("initial_replication",))
