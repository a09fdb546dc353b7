"""The controller that a host before Server 2016 needs for the disk which a backup attaches.

Source: hyperv-facts.md §1.9. That a machine which is saved needs it as one that runs does is the
lab's strictness: nobody has written down that it does not.
"""

from typing import Final

from reconciler.lab.state import MachineState

_NEEDS_NONE: Final = "Off"


def lacks_controller(machine: MachineState) -> bool:
    """Whether Hyper-V before Server 2016 would refuse a checkpoint for lack of a SCSI controller.

    A machine of the second generation has no other kind; one of the first has it if a disk is
    attached to it.
    """
    is_first = machine.properties["Generation"] == 1
    has_one = any(disk.slot.controller_type == "SCSI" for disk in machine.disks)
    return is_first and not has_one and machine.state != _NEEDS_NONE
