"""What a host does for a recovery: machines imported, created and removed, disks swapped."""

from collections.abc import Callable, Mapping
from functools import partial

from reconciler import agent_contract as contract
from reconciler.agent_contract import AgentFunction
from reconciler.lab import disk_swap, targets
from reconciler.lab.book import HostBook
from reconciler.lab.cluster_role import change_role, check_role
from reconciler.lab.imported import create_machine, import_machine
from reconciler.lab.state import MachineState, OperationRecord
from reconciler.lab.wire.body import AgentError

Deed = Callable[[OperationRecord], None]


class Recovery:
    """The recovery functions of one host; hold the book's lock."""

    def __init__(self, book: HostBook) -> None:
        self._book = book
        self._checks: Mapping[str, Callable[[Mapping[str, str]], None]] = {
            contract.START_IMPORT.name: self._check_import,
            contract.START_CREATION.name: self._check_creation,
            contract.START_MACHINE_REMOVAL.name: self._check_removal,
            contract.START_DISK_SWAP.name: partial(disk_swap.check_swap, book),
            contract.START_CLUSTER_CHANGE.name: partial(check_role, book),
        }
        self.deeds: Mapping[str, Deed] = {
            contract.START_IMPORT.name: partial(import_machine, book),
            contract.START_CREATION.name: partial(create_machine, book),
            contract.START_MACHINE_REMOVAL.name: self._remove,
            contract.START_USER_CHECKPOINT_REMOVAL.name: self._remove_checkpoints,
            contract.START_DISK_SWAP.name: partial(disk_swap.swap, book),
            contract.START_CLUSTER_CHANGE.name: partial(change_role, book),
        }
        """By the function's name. Each may raise RefusedError, OSError, ValueError. Not saved."""

    def machine(self, function: AgentFunction, vm_id: str) -> MachineState | None:
        """The machine that an operation is about; None where it need not be here.

        Raises:
            AgentError: VMNotFound.
        """
        if function in (contract.START_IMPORT, contract.START_CREATION, contract.START_DISK_SWAP):
            return self._book.state.machines.get(vm_id)
        return self._book.machine(vm_id)

    def check(self, function: AgentFunction, arguments: Mapping[str, str]) -> None:
        """Refuse what cannot be begun.

        Raises:
            AgentError: As the function declares.
        """
        if check := self._checks.get(function.name):
            check(arguments)

    def _check_import(self, arguments: Mapping[str, str]) -> None:
        path, vm_id = arguments["ConfigurationPath"], arguments["VMId"]
        targets.check_target(self._book, path, targets.CONFIGURATION)
        self._check_disks(arguments)
        targets.check_there(self._book, path)
        if arguments["Identity"] == "Keep" and vm_id in self._book.state.machines:
            text = f"a machine with the id {vm_id} is here"
            raise AgentError("MachineExists", text, category="ResourceExists", target=vm_id)

    def _check_creation(self, arguments: Mapping[str, str]) -> None:
        targets.check_target(self._book, arguments["Folder"])
        self._check_disks(arguments)

    def _check_disks(self, arguments: Mapping[str, str]) -> None:
        paths = [line.partition("=")[2] for line in arguments["Disk"].splitlines()]
        for path in paths:
            targets.check_target(self._book, path, targets.DISK)
        for path in paths:
            targets.check_there(self._book, path)
            targets.check_free(self._book, path)

    def _check_removal(self, arguments: Mapping[str, str]) -> None:
        machine = self._book.machine(arguments["VMId"])
        disk_swap.check_off(machine)
        if machine.checkpoints or machine.properties["SnapshotCount"]:
            raise AgentError(
                "MachineHasCheckpoints",
                f"'{machine.name}' has checkpoints",
                category="ResourceExists",
                target=machine.vm_id,
            )

    def _remove(self, record: OperationRecord) -> None:
        machine = self._book.state.machines.pop(record.vm_id)
        record.files = targets.machine_files(machine)
        for disk in machine.disks:
            self._book.shadow(machine, disk).unlink(missing_ok=True)

    def _remove_checkpoints(self, record: OperationRecord) -> None:
        machine = self._book.machine(record.vm_id)
        machine.properties["SnapshotCount"] = 0
        for disk in machine.disks:
            disk.kept_files = 1
