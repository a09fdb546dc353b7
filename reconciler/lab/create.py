"""Make a new lab: the folder of every host, with its disks and their shadows, from the images."""

import shutil
from datetime import timedelta
from pathlib import Path

from reconciler.errors import TargetExistsError
from reconciler.lab.book import local_path, shadow_path, write_state
from reconciler.lab.clock import LabClock
from reconciler.lab.control import host_names
from reconciler.lab.definition import (
    TWO_HOSTS,
    DiskDefinition,
    HostDefinition,
    LabDefinition,
    MachineDefinition,
)
from reconciler.lab.disks import LabDisk
from reconciler.lab.images.manifest import disk_image
from reconciler.lab.shadow import create_shadow
from reconciler.lab.state import DiskState, HostState, MachineState, ServiceState
from reconciler.model.machine import DiskFormat, DiskGeometry
from reconciler.ports import Clock

_UPTIME = timedelta(days=3)


def create_lab(folder: Path, definition: LabDefinition = TWO_HOSTS) -> None:
    """Make the hosts of a lab; each appears whole or not at all.

    Raises:
        TargetExistsError: The folder holds one of the hosts already.
    """
    clock = LabClock(folder)
    for host in definition.hosts:
        if (folder / host.name).exists():
            raise TargetExistsError(
                f"{folder / host.name} exists already", hint="delete the lab folder first"
            )
    for host in definition.hosts:
        _create_host(folder, host, clock)


def delete_lab(folder: Path) -> None:
    """Remove the hosts of a lab and its clock; whatever else is in the folder stays."""
    for name in host_names(folder):
        shutil.rmtree(folder / name)
    LabClock(folder).forget()


def _create_host(folder: Path, host: HostDefinition, clock: Clock) -> None:
    draft = folder / f".{host.name}.new"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    state = HostState(
        name=host.name,
        os_build=host.os_build,
        booted_at=(clock() - _UPTIME).isoformat(timespec="seconds"),
    )
    for definition in host.machines:
        machine = _machine(definition)
        state.machines[machine.vm_id] = machine
        for disk, wanted in zip(machine.disks, definition.disks, strict=True):
            _create_disk(draft, machine, disk, wanted)
    write_state(draft, state)
    draft.rename(folder / host.name)


def _machine(definition: MachineDefinition) -> MachineState:
    return MachineState(
        vm_id=definition.vm_id,
        label=definition.name,
        properties={
            "Name": definition.name,
            "State": definition.state,
            "Generation": definition.generation,
            "Version": definition.configuration_version,
            "VirtualMachineType": "RealizedVirtualMachine",
            "OperationalStatus": ["Ok"],
            "ReplicationMode": definition.replication_mode,
            "GuestOSName": definition.guest_os,
        },
        services=[ServiceState(component_id=component) for component in definition.services],
        disks=[_disk(number, wanted) for number, wanted in enumerate(definition.disks)],
    )


def _disk(number: int, wanted: DiskDefinition) -> DiskState:
    image = disk_image(wanted.image)
    return DiskState(
        number=number,
        image=wanted.image,
        slot=wanted.slot,
        virtual_disk_id=wanted.virtual_disk_id,
        virtual_bytes=image.virtual_bytes,
        logical_sector_bytes=image.logical_sector_bytes,
        physical_sector_bytes=image.physical_sector_bytes,
        format_block_bytes=wanted.format_block_bytes,
        chain=[wanted.path],
        hashes={file.path: file.sha256 for file in image.files()},
    )


def _create_disk(
    folder: Path, machine: MachineState, disk: DiskState, wanted: DiskDefinition
) -> None:
    image = disk_image(wanted.image)
    runs = list(image.runs())
    create_shadow(shadow_path(folder, machine, disk), image.virtual_bytes, runs)
    path = local_path(folder, wanted.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    geometry = DiskGeometry(
        virtual_bytes=disk.virtual_bytes,
        logical_sector_bytes=disk.logical_sector_bytes,
        physical_sector_bytes=disk.physical_sector_bytes,
        format=DiskFormat.VHDX,
        format_block_bytes=disk.format_block_bytes,
    )
    made = LabDisk.create(path, geometry, disk.virtual_disk_id)
    try:
        made.write_raw_image(runs)
    finally:
        made.close()
