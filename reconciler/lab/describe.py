"""What a host shows of its machines, in the contract's fields: facts and what a person set."""

from reconciler.lab.book import HostBook
from reconciler.lab.cluster import ClusterState
from reconciler.lab.power import computer_name
from reconciler.lab.requirements import guest_version
from reconciler.lab.state import (
    CheckpointState,
    DiskState,
    EventRecord,
    MachineState,
    OperationRecord,
    ReferencePointState,
    VolumeState,
)
from reconciler.model.machine import ControllerSlot

SCSI = "SCSI"

Answer = dict[str, object]

_NO_FILE: Answer = {
    "Path": "",
    "DiskNumber": None,
    "DiskIdentifier": "",
    "VhdFormat": "",
    "VhdType": "",
    "Size": 0,
    "FileSize": 0,
    "BlockSize": 0,
    "LogicalSectorSize": 0,
    "PhysicalSectorSize": 0,
    "SupportPersistentReservations": False,
}
"""What is told of a pass-through disk beside its slot and number."""


def machine_answer(book: HostBook, machine: MachineState, going_on: list[str]) -> Answer:
    """Reconciler.Machine; what is going on comes after the lasting operational status."""
    lasting = machine.properties["OperationalStatus"]
    statuses = [str(status) for status in lasting] if isinstance(lasting, list) else []
    return {
        "VMId": machine.vm_id,
        **machine.properties,
        "OperationalStatus": statuses + going_on,
        "Jobs": [{"JobType": job.type, "JobState": job.state} for job in machine.jobs],
        "HardDrives": [drive_answer(book, disk, disk.live_path) for disk in machine.disks],
        "IntegrationServices": [
            {
                "ComponentId": service.component_id,
                "Enabled": service.is_enabled,
                "PrimaryOperationalStatus": service.status,
            }
            for service in machine.services
        ],
    }


def planned_answer(book: HostBook, machine: MachineState) -> Answer:
    """Reconciler.Machine of the half that waits for a machine which migrates to here."""
    shown = {"VirtualMachineType": "PlannedVirtualMachine", "State": "Off"}
    return machine_answer(book, machine, []) | shown


def seldom_answer(machine: MachineState, os_build: int) -> Answer:
    """What Reconciler.Requirement has of one machine."""
    controllers = {
        d.slot.controller_number for d in machine.disks if d.slot.controller_type == SCSI
    }
    count, version = machine.scsi_controllers, machine.integration_version
    return {
        "VMId": machine.vm_id,
        "ScsiControllers": max(1, len(controllers)) if count is None else count,
        "IntegrationServicesVersion": guest_version(os_build) if version is None else version,
    }


def checkpoint_answer(book: HostBook, machine: MachineState, point: CheckpointState) -> Answer:
    """Reconciler.Checkpoint; its drives are the files that it keeps."""
    disks = {disk.number: disk for disk in machine.disks}
    return {
        "CheckpointId": point.id,
        "VMId": machine.vm_id,
        "ElementName": point.name,
        "CreationTime": point.created_at,
        "HardDrives": [drive_answer(book, disks[held.number], held.path) for held in point.disks],
    }


def reference_point_answer(machine: MachineState, point: ReferencePointState) -> Answer:
    """Reconciler.ReferencePoint."""
    return {
        "ReferencePointId": point.id,
        "VMId": machine.vm_id,
        "Disks": [
            {
                **_slot(tracked.slot),
                "DiskIdentifier": tracked.virtual_disk_id,
                "RctId": tracked.rct_id,
            }
            for tracked in point.disks
        ],
    }


def cluster_answer(cluster: ClusterState) -> Answer:
    """Reconciler.Cluster."""
    return {
        "Name": cluster.name,
        "Nodes": [
            {"Name": computer_name(name), "State": state} for name, state in cluster.nodes.items()
        ],
        "Groups": [
            {"VMId": vm_id, "OwnerNode": computer_name(group.owner), "State": group.state}
            for vm_id, group in cluster.groups.items()
        ],
    }


def volume_answer(volume: VolumeState, *, is_cluster_shared: bool) -> Answer:
    """Reconciler.Volume."""
    return {
        "Path": volume.path,
        "Size": volume.size_bytes,
        "SizeRemaining": volume.free_bytes,
        "IsClusterShared": is_cluster_shared,
        "DedupEnabled": volume.is_deduplicated,
        "ProtectionStatus": volume.protection,
    }


def event_answer(event: EventRecord) -> Answer:
    """Reconciler.Event."""
    return {
        "RecordId": event.record_id,
        "ProviderName": event.provider,
        "Id": event.id,
        "TimeCreated": event.at,
        "Node": event.node,
    }


def operation_answer(record: OperationRecord) -> Answer:
    """Reconciler.Operation."""
    return {
        "RequestId": record.request_id,
        "State": record.state.value,
        "PercentComplete": record.percent,
        "ErrorCode": record.error_code,
        "ErrorDescription": record.error_description,
        "CheckpointId": record.checkpoint_id,
        "ReferencePointId": record.reference_point_id,
        "MadeVMId": record.made_vm_id,
        "Incompatibilities": record.incompatibilities,
    }


def drive_answer(book: HostBook, disk: DiskState, path: str) -> Answer:
    """A hard drive that shows one file of the disk's stack."""
    if not disk.has_file:
        return _slot(disk.slot) | _NO_FILE | disk.properties
    answer: Answer = {
        **_slot(disk.slot),
        "Path": path,
        "DiskNumber": None,
        "DiskIdentifier": disk.virtual_disk_id,
        "VhdFormat": disk.format,
        "VhdType": "Differencing" if path in disk.chain[1:] else "Dynamic",
        "Size": disk.virtual_bytes,
        "FileSize": book.local(path).stat().st_size,
        "BlockSize": disk.format_block_bytes,
        "LogicalSectorSize": disk.logical_sector_bytes,
        "PhysicalSectorSize": disk.physical_sector_bytes,
        "SupportPersistentReservations": False,
    }
    return answer | disk.properties


def _slot(slot: ControllerSlot) -> Answer:
    return {
        "ControllerType": slot.controller_type,
        "ControllerNumber": slot.controller_number,
        "ControllerLocation": slot.location,
    }
