"""Which node of a cluster has the machine of a job, and whether its checkpoint went with it.

A machine is asked for by its id, at the node that had it last, and then at the others. The planned
half of one that is on its way is not the machine; of two that tell of it, the one is right that
their cluster calls its owner.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from reconciler.errors import (
    HostError,
    HostUnreachableError,
    ItemNotFoundError,
    MachineBusyError,
    PlanChangedError,
    ReconcilerError,
)
from reconciler.execute.meter import Meter
from reconciler.execute.patience import until_free
from reconciler.logs import Event, get_logger
from reconciler.model.machine import Checkpoint, VirtualMachine
from reconciler.model.names import HostName, VmId
from reconciler.ports import HostSession

SETTLES_S: Final = 10.0
"""So long a machine may be on no node, as at the end of a migration."""

_log = get_logger()


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A machine, the host it was planned for, and the other nodes of that host's cluster."""

    vm_id: VmId
    name: str
    host: HostName
    others: tuple[HostName, ...]
    open_host: Callable[[HostName], HostSession]


class OwningNode:
    """The node that has the machine; for one thread, and for one machine."""

    def __init__(self, session: HostSession, machine: Whereabouts, meter: Meter) -> None:
        """Begin at a session that is open; whoever opened it closes it."""
        self._machine = machine
        self._meter = meter
        self._sessions = {machine.host: session}
        self.at = machine.host
        """The node that had the machine when it was looked for last."""
        self._is_lost = False
        self._checkpoint: Checkpoint | None = None
        self._has_checkpoint = True

    def close(self) -> None:
        """End the sessions that were opened here; never raises."""
        for host in [host for host in self._sessions if host != self._machine.host]:
            self._sessions.pop(host).close()

    @property
    def session(self) -> HostSession:
        """With that node."""
        return self._sessions[self.at]

    def took(self, checkpoint: Checkpoint) -> None:
        """Remember the checkpoint that has to go with the machine."""
        self._checkpoint, self._has_checkpoint = checkpoint, True

    def capturing(self) -> HostSession:
        """The session with it, if what was begun can go on there.

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
        return self.session

    def find(self) -> VirtualMachine:
        """Look where it is, and follow it there.

        Raises:
            HostUnreachableError: Its host says nothing, and no other node has it.
            ItemNotFoundError: No node has it.
        """
        try:
            found = self._on(self.session)
        except HostUnreachableError:
            if (found := self._followed()) is None:
                raise
            self._is_lost = True
            return found
        return found or until_free(self._arrived, self._meter, SETTLES_S)

    def _arrived(self) -> VirtualMachine:
        found = self._followed() or self._on(self.session)
        if found is None:
            raise MachineBusyError(
                f"{self._machine.name} is on no node that answers",
                hint="it may be moving, or have been removed; the next pass looks again",
            )
        return found

    def _followed(self) -> VirtualMachine | None:
        """The machine on another node, which is the one in use from here on."""
        for host, session in self.elsewhere():
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

    def elsewhere(self) -> Iterator[tuple[HostName, HostSession]]:
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
