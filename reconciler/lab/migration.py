"""Live migration of machines between the nodes of a cluster."""

from functools import partial

from reconciler.errors import HostNotReadyError
from reconciler.lab.book import HostBook
from reconciler.lab.node import ClusterNode
from reconciler.lab.pace import Pace
from reconciler.lab.state import MachineState

MIGRATION_S = 0.5
WAIT_S = 45.0


class Migrations:
    """The migrations away from one host."""

    def __init__(self, book: HostBook, node: ClusterNode, pace: Pace) -> None:
        self._book = book
        self._node = node
        self._pace = pace

    def begin(self, vm: str, target: str, seconds: float = MIGRATION_S) -> None:
        """Begin to migrate a machine; it goes on by itself.

        Raises:
            MachineBusyError: An operation runs on it, or it is on its way already.
            SettingsError, HostUnreachableError: It cannot go there.
        """
        with self._book.changed:
            machine = self._book.named(vm)
            self._node.begin_move(machine, target)
        self._pace.later(seconds, partial(self._finish, machine))

    def migrate(self, vm: str, target: str, seconds: float = MIGRATION_S) -> None:
        """Migrate a machine, and wait for the end.

        Raises:
            HostNotReadyError: The machine stayed where it was.
        """
        with self._book.changed:
            machine = self._book.named(vm)
        self.begin(vm, target, seconds)
        if not self._pace.is_running:
            self._pace.settle()
        with self._book.changed:
            self._book.changed.wait_for(lambda: not self._node.is_moving(machine), seconds + WAIT_S)
            has_stayed = machine.vm_id in self._book.state.machines
        if has_stayed:
            raise HostNotReadyError(
                f"{machine.name} stayed on {self._book.state.name}: {target} went away meanwhile",
                hint="reconciler lab status",
            )

    def drain(self) -> list[str]:
        """Move all clustered machines to another node that is up; which ones. None up, none move.

        Raises:
            MachineBusyError: An operation runs on one of them; those before it have moved.
        """
        with self._book.changed:
            targets = self._node.other_nodes()
            machines = [m for m in self._book.state.machines.values() if m.is_clustered]
            for machine in machines if targets else ():
                self._node.begin_move(machine, targets[0])
                self._node.finish_move(machine.vm_id)
            return [m.name for m in machines if m.vm_id not in self._book.state.machines]

    def _finish(self, machine: MachineState) -> None:
        with self._book.changed:
            if self._node.is_moving(machine):
                self._node.finish_move(machine.vm_id)
                self._book.changed.notify_all()
