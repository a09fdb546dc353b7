"""Hosts that are lost, stopped, started and restarted, from outside of their processes."""

from pathlib import Path

from reconciler.errors import HostUnreachableError, ItemNotFoundError
from reconciler.lab import processes
from reconciler.lab.cluster import UP, Cluster
from reconciler.lab.control import ControlClient, host_names
from reconciler.lab.power import note_loss
from reconciler.lab.state import HostState


def lose(folder: Path, name: str) -> tuple[str, ...]:
    """A host goes down with no warning; the nodes of its cluster notice. Which ones did.

    Raises:
        ItemNotFoundError: The lab has no such host.
    """
    require_host(folder, name)
    processes.kill(folder, name)
    note_loss(folder / name)
    noticed = []
    for survivor in _other_nodes(folder, name):
        try:
            ControlClient(folder, survivor).ask("replace_node", lost=name)
        except HostUnreachableError:
            continue  # stopped together with the rest of the lab: nobody is there to notice
        noticed.append(survivor)
    return tuple(noticed)


def stop(folder: Path, name: str) -> None:
    """Shut a host down as planned: its clustered machines move away first.

    Raises:
        HostUnreachableError: It does not run.
        ControlError: A machine is busy and cannot move.
    """
    require_host(folder, name)
    ControlClient(folder, name).ask("shut_down")
    processes.stop(folder, name)


def start(folder: Path, name: str) -> None:
    """Start a host where it was before."""
    require_host(folder, name)
    processes.start(folder, (name,))


def restart(folder: Path, name: str) -> None:
    """Restart a host as planned; see `stop`."""
    stop(folder, name)
    start(folder, name)


def require_host(folder: Path, name: str) -> None:
    """Refuse what is no host of the lab.

    Raises:
        ItemNotFoundError: The lab has no such host.
    """
    if name not in host_names(folder):
        raise ItemNotFoundError(
            f"the lab in {folder} has no host {name}",
            hint=f"one of {', '.join(host_names(folder)) or 'none: reconciler lab up'}",
        )


def _other_nodes(folder: Path, name: str) -> list[str]:
    state = HostState.parse((folder / name / "state.json").read_bytes())
    if not state.cluster:
        return []
    nodes = Cluster(folder / state.cluster).read().nodes
    return [node for node, status in nodes.items() if node != name and status == UP]
