"""Machines, checkpoints and reference points, from answers that keep the contract.

What is odd about one machine or one of its disks is a fault of that machine, and hides no other
machine of the host.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from reconciler.adapters.hyperv.decode import (
    Answer,
    Decoder,
    number_of,
    objects_of,
    shown,
    text_of,
    texts_of,
)
from reconciler.agent_contract import ENDED, GUID
from reconciler.errors import HostRefusedError
from reconciler.model.machine import (
    Checkpoint,
    ControllerSlot,
    DiskFormat,
    DiskGeometry,
    IntegrationService,
    NaturalKey,
    PassThroughDisk,
    ReferencePoint,
    Replication,
    Role,
    SharedDisk,
    TrackedDisk,
    VirtualDisk,
    VirtualMachine,
)
from reconciler.model.names import CheckpointId, RctId, ReferencePointId

MAX_VIRTUAL_BYTES: Final = 64 << 40
"""Source: [MS-VHDX] 2.6.2.4, largest virtual disk."""
PLANNED: Final = "PlannedVirtualMachine"
VHD_SET: Final = "VHDSet"
"""Source: VhdFormat of Get-VHD; hyperv-facts.md §2.6. Its file ends in .vhds."""
NOT_REPLICATED: Final = "None"

_ROLES = {
    NOT_REPLICATED: Role.PRIMARY,
    "Primary": Role.PRIMARY,
    "Replica": Role.REPLICA,
    "ExtendedReplica": Role.EXTENDED_REPLICA,
    "TestReplica": Role.TEST_REPLICA,
}
_FORMATS = frozenset(f.value for f in DiskFormat)
_CONTROLLERS = frozenset({"IDE", "SCSI", "PMEM"})
_SECTORS = frozenset({512, 4096})
_ENDED_JOBS = frozenset(state.value for state in ENDED)


class _OddDiskError(Exception):
    """A disk that was told in a way nobody can use; the text goes on after 'the disk at …'."""


def machine(decoder: Decoder, answer: Answer) -> VirtualMachine | None:
    """One machine; None for the planned half of a migration."""
    if text_of(answer, "VirtualMachineType") == PLANNED:
        return None
    drives = objects_of(answer, "HardDrives")
    disks, faults = _disks(drives)
    replication, odd = _replication(decoder, answer)
    user_checkpoints = number_of(answer, "SnapshotCount")
    if user_checkpoints < 0:
        odd = (*odd, f"its SnapshotCount is {user_checkpoints}")
    mode = text_of(answer, "ReplicationMode")
    return VirtualMachine(
        key=NaturalKey(decoder.vm_id(answer), _ROLES.get(mode, Role.PRIMARY)),
        name=text_of(answer, "Name"),
        host=decoder.host,
        state=text_of(answer, "State"),
        generation=number_of(answer, "Generation"),
        configuration_version=text_of(answer, "Version"),
        operational_status=texts_of(answer, "OperationalStatus"),
        guest_os=text_of(answer, "GuestOSName"),
        disks=disks,
        pass_through=_pass_through(drives),
        shared=_shared(drives),
        integration_services=_services(answer),
        faults=(*faults, *odd),
        notes=text_of(answer, "Notes"),
        user_checkpoints=max(0, user_checkpoints),
        is_clustered=bool(answer["IsClustered"]),
        replication=replication,
        job_types=tuple(
            number_of(job, "JobType")
            for job in objects_of(answer, "Jobs")
            if text_of(job, "JobState") not in _ENDED_JOBS
        ),
    )


def checkpoint(decoder: Decoder, answer: Answer) -> Checkpoint:
    """One recovery checkpoint."""
    disks, faults = _disks(objects_of(answer, "HardDrives"))
    return Checkpoint(
        id=CheckpointId(decoder.guid(answer, "CheckpointId")),
        vm_id=decoder.vm_id(answer),
        name=text_of(answer, "ElementName"),
        created_at=decoder.time(answer, "CreationTime"),
        disks=disks,
        faults=faults,
    )


def reference_point(decoder: Decoder, answer: Answer) -> ReferencePoint:
    """One reference point."""
    return ReferencePoint(
        id=ReferencePointId(text_of(answer, "ReferencePointId")),
        vm_id=decoder.vm_id(answer),
        disks=tuple(
            TrackedDisk(_slot(d), text_of(d, "DiskIdentifier").lower(), RctId(text_of(d, "RctId")))
            for d in objects_of(answer, "Disks")
        ),
    )


def _replication(decoder: Decoder, answer: Answer) -> tuple[Replication | None, tuple[str, ...]]:
    """What Hyper-V Replica has to do with the machine, and what is odd about that."""
    mode = text_of(answer, "ReplicationMode")
    faults = () if mode in _ROLES else (f"its ReplicationMode '{shown(mode)}' is unknown",)
    if mode == NOT_REPLICATED:
        return None, faults
    times: dict[str, datetime | None] = {}
    for name in ("LastReplicationTime", "LastAppliedLogTime"):
        try:
            times[name] = None if answer[name] is None else decoder.time(answer, name)
        except HostRefusedError:
            times[name] = None
            faults = (*faults, f"its {name} '{shown(text_of(answer, name))}' is no time")
    found = Replication(
        state=text_of(answer, "ReplicationState"),
        health=text_of(answer, "ReplicationHealth"),
        last_replicated_at=times["LastReplicationTime"],
        last_applied_at=times["LastAppliedLogTime"],
    )
    return found, faults


def _services(answer: Answer) -> tuple[IntegrationService, ...]:
    return tuple(
        IntegrationService(
            text_of(service, "ComponentId").lower(),
            bool(service["Enabled"]),
            text_of(service, "PrimaryOperationalStatus"),
        )
        for service in objects_of(answer, "IntegrationServices")
    )


def _pass_through(drives: Sequence[Answer]) -> tuple[PassThroughDisk, ...]:
    return tuple(
        PassThroughDisk(_slot(drive), number_of(drive, "DiskNumber"))
        for drive in drives
        if drive["DiskNumber"] is not None
    )


def _is_shared(drive: Answer) -> bool:
    is_set = text_of(drive, "VhdFormat") == VHD_SET
    return drive["DiskNumber"] is None and (is_set or bool(drive["SupportPersistentReservations"]))


def _shared(drives: Sequence[Answer]) -> tuple[SharedDisk, ...]:
    return tuple(
        SharedDisk(_slot(drive), text_of(drive, "Path")) for drive in drives if _is_shared(drive)
    )


def _disks(drives: Sequence[Answer]) -> tuple[tuple[VirtualDisk, ...], tuple[str, ...]]:
    """The disks that have a file of their own, and what is wrong with the others."""
    disks: list[VirtualDisk] = []
    faults: list[str] = []
    for drive in drives:
        if drive["DiskNumber"] is not None or _is_shared(drive):
            continue
        try:
            disk = _disk(drive)
        except _OddDiskError as error:
            faults.append(f"the disk at {shown(str(_slot(drive)))} {error}")
            continue
        if any(disk.slot == other.slot for other in disks):
            faults.append(f"two disks are told at {disk.slot}")
        disks.append(disk)
    return tuple(disks), tuple(faults)


def _disk(drive: Answer) -> VirtualDisk:
    slot, text = _slot(drive), text_of(drive, "VhdFormat")
    size, block = number_of(drive, "Size"), number_of(drive, "BlockSize")
    logical = number_of(drive, "LogicalSectorSize")
    physical = number_of(drive, "PhysicalSectorSize")
    identifier = text_of(drive, "DiskIdentifier").lower()
    is_known = slot.controller_type in _CONTROLLERS
    if not is_known or min(slot.controller_number, slot.location) < 0:
        raise _OddDiskError("is attached to nothing that is known")
    if text not in _FORMATS:
        raise _OddDiskError(f"has the format '{shown(text)}', which is neither VHD nor VHDX")
    if not re.fullmatch(GUID, identifier):
        raise _OddDiskError("has no virtual disk id")
    if not 0 < size <= MAX_VIRTUAL_BYTES or logical not in _SECTORS or size % logical:
        raise _OddDiskError(f"has {size} bytes in sectors of {logical}")
    if block < 0 or physical not in _SECTORS:
        raise _OddDiskError(f"has blocks of {block} bytes, physical sectors of {physical}")
    geometry = DiskGeometry(size, logical, physical, DiskFormat(text), block)
    return VirtualDisk(slot, text_of(drive, "Path"), identifier, geometry)


def _slot(drive: Answer) -> ControllerSlot:
    return ControllerSlot(
        text_of(drive, "ControllerType"),
        number_of(drive, "ControllerNumber"),
        number_of(drive, "ControllerLocation"),
    )
