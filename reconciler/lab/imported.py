"""Machines that a host takes up: from a configuration file, or from facts alone.

The disks are what the files hold, whatever the configuration says of them.
"""

from reconciler.agent_contract import MISSING_SWITCH
from reconciler.lab import faults
from reconciler.lab.book import HostBook
from reconciler.lab.checkpoints import RefusedError
from reconciler.lab.configuration_document import disks_of, parse_configuration
from reconciler.lab.disks import LabDisk
from reconciler.lab.guests import hash_files
from reconciler.lab.shadow import create_shadow
from reconciler.lab.state import DiskState, MachineState, OperationRecord, new_id
from reconciler.model.machine import ControllerSlot

_VERSIONS = ((26_100, (8, 12)), (20_348, (8, 10)), (17_763, (5, 9)), (14_393, (5, 8)), (0, (5, 5)))
"""By the build of the host, newest first."""


def import_machine(book: HostBook, record: OperationRecord) -> None:
    """Take up the machine of a configuration file; the record gets its id. Not saved.

    Raises:
        RefusedError: The file, its disks or a missing switch do not allow it.
        OSError, ValueError: A file cannot be read.
    """
    given = record.arguments
    text = book.local(given["ConfigurationPath"]).read_bytes()
    machine = planned_machine(text, given["VMId"], given["Disk"])
    if given["Identity"] == "New":
        machine.vm_id = new_id()
    if machine.switch not in {"", *book.state.switches}:
        if given["MissingSwitch"] == "Refuse":
            record.incompatibilities = [MISSING_SWITCH]
            raise RefusedError(faults.FAILED, f"The switch '{machine.switch}' was not found.")
        machine.switch = ""
    take_up(book, machine)
    record.made_vm_id = machine.vm_id


def planned_machine(text: bytes, vm_id: str, disks: str) -> MachineState:
    """The machine of a configuration file with its disks at the given paths.

    Raises:
        RefusedError: The file is of another machine, or the disks are not those it has.
        ValueError: It is no configuration file.
    """
    machine = parse_configuration(text)
    if machine.vm_id != vm_id:
        raise RefusedError(faults.FAILED, f"The files are those of {machine.vm_id}.")
    told, had = slots(disks), disks_of(machine)
    if set(told) != set(had):
        raise RefusedError(faults.FAILED, f"The machine has disks at {', '.join(sorted(had))}.")
    for slot, path in told.items():
        had[slot].chain = [path]
    machine.disks = list(had.values())
    return machine


def create_machine(book: HostBook, record: OperationRecord) -> None:
    """Make a machine from facts; the record gets its id. Not saved.

    Raises:
        RefusedError: The host does not know that version.
        OSError, ValueError: A file cannot be read.
    """
    given = record.arguments
    told = slots(given["Disk"])
    machine = new_machine(book, given["Name"], int(given["Generation"]), given["Version"])
    machine.properties["Notes"] = f"reconciler {record.request_id}"
    for slot, path in told.items():
        add_disk(machine, slot, path)
    take_up(book, machine)
    record.made_vm_id = machine.vm_id


def new_machine(book: HostBook, name: str, generation: int, version: str) -> MachineState:
    """A machine without disks and network that no host has yet.

    Raises:
        RefusedError: The host does not know that version.
    """
    major, _, _ = version.partition(".")
    oldest, newest = _known_versions(book.state.os_build)
    if not oldest <= int(major) <= newest:
        raise RefusedError(faults.FAILED, f"The version {version} is not supported.")
    return MachineState(
        vm_id=new_id(),
        label=name,
        switch="",
        properties={
            "Name": name,
            "State": "Off",
            "Generation": generation,
            "Version": version,
            "VirtualMachineType": "RealizedVirtualMachine",
            "OperationalStatus": ["Ok"],
            "IsClustered": False,
            "Notes": "",
            "SnapshotCount": 0,
            "ReplicationMode": "None",
            "ReplicationState": "Disabled",
            "ReplicationHealth": "NotApplicable",
            "LastReplicationTime": None,
            "LastAppliedLogTime": None,
            "GuestOSName": "",
        },
        services=[],
        disks=[],
    )


def add_disk(machine: MachineState, slot: str, path: str) -> DiskState:
    """Attach a file, of which nothing is known yet; not saved.

    Raises:
        RefusedError: The slot is taken, or the machine has no such controller.
    """
    kind, _, rest = slot.partition(" ")
    controller, _, location = rest.partition(":")
    place = ControllerSlot(kind, int(controller), int(location))
    is_odd = kind == "IDE" and machine.properties["Generation"] != 1
    if is_odd or place in {disk.slot for disk in machine.disks}:
        raise RefusedError(faults.FAILED, f"Nothing can be attached at {slot}.")
    disk = DiskState(
        number=len(machine.disks),
        image="",
        slot=place,
        virtual_disk_id="",
        virtual_bytes=0,
        logical_sector_bytes=0,
        physical_sector_bytes=0,
        format_block_bytes=0,
        chain=[path],
    )
    machine.disks.append(disk)
    if kind == "SCSI":
        machine.scsi_controllers = max(machine.scsi_controllers or 1, int(controller) + 1)
    return disk


def slots(disks: str) -> dict[str, str]:
    """Paths by slot, from lines as the contract spells them.

    Raises:
        RefusedError: Two are for one slot.
    """
    pairs = [line.partition("=") for line in disks.splitlines()]
    found = {slot.upper(): path for slot, _, path in pairs}
    if len(found) != len(pairs):
        raise RefusedError(faults.FAILED, "Two disks are for one slot.")
    return found


def _known_versions(os_build: int) -> tuple[int, int]:
    """Oldest and newest major version that a host runs. Source: hyperv-facts.md §1.10."""
    return next(known for build, known in _VERSIONS if os_build >= build)


def take_up(book: HostBook, machine: MachineState) -> None:
    """The host has the machine from here on; not saved.

    Raises:
        OSError, ValueError: A file cannot be read.
    """
    machine.label = _free_label(book, machine)
    for disk in machine.disks:
        look_into(book, machine, disk)
    book.state.machines[machine.vm_id] = machine


def _free_label(book: HostBook, machine: MachineState) -> str:
    taken = {other.label for other in book.state.machines.values()}
    return f"{machine.label}-{machine.vm_id[:8]}" if machine.label in taken else machine.label


def look_into(book: HostBook, machine: MachineState, disk: DiskState) -> None:
    """What a file says of itself, and its shadow; not saved.

    Raises:
        OSError, ValueError: The file cannot be read.
    """
    live = LabDisk.open([book.local(disk.live_path)])
    try:
        geometry = live.geometry
        disk.virtual_disk_id = live.virtual_disk_id
        disk.virtual_bytes = geometry.virtual_bytes
        disk.logical_sector_bytes = geometry.logical_sector_bytes
        disk.physical_sector_bytes = geometry.physical_sector_bytes
        disk.format_block_bytes = geometry.format_block_bytes
        disk.format = geometry.format.value
        shadow = book.shadow(machine, disk)
        create_shadow(shadow, disk.virtual_bytes, live.data())
    finally:
        live.close()
    disk.kept_files, disk.is_merging = 1, False
    disk.tracking, disk.epoch, disk.changes = new_id(), 1, {}
    disk.image = disk.image or _known_image(book, disk)
    disk.hashes = hash_files(disk, shadow)


def _known_image(book: HostBook, disk: DiskState) -> str:
    """The image of a disk of the same id: what guests may write to is known by that alone."""
    disks = (d for machine in book.state.machines.values() for d in machine.disks)
    same = (d.image for d in disks if d.virtual_disk_id == disk.virtual_disk_id)
    return next(filter(None, same), "")
