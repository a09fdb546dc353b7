"""Builders of small worlds, and the switch that rewrites golden files.

Tests cannot import each other, so builders are fixtures that give a function. They make pure
values only, so they live as long as the session and may be used under `@given`.
"""

from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_DNS, uuid5

import pytest
from hypothesis import settings

from reconciler.model.machine import (
    Checkpoint,
    ControllerSlot,
    DiskFormat,
    DiskGeometry,
    HostFacts,
    HostReport,
    IntegrationService,
    Inventory,
    NaturalKey,
    ReferencePoint,
    Replication,
    Role,
    SilentHost,
    VirtualDisk,
    VirtualMachine,
)
from reconciler.model.names import (
    DataSourceId,
    DiskId,
    GroupName,
    HostName,
    JobId,
    PoolName,
    RctId,
    RecoveryPointId,
    ReferencePointId,
    ServerId,
    VmId,
    VolumeId,
)
from reconciler.model.observed import Observed, VolumeFacts
from reconciler.model.protection import (
    Cause,
    CauseKind,
    Consistency,
    DataSource,
    Head,
    RecoveryPoint,
    Replica,
    ReplicaState,
)
from reconciler.policy.protection_group import ProtectionGroup

pytest_plugins = [
    "tests.kerberos_realm",
    "tests.lab_world",
    "tests.storage_servers",
    "tests.tcp_proxy",
]

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
GIB = 1 << 30
SERVER = ServerId("5e12ae00")
VSS = IntegrationService("5ced1297-4598-4915-a5fc-ad21bb4d02a4", is_enabled=True, status="Ok")
REPLICATES = Replication("Replicating", "Normal", NOON, NOON)


# A law does not depend on how busy the machine is.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite the golden files, then review them"
    )


def guid(name: str) -> str:
    return str(uuid5(NAMESPACE_DNS, name))


def key_of(name: str, role: Role = Role.PRIMARY) -> NaturalKey:
    return NaturalKey(VmId(guid(name)), role)


@pytest.fixture(scope="session")
def noon() -> datetime:
    """The moment that the builders' worlds are looked at."""
    return NOON


@pytest.fixture(scope="session")
def make_disk() -> Callable[..., VirtualDisk]:
    """A disk on SCSI 0, by its location and size."""

    def make(
        location: int = 0, gib: int = 64, of: str = "erp", file_format: DiskFormat = DiskFormat.VHDX
    ) -> VirtualDisk:
        return VirtualDisk(
            ControllerSlot("SCSI", 0, location),
            rf"D:\VMs\{of}\disk{location}.{file_format.value.lower()}",
            guid(f"{of} {location}"),
            DiskGeometry(gib * GIB, 512, 4096, file_format, 32 << 20),
        )

    return make


@pytest.fixture(scope="session")
def make_vm(make_disk: Callable[..., VirtualDisk]) -> Callable[..., VirtualMachine]:
    """A running Windows machine with one disk; any field may be given, or `role`."""

    def make(
        name: str = "erp", host: str = "hv1", role: Role = Role.PRIMARY, **fields: object
    ) -> VirtualMachine:
        machine = VirtualMachine(
            key=key_of(name, role),
            name=name,
            host=HostName(host),
            state="Running",
            generation=2,
            configuration_version="9.0",
            operational_status=("Ok",),
            guest_os="Windows Server 2022 Standard",
            disks=(make_disk(of=name),),
            integration_services=(VSS,),
            replication=REPLICATES if role is not Role.PRIMARY else None,
        )
        return replace(machine, **fields)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def make_group() -> Callable[..., ProtectionGroup]:
    """A group as its file would say it: every machine, at 18:00 UTC; any key may be given."""

    def make(
        name: str = "finance", times: Iterable[str] = ("18:00",), **keys: object
    ) -> ProtectionGroup:
        return ProtectionGroup.model_validate(
            {
                "schema": "reconciler/v1",
                "kind": "ProtectionGroup",
                "name": name,
                "members": [{"name": "*"}],
                "pool": "main",
                "retention": "30d",
                "recovery_points": {"times": list(times)},
                "zone": "UTC",
            }
            | keys
        )

    return make


@pytest.fixture(scope="session")
def make_observed() -> Callable[..., Observed]:
    """A look at hosts: each machine on its own host, `silent` ones, and what is recorded."""

    def make(
        *machines: VirtualMachine,
        silent: Iterable[str] = (),
        os_build: int = 20_348,
        checkpoints: Iterable[Checkpoint] = (),
        reference_points: Iterable[ReferencePoint] = (),
        **recorded: object,
    ) -> Observed:
        """Checkpoints and reference points are on every host where their machine is."""
        reports: dict[HostName, HostReport] = {}
        for host in dict.fromkeys(m.host for m in machines):
            here = tuple(m for m in machines if m.host == host)
            ids = {m.id for m in here}
            reports[host] = HostReport(
                HostFacts(host, os_build, "1.0", 1, NOON, computer_name=host.upper()),
                here,
                tuple(c for c in checkpoints if c.vm_id in ids),
                tuple(r for r in reference_points if r.vm_id in ids),
            )
        quiet = {
            HostName(name): SilentHost(
                HostName(name), "host.unreachable", f"{name} did not answer", "start it"
            )
            for name in silent
        }
        volume = VolumeFacts(PoolName("main"), "main-1", VolumeId("volume-1"), "/backup/main-1")
        seen = Observed(SERVER, Inventory(reports, quiet), volumes=(volume,))
        return replace(seen, **recorded)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def with_host() -> Callable[..., Observed]:
    """The same look, but a host tells something else of itself: fields of its report or facts."""

    def told(observed: Observed, host: str, **told: object) -> Observed:
        name = HostName(host)
        reports = observed.inventory.reports
        report = reports.get(name) or HostReport(
            HostFacts(name, 20_348, "1.0", 1, NOON, computer_name=host.upper()), (), (), ()
        )
        of_facts = {f.name for f in fields(HostFacts)} - {f.name for f in fields(HostReport)}
        facts = {key: value for key, value in told.items() if key in of_facts}
        rest = {key: value for key, value in told.items() if key not in of_facts}
        changed = replace(report, facts=replace(report.facts, **facts), **rest)  # type: ignore[arg-type]
        inventory = Inventory({**reports, name: changed}, observed.inventory.silent)
        return replace(observed, inventory=inventory)

    return told


@pytest.fixture(scope="session")
def make_point() -> Callable[..., RecoveryPoint]:
    """A recovery point of the source `source-NAME`, some days before noon."""

    def make(days: float, name: str = "erp") -> RecoveryPoint:
        at = NOON - timedelta(days=days)
        return RecoveryPoint(
            RecoveryPointId(f"{name} {days:g} days old"),
            DataSourceId(f"source-{name}"),
            VolumeId("volume-1"),
            at,
            Consistency.APPLICATION,
            Cause(CauseKind.SLOT, at),
            JobId("job-0"),
            bytes_read=1,
            bytes_stored=1,
        )

    return make


@pytest.fixture(scope="session")
def with_replica() -> Callable[..., Observed]:
    """The same look, but something is recorded of a machine, under the source `source-NAME`.

    `points` is how many recovery points there are; other fields are those of the replica.
    """

    def recorded(
        observed: Observed,
        machine: VirtualMachine,
        captured_at: datetime | None = NOON,
        state: ReplicaState = ReplicaState.CONSISTENT,
        *,
        is_placed: bool = True,
        points: int = 1,
        **fields_of_it: object,
    ) -> Observed:
        source = DataSourceId(f"source-{machine.name}")
        head = Head(
            source,
            RecoveryPointId(f"point-{machine.name}"),
            ReferencePointId(f"reference-{machine.name}"),
            {DiskId("disk-1"): RctId("rct-1")},
        )
        entry = DataSource(source, machine.key, machine.name, machine.host, GroupName("finance"))
        replica = Replica(
            source,
            state,
            VolumeId("volume-1") if is_placed else None,
            head if captured_at is not None else None,
            captured_at,
            captured_at,
        )
        counts = {source: points} if captured_at is not None else {}
        return replace(
            observed,
            sources={**observed.sources, source: entry},
            replicas={**observed.replicas, source: replace(replica, **fields_of_it)},  # type: ignore[arg-type]
            point_counts={**observed.point_counts, **counts},
        )

    return recorded
