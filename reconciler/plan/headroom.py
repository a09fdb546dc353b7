"""R4.2: room for the differencing disks (AVHDX) that grow while machines are backed up.

A machine may need, on each volume, the size of its disks there x how much of them changes in an
hour x how many hours its backup takes. What nobody can tell of a volume is unknown, and holds
nothing back.

Source: hyperv-facts.md §7.1, free space: initial size x churn x backup window; 3 % a day.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from fractions import Fraction
from math import ceil
from typing import Final

from reconciler.model.machine import HostReport, HostVolume, NaturalKey, VirtualMachine
from reconciler.model.names import HostName
from reconciler.model.observed import Activity, Observed
from reconciler.model.unc import unc_path
from reconciler.plan.rooms import DiskVolume, Headroom, Need, Room
from reconciler.plan.sightings import cluster_of

USUAL_CHURN: Final = Fraction(125, 100_000)
"""Share of a disk that changes in an hour, where there is no history."""
USUAL_SPEED: Final = 50 << 20
"""How fast a machine is read, where there is no history. Units: bytes per second."""
HOUR: Final = timedelta(hours=1)
"""No backup is planned with a shorter time, and a shorter history is none."""
_MICROSECOND: Final = timedelta(microseconds=1)
_CLUSTER_FOLDER: Final = ":\\clusterstorage\\"
_LONG: Final = "\\\\?\\"
_DRIVE: Final = 3


def need_bytes(on_volume: int, of_machine: int, activity: Activity | None) -> int:
    """What the differencing disks of a machine may come to on one volume.

    Units: bytes; `on_volume` is the size of its disks there, `of_machine` that of all its disks.
    """
    if not of_machine:
        return 0
    share = USUAL_CHURN
    window = timedelta(seconds=of_machine / USUAL_SPEED)
    if activity is not None:
        if activity.over >= HOUR:
            share = Fraction(activity.changed_bytes, of_machine) / _hours(activity.over)
        window = activity.longest_job or window
    return min(on_volume, ceil(on_volume * share * _hours(max(window, HOUR))))


def _hours(time: timedelta) -> Fraction:
    return Fraction(time // _MICROSECOND, HOUR // _MICROSECOND)


def headroom(observed: Observed) -> Headroom:
    """Every volume that disks of reported machines lie on, with what each of them may need."""
    places = _Places(observed)
    needs: dict[DiskVolume, dict[NaturalKey, Need]] = {}
    claims: dict[NaturalKey, dict[DiskVolume, int]] = {}
    hosts: dict[DiskVolume, HostName] = {}
    for host, report in sorted(observed.inventory.reports.items()):
        for machine in report.machines:
            for volume, need in _needs(machine, report, places, observed):
                claims.setdefault(machine.key, {})[volume] = need
                each = Need(machine.key, machine.label, need)
                needs.setdefault(volume, {})[machine.key] = each
                hosts.setdefault(volume, host)
    in_use = {
        volume
        for source in observed.running
        if source in observed.sources
        for volume in claims.get(observed.sources[source].key, ())
    }
    rooms = {
        volume: Room(
            volume, places.free.get(volume), _ordered(found), hosts[volume], volume in in_use
        )
        for volume, found in needs.items()
    }
    return Headroom(rooms, claims)


def _ordered(needs: Mapping[NaturalKey, Need]) -> tuple[Need, ...]:
    return tuple(sorted(needs.values(), key=lambda need: (-need.need_bytes, need.key)))


def _needs(
    machine: VirtualMachine, report: HostReport, places: "_Places", observed: Observed
) -> Iterator[tuple[DiskVolume, int]]:
    sizes: dict[DiskVolume, int] = {}
    for disk in machine.disks:
        volume = places.of(report, disk.path)
        sizes[volume] = sizes.get(volume, 0) + disk.geometry.virtual_bytes
    total, activity = sum(sizes.values()), _activity(machine, observed)
    for volume, size in sizes.items():
        yield volume, need_bytes(size, total, activity)


def _activity(machine: VirtualMachine, observed: Observed) -> Activity | None:
    """What is known of it; of one whose replica has to be created only how fast it changes."""
    source = observed.source_of(machine.key)
    known = observed.activity.get(source.id) if source else None
    if source is None or known is None:
        return None
    replica = observed.replicas.get(source.id)
    if replica is None or replica.head is None:
        return Activity(known.changed_bytes, known.over)
    return known


class _Places:
    """Which volume a path is on, and what is free there.

    Of what several nodes tell of one shared volume the smallest free value counts.
    """

    def __init__(self, observed: Observed) -> None:
        self.free: dict[DiskVolume, int] = {}
        self._shared: dict[str, set[DiskVolume]] = {}
        self._own: dict[str, set[DiskVolume]] = {}
        for host, report in sorted(observed.inventory.reports.items()):
            for told in report.volumes:
                owner = _owner(report) if told.is_cluster_shared else host
                volume = _volume(owner, told.path)
                known = self._shared if told.is_cluster_shared else self._own
                known.setdefault(owner, set()).add(volume)
                self._note(volume, told)

    def of(self, report: HostReport, path: str) -> DiskVolume:
        """The volume of a disk's file; one of which nothing is known, where none is told."""
        remote = unc_path(path)
        if remote is not None:
            return _volume("", f"\\\\{remote.server}\\{remote.share}\\")
        plain = path.removeprefix(_LONG)
        shared = _longest(self._shared.get(_owner(report), set()), plain)
        if shared is not None:
            return shared
        host = report.facts.name
        # below that folder lies a shared volume that nobody tells of, not the host's own
        if plain[1:].lower().startswith(_CLUSTER_FOLDER):
            return _volume(_owner(report), "\\".join(plain.split("\\")[:3]) + "\\")
        own = _longest(self._own.get(host, set()), plain)
        return own or _volume(host, plain[:_DRIVE])

    def _note(self, volume: DiskVolume, told: HostVolume) -> None:
        if told.size_bytes > 0:  # one that is locked or offline tells zero of both
            self.free[volume] = min(self.free.get(volume, told.free_bytes), told.free_bytes)


def _owner(report: HostReport) -> str:
    """Whose the shared volumes of a host are."""
    return cluster_of(report) or report.facts.name


def _volume(owner: str, path: str) -> DiskVolume:
    return DiskVolume(owner, path.lower(), path)


def _longest(volumes: set[DiskVolume], path: str) -> DiskVolume | None:
    lowered = path.lower()
    found = [volume for volume in volumes if lowered.startswith(volume.key)]
    return max(found, key=lambda volume: len(volume.key), default=None)
