"""A lab of its own for each test module: real processes on free ports, reached over the wire."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import pytest

from reconciler.app import App, open_app
from reconciler.blocks.repository import Repository
from reconciler.blocks.volume import RecoveryPointDisk
from reconciler.execute.outcome import Result
from reconciler.lab import processes
from reconciler.lab.clock import LabClock
from reconciler.lab.control import ControlClient, client_for_machine
from reconciler.lab.create import create_lab
from reconciler.lab.definition import FIN_SQL01, WEB_01, HostDefinition, LabDefinition
from reconciler.lab.full_lab import CLUSTER_LAB
from reconciler.lab.launch import POWERSHELL
from reconciler.lab.powershell.session import find_pwsh
from reconciler.model.machine import HostReport
from reconciler.model.names import HostName
from reconciler.model.protection import DataSource, RecoveryPoint
from reconciler.plan.actions import Plan
from reconciler.settings import ClockChoice, Settings

CHUNK = 1 << 20
WRONG_PROCESSOR = 126

HOST_POLICY = """
schema: reconciler/v1
kind: HyperVHost
name: {name}
address: 127.0.0.1
port: {port}
authentication: ntlm
user: 'LAB\\reconciler'
password: file:{password}
---
"""
FILE_SERVER_POLICY = """
schema: reconciler/v1
kind: FileServer
name: {name}
address: 127.0.0.1
unc_name: {name}
port: {port}
user: 'LAB\\reconciler'
password: file:{password}
{through}
---
"""
BY_AGENT = "through: agent\nauthentication: ntlm"
GROUP_POLICY = """
schema: reconciler/v1
kind: ProtectionGroup
name: {name}
members:
  - host: {host}
pool: main
retention: 30d
recovery_points: {{times: ["12:00"]}}
synchronization: 1h
zone: Europe/Berlin
---
"""
POOL_POLICY = """
schema: reconciler/v1
kind: StoragePool
name: main
volumes:
  - {{name: main-1, path: {path}}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class World:
    """A lab, policies for all of it, and as many reconcilers as a test starts."""

    folder: Path
    addresses: Mapping[str, tuple[str, int]]
    state: str = "state"
    env: dict[str, str] = field(default_factory=dict)
    file_servers: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """Where their agents are."""
    engine: str = ""
    """What answers as the agents of the hosts."""
    is_read_by_agent: bool = False
    """Disks on file servers are read by their agents, instead of over SMB."""

    @property
    def lab(self) -> Path:
        return self.folder / "lab"

    @property
    def policies(self) -> Path:
        return self.folder / "policies"

    @property
    def settings(self) -> Settings:
        return Settings(
            policies=self.policies,
            state=self.folder / self.state,
            lab=self.lab,
            clock=ClockChoice.LAB,
        )

    def another(self, state: str) -> "World":
        """A second reconciler, with a catalogue and a repository of its own."""
        world = replace(self, state=state)
        world.write_policies()
        return world

    def another_catalogue(self, state: str) -> "World":
        """A second reconciler under the same policies."""
        return replace(self, state=state)

    def write_policies(self) -> None:
        self.policies.mkdir(exist_ok=True)
        password = self.lab / processes.PASSWORD_FILE
        hosts = "".join(
            HOST_POLICY.format(name=name, port=port, password=password)
            for name, (_, port) in self.addresses.items()
        )
        hosts += "".join(map(self._file_server_policy, self.file_servers))
        groups = "".join(
            GROUP_POLICY.format(name=f"group-{name}", host=name) for name in self.addresses
        )
        pool = POOL_POLICY.format(path=self.folder / self.state / "volume")
        (self.policies / "all.yaml").write_text(hosts.lstrip() + groups + pool)

    def _file_server_policy(self, name: str) -> str:
        by_agent, password = self.is_read_by_agent, self.lab / processes.PASSWORD_FILE
        port = self.file_servers[name][1] if by_agent else self.smb_port(name)
        through = BY_AGENT if by_agent else ""
        return FILE_SERVER_POLICY.format(name=name, port=port, password=password, through=through)

    def smb_port(self, name: str) -> int:
        """The port of a file server's shares; 0 where there is no Samba."""
        return next(s.smb_port for s in processes.status(self.lab) if s.name == name)

    def up(self) -> None:
        processes.up(self.lab, {**self.addresses, **self.file_servers}, engine=self.engine)

    def advance(self, minutes: float) -> None:
        LabClock(self.lab).advance(minutes * 60)

    def leave_the_hour(self) -> None:
        """To a minute past the next hour: no hourly slot may begin in the middle of a test."""
        now = LabClock(self.lab)()
        self.advance(61 - now.minute - now.second / 60)

    def write(self, machine: str, total_bytes: int = 300_000) -> int:
        written = self.door(machine).ask("write", vm=machine, total_bytes=total_bytes, seed=None)
        return int(written)

    def door(self, machine: str) -> ControlClient:
        return client_for_machine(self.lab, machine)

    def shadow(self, name: str) -> Path:
        """Copies of all shadows as they are now."""
        target = self.folder / name
        for host in self.addresses:
            ControlClient(self.lab, host).ask("shadow", target=str(target))
        return target

    def plan(self) -> Plan:
        with open_app(self.settings) as app:
            return app.reconciler().plan()

    def apply(self) -> tuple[Plan, list[Result]]:
        with open_app(self.settings) as app:
            reconciler = app.reconciler()
            look = reconciler.look()
            app.keep_policies()
            reconciler.take_note(look)
            return look.plan, list(reconciler.carry_out(look.plan))

    def report(self, host: str) -> HostReport:
        with open_app(self.settings) as app:
            session = app.open_host(HostName(host))
            try:
                return session.report()
            finally:
                session.close()

    def points(self, machine: str) -> tuple[RecoveryPoint, ...]:
        with open_app(self.settings) as app:
            source = app.catalogue.source_by_name(machine)
            return app.catalogue.recovery_points(source.id)

    def cli(self, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
        """A command as an operator would type it."""
        return subprocess.run(
            [sys.executable, "-m", "reconciler", *words],
            cwd=self.folder,
            env=self.environment | env,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    def cli_started(self, *words: str, before: str = "") -> "subprocess.Popen[str]":
        """A command that goes on while its log is read; `before` is run first in its process."""
        return subprocess.Popen(
            [sys.executable, "-c", f"{before}\nimport reconciler.__main__", *words],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def environment(self) -> dict[str, str]:
        """What points the commands at this world."""
        return {
            **os.environ,
            "RECONCILER_POLICIES": str(self.policies),
            "RECONCILER_STATE": str(self.folder / self.state),
            "RECONCILER_LAB": str(self.lab),
            "RECONCILER_CLOCK": "lab",
        }

    def differing_of(
        self, source: DataSource, label: str, point: RecoveryPoint, shadow: Path
    ) -> list[str]:
        """As `differing`, of a machine whose name is not unique."""
        assert point.source == source.id
        with open_app(self.settings) as app:
            return _differing(app, label, point, shadow)

    def differing(self, machine: str, point: RecoveryPoint, shadow: Path) -> list[str]:
        """Disks of a recovery point that are not what the shadow holds, with the first offset."""
        with open_app(self.settings) as app:
            return _differing(app, machine, point, shadow)


def _differing(app: App, machine: str, point: RecoveryPoint, shadow: Path) -> list[str]:
    repository = app.repository(point.volume)
    manifest = repository.manifest(point.source, point.id)
    files = sorted(shadow.glob(f"{machine}-disk*.raw"))
    disks = sorted(manifest.disks, key=lambda d: d.description.slot)
    assert len(files) == len(disks)
    found = []
    for file, disk in zip(files, disks, strict=True):
        recovered = RecoveryPointDisk(repository, manifest, disk.description.id)
        assert recovered.size == file.stat().st_size
        with file.open("rb") as raw:
            offset = _first_difference(recovered, repository, raw)
        if offset is not None:
            found.append(f"{file.name} at {offset}")
    return found


def _first_difference(
    recovered: RecoveryPointDisk, repository: Repository, raw: IO[bytes]
) -> int | None:
    """Compare where either side has data; the rest is zero on both."""
    places = {
        first * repository.block_bytes // CHUNK + index
        for first, count in recovered.allocated_runs()
        for index in range(count * repository.block_bytes // CHUNK + 2)
    }
    at = 0
    while at < recovered.size:
        try:
            start = os.lseek(raw.fileno(), at, os.SEEK_DATA)
        except OSError:
            break
        at = os.lseek(raw.fileno(), start, os.SEEK_HOLE)
        places |= set(range(start // CHUNK, -(-at // CHUNK)))
    for place in sorted(places):
        count = max(0, min(CHUNK, recovered.size - place * CHUNK))
        at = place * CHUNK
        ours = _without_left_out(recovered, at, recovered.read(at, count))
        if ours != _without_left_out(recovered, at, os.pread(raw.fileno(), count, at)):
            return at
    return None


def _without_left_out(recovered: RecoveryPointDisk, at: int, data: bytes) -> bytes:
    """Zeros where the recovery point says that it does not hold the bytes."""
    result = bytearray(data)
    for part in recovered.disk.description.left_out:
        start, end = max(part.start - at, 0), min(part.end - at, len(data))
        if start < end:
            result[start:end] = bytes(end - start)
    return bytes(result)


@pytest.fixture(scope="module")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One host with one machine of one disk."""
    yield from new_world(tmp_path_factory, LabDefinition((HostDefinition("hv2", (WEB_01,)),)))


@pytest.fixture(scope="module")
def two_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two hosts: hv1 with fin-sql01 (two disks), hv2 with web-01."""
    hosts = (HostDefinition("hv1", (FIN_SQL01,)), HostDefinition("hv2", (WEB_01,)))
    yield from new_world(tmp_path_factory, LabDefinition(hosts))


@pytest.fixture(scope="module")
def powershell_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """As small_world, but PowerShell runs the agent's module."""
    skip_without_powershell()
    hosts = (HostDefinition("hv1", (FIN_SQL01,)), HostDefinition("hv2", (WEB_01,)))
    yield from new_world(tmp_path_factory, LabDefinition(hosts), POWERSHELL)


def skip_without_powershell() -> None:
    """What needs PowerShell 7 is skipped where none is found that runs here."""
    pwsh = find_pwsh()
    if pwsh is None:
        pytest.skip("no PowerShell: no pwsh on the PATH, and PWSH names none")
    words = [str(pwsh), "-NoLogo", "-NoProfile", "-Command", "exit 0"]
    if subprocess.run(words, check=False, timeout=60).returncode == WRONG_PROCESSOR:
        pytest.skip("no PowerShell: the one that is found is for another processor")


@pytest.fixture(scope="module")
def two_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster of hvc1 with app-01 and app-02, and hvc2 with app-03."""
    yield from new_world(tmp_path_factory, CLUSTER_LAB)


def new_world(
    factory: pytest.TempPathFactory, definition: LabDefinition, engine: str = ""
) -> Iterator[World]:
    folder = factory.mktemp("world")
    world = World(
        folder,
        {host.name: ("127.0.0.1", free_port()) for host in definition.hosts},
        file_servers={name: ("127.0.0.1", free_port()) for name in definition.file_servers},
        engine=engine,
    )
    world.lab.mkdir()
    create_lab(world.lab, definition)
    world.leave_the_hour()
    world.up()
    world.write_policies()
    try:
        yield world
    finally:
        processes.down(world.lab)
