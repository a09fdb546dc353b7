"""Instance ids of drives."""

from typing import Any, Final
from uuid import NAMESPACE_OID, uuid5

from reconciler.model.machine import ControllerSlot

IDE_CONTROLLER: Final = "83F8638B-8DCA-4152-9EDA-2CA8B33039B4"


def drive_id(vm_id: str, slot: ControllerSlot) -> str:
    """Instance id of a drive. Source: hyperv-facts.md §1.5."""
    controller = f"{slot.controller_type} {slot.controller_number}"
    is_ide = slot.controller_type == "IDE"
    guid = IDE_CONTROLLER if is_ide else str(uuid5(NAMESPACE_OID, vm_id + controller)).upper()
    number = slot.controller_number if is_ide else 0
    return f"Microsoft:{vm_id.upper()}\\{guid}\\{number}\\{slot.location}\\D"


def give_ids(vm_id: str, drives: list[dict[str, Any]]) -> None:
    """Tell each drive its id."""
    for drive in drives:
        slot = ControllerSlot(
            str(drive["ControllerType"]),
            int(drive["ControllerNumber"]),
            int(drive["ControllerLocation"]),
        )
        drive["Id"] = drive_id(vm_id, slot)
