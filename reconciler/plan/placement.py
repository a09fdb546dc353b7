"""Which volume of its pool a new replica goes to, and why.

The operator's choice comes first. A group without co-location takes volumes that hold no other
group, and nobody else takes those. Of what is left the volume with most room wins, after what was
promised to replicas that are created now or in the same plan.

A volume is passed over when it is missing, read-only or has no room. Room that is only smaller
than the disks of a machine passes none over: disks are rarely full, equal blocks are stored once,
and a job that does run out of room stops in time. `reconciler disk-allocation` says what to add.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from reconciler.model.names import GroupName
from reconciler.model.observed import Observed
from reconciler.plan.actions import CreateReplica, Finding, Severity
from reconciler.plan.allocation import space_to_provision
from reconciler.plan.members import candidate
from reconciler.plan.protect import Protection
from reconciler.plan.standing import Standing
from reconciler.plan.volumes import PoolVolume, Volumes
from reconciler.policy.policy_set import PolicySet


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a new replica goes."""

    volume: str
    reason: str
    bytes_to_provision: int
    """Units: bytes."""


class Placing:
    """Places the replicas of one plan one after the other; each counts for those behind it."""

    def __init__(self, wanted: PolicySet, observed: Observed, volumes: Volumes) -> None:
        self.volumes = volumes
        self._wanted = wanted
        self._alone = {GroupName(g.name) for g in wanted.groups if not g.co_location}
        self._promised: dict[str, int] = {}
        self._groups: dict[str, set[GroupName]] = {}
        for source in observed.sources.values():
            replica = observed.replicas.get(source.id)
            volume = volumes.by_id(replica.volume) if replica else None
            if volume is not None:
                self._groups.setdefault(volume.facts.label, set()).add(source.group)

    def count_begun(self, standings: Iterable[Standing]) -> None:
        """Promise what the replicas will take that jobs are creating now."""
        for standing in standings:
            begun = self._begun_at(standing)
            if begun is not None and standing.job is not None:
                self._take(begun, standing)

    def place(self, standing: Standing) -> Placement | Finding:
        """The volume for a replica that is to be created; a finding when there is none."""
        group = standing.group
        pool = self.volumes.of_pool(group.pool)
        chosen = group.volume_for(candidate(standing.machine, self._wanted))
        asked = [v for v in pool if chosen in {None, v.facts.name}]
        why_not = {v.facts.name: self._why_not(v, GroupName(group.name)) for v in asked}
        fitting = [volume for volume in asked if not why_not[volume.facts.name]]
        passed = [f"{name} {why}" for name, why in why_not.items() if why]
        if not fitting:
            return _nowhere(standing, chosen, passed)
        best, reason = self._best(standing, fitting)
        if chosen is not None:
            reason = f"group {group.name} chose it"
        self._take(best, standing)
        told = "; ".join((reason, *passed))
        return Placement(best.facts.name, told, space_to_provision(standing))

    def _best(self, standing: Standing, fitting: list[PoolVolume]) -> tuple[PoolVolume, str]:
        begun = self._begun_at(standing)
        if begun in fitting and begun is not None:
            return begun, "its creation began there"
        best = max(fitting, key=self._rank)  # of equal ones the first
        if len(self.volumes.of_pool(standing.group.pool)) == 1:
            return best, "the only volume of its pool"
        return best, "most room" if len(fitting) > 1 else "the only one left"

    def _rank(self, volume: PoolVolume) -> tuple[float, int]:
        """What is left of its room; where it has no bound, as little promised as may be."""
        room, promised = volume.room_bytes, self._promised.get(volume.facts.label, 0)
        return math.inf if room is None else room - promised, -promised

    def _why_not(self, volume: PoolVolume, group: GroupName) -> str:
        if volume.trouble is not None:
            return volume.trouble.word
        others = self._groups.get(volume.facts.label, set()) - {group}
        if group in self._alone and others:
            return f"holds group {min(others)}, and {group} is not co-located"
        if kept := others & self._alone:
            return f"is kept for group {min(kept)}"
        return ""

    def _take(self, volume: PoolVolume, standing: Standing) -> None:
        label = volume.facts.label
        self._promised[label] = self._promised.get(label, 0) + space_to_provision(standing)
        self._groups.setdefault(label, set()).add(GroupName(standing.group.name))

    def _begun_at(self, standing: Standing) -> PoolVolume | None:
        """Where a job began to create its replica: blocks that are there are not read again."""
        if standing.protected is not None or standing.replica is None:
            return None
        return self.volumes.by_id(standing.replica.volume)


def placed(protection: Protection, standing: Standing, placing: Placing) -> Protection:
    """The same, with a volume for a replica that is to be created; without one it is not."""
    creation = protection.capture
    if not isinstance(creation, CreateReplica):
        return protection
    found = placing.place(standing)
    if isinstance(found, Finding):
        return Protection(findings=(*protection.findings, found), held=found)
    placement = replace(
        creation,
        volume=found.volume,
        placement=found.reason,
        bytes_to_provision=found.bytes_to_provision,
    )
    return replace(protection, capture=placement)


def _nowhere(standing: Standing, chosen: str | None, passed: list[str]) -> Finding:
    pool, other = standing.group.pool, ""
    told = f"no volume of pool {pool} can take it"
    if chosen is not None:
        told = f"volume {chosen}, which its group chose, cannot take it"
        other = ", or choose another one in the group"
    return Finding(
        "blocked.no_volume",
        standing.machine.label,
        f"its replica is not created: {told}" + "".join(f"; {why}" for why in passed),
        f"mend that, or add a volume to pool {pool}{other}; see `reconciler disk-allocation`",
        Severity.ERROR,
        standing.machine.host,
    )
