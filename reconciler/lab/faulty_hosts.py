"""Faults of all hosts of a lab, from outside of their processes."""

from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import SettingsError
from reconciler.lab import faults, nodes
from reconciler.lab.control import ControlClient, client_for_machine, host_names
from reconciler.lab.faults import FaultKind
from reconciler.lab.state import HostState, Power


@dataclass(frozen=True, slots=True)
class Place:
    """A host, a machine, or neither: everywhere."""

    host: str | None = None
    vm: str | None = None


EVERYWHERE = Place()


def set_fault(folder: Path, kind: str, place: Place, count: int | None = None) -> None:
    """Let something go wrong; see FaultDoor.set.

    Raises:
        ControlError: The host does not take it.
        ItemNotFoundError: The lab has no such host.
        HostUnreachableError: The host does not run.
    """
    if kind != FaultKind.NODE_LOST:
        door = _door(folder, place)
        door.ask("fault_set", kind=kind, vm=place.vm, count=count)
        return
    if place.host is None or count is not None:
        raise SettingsError(f"{kind} is a fault of a host", hint="--host HOST, and no --count")
    nodes.lose(folder, place.host)


def clear_faults(folder: Path, kind: str | None = None, place: Place = EVERYWHERE) -> int:
    """Let all be well again; how many faults there were. Hosts that were lost are started.

    Raises:
        ControlError: There is no such fault.
        HostUnreachableError: A host that has faults does not run, and was not lost.
    """
    if place.vm:
        return int(_door(folder, place).ask("fault_clear", kind=kind, vm=place.vm))
    names = host_names(folder) if place.host is None else (place.host,)
    count = 0
    for name in names:
        if _is_lost(folder, name):
            if kind not in (None, FaultKind.NODE_LOST):
                continue
            nodes.start(folder, name)
            count += 1
        if kind != FaultKind.NODE_LOST and (place.host or faults.all_faults(_state(folder, name))):
            count += int(_door(folder, Place(name)).ask("fault_clear", kind=kind))
    return count


def list_faults(folder: Path) -> list[dict[str, object]]:
    """Every fault of the lab, whether its hosts run or not.

    Shape: host, vm (a label, or None), kind, left (times yet, or None).
    """
    found: list[dict[str, object]] = []
    for name in host_names(folder):
        if _is_lost(folder, name):
            found.append({"host": name, "vm": None, "kind": FaultKind.NODE_LOST, "left": None})
        found += faults.all_faults(_state(folder, name))
    return found


def _door(folder: Path, place: Place) -> ControlClient:
    if place.vm:
        return client_for_machine(folder, place.vm)
    name = str(place.host)
    nodes.require_host(folder, name)
    return ControlClient(folder, name)


def _is_lost(folder: Path, name: str) -> bool:
    return _state(folder, name).power is Power.LOST


def _state(folder: Path, name: str) -> HostState:
    nodes.require_host(folder, name)
    return HostState.parse((folder / name / "state.json").read_bytes())
