"""A new catalogue from the repositories alone.

What comes back: volumes, data sources, disks, replicas with what changes are counted from, and all
recovery points. What does not, because nobody else knows it: jobs, passes, requests, alerts, and
whether a replica was in doubt. Repositories are only read.

The server goes on as the one that wrote them: its id stands in the names of what it left on hosts,
and only the writer number it had may delete the packs of that number. So it must not run elsewhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from reconciler.blocks.repository import Repository
from reconciler.errors import CatalogueError
from reconciler.model.machine import NaturalKey
from reconciler.model.names import ServerId, VolumeId
from reconciler.record.adoption import FoundReplica
from reconciler.record.catalogue import Catalogue
from reconciler.record.entries import Volume, new_id
from reconciler.record.found_replicas import Reading, Unreadable, read_replica

NEW: Final = "new"
"""In place of a server's id: go on as none of those that wrote."""


@dataclass(slots=True)
class RebuiltVolume:
    """What a volume gave."""

    volume: Volume
    writer: int
    """The number that this server goes on with; 0 when it claims one at its first backup."""
    machines: int = 0
    points: int = 0
    others: int = 0
    """Recovery points of other servers, which are left to them."""
    unreadable: list[Unreadable] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What the new catalogue holds."""

    server: ServerId
    volumes: tuple[RebuiltVolume, ...]

    @property
    def is_whole(self) -> bool:
        """Nothing of ours had to be left out."""
        return not any(each.unreadable for each in self.volumes)


@dataclass(frozen=True, slots=True)
class Identity:
    """Which server this is to be."""

    wanted: str = ""
    """An id, or NEW; empty to be the only one that wrote."""
    known: ServerId | None = None
    """What an old catalogue says, for repositories that do not say it."""


def rebuild(
    catalogue: Catalogue,
    repositories: Mapping[VolumeId, Repository],
    identity: Identity,
    now: datetime,
) -> Rebuilt:
    """Fill an empty catalogue, whose volumes are known, from their repositories.

    Raises:
        CatalogueError: Several servers wrote, and nobody said which one this is.
        RepositoryUnavailableError: A store gave no answer; the catalogue is of no use then.
    """
    writers = {volume: each.writers() for volume, each in repositories.items()}
    named = sorted({server for each in writers.values() for server in each.values() if server})
    server = _server(named, identity)
    catalogue.become(server)
    rebuilt: dict[VolumeId, RebuiltVolume] = {}
    for volume in [v for v in catalogue.volumes() if v.id in repositories]:
        catalogue.set_repository_id(volume.id, str(repositories[volume.id].id))
        own = max((n for n, s in writers[volume.id].items() if s == server), default=0)
        if own:
            catalogue.grant_writer(volume.id, own)
        rebuilt[volume.id] = RebuiltVolume(volume, own)
    found: list[FoundReplica] = []
    for volume_id, told in rebuilt.items():
        foreign = _foreign(writers[volume_id], server, identity)
        for reading in _readings(repositories[volume_id], volume_id, foreign):
            told.others += reading.others
            told.unreadable.extend(reading.unreadable)
            found.extend([reading.replica] if reading.replica else [])
    for replica in _unique(found, rebuilt):
        _adopt(catalogue, replica, now)
        told = rebuilt[replica.newest.volume]
        told.machines += 1
        told.points += len(replica.points)
    return Rebuilt(server, tuple(rebuilt.values()))


def _server(named: Sequence[str], identity: Identity) -> ServerId:
    if identity.wanted == NEW:
        return ServerId(new_id())
    if identity.wanted:
        if identity.wanted not in named:
            raise CatalogueError(
                f"no server {identity.wanted} wrote to these repositories",
                hint=f"those that did: {', '.join(named) or 'none that gave its name'}; or "
                f"'--server {NEW}' for a new one",
            )
        return ServerId(identity.wanted)
    if len(named) > 1:
        raise CatalogueError(
            f"{len(named)} servers wrote to these repositories: {', '.join(named)}",
            hint="say which one this is to be: --server ID; the id of a server that works stands "
            "in the names of its checkpoints",
        )
    return ServerId(named[0]) if named else identity.known or ServerId(new_id())


def _foreign(writers: Mapping[int, str], server: ServerId, identity: Identity) -> frozenset[int]:
    """Writer numbers whose points are another server's; a new server takes over all."""
    if identity.wanted == NEW:
        return frozenset()
    return frozenset(number for number, owner in writers.items() if owner not in {"", server})


def _readings(
    repository: Repository, volume: VolumeId, foreign: frozenset[int]
) -> Iterable[Reading]:
    for source in repository.sources():
        yield read_replica(repository, volume, source, foreign)


def _unique(
    found: Iterable[FoundReplica], rebuilt: Mapping[VolumeId, RebuiltVolume]
) -> list[FoundReplica]:
    """Of several replicas of one machine the newest; the others are told as left out."""
    taken: dict[NaturalKey | str, FoundReplica] = {}
    kept: list[FoundReplica] = []
    for replica in sorted(found, key=lambda each: each.newest.captured_at, reverse=True):
        source = replica.source
        other = taken.get(source.key) or taken.get(source.id)
        if other is None:
            taken |= {source.key: replica, source.id: replica}
            kept.append(replica)
            continue
        rebuilt[replica.newest.volume].unreadable.append(
            Unreadable(
                f"{len(replica.points)} recovery points of {source.label} ({source.id})",
                f"another replica of this machine is newer, {other.source.id}",
                "they stay in the repository; keep the volume until nobody needs them",
            )
        )
    return kept


def _adopt(catalogue: Catalogue, replica: FoundReplica, now: datetime) -> None:
    catalogue.adopt_source(replica.source)
    catalogue.adopt_disks(replica.source.id, replica.disks)
    catalogue.adopt_points(replica, now)
