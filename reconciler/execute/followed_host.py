"""A session with whichever node of a cluster has the machine of a job.

Only the node that owns a machine can do anything with it, and a machine may move at any time. So
each step looks first where the machine is, by asking for that one machine, and goes to the node
that has it. Disks of a checkpoint go on to be read there, if the very checkpoint went with the
machine. When its node was lost nothing more is captured: what was begun is only tidied up, because
a node that is lost leaves the replica in doubt. A host that is of no cluster is asked nothing more.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from reconciler.errors import (
    MachineBusyError,
    ReconcilerError,
)
from reconciler.execute.followed_file import FollowedFile
from reconciler.execute.meter import Meter
from reconciler.execute.owning_node import OwningNode, Whereabouts
from reconciler.execute.patience import until_free
from reconciler.model.configuration import ConfigurationFile
from reconciler.model.machine import (
    Checkpoint,
    ClusterFacts,
    HostFacts,
    HostReport,
    ReferencePoint,
    VirtualMachine,
)
from reconciler.model.names import CheckpointId, HostName, ReferencePointId, RequestId, VmId
from reconciler.model.protection import Consistency
from reconciler.model.ranges import ByteRange
from reconciler.ports import HostSession, RandomAccess

_MIGRATING: Final = "MigratingVirtualMachine"

_Answer = TypeVar("_Answer")


class FollowedHost:
    """The machine's host, wherever that is; for one thread, and for one machine."""

    def __init__(
        self, session: HostSession, machine: Whereabouts, meter: Meter, wait_s: float
    ) -> None:
        """Begin at a session that is open; whoever opened it closes it."""
        self._node = OwningNode(session, machine, meter)
        self._machine = machine
        self._meter = meter
        self._wait_s = wait_s

    def close(self) -> None:
        """End the sessions that were opened here; never raises."""
        self._node.close()

    # --- looks

    def facts(self) -> HostFacts:
        """The node that has the machine, and its agent."""
        return self._node.session.facts()

    def cluster(self) -> ClusterFacts | None:
        """Its cluster, as its owner sees it."""
        return self._owner().cluster()

    def report(self, after_event: int = 0, *, with_requirements: bool = False) -> HostReport:
        """All that its owner tells."""
        return self._owner().report(after_event, with_requirements=with_requirements)

    def machines(self, vm_ids: Sequence[VmId] = ()) -> Sequence[VirtualMachine]:
        """The machine as its owner tells of it."""
        return (self._node.find(),) if self._machine.others else self._node.session.machines(vm_ids)

    def checkpoints(self, vm_ids: Sequence[VmId] = ()) -> Sequence[Checkpoint]:
        """Its recovery checkpoints, ours and others'."""
        return self._owner().checkpoints(vm_ids)

    def reference_points(self, vm_ids: Sequence[VmId] = ()) -> Sequence[ReferencePoint]:
        """Its reference points, ours and others'."""
        return self._owner().reference_points(vm_ids)

    def configuration_files(
        self, vm_id: VmId, checkpoint: CheckpointId
    ) -> Sequence[ConfigurationFile]:
        """The configuration files that a checkpoint keeps."""
        return self._capturing().configuration_files(vm_id, checkpoint)

    def configuration_bytes(self, file: ConfigurationFile) -> bytes:
        """All of a configuration file."""
        return self._capturing().configuration_bytes(file)

    # --- operations

    def take_checkpoint(
        self, vm_id: VmId, consistency: Consistency, name: str, request_id: RequestId
    ) -> Checkpoint:
        """Take a recovery checkpoint and wait for it."""
        made = self._capturing().take_checkpoint(vm_id, consistency, name, request_id)
        self._node.took(made)
        return made

    def convert_to_reference_point(
        self, vm_id: VmId, checkpoint: CheckpointId, request_id: RequestId
    ) -> ReferencePoint:
        """Turn a checkpoint into a reference point and wait for it."""
        return self._settled(lambda h: h.convert_to_reference_point(vm_id, checkpoint, request_id))

    def converted(self, vm_id: VmId, request_id: RequestId) -> ReferencePoint | None:
        """What an earlier conversion made, on whichever node that was.

        A node keeps the journal of what it did, and the reference point moves with its machine.
        """
        owner = self._owner()
        if (made := owner.converted(vm_id, request_id)) is not None:
            return made
        for _, session in self._node.elsewhere():
            try:
                found = session.conversion(request_id)
            except ReconcilerError:
                continue
            if found is not None:
                return next((r for r in owner.reference_points((vm_id,)) if r.id == found), None)
        return None

    def conversion(self, request_id: RequestId) -> ReferencePointId | None:
        """The id of what a conversion made, as the owner's journal tells it."""
        return self._owner().conversion(request_id)

    def save_machine(self, vm_id: VmId, request_id: RequestId) -> None:
        """Save a running machine and wait until it is."""
        self._capturing().save_machine(vm_id, request_id)

    def resume_machine(self, vm_id: VmId, request_id: RequestId) -> None:
        """Let a saved machine run on and wait until it does."""
        self._settled(lambda host: host.resume_machine(vm_id, request_id))

    def await_operation(self, request_id: RequestId) -> bool:
        """Wait for the end of what was begun with this request id; False if nobody knows it."""
        return self._owner().await_operation(request_id)

    def remove_checkpoint(
        self, vm_id: VmId, checkpoint: CheckpointId, request_id: RequestId
    ) -> None:
        """Remove a checkpoint and wait for it; one that is gone already is no error."""
        self._settled(lambda host: host.remove_checkpoint(vm_id, checkpoint, request_id))

    def remove_reference_point(
        self, vm_id: VmId, reference_point: ReferencePointId, request_id: RequestId
    ) -> None:
        """Remove a reference point and wait for it; one that is gone already is no error."""
        self._settled(lambda host: host.remove_reference_point(vm_id, reference_point, request_id))

    # --- disk bytes

    def open(self, path: str) -> RandomAccess:
        """A file of the checkpoint; it goes on to be read where the machine goes."""
        session = self._capturing()
        if not self._machine.others:
            return session.open(path)
        return FollowedFile(path, (self._node.at, session), self._reading)

    def changed_ranges(self, path: str, since: str, virtual_bytes: int) -> Sequence[ByteRange]:
        """Ranges of the virtual disk written between `since` and the checkpoint."""
        return self._capturing().changed_ranges(path, since, virtual_bytes)

    # --- where it is

    def _reading(self) -> tuple[HostName, HostSession]:
        """Where to read on, once the machine was looked for anew."""
        session = self._capturing()
        return self._node.at, session

    def _owner(self) -> HostSession:
        if self._machine.others:
            self._node.find()
        return self._node.session

    def _capturing(self) -> HostSession:
        if self._machine.others:
            self._node.find()
        return self._node.capturing()

    def _settled(self, operation: Callable[[HostSession], _Answer]) -> _Answer:
        """Do it at the owner, once the machine is on no way to another node."""
        if not self._machine.others:
            return operation(self._node.session)

        def attempt() -> _Answer:
            machine = self._node.find()
            if _MIGRATING in machine.operational_status:
                raise MachineBusyError(
                    f"{machine.name} is moving away from {self._node.at}", hint="wait for its end"
                )
            return operation(self._node.session)

        return until_free(attempt, self._meter, self._wait_s)
