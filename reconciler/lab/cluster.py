r"""A failover cluster of the lab: one folder that the processes of all its nodes see.

`cluster.json` says which node owns which machine; `files/` holds what is below C:\ClusterStorage;
`shadow/` the raw copies of those disks; `moves/` machines on their way from one node to another.

The owner in `cluster.json` is the truth. A machine is on a node when that node is its owner: then
its state is in the node's own document, or in `moves/` until the node has taken it up. Whoever
changes the owner has put the machine into `moves/` before, so that a kill loses none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import Field, ValidationError

from reconciler.errors import SettingsError
from reconciler.lab.files import locked, replace_file
from reconciler.lab.state import MachineState, PendingWrite, Record, VolumeState

UP = "Up"
DOWN = "Down"


class Group(Record):
    """The cluster's group of one machine."""

    owner: str
    """The host's name in the lab."""
    state: str = "Online"


class ClusterState(Record):
    """All that the nodes share; `moves` are the targets of machines that migrate."""

    name: str
    nodes: dict[str, str]
    """State by the host's name in the lab."""
    groups: dict[str, Group] = Field(default_factory=dict)
    moves: dict[str, str] = Field(default_factory=dict)
    volumes: list[VolumeState] = Field(default_factory=list)


class Parcel(Record):
    """A machine on its way, with the write that its guest had begun."""

    machine: MachineState
    pending: PendingWrite | None = None


class Cluster:
    """The shared folder of a cluster; any number of processes may have it open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._document = folder / "cluster.json"

    @classmethod
    def create(cls, folder: Path, state: ClusterState) -> "Cluster":
        """Make the folder of a new cluster."""
        (folder / "moves").mkdir(parents=True)
        cluster = cls(folder)
        cluster._write(state)
        return cluster

    def read(self) -> ClusterState:
        """What all nodes agree on now.

        Raises:
            SettingsError: The document is missing or broken.
        """
        try:
            return ClusterState.model_validate_json(self._document.read_bytes())
        except (OSError, ValidationError) as error:
            raise SettingsError(
                f"{self._document} is no cluster of a lab: {error}",
                hint="delete the lab folder and make a new lab",
            ) from error

    @contextmanager
    def changing(self) -> Iterator[ClusterState]:
        """Change what all agree on; it is replaced as a whole when the block ends well."""
        with locked(self.folder / "lock"):
            state = self.read()
            yield state
            self._write(state)

    def put(self, parcel: Parcel) -> None:
        """Lay down a machine's state for the node that will own it."""
        replace_file(self._path(parcel.machine.vm_id), parcel.model_dump_json().encode())

    def parcel(self, vm_id: str) -> Parcel | None:
        """What was laid down of a machine."""
        try:
            return Parcel.model_validate_json(self._path(vm_id).read_bytes())
        except FileNotFoundError:
            return None

    def discard(self, vm_id: str) -> None:
        """Forget what was laid down."""
        self._path(vm_id).unlink(missing_ok=True)

    def _path(self, vm_id: str) -> Path:
        return self.folder / "moves" / f"{vm_id}.json"

    def _write(self, state: ClusterState) -> None:
        replace_file(self._document, state.model_dump_json().encode())


def cluster_folders(lab: Path) -> list[Path]:
    """The clusters of a lab folder."""
    return sorted(path.parent for path in lab.glob("*/cluster.json"))


def group_state(machine: MachineState) -> str:
    """The state of a machine's group on the cluster."""
    if machine.group_state is not None:
        return machine.group_state
    return "Online" if machine.state == "Running" else "Offline"
