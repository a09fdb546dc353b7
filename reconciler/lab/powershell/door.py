"""What the stand-ins ask of the lab: its state in a few looks, and deeds as jobs of Hyper-V.

Bytes travel as base64. What the host refuses comes back as `refused`, with the id of the error.
"""

from collections.abc import Callable, Mapping
from typing import Any

from reconciler import agent_contract as contract
from reconciler.agent_contract import FUNCTIONS
from reconciler.lab import witness
from reconciler.lab.book import is_remote
from reconciler.lab.configuration import configuration_file, data_root, guest_state_file
from reconciler.lab.describe import drive_answer
from reconciler.lab.host import LabHost
from reconciler.lab.powershell.door_machines import MachineDoor
from reconciler.lab.powershell.door_planned import PlannedDoor
from reconciler.lab.powershell.drive_ids import drive_id, give_ids
from reconciler.lab.state import CheckpointState, MachineState, new_id
from reconciler.lab.wire.body import AgentError

Arguments = Mapping[str, Any]
Deeds = dict[str, Callable[[Arguments], object]]

_FUNCTIONS = {function.name: function for function in FUNCTIONS}


class HyperVDoor:
    """The deeds that a lab host's stand-ins may ask for."""

    def __init__(self, host: LabHost) -> None:
        self._host = host
        self._book = host.book
        self._planned = PlannedDoor(host)

    def deeds(self) -> Deeds:
        """By the name that they are asked by."""
        return {
            "powershell_machines": lambda _: self._machines(),
            "powershell_snapshots": lambda _: self._snapshots(),
            "powershell_reference_points": lambda _: self._reference_points(),
            "powershell_look": lambda a: self._told(a["function"], a["arguments"]),
            "powershell_files": lambda _: self._files(),
            "powershell_configurations": lambda _: self._configurations(),
            "powershell_start": lambda a: self._start(a["function"], a["arguments"]),
            "powershell_job": lambda a: (
                self._planned.job(a["RequestId"]) or self._told("Get-ReconcilerOperation", a)
            ),
            "powershell_stop": lambda a: (
                self._planned.stop(a["RequestId"]) or self._told("Stop-ReconcilerOperation", a)
            ),
            "powershell_roles": lambda _: self._roles(),
            "powershell_rename": lambda a: self._rename(a["checkpoint"], a["name"]),
            "powershell_changes": self._changes,
            **MachineDoor(self._host).deeds(),
            **self._planned.deeds(),
        }

    def _told(self, name: str, arguments: Arguments) -> object:
        """Answers as the lab gives them, or why it does not."""
        try:
            return list(self._host.invoke(_FUNCTIONS[name], arguments))
        except AgentError as refusal:
            return {"refused": refusal.error_id, "text": refusal.message}

    def _machines(self) -> object:
        found = self._told(contract.GET_MACHINE.name, {})
        if isinstance(found, list):
            seldom = {told["VMId"]: told for told in self._seldom()}
            found += self._planned.machines()
            for machine in found:
                give_ids(machine["VMId"], machine["HardDrives"])
                machine.update(seldom.get(machine["VMId"], {}))
        return found

    def _seldom(self) -> list[dict[str, Any]]:
        """What of machines is no part of their usual answer."""
        (told,) = self._host.invoke(contract.GET_REQUIREMENT, {})
        machines = told["Machines"]
        return machines if isinstance(machines, list) else []

    def _snapshots(self) -> object:
        """Checkpoints, recovery ones and users' own."""
        found = self._told(contract.GET_CHECKPOINT.name, {})
        if isinstance(found, list):
            for point in found:
                give_ids(point["VMId"], point["HardDrives"])
        return found

    def _reference_points(self) -> object:
        """Reference points with the instance ids of the drives that they are about."""
        with self._book.changed:
            return [
                {
                    "InstanceID": point.id,
                    "VMId": machine.vm_id,
                    "Disks": [
                        {"Id": drive_id(machine.vm_id, disk.slot), "RctId": disk.rct_id}
                        for disk in point.disks
                    ],
                }
                for machine in self._book.state.machines.values()
                for point in machine.reference_points
            ]

    def _files(self) -> object:
        """Every disk file of the host's machines: what Get-VHD knows, and where it really is."""
        with self._book.changed:
            return [
                drive_answer(self._book, disk, path)
                | {
                    "Path": path,
                    "ParentPath": disk.chain[place - 1] if place else "",
                    "IsRemote": is_remote(path),
                    "Local": str(self._book.local(path)),
                }
                for machine in self._book.state.machines.values()
                for disk in machine.disks
                for place, path in enumerate(disk.chain)
                if self._book.local(path).is_file()
            ]

    def _configurations(self) -> object:
        """What the settings of each recovery checkpoint say of their files, and the files."""
        book = self._book
        with book.changed:
            return [
                {
                    "CheckpointId": point.id,
                    "ConfigurationDataRoot": data_root(machine),
                    "ConfigurationFile": configuration_file(book, point.id),
                    "GuestStateFile": guest_state_file(book, machine, point.id),
                    "Files": [
                        {"Path": path, "Local": str(book.local(path))}
                        for path in point.configuration_files
                        if not is_remote(path)
                    ],
                }
                for machine in book.state.machines.values()
                for point in machine.checkpoints
            ]

    def _start(self, name: str, arguments: Arguments) -> object:
        """Begin a job; which one."""
        request_id = new_id()
        given = {"RequestId": request_id, **arguments}
        if name == contract.START_CHECKPOINT.name:
            given["ElementName"] = f"checkpoint {request_id}"
        return self._told(name, given)

    def _rename(self, checkpoint_id: str, name: str) -> object:
        with self._book.changed:
            point = self._point(checkpoint_id)
            if point is None:
                return {"refused": "CheckpointNotFound", "text": f"no checkpoint {checkpoint_id}"}
            witness.rename(self._book, point.name, name)
            point.name = name
            self._book.save()
            return []

    def _roles(self) -> object:
        """The state, by machine, of what the cluster is about to stop or start."""
        passing = {"TakeOffline": "OfflinePending", "BringOnline": "OnlinePending"}
        with self._book.changed:
            return {
                record.vm_id: passing[record.arguments["Change"]]
                for record in self._book.state.operations.values()
                if not record.has_ended and record.arguments.get("Change") in passing
            }

    def _point(self, checkpoint_id: str) -> CheckpointState | None:
        machines: list[MachineState] = list(self._book.state.machines.values())
        points = (point for machine in machines for point in machine.checkpoints)
        return next((point for point in points if point.id == checkpoint_id), None)

    def _changes(self, arguments: Arguments) -> object:
        found = self._told(contract.GET_DISK_CHANGE.name, arguments)
        if not isinstance(found, list):
            return found
        (piece,) = found
        ranges = contract.unpack_ranges(piece["Extents"])
        return {
            "ProcessedByteLength": piece["ProcessedLength"],
            "ChangedByteOffsets": [this.start for this in ranges],
            "ChangedByteLengths": [this.length for this in ranges],
        }
