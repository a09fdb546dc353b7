"""What a host does as the node of a cluster: take machines up, hand them over, replace a lost node.

A move is one change of `cluster.json`: before it the machine is the source's, after it the
target's. What comes after (the target takes it up, the source forgets it) is done again at any time
by whoever finds it undone.
"""

from reconciler.agent_contract import OperationState
from reconciler.errors import HostUnreachableError, MachineBusyError, SettingsError
from reconciler.lab.book import HostBook
from reconciler.lab.cluster import DOWN, UP, Cluster, ClusterState, Parcel, group_state
from reconciler.lab.files import FolderLock
from reconciler.lab.guests import Guests
from reconciler.lab.operations import Operations
from reconciler.lab.power import NODE_LOST, note_event
from reconciler.lab.state import HostState, MachineState

_FAILED = 32_768


class ClusterNode:
    """The cluster's side of one host; on a stand-alone host there is nothing that it does.

    Hold the book's lock in every call.
    """

    def __init__(self, book: HostBook, operations: Operations, guests: Guests) -> None:
        self._book = book
        self._operations = operations
        self._guests = guests

    def join(self) -> None:
        """Come up: let go what is no longer ours, and what was on its way from us stays."""
        if cluster := self._book.cluster:
            with cluster.changing() as shared:
                shared.nodes[self._name] = UP
                for vm_id in [v for v in shared.moves if v in self._book.state.machines]:
                    shared.moves.pop(vm_id)
            self._release(shared)
            for vm_id in self._owned(shared):
                if vm_id in self._book.state.machines:
                    cluster.discard(vm_id)
            self.sync()

    def leave(self) -> None:
        """Go down as planned."""
        if cluster := self._book.cluster:
            with cluster.changing() as shared:
                shared.nodes[self._name] = DOWN

    def sync(self) -> None:
        """Take up the machines that others gave us, and tell what became of ours."""
        cluster = self._book.cluster
        if cluster is None:
            return
        shared = cluster.read()
        machines = self._book.state.machines
        for vm_id in self._owned(shared):
            if vm_id not in machines and (parcel := cluster.parcel(vm_id)):
                self._take_up(cluster, parcel)
        news = {
            vm_id: state
            for vm_id in self._owned(shared)
            if vm_id in machines and (state := group_state(machines[vm_id]))
            if shared.groups[vm_id].state != state
        }
        if news:
            with cluster.changing() as shared:
                for vm_id, state in news.items():
                    shared.groups[vm_id].state = state

    def planned(self) -> list[MachineState]:
        """The planned halves of machines that migrate to here."""
        cluster = self._book.cluster
        if cluster is None:
            return []
        coming = [vm_id for vm_id, target in cluster.read().moves.items() if target == self._name]
        parcels = [cluster.parcel(vm_id) for vm_id in coming]
        return [parcel.machine for parcel in parcels if parcel]

    def begin_move(self, machine: MachineState, target: str) -> None:
        """Begin to migrate a machine.

        Raises:
            MachineBusyError: An operation runs on it, or it is on its way.
            SettingsError: It cannot go there.
        """
        cluster = self._movable(machine, target)
        if self._operations.is_busy(machine):
            raise MachineBusyError(
                f"{machine.name} cannot migrate while an operation runs on it",
                hint="wait for its end, or stop it",
            )
        cluster.put(Parcel(machine=machine))
        with cluster.changing() as shared:
            shared.moves[machine.vm_id] = target
        self._operations.moving.add(machine.vm_id)

    def is_moving(self, machine: MachineState) -> bool:
        """Whether the machine is on its way to another node."""
        return machine.vm_id in self._operations.moving

    def finish_move(self, vm_id: str) -> bool:
        """Hand the machine over; False if it stays, because the target is gone or it is itself."""
        cluster = self._book.cluster
        machine = self._book.state.machines.get(vm_id)
        self._operations.moving.discard(vm_id)
        if cluster is None or machine is None:
            return False
        self._guests.finish()
        cluster.put(Parcel(machine=machine))
        with cluster.changing() as shared:
            target = shared.moves.pop(vm_id, "")
            if is_handed_over := shared.nodes.get(target) == UP and self._is_served(target):
                shared.groups[vm_id].owner = target
        if is_handed_over:
            self._release(shared)
        else:
            cluster.discard(vm_id)
        return is_handed_over

    def forget(self, machine: MachineState) -> None:
        """The machine is about to be deleted."""
        if self._book.cluster and machine.is_clustered:
            with self._book.cluster.changing() as shared:
                shared.groups.pop(machine.vm_id, None)
                shared.moves.pop(machine.vm_id, None)

    def other_nodes(self) -> list[str]:
        """The other nodes that are up and answer."""
        return [name for name in self._other_nodes() if self._is_served(name)]

    def replace(self, lost: str) -> None:
        """Another node went down with no warning: log it, and take its machines.

        Raises:
            SettingsError: Its process still runs, or it is no node of this cluster.
        """
        cluster = self._book.cluster
        if cluster is None or lost not in cluster.read().nodes or lost == self._name:
            raise SettingsError(
                f"{lost} is no other node of {self._name}'s cluster", hint="reconciler lab status"
            )
        lock = FolderLock(self._book.folder.parent / lost)
        try:
            if cluster.read().nodes[lost] == UP:
                note_event(self._book, NODE_LOST, about=lost)
                self._book.save()
            left = (self._book.folder.parent / lost / "state.json").read_bytes()
            self._inherit(cluster, lost, HostState.parse(left))
        finally:
            lock.release()
        self.sync()

    def _inherit(self, cluster: Cluster, lost: str, left: HostState) -> None:
        inherited = [vm_id for vm_id, g in cluster.read().groups.items() if g.owner == lost]
        for vm_id in inherited:
            if machine := left.machines.get(vm_id):
                begun = left.pending if left.pending and left.pending.vm_id == vm_id else None
                cluster.put(Parcel(machine=machine, pending=begun))
        with cluster.changing() as shared:
            shared.nodes[lost] = DOWN
            for vm_id in inherited:
                shared.groups[vm_id].owner = self._name
            ended = [v for v, target in shared.moves.items() if target == lost or v in inherited]
            for vm_id in ended:
                shared.moves.pop(vm_id)

    def _take_up(self, cluster: Cluster, parcel: Parcel) -> None:
        self._guests.finish()
        machine = parcel.machine
        self._book.state.machines[machine.vm_id] = machine
        self._book.state.pending = parcel.pending
        self._book.save()
        cluster.discard(machine.vm_id)
        self._book.remove_debris()
        self._guests.finish()
        self._operations.go_on_with(machine)

    def _release(self, shared: ClusterState) -> None:
        """Forget the machines that another node owns."""
        state = self._book.state
        gone = [vm_id for vm_id, m in state.machines.items() if m.is_clustered]
        for vm_id in set(gone) - set(self._owned(shared)):
            name = state.machines.pop(vm_id).name
            for record in state.operations.values():
                if record.vm_id == vm_id and not record.has_ended:
                    record.state, record.error_code = OperationState.EXCEPTION, _FAILED
                    record.error_description = f"'{name}' is on another node now."
            if state.pending and state.pending.vm_id == vm_id:
                state.pending = None
        self._book.save()
        self._book.changed.notify_all()

    def _movable(self, machine: MachineState, target: str) -> Cluster:
        cluster = self._book.cluster
        if cluster is None or not machine.is_clustered:
            raise SettingsError(
                f"{machine.name} is on no cluster", hint="only machines of a cluster migrate"
            )
        others = self._other_nodes()
        if target not in others:
            raise SettingsError(
                f"{machine.name} cannot migrate to {target}",
                hint=f"nodes that are up: {', '.join(others) or 'none'}",
            )
        if not self._is_served(target):
            raise HostUnreachableError(
                f"{target} does not answer", hint=f"start it: reconciler lab node {target} --start"
            )
        return cluster

    def _other_nodes(self) -> list[str]:
        cluster = self._book.cluster
        nodes = cluster.read().nodes if cluster else {}
        return [name for name, state in nodes.items() if state == UP and name != self._name]

    def _is_served(self, host: str) -> bool:
        """Whether a process has the folder of another host."""
        try:
            FolderLock(self._book.folder.parent / host).release()
        except SettingsError:
            return True
        return False

    def _owned(self, shared: ClusterState) -> list[str]:
        return [vm_id for vm_id, group in shared.groups.items() if group.owner == self._name]

    @property
    def _name(self) -> str:
        return self._book.state.name
