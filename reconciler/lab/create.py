"""Make a new lab: the folder of every host, with its disks and their shadows, from the images."""

import shutil
from datetime import timedelta
from pathlib import Path, PureWindowsPath

from reconciler.blocks.vhd_format import DEFAULT_BLOCK_BYTES, SECTOR_BYTES
from reconciler.errors import TargetExistsError
from reconciler.lab.book import CLUSTER_STORAGE, HostBook, is_remote, write_state
from reconciler.lab.checkpoints import child_path
from reconciler.lab.clock import LabClock
from reconciler.lab.cluster import UP, Cluster, ClusterState, Group, cluster_folders, group_state
from reconciler.lab.control import host_names
from reconciler.lab.definition import (
    TWO_HOSTS,
    VSS,
    ClusterDefinition,
    DiskDefinition,
    HostDefinition,
    LabDefinition,
    MachineDefinition,
    VolumeDefinition,
)
from reconciler.lab.disks import LabDisk
from reconciler.lab.file_server import create_file_server, file_server_folders
from reconciler.lab.guests import Guests
from reconciler.lab.images.manifest import disk_image
from reconciler.lab.shadow import create_shadow
from reconciler.lab.state import DiskState, HostState, MachineState, ServiceState, VolumeState
from reconciler.model.machine import DiskFormat, DiskGeometry
from reconciler.ports import Clock

_UPTIME = timedelta(days=3)
_LAST_REPLICATION = timedelta(minutes=2)
_WRITTEN_SINCE_CHECKPOINT_BYTES = 256 << 10
_PASS_THROUGH_BYTES = 1 << 40


def create_lab(folder: Path, definition: LabDefinition = TWO_HOSTS) -> None:
    """Make the hosts of a lab, with their cluster and file servers.

    Raises:
        TargetExistsError: The folder holds one of them already.
    """
    clock = LabClock(folder)
    names = [host.name for host in definition.hosts]
    names += [cluster.name for cluster in definition.clusters]
    for name in (*names, *definition.file_servers):
        if (folder / name).exists():
            raise TargetExistsError(
                f"{folder / name} exists already", hint="delete the lab folder first"
            )
    for server in definition.file_servers:
        create_file_server(folder / server)
    for cluster in definition.clusters:
        nodes = [host for host in definition.hosts if host.cluster == cluster.name]
        _create_cluster(folder / cluster.name, cluster, nodes)
    for host in definition.hosts:
        _create_host(folder, host, clock)


def delete_lab(folder: Path) -> None:
    """Remove the hosts of a lab, what they share and its clock; whatever else is there stays."""
    for name in host_names(folder):
        shutil.rmtree(folder / name)
    for shared in (*cluster_folders(folder), *file_server_folders(folder)):
        shutil.rmtree(shared)
    LabClock(folder).forget()


def _create_cluster(folder: Path, cluster: ClusterDefinition, nodes: list[HostDefinition]) -> None:
    state = ClusterState(
        name=cluster.name,
        nodes={node.name: UP for node in nodes},
        volumes=[_volume(volume) for volume in cluster.volumes],
    )
    for node in nodes:
        for definition in node.machines:
            machine = _machine(definition, is_clustered=True)
            group = Group(owner=node.name, state=group_state(machine))
            state.groups[definition.vm_id] = group
    Cluster.create(folder, state)


def _create_host(folder: Path, host: HostDefinition, clock: Clock) -> None:
    """The host appears whole or not at all."""
    draft = folder / f".{host.name}.new"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    state = HostState(
        name=host.name,
        os_build=host.os_build,
        booted_at=(clock() - _UPTIME).isoformat(timespec="seconds"),
        cluster=host.cluster,
        volumes=_volumes(host),
    )
    write_state(draft, state)
    book = HostBook(draft, clock)
    for definition in host.machines:
        _create_machine(book, definition)
    book.save()
    draft.rename(folder / host.name)


def _volumes(host: HostDefinition) -> list[VolumeState]:
    """The volumes that are named, and the other drives that the host's disks lie on."""
    disks = [disk.path for each in host.machines for disk in each.disks if disk.path]
    local = [PureWindowsPath(path) for path in disks if not is_remote(path)]
    drives = {path.anchor for path in local if path.parts[1] != CLUSTER_STORAGE}
    named = {volume.path: _volume(volume) for volume in host.volumes}
    return [named.get(path) or VolumeState(path=path) for path in sorted(drives | set(named))]


def _volume(volume: VolumeDefinition) -> VolumeState:
    return VolumeState(
        path=volume.path, is_deduplicated=volume.is_deduplicated, protection=volume.protection
    )


def _create_machine(book: HostBook, definition: MachineDefinition) -> None:
    machine = _machine(definition, is_clustered=book.cluster is not None)
    if definition.replication_mode != "None":
        stamp = (book.clock() - _LAST_REPLICATION).isoformat(timespec="seconds")
        machine.properties |= {"LastReplicationTime": stamp, "LastAppliedLogTime": stamp}
    book.state.machines[machine.vm_id] = machine
    for disk in machine.disks:
        if disk.chain:
            _create_disk(book, machine, disk)
    if definition.has_user_checkpoint:
        _take_user_checkpoint(book, machine)


def _machine(definition: MachineDefinition, *, is_clustered: bool) -> MachineState:
    is_replicated = definition.replication_mode != "None"
    return MachineState(
        vm_id=definition.vm_id,
        label=definition.label or definition.name,
        is_clustered=is_clustered,
        memory_bytes=definition.memory_bytes,
        properties={
            "Name": definition.name,
            "State": definition.state,
            "Generation": definition.generation,
            "Version": definition.configuration_version,
            "VirtualMachineType": "RealizedVirtualMachine",
            "OperationalStatus": ["Ok"],
            "IsClustered": is_clustered,
            "Notes": definition.notes,
            "SnapshotCount": int(definition.has_user_checkpoint),
            "ReplicationMode": definition.replication_mode,
            "ReplicationState": "Replicating" if is_replicated else "Disabled",
            "ReplicationHealth": "Normal" if is_replicated else "NotApplicable",
            "LastReplicationTime": None,
            "LastAppliedLogTime": None,
            "GuestOSName": definition.guest_os,
        },
        services=[
            ServiceState(
                component_id=component,
                status=definition.vss_status if component == VSS else "Ok",
            )
            for component in definition.services
        ],
        disks=[_disk(number, wanted) for number, wanted in enumerate(definition.disks)],
    )


def _disk(number: int, wanted: DiskDefinition) -> DiskState:
    if wanted.disk_number is not None:
        return _pass_through(number, wanted)
    image = disk_image(wanted.image)
    is_vhd = wanted.format == DiskFormat.VHD.value
    return DiskState(
        number=number,
        image=wanted.image,
        slot=wanted.slot,
        virtual_disk_id=wanted.virtual_disk_id,
        virtual_bytes=image.virtual_bytes,
        logical_sector_bytes=image.logical_sector_bytes,
        physical_sector_bytes=SECTOR_BYTES if is_vhd else image.physical_sector_bytes,
        format_block_bytes=DEFAULT_BLOCK_BYTES if is_vhd else wanted.format_block_bytes,
        format=wanted.format,
        chain=[wanted.path],
        hashes={file.path: file.sha256 for file in image.files()},
    )


def _pass_through(number: int, wanted: DiskDefinition) -> DiskState:
    return DiskState(
        number=number,
        image="",
        slot=wanted.slot,
        virtual_disk_id=wanted.virtual_disk_id,
        virtual_bytes=_PASS_THROUGH_BYTES,
        logical_sector_bytes=512,
        physical_sector_bytes=4096,
        format_block_bytes=0,
        chain=[],
        properties={"DiskNumber": wanted.disk_number},
    )


def _create_disk(book: HostBook, machine: MachineState, disk: DiskState) -> None:
    image = disk_image(disk.image)
    runs = list(image.runs())
    create_shadow(book.shadow(machine, disk), image.virtual_bytes, runs)
    path = book.local(disk.live_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    geometry = DiskGeometry(
        virtual_bytes=disk.virtual_bytes,
        logical_sector_bytes=disk.logical_sector_bytes,
        physical_sector_bytes=disk.physical_sector_bytes,
        format=DiskFormat(disk.format),
        format_block_bytes=disk.format_block_bytes,
    )
    made = LabDisk.create(path, geometry, disk.virtual_disk_id)
    try:
        made.write_raw_image(runs)
    finally:
        made.close()


def _take_user_checkpoint(book: HostBook, machine: MachineState) -> None:
    """As `Checkpoint-VM` does, with some writes of the guest since."""
    for disk in (disk for disk in machine.disks if disk.has_file):
        child = child_path(disk)
        LabDisk.create_child(book.local(child), book.local(disk.live_path), disk.live_path)
        disk.chain.append(child)
        disk.kept_files = len(disk.chain)
    Guests(book).write(machine, _WRITTEN_SINCE_CHECKPOINT_BYTES, "since the user's checkpoint")
