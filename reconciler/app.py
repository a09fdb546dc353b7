"""The only place that chooses adapters and joins them."""

import ipaddress
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from zoneinfo import ZoneInfo

from reconciler.adapters.hyperv.timeouts import USUAL, HostTimeouts
from reconciler.adapters.policy_folder import read_policies
from reconciler.adapters.secrets import resolve_secret
from reconciler.adapters.stores import FolderStore
from reconciler.blocks.block_writer import TakeRoom
from reconciler.blocks.repository import Repository
from reconciler.errors import (
    PlanChangedError,
    ReconcilerError,
    RepositoryExistsError,
    RepositoryKeyError,
    SettingsError,
)
from reconciler.execute.boundaries import Boundary
from reconciler.execute.workbench import Tools
from reconciler.lab.clock import LabClock
from reconciler.logs import Event, get_logger, register_secret
from reconciler.loop import Reconciler
from reconciler.model.names import HostName, PoolName, VolumeId
from reconciler.observe.inventory import Lookout
from reconciler.owner import this_owner
from reconciler.policy.on_media import on_media
from reconciler.policy.parse import ParsedSet, parse_set
from reconciler.policy.storage import StoragePool
from reconciler.policy.storage import Volume as VolumePolicy
from reconciler.ports import Clock, HostSession, ObjectStore
from reconciler.record.catalogue import Catalogue
from reconciler.record.entries import Volume
from reconciler.run import Loop, Pace
from reconciler.schedule.wakeups import Wakeups
from reconciler.settings import ClockChoice, Settings
from reconciler.volume_rooms import VolumeRooms
from reconciler.volume_stores import VolumeStores

_log = get_logger()


def system_clock() -> datetime:
    """The time now."""
    return datetime.fromtimestamp(time.time(), UTC)


@contextmanager
def open_app(
    settings: Settings,
    reached: Callable[[Boundary], None] = lambda _: None,
    timeouts: HostTimeouts = USUAL,
) -> Iterator["App"]:
    """Open the catalogue and join everything to it.

    Raises:
        CatalogueError: The catalogue cannot be used.
    """
    try:
        settings.state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"the state folder {settings.state} cannot be made: {error.strerror}",
            hint="name another one with --state, or give this account the right to write there",
        ) from error
    with Catalogue.open(settings.catalogue) as catalogue:
        app = App(settings, catalogue, reached, timeouts)
        try:
            yield app
        finally:
            app.note_room()


@dataclass
class App:
    """One reconciler, joined."""

    settings: Settings
    catalogue: Catalogue
    reached: Callable[[Boundary], None]
    timeouts: HostTimeouts = USUAL
    media: Path | None = None
    """Where an export keeps what it copies, instead of the pools of the policies."""
    _parsed: ParsedSet | None = None
    _files: dict[str, bytes] = field(default_factory=dict)
    _kept: dict[str, bytes] = field(default_factory=dict)
    _repositories: dict[tuple[VolumeId, str], Repository] = field(default_factory=dict)
    _stores: VolumeStores = field(default_factory=VolumeStores)
    _opening: dict[VolumeId, Lock] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._rooms = VolumeRooms(self.catalogue)

    def reconciler(self) -> Reconciler:
        """The loop, with its tools."""
        tools = Tools(
            catalogue=self.catalogue,
            server=self.catalogue.server_id,
            clock=self.clock(),
            lease_clock=system_clock,
            owner=this_owner(),
            open_host=self.open_host,
            repository=self.repository,
            repository_to_read=self.repository_to_read,
            copy_to_read=self.copy_to_read,
            place=self.place,
            freed=self._rooms.freed,
            sweep_grace=self._sweep_grace,
            reached=self.reached,
        )
        return Reconciler(
            self.policies,
            self.zone_of,
            tools,
            Lookout(self.open_host),
            self.settings.clock.value,
            self.settings.progress_every_s,
            lambda wanted: self._rooms.look(wanted.pools),
        )

    def loop(self, wakeups: Wakeups, pace: Pace) -> Loop:
        """The loop that `reconciler run` is; whoever calls holds the lead."""
        trusts_clock = self.settings.clock is ClockChoice.SYSTEM
        return Loop(self.reconciler(), self.keep_policies, wakeups, pace, trusts_clock)

    def policies(self) -> ParsedSet:
        """The policies in force: the folder's files, the last good version of a broken one.

        Files that are what they were are not parsed again.
        """
        return self._read()

    def _read(self) -> ParsedSet:
        found = read_policies(self.settings.policies)
        kept = {file.path: file.content for file in self.catalogue.policy_files()}
        before = self._parsed
        is_same = (found.files, kept) == (self._files, self._kept)
        if before is not None and is_same and found.commit == before.policies.commit:
            return before
        parsed = parse_set(found.files, kept)
        parsed = replace(parsed, policies=replace(parsed.policies, commit=found.commit))
        if self.media is not None:
            parsed = replace(parsed, policies=on_media(parsed.policies, str(self.media)))
        self._require_loopback(parsed)
        self._parsed, self._files, self._kept = parsed, found.files, kept
        for error in parsed.errors:
            _log.error(Event.POLICIES_REJECTED, file=error.path, reason=error.text)
        policies = parsed.policies
        _log.info(Event.POLICIES_LOADED, policy_digest=policies.digest, commit=policies.commit)
        return parsed

    def zone_of(self, group: str) -> ZoneInfo:
        """The zone of a protection group; UTC when no policy says, as after a disaster."""
        try:
            groups = (self._parsed or self._read()).policies.groups
        except ReconcilerError:
            return ZoneInfo("UTC")
        return next((g.time_zone for g in groups if g.name == group), ZoneInfo("UTC"))

    def keep_policies(self) -> None:
        """Remember the files that are in force as they are: if one breaks, they stand in for it.

        What stands in for a broken file now goes on to do so: together they are what fits.
        """
        parsed = self._parsed
        if parsed is None:
            return
        kept = {file.path: file.content for file in self.catalogue.policy_files()}
        unsure = {*parsed.broken, *parsed.stand_ins, *parsed.holes}
        for path in kept.keys() - self._files.keys() - unsure:
            self.catalogue.forget_policy_file(path)
        for path, raw in self._files.items():
            if path not in unsure and kept.get(path) != raw:
                self.catalogue.keep_policy_file(path, raw, system_clock())

    def complaints(self) -> tuple[str, ...]:
        """What is wrong with the policies that were read last, as a person reads it."""
        errors = self._parsed.errors if self._parsed else ()
        folder = self.settings.policies
        return tuple(replace(c, path=(folder / c.path).as_posix()).render() for c in errors)

    def clock(self) -> Clock:
        """The clock of the settings."""
        if self.settings.clock is ClockChoice.LAB:
            return LabClock(self.settings.lab)
        return system_clock

    def open_host(self, name: HostName) -> HostSession:
        """A session with a host of the policies, for the calling thread.

        Raises:
            HostUnreachableError: No policy describes the host any more.
            SettingsError: A secret, or a file of certificates, is not there.
        """
        # slow to import, and `show` and `recover` need no host
        from reconciler.sessions import open_host  # noqa: PLC0415

        policies = (self._parsed or self.policies()).policies
        return open_host(policies, name, self.timeouts)

    def place(self, pool: PoolName, volume: str) -> VolumeId:
        """The volume of that name of a pool, ready for a new replica.

        Raises:
            PlanChangedError: No policy describes it any more.
            RepositoryUnavailableError: It is missing, full or read-only.
        """
        pools = (self._parsed or self.policies()).policies.pools
        volumes = (each for p in pools if p.name == pool for each in p.volumes)
        declared = next((each for each in volumes if each.name == volume), None)
        if declared is None:
            raise PlanChangedError(
                f"pool {pool} has no volume {volume} any more", hint="plan again: reconciler plan"
            )
        known = self.catalogue.ensure_volume(pool, volume, declared.place)
        self.repository(known.id)
        return known.id

    def repository(self, volume: VolumeId) -> Repository:
        """The repository of a volume, open for writing as this server; made at its first use.

        Raises:
            RepositoryUnavailableError: The volume is missing, full or read-only.
        """
        with self._lock:
            opening = self._opening.setdefault(volume, Lock())
        with opening:  # one that does not answer keeps nobody else waiting
            found = self._volume(volume)
            room = self._rooms.of(found, self._declared(found))
            place = (volume, found.path)  # a volume that moved is opened where it is now
            if place not in self._repositories:
                self._repositories[place] = self._opened(found, room.take)
            if room.stored_bytes is None:
                self._rooms.measured(volume, self._repositories[place].stored_bytes())
            return self._repositories[place]

    def repository_to_read(self, volume: VolumeId) -> Repository:
        """The repository of a volume, open for reading only.

        Raises:
            RepositoryUnavailableError: The volume is missing.
        """
        found = self._volume(volume)
        passphrase = self._passphrase(found)
        store = self._store(found)
        return Repository.open(store, cache=self.settings.cache, writer=None, passphrase=passphrase)

    def copy_to_read(self, volume: VolumeId, folder: Path) -> Repository:
        """A copy in a folder of the repository of a volume, open for reading only.

        Raises:
            RepositoryUnavailableError: The folder is not there.
        """
        passphrase = self._passphrase(self._volume(volume))
        cache = self.settings.cache
        return Repository.open(FolderStore(folder), cache=cache, writer=None, passphrase=passphrase)

    def note_room(self) -> None:
        """Note what this process has stored on each volume."""
        self._rooms.flush()

    def _volume(self, volume: VolumeId) -> Volume:
        """A volume, where the policies say it is now; where it was, if they say nothing."""
        known = next(v for v in self.catalogue.volumes() if v.id == volume)
        declared = self._declared(known)
        if declared is None or declared.place == known.path:
            return known
        return self.catalogue.ensure_volume(known.pool, known.name, declared.place)

    def _declared(self, known: Volume) -> VolumePolicy | None:
        """What the policies say of a volume; None if they say nothing."""
        pool = self._pool(known)
        volumes = pool.volumes if pool else ()
        return next((each for each in volumes if each.name == known.name), None)

    def _pool(self, known: Volume) -> StoragePool | None:
        with suppress(ReconcilerError):
            pools = (self._parsed or self._read()).policies.pools
            return next((pool for pool in pools if pool.name == known.pool), None)
        return None

    def _sweep_grace(self, volume: VolumeId) -> timedelta:
        pool = self._pool(self._volume(volume))
        return (pool and pool.sweep_grace) or timedelta()

    def _passphrase(self, known: Volume) -> str | None:
        """What opens the repository of a volume; None where the policies want no encryption.

        Raises:
            SettingsError: The secret is not there.
        """
        pool = self._pool(known)
        if pool is None or pool.encryption is None:
            return None
        passphrase = resolve_secret(pool.encryption.passphrase)
        register_secret(passphrase)
        return passphrase

    def _store(self, volume: Volume) -> ObjectStore:
        return self._stores.of(volume, self._declared(volume))

    def _opened(self, volume: Volume, take_room: TakeRoom) -> Repository:
        store, passphrase = self._store(volume), self._passphrase(volume)
        if volume.repository_id is None:
            # one that a crash cut off from the catalogue, or of another server, is used as it is
            with suppress(RepositoryExistsError):
                Repository.create(store, passphrase=passphrase)
        found = Repository.open(
            store, cache=self.settings.cache, writer=None, passphrase=passphrase
        )
        if passphrase is not None and not found.is_encrypted:
            raise RepositoryKeyError(
                f"the repository of volume {volume.name} is not encrypted, and its pool is to be",
                hint="encryption is decided when a repository is made: give the pool a new volume",
            )
        self.catalogue.set_repository_id(volume.id, str(found.id))
        writer = self._writer(store, volume)
        return Repository.open(
            store,
            cache=self.settings.cache,
            writer=writer,
            passphrase=passphrase,
            take_room=take_room,
        )

    def _writer(self, store: ObjectStore, volume: Volume) -> int:
        """This server's writer number in a repository, claimed at the first use of the volume."""
        if volume.writer_number:
            return volume.writer_number
        number = Repository.claim_writer(store, server=self.catalogue.server_id)
        self.catalogue.grant_writer(volume.id, number)
        return number

    def _require_loopback(self, parsed: ParsedSet) -> None:
        """The lab's clock may be moved by hand; points of real machines must not be stamped by it.

        Raises:
            SettingsError: A host is not on this machine.
        """
        if self.settings.clock is not ClockChoice.LAB:
            return
        policies = parsed.policies
        addresses = {host.name: host.address for host in policies.hosts}
        addresses |= {server.name: server.address for server in policies.file_servers}
        for name, address in addresses.items():
            if not _is_loopback(address):
                raise SettingsError(
                    f"the lab's clock was chosen, but {name} at {address} is no lab's",
                    hint="leave out --clock lab, or RECONCILER_CLOCK",
                )


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
