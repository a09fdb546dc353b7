"""Checkpoints, reference points and the differencing disks behind them.

A disk's files are a stack. A checkpoint puts a new file on every stack, where the machine writes
from then on, and keeps the files below. Only the top file is ever merged, into the one below it,
and only if no checkpoint keeps that one; so a file that a checkpoint names never moves or changes,
whatever happens to older checkpoints, and a stack that a foreign checkpoint holds up sinks when
that goes. Files of the user's own checkpoint, at the bottom, are never merged. (Hyper-V also merges
files in the middle of a stack; that would only add ways to pull a file from under its reader, which
real hosts refuse by sharing violations.)
"""

from collections.abc import Iterator
from pathlib import PureWindowsPath

from reconciler.lab import faults
from reconciler.lab.book import HostBook
from reconciler.lab.configuration import write_files
from reconciler.lab.definition import VSS
from reconciler.lab.disks import LabDisk
from reconciler.lab.faults import FaultKind
from reconciler.lab.scsi import lacks_controller
from reconciler.lab.state import (
    CheckpointDisk,
    CheckpointState,
    DiskState,
    MachineState,
    OperationRecord,
    ReferencePointState,
    TrackedDiskState,
    new_id,
)
from reconciler.lab.tracking import SERVER_2016, can_track, close_epoch, forget_unneeded, rct_id
from reconciler.lab.witness import keep

NOT_SUPPORTED = 32_770
INVALID_STATE = 32_775
"""Source: hyperv-facts.md §1.2."""


class RefusedError(Exception):
    """Hyper-V would end the operation with this code; nothing was changed."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def take(book: HostBook, machine: MachineState, record: OperationRecord) -> None:
    """Take a checkpoint; the record gets its id. Not saved.

    Raises:
        RefusedError: The machine's state does not allow it.
    """
    if book.state.pending:
        raise RefusedError(INVALID_STATE, "a write of a guest was cut off; restart the host")
    _refuse_unfit(book, machine, record)
    _refuse_faulty(book, machine)
    disks = [disk for disk in machine.disks if disk.has_file and not disk.is_shared]
    children = [child_path(disk) for disk in disks]
    for disk, child in zip(disks, children, strict=True):
        LabDisk.create_child(book.local(child), book.local(disk.live_path), disk.live_path)
    held = []
    for disk, child in zip(disks, children, strict=True):
        kept = CheckpointDisk(number=disk.number, path=disk.live_path, epoch=close_epoch(disk))
        held.append(kept)
        disk.chain.append(child)
    name = record.arguments["ElementName"]
    point = CheckpointState(id=new_id(), name=name, created_at=book.stamp(), disks=held)
    point.configuration_files = write_files(book, machine, point)
    machine.checkpoints.append(point)
    record.checkpoint_id = point.id
    keep(book, machine, name)


def convert(book: HostBook, machine: MachineState, record: OperationRecord) -> None:
    """Turn a checkpoint into a reference point that counts from when the checkpoint was taken.

    Raises:
        RefusedError: The host, or the machine's version, is too old for change tracking.
    """
    if not can_track(book.state.os_build, str(machine.properties["Version"])):
        raise RefusedError(NOT_SUPPORTED, f"'{machine.name}' has no resilient change tracking.")
    point = _taken_off(machine, record)
    disks = {disk.number: disk for disk in machine.disks}
    tracked = [
        TrackedDiskState(
            number=held.number,
            slot=disks[held.number].slot,
            virtual_disk_id=disks[held.number].virtual_disk_id,
            rct_id=rct_id(disks[held.number], held.epoch),
        )
        for held in point.disks
    ]
    reference = ReferencePointState(
        id=f"Microsoft:{machine.vm_id.upper()}\\{new_id().upper()}", disks=tracked
    )
    machine.reference_points.append(reference)
    record.reference_point_id = reference.id
    _forget(machine)


def remove(machine: MachineState, record: OperationRecord) -> None:
    """Let a checkpoint go."""
    _taken_off(machine, record)
    _forget(machine)


def destroy(machine: MachineState, record: OperationRecord) -> None:
    """Let a reference point go, and with it its ids, unless another one has the same."""
    gone = record.arguments["ReferencePointId"]
    machine.reference_points = [point for point in machine.reference_points if point.id != gone]
    _forget(machine)


def mergeable(machine: MachineState) -> Iterator[DiskState]:
    """Disks whose top file may be merged now."""
    named = machine.named_paths()
    for disk in machine.disks:
        if len(disk.chain) > disk.kept_files and disk.chain[-2] not in named:
            yield disk


def merge_top(book: HostBook, disk: DiskState) -> None:
    """Merge the top file of a stack into the one below; saved before and after.

    Half a merge leaves the stack readable, so a kill only means doing it again from its beginning.
    """
    disk.is_merging = True
    book.save()
    child, parent = disk.chain[-1], disk.chain[-2]
    LabDisk.merge(book.local(child), book.local(parent))
    disk.chain.pop()
    disk.is_merging = False
    book.save()
    book.local(child).unlink()


def _refuse_unfit(book: HostBook, machine: MachineState, record: OperationRecord) -> None:
    if machine.state.endswith("Critical"):
        raise RefusedError(INVALID_STATE, f"'{machine.name}' is in the state {machine.state}.")
    if book.state.os_build < SERVER_2016 and lacks_controller(machine):
        text = (
            f"'{machine.name}' has no SCSI controller, so it cannot be backed up hot (event 10103)."
        )
        raise RefusedError(faults.FAILED, text)
    wants_guest = record.arguments["ConsistencyLevel"] == "Application"
    version = str(machine.properties["Version"])
    if wants_guest and not can_track(book.state.os_build, version):
        raise RefusedError(NOT_SUPPORTED, f"'{machine.name}' has no production checkpoints.")
    if wants_guest and not (machine.state == "Running" and _guest_answers(machine)):
        text = f"The guest of '{machine.name}' cannot take part in a production checkpoint."
        raise RefusedError(INVALID_STATE, text)


def _refuse_faulty(book: HostBook, machine: MachineState) -> None:
    if faults.strikes(machine.faults, FaultKind.CHECKPOINT_EXCEPTION):
        text = f"The checkpoint operation for '{machine.name}' failed."
        raise RefusedError(faults.FAILED, text)
    if faults.is_set(book.state.faults, FaultKind.VOLUME_FULL):
        raise RefusedError(faults.DISK_FULL, "There is not enough space on the disk.")
    if faults.troubles(machine):
        text = f"Replication of '{machine.name}' does not allow a checkpoint now."
        raise RefusedError(INVALID_STATE, text)


def _guest_answers(machine: MachineState) -> bool:
    return any(
        service.component_id == VSS and service.is_enabled and service.status == "Ok"
        for service in machine.services
    )


def child_path(disk: DiskState) -> str:
    """A new name for a differencing file beside the others of a disk."""
    base = PureWindowsPath(disk.chain[0])
    return str(base.with_name(f"{base.stem}_{new_id().upper()}.a{disk.format.lower()}"))


def _taken_off(machine: MachineState, record: OperationRecord) -> CheckpointState:
    (point,) = (p for p in machine.checkpoints if p.id == record.arguments["CheckpointId"])
    machine.checkpoints.remove(point)
    return point


def _forget(machine: MachineState) -> None:
    for disk in machine.disks:
        forget_unneeded(machine, disk)
