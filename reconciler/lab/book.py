"""One host's memory and folder, and the one lock that everything on the host takes."""

import glob
import threading
from pathlib import Path, PureWindowsPath

from reconciler.errors import ItemNotFoundError, SettingsError
from reconciler.lab.cluster import Cluster
from reconciler.lab.files import replace_file
from reconciler.lab.state import DiskState, HostState, MachineState
from reconciler.lab.wire.body import AgentError
from reconciler.ports import Clock

CLUSTER_STORAGE = "ClusterStorage"


class HostBook:
    """State of a host; change it, and save it, only while holding `changed`.

    Every change is one save: a kill leaves the host before it or after it. `changed` is notified
    when an operation ends.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.clock = clock
        self.changed = threading.Condition()
        self.state = _read(folder)
        name = self.state.cluster
        self.cluster = Cluster(folder.parent / name) if name else None

    def save(self) -> None:
        """Make the state durable against a kill."""
        write_state(self.folder, self.state)

    def stamp(self) -> str:
        """The time now as the contract spells it."""
        return self.clock().isoformat(timespec="milliseconds")

    def machine(self, vm_id: str) -> MachineState:
        """A machine by its id.

        Raises:
            AgentError: VMNotFound.
        """
        try:
            return self.state.machines[vm_id]
        except KeyError:
            text = f'Hyper-V was unable to find a virtual machine with id "{vm_id}".'
            raise AgentError("VMNotFound", text, category="ObjectNotFound", target=vm_id) from None

    def named(self, name: str) -> MachineState:
        """A machine by its name, for the people at the lab.

        Raises:
            ItemNotFoundError: No machine of this host has that name.
        """
        for machine in self.state.machines.values():
            if name in (machine.label, machine.name, machine.vm_id):
                return machine
        raise ItemNotFoundError(
            f"host {self.state.name} has no machine {name}", hint="reconciler lab status"
        )

    def local(self, host_path: str) -> Path:
        """Where a file of the host really is."""
        return local_path(self.folder, host_path, self.state.cluster)

    def shadow(self, machine: MachineState, disk: DiskState) -> Path:
        """The raw judge of a disk."""
        folder = self.cluster.folder if self.cluster and machine.is_clustered else self.folder
        return shadow_path(folder, machine, disk)

    def remove_debris(self) -> None:
        """Delete differencing files that no machine has: left by a kill around a save.

        Only what was made over a disk of ours can be debris of ours: other files are somebody's,
        as those of a machine that was removed or is about to be imported.
        """
        disks = [disk for machine in self.state.machines.values() for disk in machine.disks]
        kept = {self.local(path) for disk in disks for path in disk.chain}
        points = [point for m in self.state.machines.values() for point in m.checkpoints]
        kept |= {self.local(path) for point in points for path in point.configuration_files}
        for base in (self.local(path) for disk in disks for path in disk.chain[:1]):
            found = [*base.parent.glob(f"{glob.escape(base.stem)}_*.avhd*")]
            if base.is_relative_to(self.folder):  # elsewhere others may have theirs
                found += base.parent.glob("Snapshots/*")
            for path in found:
                if path not in kept:
                    path.unlink(missing_ok=True)


def write_state(folder: Path, state: HostState) -> None:
    """Replace a host's state."""
    replace_file(folder / "state.json", state.model_dump_json().encode())


def local_path(folder: Path, host_path: str, cluster: str = "") -> Path:
    """Where a Windows path of a host really is; only for paths that we made.

    What begins with a server is in that server's folder beside the host's, and what is on a cluster
    shared volume in the cluster's.
    """
    path = PureWindowsPath(host_path)
    if is_remote(host_path):
        server, share = path.drive.lstrip("\\").split("\\")
        return folder.parent.joinpath(server, share, *path.parts[1:])
    if cluster and path.parts[1:2] == (CLUSTER_STORAGE,):
        folder = folder.parent / cluster
    return folder.joinpath("files", path.drive.rstrip(":"), *path.parts[1:])


def is_remote(host_path: str) -> bool:
    """Whether a path leads to a file server."""
    return host_path.startswith("\\\\")


def shadow_path(folder: Path, machine: MachineState, disk: DiskState) -> Path:
    """Where the raw copy of a disk is."""
    return folder / "shadow" / f"{machine.label}-disk{disk.number}.raw"


def _read(folder: Path) -> HostState:
    try:
        return HostState.parse((folder / "state.json").read_bytes())
    except FileNotFoundError as error:
        raise SettingsError(
            f"{folder} holds no host of a lab", hint="make one: reconciler lab up"
        ) from error
    except ValueError as error:
        raise SettingsError(
            f"the state of the lab host in {folder} cannot be read: {error}",
            hint="delete the lab folder and make a new lab",
        ) from error
