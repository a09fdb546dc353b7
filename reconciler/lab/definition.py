"""What a new lab consists of, as data: hosts, their machines and the disks those start with."""

from dataclasses import dataclass, field

from reconciler.model.machine import ControllerSlot

VSS = "5ced1297-4598-4915-a5fc-ad21bb4d02a4"
HEARTBEAT = "84eaae65-2f2e-45f5-9bb5-0e857dc8eb47"
KEY_VALUE_PAIRS = "2a34b1c2-fd73-4043-8a5b-dd2159bc743f"
SHUTDOWN = "9f8233ac-be49-4c79-8ee3-e7e1985b2077"
TIME_SYNC = "2497f4de-e9fa-4204-80e4-4b75c46419c0"


@dataclass(frozen=True, slots=True)
class DiskDefinition:
    """One disk of a new machine, and the image it starts as."""

    image: str
    path: str
    virtual_disk_id: str
    slot: ControllerSlot
    format_block_bytes: int = 1 << 20
    """Small, so that a mostly empty disk allocates little. Units: bytes."""
    format: str = "VHDX"
    disk_number: int | None = None
    """Set for a pass-through disk: a physical disk, so it has neither image nor path."""


@dataclass(frozen=True, slots=True)
class MachineDefinition:
    """One new machine; texts are the enum names that Hyper-V shows."""

    vm_id: str
    name: str
    guest_os: str
    disks: tuple[DiskDefinition, ...]
    generation: int = 2
    configuration_version: str = "10.0"
    state: str = "Running"
    replication_mode: str = "None"
    notes: str = ""
    label: str = ""
    """What its shadows are called; its name when left out. A replica has its primary's name."""
    vss_status: str = "Ok"
    memory_bytes: int = 64 << 20
    """What is kept of it when it is saved; a hole, but for its beginning."""
    has_user_checkpoint: bool = False
    """Its disks begin as a base and the differencing file of a checkpoint that a user made."""
    services: tuple[str, ...] = (VSS, HEARTBEAT, KEY_VALUE_PAIRS, SHUTDOWN, TIME_SYNC)


@dataclass(frozen=True, slots=True)
class VolumeDefinition:
    """One volume, by where it is mounted."""

    path: str
    is_deduplicated: bool = False
    protection: str = "Off"


@dataclass(frozen=True, slots=True)
class HostDefinition:
    """One new host; drives that it has disks on need not be named."""

    name: str
    machines: tuple[MachineDefinition, ...]
    os_build: int = 20_348
    cluster: str = ""
    volumes: tuple[VolumeDefinition, ...] = ()


@dataclass(frozen=True, slots=True)
class ClusterDefinition:
    """One new cluster; its nodes are the hosts that name it."""

    name: str
    volumes: tuple[VolumeDefinition, ...]


@dataclass(frozen=True, slots=True)
class LabDefinition:
    """All of a new lab."""

    hosts: tuple[HostDefinition, ...] = field(default=())
    clusters: tuple[ClusterDefinition, ...] = ()
    file_servers: tuple[str, ...] = ()


FIN_SQL01 = MachineDefinition(
    vm_id="6d1f0b52-8a53-4b7c-9c8e-3f5a1e0c4d01",
    name="fin-sql01",
    guest_os="Windows Server 2022 Standard",
    disks=(
        DiskDefinition(
            image="fin-sql01-disk0",
            path="C:\\VMs\\fin-sql01\\disk0.vhdx",
            virtual_disk_id="a7c2e9d4-51b3-4f60-8e1d-2c9b7a6f0d10",
            slot=ControllerSlot("SCSI", 0, 0),
        ),
        DiskDefinition(
            image="fin-sql01-disk1",
            path="C:\\VMs\\fin-sql01\\disk1.vhdx",
            virtual_disk_id="a7c2e9d4-51b3-4f60-8e1d-2c9b7a6f0d11",
            slot=ControllerSlot("SCSI", 0, 1),
        ),
    ),
    notes="labels: tier=gold, department=finance",
)
WEB_01 = MachineDefinition(
    vm_id="b0e3c7a8-2d94-4e16-a5f7-91c6d8e2b702",
    name="web-01",
    guest_os="Ubuntu",
    disks=(
        DiskDefinition(
            image="web-01-disk0",
            path="D:\\Hyper-V\\web-01\\Virtual Hard Disks\\web-01.vhdx",
            virtual_disk_id="a7c2e9d4-51b3-4f60-8e1d-2c9b7a6f0d20",
            slot=ControllerSlot("SCSI", 0, 0),
        ),
    ),
    configuration_version="9.0",
)
"""A Linux guest."""

TWO_HOSTS = LabDefinition(
    (HostDefinition("hv1", (FIN_SQL01,)), HostDefinition("hv2", (WEB_01,), os_build=17_763))
)
"""The lab that `reconciler lab up` makes."""
