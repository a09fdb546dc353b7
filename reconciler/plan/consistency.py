"""Which consistency a machine can give, from what its host reports."""

from reconciler.model.machine import Role, VirtualMachine
from reconciler.model.protection import Consistency

VSS_COMPONENT = "5ced1297-4598-4915-a5fc-ad21bb4d02a4"
"""The backup (volume shadow copy) integration service.

Source: hyperv-facts.md §2.5.
"""
_NOT_RUNNING = frozenset({"Off", "Saved", "FastSaved"})


def obtainable_consistency(machine: VirtualMachine) -> Consistency:
    """The best consistency a recovery point of this machine can claim now.

    What the guest is comes from its key-value pairs; a guest that publishes none, or whose backup
    component does not report Ok, can only be captured as a crash would leave it. A Linux guest
    freezes its file systems and is never called application-consistent, whatever the host says.
    """
    if machine.key.role is not Role.PRIMARY:
        return Consistency.CRASH
    if machine.state in _NOT_RUNNING:
        return Consistency.OFFLINE
    vss = [s for s in machine.integration_services if s.component_id == VSS_COMPONENT]
    if not any(s.is_enabled and s.status == "Ok" for s in vss) or not machine.guest_os:
        return Consistency.CRASH
    if "windows" in machine.guest_os.lower():
        return Consistency.APPLICATION
    return Consistency.FILE_SYSTEM
