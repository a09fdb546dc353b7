"""Room on the volumes that machines' disks lie on, and what backups at work may take of it."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from reconciler.model.machine import NaturalKey
from reconciler.model.names import HostName
from reconciler.plan.words import shown_bytes


@dataclass(frozen=True, slots=True, order=True)
class DiskVolume:
    """A volume of a host or of a cluster, or a share of a file server."""

    owner: str
    """The host or the cluster; empty for a share."""
    key: str
    """Its path in lower case."""
    path: str = field(compare=False)

    @property
    def label(self) -> str:
        """Its name for people."""
        return f"{self.path} of {self.owner}" if self.owner else self.path


@dataclass(frozen=True, slots=True)
class Need:
    """What the differencing disks of one machine may come to on one volume.

    Units: bytes.
    """

    key: NaturalKey
    machine: str
    need_bytes: int


@dataclass(frozen=True, slots=True)
class Room:
    """One volume with the machines that may need room there.

    Shape: `needs` has the largest first. Units: bytes.
    """

    volume: DiskVolume
    free_bytes: int | None
    """None where nobody can tell."""
    needs: tuple[Need, ...]
    host: HostName | None = None
    """A host that tells of it."""
    is_in_use: bool = False
    """A backup of a machine with disks on it is at work, so what is free now may change."""

    @property
    def need_bytes(self) -> int:
        """Of all its machines at once."""
        return sum(need.need_bytes for need in self.needs)

    @property
    def too_large(self) -> tuple[Need, ...]:
        """What does not fit, even alone; of a volume in use nobody can tell."""
        free = self.free_bytes
        if free is None or self.is_in_use:
            return ()
        return tuple(need for need in self.needs if need.need_bytes > free)

    @property
    def remedy(self) -> str:
        """What to do so that each machine fits alone."""
        largest = max((need.need_bytes for need in self.needs), default=0)
        lacking = shown_bytes(largest - (self.free_bytes or 0))
        return (
            f"let at least {lacking} more become free on {self.volume.label}, make it larger, or "
            "move disks to another volume (Move-VMStorage)"
        )


Claims = Mapping[DiskVolume, int]
"""What one machine may take of each volume while it is backed up. Units: bytes."""


@dataclass(frozen=True, slots=True)
class Headroom:
    """All volumes that machines' disks lie on."""

    rooms: Mapping[DiskVolume, Room] = field(default_factory=dict)
    claims: Mapping[NaturalKey, Claims] = field(default_factory=dict)

    def of(self, machines: Collection[NaturalKey]) -> "Headroom":
        """As if there were only these machines."""
        rooms = {}
        for volume, room in self.rooms.items():
            needs = tuple(need for need in room.needs if need.key in machines)
            if needs:
                rooms[volume] = replace(room, needs=needs)
        return Headroom(rooms, {k: c for k, c in self.claims.items() if k in machines})

    def shortage(self, machine: NaturalKey) -> Room | None:
        """A volume that has too little room for a machine, even alone."""
        for volume in sorted(self.claims.get(machine, ())):
            room = self.rooms[volume]
            if any(need.key == machine for need in room.too_large):
                return room
        return None


class Taken:
    """What is taken of volumes by what is at work: together never more than is free.

    What a machine at work has written is counted twice, as taken and as free no more: so there may
    be more room than this says, and never less.
    """

    def __init__(self, headroom: Headroom, at_work: Iterable[Claims] = ()) -> None:
        self._free = {v: room.free_bytes for v, room in headroom.rooms.items()}
        self._taken: Counter[DiskVolume] = Counter()
        self._awaited: set[DiskVolume] = set()
        for claims in at_work:
            self.take(claims)

    def take(self, claims: Claims) -> None:
        """Count a machine that begins."""
        self._taken.update(claims)

    def give_back(self, claims: Claims) -> None:
        """Count no more a machine that was taken, and has ended."""
        self._taken.subtract(claims)

    def wait_for(self, claims: Claims) -> None:
        """Let nothing pass a machine that waits; else many small ones would keep it out for ever.

        But only where it has room once it is alone.
        """
        for volume, need in claims.items():
            if self._lacks(volume, need) and need <= (self._free.get(volume) or 0):
                self._awaited.add(volume)

    def lacks(self, claims: Claims) -> str:
        """Why there is no room for a machine beside what is at work; empty when there is.

        Without what is free: that is told once, and not at each change of it.
        """
        for volume, need in sorted(claims.items()):
            if need and volume in self._awaited:
                return f"another machine waits for room on {volume.label}"
            if self._lacks(volume, need):
                beside = " beside what is at work" if self._taken[volume] else ""
                return (
                    f"what grows on {volume.label} while it is backed up may need "
                    f"{shown_bytes(need)}, and there is too little room{beside}"
                )
        return ""

    def _lacks(self, volume: DiskVolume, need: int) -> bool:
        free = self._free.get(volume)
        return free is not None and need > 0 and self._taken[volume] + need > free
