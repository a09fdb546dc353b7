"""How a machine can be captured, and which consistency that gives, from what its host reports."""

from dataclasses import dataclass
from typing import Final, assert_never

from reconciler.model.machine import IntegrationService, Role, VirtualMachine
from reconciler.model.protection import Consistency, ConsistencyWish, Otherwise
from reconciler.plan.tracking import SERVER_2016, has_production_version

VSS_COMPONENT: Final = "5ced1297-4598-4915-a5fc-ad21bb4d02a4"
"""The backup (volume shadow copy) integration service.

Source: hyperv-facts.md §2.5.
"""
_RUNNING: Final = "Running"
_NOT_RUNNING: Final = frozenset({"Off", "Saved", "FastSaved", "Hibernated"})


@dataclass(frozen=True, slots=True)
class Way:
    """How a machine is captured now."""

    consistency: Consistency
    saves_machine: bool = False
    """It runs, and has to be saved for this; it runs on as soon as its disks are frozen."""


@dataclass(frozen=True, slots=True)
class NoWay:
    """Why a machine cannot be captured as wished, and what would help."""

    reason: str
    hint: str


def way_to_capture(machine: VirtualMachine, os_build: int, wish: ConsistencyWish) -> Way | NoWay:
    """The best capture of this machine that its policy allows, as it is now.

    A Linux guest freezes its file systems and is never called application-consistent, whatever the
    host says; the same holds for a guest that does not tell what it is.
    """
    if machine.key.role is not Role.PRIMARY:
        return Way(Consistency.CRASH)
    if machine.state in _NOT_RUNNING:
        return Way(Consistency.OFFLINE)
    if not wish.asks_guest:
        return Way(Consistency.CRASH)
    obstacle = guest_obstacle(machine, os_build)
    if obstacle is not None:
        return _otherwise(machine, wish.otherwise, obstacle)
    is_windows = "windows" in machine.guest_os.lower()
    return Way(Consistency.APPLICATION if is_windows else Consistency.FILE_SYSTEM)


def guest_obstacle(machine: VirtualMachine, os_build: int) -> NoWay | None:
    """Why the guest cannot take part in a capture; None when it can."""
    if os_build < SERVER_2016:
        return NoWay(
            "its host is older than Windows Server 2016: there only a native VSS requester could "
            "ask the guest, which the agent is not",
            "move it to a host with Windows Server 2016 or later",
        )
    if not has_production_version(machine):
        return NoWay(
            f"its configuration version {machine.configuration_version} has no production "
            "checkpoints",
            "upgrade it with Update-VMVersion while it is off; there is no way back",
        )
    if machine.state != _RUNNING:
        return NoWay(f"its state is {machine.state}, so the guest cannot be asked", "let it run on")
    found = [s for s in machine.integration_services if s.component_id == VSS_COMPONENT]
    if any(s.is_enabled and s.status == "Ok" for s in found):
        return None
    return _what_is_wrong(found)


def _what_is_wrong(found: list[IntegrationService]) -> NoWay:
    if not found:
        return NoWay(
            "the integration service Backup (volume shadow copy) is not there",
            "install or update the integration services in the guest",
        )
    enabled = [s for s in found if s.is_enabled]
    if not enabled:
        return NoWay(
            "the integration service Backup (volume shadow copy) is switched off",
            "switch it on in the machine's settings, under Integration Services",
        )
    return NoWay(
        f"the integration service Backup (volume shadow copy) reports {enabled[0].status}",
        "see that it runs in the guest: vmicvss on Windows, hv_vss_daemon on Linux",
    )


def _otherwise(machine: VirtualMachine, otherwise: Otherwise, obstacle: NoWay) -> Way | NoWay:
    match otherwise:
        case Otherwise.CRASH:
            return Way(Consistency.CRASH)
        case Otherwise.SAVED_STATE if machine.state == _RUNNING:
            return Way(Consistency.OFFLINE, saves_machine=True)
        case Otherwise.SAVED_STATE:
            return NoWay(
                f"{obstacle.reason}, and only a running machine can be saved",
                f"{obstacle.hint}, or choose 'otherwise: crash' in its group",
            )
        case Otherwise.REFUSE:
            return NoWay(
                f"{obstacle.reason}, and its group refuses anything less",
                f"{obstacle.hint}, or choose 'otherwise: saved_state' in its group",
            )
        case _:
            assert_never(otherwise)
