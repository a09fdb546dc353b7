"""Protection groups: members, schedule, retention and target."""

from collections.abc import Iterator
from typing import Literal
from zoneinfo import ZoneInfo

from reconciler.model.names import HostName, VmId
from reconciler.policy.complaints import Remark
from reconciler.policy.kind import Header
from reconciler.policy.retention import retention_remarks
from reconciler.policy.schedule import RecoveryPoints, synchronization_remarks
from reconciler.policy.selectors import Selector, matches
from reconciler.policy.values import Duration, Name, Optionally, Several, Zone


class ProtectionGroup(Header):
    """Virtual machines that share one promise: how often, how long, where."""

    kind: Literal["ProtectionGroup"]
    """What this policy describes."""

    members: Several[Selector]
    """Which virtual machines belong; one selector that picks a machine is enough."""

    pool: Name
    """Name of the StoragePool policy that holds the replicas."""

    retention: Duration
    """How long a recovery point is kept: 30d. A day is 24 hours."""

    recovery_points: RecoveryPoints
    """When a recovery point is made."""

    synchronization: Optionally[Duration] = None
    """How often changes are brought over between those times: 15m. Each makes a recovery point."""

    zone: Zone
    """IANA time zone that the times of day are in: Europe/Berlin."""

    @property
    def time_zone(self) -> ZoneInfo:
        """The zone as datetimes want it."""
        return ZoneInfo(self.zone)

    def claims(self, host_name: HostName, vm_name: str, vm_id: VmId) -> bool:
        """Whether any selector picks the machine."""
        return any(matches(selector, host_name, vm_name, vm_id) for selector in self.members)

    def remarks(self) -> Iterator[Remark]:
        """Times that are there twice, and bounds of DPM."""
        yield from self.recovery_points.remarks_at(("recovery_points",))
        yield from retention_remarks(self.retention)
        if self.synchronization is not None:
            yield from synchronization_remarks(self.synchronization)
