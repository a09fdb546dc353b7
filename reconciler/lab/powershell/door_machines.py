"""What the stand-ins ask of the lab when a machine is made piece by piece, and where files are."""

from collections.abc import Callable, Mapping
from typing import Any

from reconciler.lab.checkpoints import RefusedError
from reconciler.lab.host import LabHost
from reconciler.lab.imported import add_disk, look_into, new_machine, take_up

Arguments = Mapping[str, Any]


class MachineDoor:
    """The deeds about machines that somebody makes on a lab host."""

    def __init__(self, host: LabHost) -> None:
        self._book = host.book

    def deeds(self) -> dict[str, Callable[[Arguments], object]]:
        """By the name that they are asked by."""
        return {
            "powershell_folders": lambda _: self._folders(),
            "powershell_local": lambda a: str(self._book.local(a["Path"])),
            "powershell_new_machine": lambda a: self._told(self._make, a),
            "powershell_attach": lambda a: self._told(self._attach, a),
            "powershell_add_controller": lambda a: self._told(self._add_controller, a),
            "powershell_note": lambda a: self._told(self._note, a),
        }

    def _told(self, deed: Callable[[Arguments], object], arguments: Arguments) -> object:
        """Done as a whole and kept, or why not."""
        with self._book.changed:
            try:
                done = deed(arguments)
            except (RefusedError, OSError, ValueError) as refusal:
                return {"refused": "OperationFailed", "text": str(refusal)}
            self._book.save()
            return done

    def _folders(self) -> object:
        with self._book.changed:
            state = self._book.state
            return {"Disks": state.disk_folder, "Machines": state.machine_folder}

    def _make(self, given: Arguments) -> object:
        machine = new_machine(self._book, given["Name"], given["Generation"], given["Version"])
        take_up(self._book, machine)
        return {"VMId": machine.vm_id}

    def _attach(self, given: Arguments) -> object:
        machine = self._book.machine(given["VMId"])
        disk = add_disk(machine, given["Slot"], given["Path"])
        try:
            look_into(self._book, machine, disk)
        except (OSError, ValueError):
            machine.disks.remove(disk)
            raise
        return []

    def _add_controller(self, given: Arguments) -> object:
        machine = self._book.machine(given["VMId"])
        machine.scsi_controllers = (machine.scsi_controllers or 1) + 1
        return []

    def _note(self, given: Arguments) -> object:
        self._book.machine(given["VMId"]).properties["Notes"] = given["Notes"]
        return []
