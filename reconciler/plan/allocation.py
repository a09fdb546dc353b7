"""Disk allocation: what each machine may come to take, and what its volume lacks for that.

Where the catalogue has seen a replica grow, its own growth counts. Before, DPM's formula does:
size x (1 + 3 % x days of retention x backups a day) x 1.05, where size is that of all its disks.
The changes of one day are counted at 10 % of the size at most: the formula was made for a few
backups a day, and one each 15 minutes would come to three times the machine's size every day.

Source: peers-and-pains of DPM's planning guide: allocation; a day's changes as MABS plans them.
"""

from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from math import ceil
from typing import Final

from reconciler.model.observed import Observed, StoredGrowth
from reconciler.model.protection import DataSource
from reconciler.plan.actions import CreateReplica, Plan
from reconciler.plan.index import index
from reconciler.plan.members import membership
from reconciler.plan.standing import Standing, standing
from reconciler.plan.volumes import PoolVolume, Volumes
from reconciler.policy.policy_set import PolicySet
from reconciler.policy.protection_group import ProtectionGroup

_A_BACKUP: Final = Fraction(3, 100)
_MOST_A_DAY: Final = Fraction(10, 100)
_SPARE: Final = Fraction(105, 100)
_DAY: Final = timedelta(days=1)
_USUAL_YEAR: Final = 2026
"""Any year will do, as long as it stays the same: the figures are part of what is reviewed."""


@dataclass(frozen=True, slots=True)
class MachineAllocation:
    """One machine and the volume that its replica is on, or goes to.

    Units: bytes.
    """

    machine: str
    group: str
    data_bytes: int
    """Size of its disks; 0 when no host tells."""
    stored_bytes: int
    provision_bytes: int
    basis: str
    """How that was found: formula or measured; kept, where nothing is added any more; unknown,
    where its host says nothing."""
    reason: str = ""
    """Why it goes to that volume; empty when it is there already."""

    @property
    def to_come_bytes(self) -> int:
        """What it may still add."""
        return max(0, self.provision_bytes - self.stored_bytes)


@dataclass(frozen=True, slots=True)
class VolumeAllocation:
    """One volume with its machines.

    Units: bytes.
    """

    volume: PoolVolume
    machines: tuple[MachineAllocation, ...]

    @property
    def provision_bytes(self) -> int:
        """What all its machines may come to take."""
        return sum(machine.provision_bytes for machine in self.machines)

    @property
    def underprovisioned_bytes(self) -> int:
        """What should be added to it, for growth that nothing disturbs."""
        room = self.volume.room_bytes
        to_come = sum(machine.to_come_bytes for machine in self.machines)
        return 0 if room is None else max(0, to_come - max(0, room))


def backups_a_day(group: ProtectionGroup, *, is_tracked: bool) -> Fraction:
    """How many recovery points a day brings, over a year."""
    schedule = group.recovery_points
    days = sum(len(schedule.days_in(_USUAL_YEAR, month)) for month in range(1, 13))
    count = Fraction(days * len(schedule.times), 365)
    if group.frequency is not None and is_tracked:
        count += Fraction(_DAY / group.frequency)
    return count


def space_to_provision(state: Standing) -> int:
    """What a new replica may come to take, by the formula. Units: bytes."""
    group = state.group
    a_day = min(_A_BACKUP * backups_a_day(group, is_tracked=state.is_tracked), _MOST_A_DAY)
    days = Fraction(group.retention / _DAY)
    return ceil(_data_bytes(state) * (1 + a_day * days) * _SPARE)


def disk_allocation(
    wanted: PolicySet, observed: Observed, plan: Plan
) -> tuple[VolumeAllocation, ...]:
    """Every volume with what is on it and what the plan puts there."""
    volumes, looked = Volumes(wanted, observed), index(observed)
    members = membership(wanted, observed).members
    standings = {m.machine.key: standing(m, looked, {}, plan.made_for) for m in members}
    found: dict[str, list[MachineAllocation]] = {}
    for source in observed.sources.values():
        replica = observed.replicas.get(source.id)
        volume = volumes.by_id(replica.volume) if replica and replica.head else None
        if volume is not None:
            there = _there(source, standings.get(source.key), observed)
            found.setdefault(volume.facts.label, []).append(there)
    for action in plan.actions:
        if isinstance(action, CreateReplica):
            found.setdefault(f"{action.pool}/{action.volume}", []).append(_new(action))
    return tuple(
        VolumeAllocation(v, tuple(sorted(found.get(v.facts.label, ()), key=lambda m: m.machine)))
        for v in volumes.all
    )


def _there(source: DataSource, state: Standing | None, observed: Observed) -> MachineAllocation:
    """A machine that has a replica."""
    grown = observed.growth.get(source.id)
    stored = (grown.created_bytes or 0) + grown.later_bytes if grown else 0
    if state is None:
        basis = "unknown" if observed.is_silent(source.host) else "kept"
        return MachineAllocation(source.label, source.group, 0, stored, stored, basis)
    provision, basis = space_to_provision(state), "formula"
    if grown is not None and (measured := _measured(grown, state)):
        provision, basis = measured, "measured"
    group, data = state.group.name, _data_bytes(state)
    return MachineAllocation(source.label, group, data, stored, max(provision, stored), basis)


def _measured(grown: StoredGrowth, state: Standing) -> int:
    """What a replica comes to if it goes on to grow as it did; 0 while that is not known."""
    seen = grown.until - grown.since
    if grown.created_bytes is None or seen < _DAY:
        return 0
    kept = Fraction(state.group.retention / seen)
    return ceil((grown.created_bytes + grown.later_bytes * kept) * _SPARE)


def _new(action: CreateReplica) -> MachineAllocation:
    return MachineAllocation(
        action.subject.label,
        action.subject.group or "",
        action.bytes_expected,
        0,
        action.bytes_to_provision,
        "formula",
        action.placement,
    )


def _data_bytes(state: Standing) -> int:
    return sum(disk.geometry.virtual_bytes for disk in state.machine.disks)
