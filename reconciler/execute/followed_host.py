"""A session with whichever node of a cluster has the machine of a job.

Only the node that owns a machine can do anything with it, and a machine may move at any time. So
each step looks first where the machine is, by asking for that one machine, and goes to the node
that has it. Disks of a checkpoint go on to be read there, if the very checkpoint went with the
machine. When its node was lost nothing more is captured: what was begun is only tidied up, because
a node that is lost leaves the replica in doubt. A host that is of no cluster is asked nothing more.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from reconciler.errors import (
    HostError,
    HostUnreachableError,
    ItemNotFoundError,
    MachineBusyError,
    PlanChangedError,
    ReconcilerError,
)
from reconciler.execute.followed_file import FollowedFile
from reconciler.execute.meter import Meter
from reconciler.execute.patience import until_free
from reconciler.logs import Event, get_logger
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

SETTLES_S: Final = 10.0
"""So long a machine may be on no node, as at the end of a migration."""
_MIGRATING: Final = "MigratingVirtualMachine"

_log = get_logger()
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A machine, the host it was planned for, and the other nodes of that host's cluster."""

    vm_id: VmId
    name: str
    host: HostName
    others: tuple[HostName, ...]
    open_host: Callable[[HostName], HostSession]


class FollowedHost:
    """The machine's host, wherever that is; for one thread, and for one machine."""

    def __init__(
        self, session: HostSession, machine: Whereabouts, meter: Meter, wait_s: float
    ) -> None:
        """Begin at a session that is open; whoever opened it closes it."""
        self._machine = machine
        self._meter = meter
        self._wait_s = wait_s
        self._sessions = {machine.host: session}
        self._given = machine.host
        self.at = machine.host
        """The node that had the machine when it was looked for last."""
        self._is_lost = False
        self._checkpoint: Checkpoint | None = None
        self._has_checkpoint = True

    def close(self) -> None:
        """End the sessions that were opened here; never raises."""
        for host in [host for host in self._sessions if host != self._given]:
            self._sessions.pop(host).close()

    # --- looks

    def facts(self) -> HostFacts:
        """The node that has the machine, and its agent."""
        return self._session.facts()

    def cluster(self) -> ClusterFacts | None:
        """Its cluster, as its owner sees it."""
        return self._owner().cluster()

    def report(self, after_event: int = 0, *, with_requirements: bool = False) -> HostReport:
        """All that its owner tells."""
        return self._owner().report(after_event, with_requirements=with_requirements)

    def machines(self, vm_ids: Sequence[VmId] = ()) -> Sequence[VirtualMachine]:
        """The machine as its owner tells of it."""
        return (self._find(),) if self._machine.others else self._session.machines(vm_ids)

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
        self._checkpoint = self._capturing().take_checkpoint(vm_id, consistency, name, request_id)
        self._has_checkpoint = True
        return self._checkpoint

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
        for _, session in self._elsewhere():
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
        return FollowedFile(path, (self.at, session), self._reading)

    def changed_ranges(self, path: str, since: str, virtual_bytes: int) -> Sequence[ByteRange]:
        """Ranges of the virtual disk written between `since` and the checkpoint."""
        return self._capturing().changed_ranges(path, since, virtual_bytes)

    # --- where it is

    def _reading(self) -> tuple[HostName, HostSession]:
        """Where to read on, once the machine was looked for anew."""
        session = self._capturing()
        return self.at, session

    @property
    def _session(self) -> HostSession:
        return self._sessions[self.at]

    def _owner(self) -> HostSession:
        if self._machine.others:
            self._find()
        return self._session

    def _capturing(self) -> HostSession:
        if self._machine.others:
            self._find()
        return self._require_capturable()

    def _settled(self, operation: Callable[[HostSession], _Answer]) -> _Answer:
        """Do it at the owner, once the machine is on no way to another node."""
        if not self._machine.others:
            return operation(self._session)

        def attempt() -> _Answer:
            machine = self._find()
            if _MIGRATING in machine.operational_status:
                raise MachineBusyError(
                    f"{machine.name} is moving away from {self.at}", hint="wait for its end"
                )
            return operation(self._session)

        return until_free(attempt, self._meter, self._wait_s)

    def _require_capturable(self) -> HostSession:
        """The owner's session, if what was begun can go on there.

        Raises:
            PlanChangedError: The checkpoint did not go with the machine, or its node was lost.
        """
        if self._is_lost:
            raise PlanChangedError(
                f"the node that {self._machine.name} ran on was lost; it is on {self.at} now",
                hint="what was begun is removed there; the next pass begins anew",
            )
        if not self._has_checkpoint:
            raise PlanChangedError(
                f"{self._machine.name} moved to {self.at}, and its checkpoint is not there",
                hint="the next pass looks again, and removes what is left",
            )
        return self._session

    def _find(self) -> VirtualMachine:
        """Look where it is, and follow it there.

        Raises:
            HostUnreachableError: Its host says nothing, and no other node has it.
            ItemNotFoundError: No node has it.
        """
        try:
            found = self._on(self._session)
        except HostUnreachableError:
            if (found := self._followed()) is None:
                raise
            self._is_lost = True
            return found
        return found or until_free(self._arrived, self._meter, SETTLES_S)

    def _arrived(self) -> VirtualMachine:
        found = self._followed() or self._on(self._session)
        if found is None:
            raise MachineBusyError(
                f"{self._machine.name} is on no node that answers",
                hint="it may be moving, or have been removed; the next pass looks again",
            )
        return found

    def _followed(self) -> VirtualMachine | None:
        """The machine on another node, which is the one in use from here on."""
        for host, session in self._elsewhere():
            try:
                found = self._on(session)
                if found is None or not self._is_owner(session):
                    continue
            except HostError:
                continue
            _log.warning(Event.MACHINE_FOLLOWED, moved_from=self.at, moved_to=host)
            self.at = host
            self._has_checkpoint = self._is_checkpoint_on(session)
            return found
        return None

    def _on(self, session: HostSession) -> VirtualMachine | None:
        """The machine, if it is there; the planned half of one that comes is not."""
        vm_id = self._machine.vm_id
        try:
            return next((m for m in session.machines((vm_id,)) if m.id == vm_id), None)
        except ItemNotFoundError:
            return None

    def _is_owner(self, session: HostSession) -> bool:
        """Whether the node's cluster says that it owns the machine; none may have a say."""
        cluster = session.cluster()
        owner = cluster.owners.get(self._machine.vm_id) if cluster else None
        return owner is None or owner == session.facts().computer_name.lower()

    def _is_checkpoint_on(self, session: HostSession) -> bool:
        ours = self._checkpoint
        if ours is None:
            return True
        files = [disk.path for disk in ours.disks]
        there = session.checkpoints((self._machine.vm_id,))
        return any(c.id == ours.id and [d.path for d in c.disks] == files for c in there)

    def _elsewhere(self) -> Iterator[tuple[HostName, HostSession]]:
        """Sessions with the other nodes; one that cannot be opened has nothing to say."""
        for host in (self._machine.host, *self._machine.others):
            if host == self.at:
                continue
            if host not in self._sessions:
                try:
                    self._sessions[host] = self._machine.open_host(host)
                except ReconcilerError:
                    continue
            yield host, self._sessions[host]
