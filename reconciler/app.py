"""The only place that chooses adapters and joins them."""

import ipaddress
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from zoneinfo import ZoneInfo

from reconciler.adapters.policy_folder import read_policies
from reconciler.adapters.secrets import resolve_secret
from reconciler.adapters.stores import FolderStore
from reconciler.adapters.volume_folder import known_folder, new_folder
from reconciler.blocks.repository import Repository
from reconciler.errors import (
    HostUnreachableError,
    ReconcilerError,
    RepositoryError,
    RepositoryUnavailableError,
    SettingsError,
)
from reconciler.execute.boundaries import Boundary
from reconciler.execute.workbench import Tools
from reconciler.lab.clock import LabClock
from reconciler.logs import Event, get_logger, register_secret
from reconciler.loop import Reconciler
from reconciler.model.names import HostName, PoolName, VolumeId
from reconciler.policy.hosts import HyperVHost
from reconciler.policy.parse import ParsedSet, parse_set
from reconciler.ports import Clock, HostSession
from reconciler.record.catalogue import Catalogue
from reconciler.record.entries import Volume
from reconciler.record.owner import this_owner
from reconciler.settings import ClockChoice, Settings

_log = get_logger()


def system_clock() -> datetime:
    """The time now."""
    return datetime.fromtimestamp(time.time(), UTC)


@contextmanager
def open_app(
    settings: Settings, reached: Callable[[Boundary], None] = lambda _: None
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
        yield App(settings, catalogue, reached)


@dataclass
class App:
    """One reconciler, joined."""

    settings: Settings
    catalogue: Catalogue
    reached: Callable[[Boundary], None]
    _parsed: ParsedSet | None = None
    _files: dict[str, bytes] = field(default_factory=dict)
    _repositories: dict[VolumeId, Repository] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

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
            place=self.place,
            reached=self.reached,
        )
        return Reconciler(
            self.policies,
            self.zone_of,
            tools,
            self.settings.clock.value,
            self.settings.progress_every_s,
        )

    def policies(self) -> ParsedSet:
        """The policies in force: the folder's files, the last good version of a broken one."""
        parsed = self._read()
        self._require_loopback(parsed)
        for error in parsed.errors:
            _log.error(Event.POLICIES_REJECTED, file=error.path, reason=error.text)
        policies = parsed.policies
        _log.info(Event.POLICIES_LOADED, policy_digest=policies.digest, commit=policies.commit)
        return parsed

    def _read(self) -> ParsedSet:
        found = read_policies(self.settings.policies)
        kept = {file.path: file.content for file in self.catalogue.policy_files()}
        parsed = parse_set(found.files, kept)
        parsed = replace(parsed, policies=replace(parsed.policies, commit=found.commit))
        self._parsed, self._files = parsed, found.files
        return parsed

    def zone_of(self, group: str) -> ZoneInfo:
        """The zone of a protection group; UTC when no policy says, as after a disaster."""
        try:
            groups = (self._parsed or self._read()).policies.groups
        except ReconcilerError:
            return ZoneInfo("UTC")
        return next((g.time_zone for g in groups if g.name == group), ZoneInfo("UTC"))

    def keep_policies(self) -> None:
        """Remember the files that were read last, if all are good: from now on they hold."""
        if self._parsed is None or self._parsed.errors:
            return
        kept = {file.path: file.content for file in self.catalogue.policy_files()}
        for path in kept.keys() - self._files.keys():
            self.catalogue.forget_policy_file(path)
        for path, raw in self._files.items():
            if kept.get(path) != raw:
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
            SettingsError: The secret of the host cannot be resolved.
        """
        # slow to import, and `show` and `recover` need no host
        from reconciler.adapters.hyperv.calls import AgentCalls  # noqa: PLC0415
        from reconciler.adapters.hyperv.client import HyperVHost as Client  # noqa: PLC0415
        from reconciler.adapters.hyperv.session import AgentSession, EndPoint  # noqa: PLC0415

        policy = self._host_policy(name)
        password = resolve_secret(policy.password) if policy.password else ""
        register_secret(password)
        end_point = EndPoint(
            host=name,
            address=policy.address,
            port=policy.wsman_port,
            use_tls=policy.tls,
            authentication=policy.authentication,
            user=policy.user or "",
            configuration=policy.configuration,
        )
        return Client(AgentCalls(name, AgentSession(end_point, password)))

    def place(self, pool: PoolName) -> VolumeId:
        """The volume of a pool for a new replica: the first one that can be opened."""
        parsed = self._parsed or self.policies()
        policy = next(p for p in parsed.policies.pools if p.name == pool)
        failed: RepositoryUnavailableError | None = None
        for each in policy.volumes:
            volume = self.catalogue.ensure_volume(pool, each.name, each.path)
            try:
                self.repository(volume.id)
            except RepositoryUnavailableError as error:
                failed = error
                continue
            return volume.id
        assert failed is not None  # noqa: S101 (a pool has at least one volume)
        raise failed

    def repository(self, volume: VolumeId) -> Repository:
        """The repository of a volume, open for writing as this server; made at its first use.

        Raises:
            RepositoryUnavailableError: The volume is missing, full or read-only.
        """
        with self._lock:
            if volume not in self._repositories:
                self._repositories[volume] = self._opened(self._volume(volume))
            return self._repositories[volume]

    def repository_to_read(self, volume: VolumeId) -> Repository:
        """The repository of a volume, open for reading only.

        Raises:
            RepositoryUnavailableError: The volume is missing.
        """
        store = FolderStore(_folder(self._volume(volume)))
        return Repository.open(store, cache=self.settings.cache, writer=None)

    def _volume(self, volume: VolumeId) -> Volume:
        """A volume, where the policies say it is now; where it was, if they say nothing."""
        known = next(v for v in self.catalogue.volumes() if v.id == volume)
        try:
            pools = (self._parsed or self._read()).policies.pools
        except ReconcilerError:
            return known
        for pool in pools:
            for each in pool.volumes:
                if (pool.name, each.name) == (known.pool, known.name) and each.path != known.path:
                    return self.catalogue.ensure_volume(known.pool, each.name, each.path)
        return known

    def _opened(self, volume: Volume) -> Repository:
        store = FolderStore(_folder(volume))
        if volume.repository_id is None:
            # one that a crash cut off from the catalogue, or of another server, is used as it is
            with suppress(RepositoryError):
                Repository.create(store)
        writer = self._writer(store, volume)
        repository = Repository.open(store, cache=self.settings.cache, writer=writer)
        self.catalogue.set_repository_id(volume.id, str(repository.id))
        return repository

    def _writer(self, store: FolderStore, volume: Volume) -> int:
        """This server's writer number in a repository, claimed at the first use of the volume."""
        if volume.writer_number:
            return volume.writer_number
        number = Repository.claim_writer(store)
        self.catalogue.grant_writer(volume.id, number)
        return number

    def _host_policy(self, name: HostName) -> HyperVHost:
        parsed = self._parsed or self.policies()
        for policy in parsed.policies.hosts:
            if policy.name == name:
                return policy
        raise HostUnreachableError(
            f"no policy describes the host {name} any more",
            hint=f"put a HyperVHost named {name} back, or name the machine's new host",
            host=name,
        )

    def _require_loopback(self, parsed: ParsedSet) -> None:
        """The lab's clock may be moved by hand; points of real machines must not be stamped by it.

        Raises:
            SettingsError: A host is not on this machine.
        """
        if self.settings.clock is not ClockChoice.LAB:
            return
        for host in parsed.policies.hosts:
            if not _is_loopback(host.address):
                raise SettingsError(
                    f"the lab's clock was chosen, but the host {host.name} at {host.address} "
                    "is no lab host",
                    hint="leave out --clock lab, or RECONCILER_CLOCK",
                )


def _folder(volume: Volume) -> Path:
    """The folder of a volume: made for a new one; that of a known one has to be there."""
    name = f"volume {volume.name} of pool {volume.pool}"
    folder = new_folder if volume.repository_id is None else known_folder
    return folder(Path(volume.path), name)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
