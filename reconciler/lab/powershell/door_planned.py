"""Planned machines, as far as stand-ins may see and change them, and the jobs that do so.

They are in nobody's document: when the lab's process ends, they are gone. A job has done its work
before it is told of, and is told of as running once.
"""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from reconciler.lab import faults
from reconciler.lab.checkpoints import RefusedError
from reconciler.lab.configuration_document import disks_of, parse_configuration
from reconciler.lab.describe import planned_answer, seldom_answer
from reconciler.lab.host import LabHost
from reconciler.lab.imported import take_up
from reconciler.lab.powershell.drive_ids import drive_id
from reconciler.lab.state import MachineState, new_id
from reconciler.model.machine import ControllerSlot

Arguments = Mapping[str, Any]

_UNPLUGGED = 3
"""EnabledState of a connection."""
_DONE = {"State": "Completed", "PercentComplete": 100, "ErrorCode": 0, "ErrorDescription": ""}


class PlannedDoor:
    """The deeds about planned machines of one host."""

    def __init__(self, host: LabHost) -> None:
        self._book = host.book
        self._machines: dict[str, MachineState] = {}
        self._jobs: dict[str, list[dict[str, object]]] = {}
        self._about: dict[str, str] = {}

    def deeds(self) -> dict[str, Callable[[Arguments], object]]:
        """By the name that they are asked by."""
        return {
            "powershell_planned": lambda _: self._resources(),
            "powershell_affected": lambda a: self._about.get(a["Job"], "").upper(),
            "powershell_ImportSystemDefinition": lambda a: self._begin(self._define, a),
            "powershell_ModifyResourceSettings": lambda a: self._begin(self._modify, a),
            "powershell_ValidatePlannedSystem": lambda a: self._begin(self._validate, a),
            "powershell_RealizePlannedSystem": lambda a: self._begin(self._realize, a),
            "powershell_DestroySystem": lambda a: self._begin(self._destroy, a),
        }

    def job(self, job_id: str) -> list[dict[str, object]] | None:
        """What a job of these says now; None if it is none."""
        told = self._jobs.get(job_id)
        if told is None:
            return None
        return [told.pop(0) if len(told) > 1 else told[0]]

    def stop(self, job_id: str) -> bool:
        """End a job that is told of as running; whether it is one of these."""
        told = self._jobs.get(job_id)
        if told and len(told) > 1:
            told[:] = [{**_DONE, "State": "Terminated", "PercentComplete": 50}]
        return told is not None

    def machines(self) -> list[dict[str, Any]]:
        """The planned machines, as Hyper-V shows them."""
        with self._book.changed:
            build = self._book.state.os_build
            return [
                planned_answer(self._book, machine) | seldom_answer(machine, build)
                for machine in self._machines.values()
            ]

    def _begin(self, deed: Callable[[Arguments], str], arguments: Arguments) -> str:
        job_id = new_id().upper()
        end: dict[str, object] = dict(_DONE)
        with self._book.changed:
            try:
                self._about[job_id] = deed(arguments)
            except (RefusedError, OSError, ValueError) as refusal:
                end |= {"State": "Exception", "ErrorCode": faults.FAILED}
                end["ErrorDescription"] = str(refusal)
        self._jobs[job_id] = [{**_DONE, "State": "Running", "PercentComplete": 50}, end]
        return job_id

    def _define(self, given: Arguments) -> str:
        machine = parse_configuration(self._book.local(given["File"]).read_bytes())
        if given["IsNew"]:
            machine.vm_id = new_id()
        if machine.vm_id in self._book.state.machines:
            raise RefusedError(faults.FAILED, f"{machine.vm_id} is here already.")
        machine.disks = list(disks_of(machine).values())
        self._machines[machine.vm_id] = machine
        return machine.vm_id

    def _modify(self, given: Arguments) -> str:
        for setting in given["Settings"]:
            self._modify_one(setting)
        return ""

    def _modify_one(self, setting: Mapping[str, Any]) -> None:
        for machine in self._machines.values():
            if (
                setting["InstanceID"] == _connection_id(machine)
                and setting["EnabledState"] == _UNPLUGGED
            ):
                machine.switch = ""
                return
            for disk in machine.disks:
                if setting["InstanceID"] == _disk_id(machine, disk.slot):
                    disk.chain = list(setting["HostResource"])
                    return
        raise ValueError(f"no planned machine has {setting['InstanceID']}")

    def _validate(self, given: Arguments) -> str:
        machine = self._machines[given["VMId"]]
        if machine.switch not in {"", *self._book.state.switches}:
            raise RefusedError(faults.FAILED, f"The switch '{machine.switch}' was not found.")
        for disk in machine.disks:
            if not self._book.local(disk.live_path).is_file():
                raise RefusedError(faults.FAILED, f"{disk.live_path} was not found.")
        return machine.vm_id

    def _realize(self, given: Arguments) -> str:
        machine = self._machines[given["VMId"]]
        take_up(self._book, machine)
        del self._machines[machine.vm_id]
        self._book.save()
        return machine.vm_id

    def _destroy(self, given: Arguments) -> str:
        del self._machines[given["VMId"]]
        return ""

    def _resources(self) -> object:
        with self._book.changed:
            machines = list(self._machines.values())
            switches = self._book.state.switches
        return {
            "Disks": [
                {"InstanceID": _disk_id(machine, disk.slot), "Path": disk.live_path}
                for machine in machines
                for disk in machine.disks
            ],
            "Connections": [
                {
                    "InstanceID": _connection_id(machine),
                    "Switch": machine.switch,
                    "SwitchId": _switch_id(machine.switch),
                }
                for machine in machines
                if machine.switch
            ],
            "Switches": [{"Id": _switch_id(name), "Name": name} for name in switches],
        }


def _disk_id(machine: MachineState, slot: ControllerSlot) -> str:
    return drive_id(machine.vm_id, slot).removesuffix("D") + "L"


def _connection_id(machine: MachineState) -> str:
    return f"Microsoft:{machine.vm_id.upper()}\\{_switch_id(machine.vm_id)}\\C"


def _switch_id(name: str) -> str:
    return str(uuid5(NAMESPACE_OID, name)).upper()
