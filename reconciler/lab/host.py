"""One simulated host, joined: state, operations, guests, the agent's body and the lab's own doors.

What the product may know goes through `agent`; the methods here are for those who play with the
lab: guests that write, foreign products, properties, shadows.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from reconciler.agent_contract import (
    MAX_WAIT_S,
    START_CHECKPOINT,
    START_CONVERSION,
    AgentFunction,
    OperationState,
)
from reconciler.errors import CheckpointFailedError, MachineBusyError
from reconciler.lab.agent import LabAgent
from reconciler.lab.book import HostBook
from reconciler.lab.clock import LabClock
from reconciler.lab.configuration import held_files, remove_files
from reconciler.lab.fault_door import FaultDoor
from reconciler.lab.files import FolderLock, copy_sparse
from reconciler.lab.guests import Guests, KnownFile, known_files
from reconciler.lab.migration import Migrations
from reconciler.lab.node import ClusterNode
from reconciler.lab.operations import Operations
from reconciler.lab.pace import Delays, Pace
from reconciler.lab.power import note_boot, note_shutdown
from reconciler.lab.properties import set_property
from reconciler.lab.requirements import set_requirement
from reconciler.lab.state import MachineState, OperationRecord, new_id
from reconciler.lab.storage_migration import move_storage
from reconciler.lab.volumes import set_volume
from reconciler.lab.wire.body import AgentError


class LabHost:
    """One host of a lab; owns its folder until closed, and implements AgentBody.

    Without `start` nothing happens by itself: `settle` does all waiting work at once.
    """

    def __init__(self, lab_folder: Path, name: str, delays: Delays | None = None) -> None:
        """Open a host, and bring to an end what a kill may have cut off.

        Raises:
            SettingsError: No such host in the folder, or another process serves it.
        """
        folder = lab_folder / name
        self.name = name
        self._lock = FolderLock(folder)
        self._book = HostBook(folder, LabClock(lab_folder))
        self._pace = Pace()
        self._operations = Operations(self._book, self._pace, delays or Delays())
        self._guests = Guests(self._book)
        self.faults = FaultDoor(self._book, self._operations)
        self.node = ClusterNode(self._book, self._operations, self._guests)
        self.migrations = Migrations(self._book, self.node, self._pace)
        self.agent = LabAgent(self._book, self._operations, self.node)
        self._recover()

    @property
    def book(self) -> HostBook:
        """The host's memory, for those who stand in for its commands."""
        return self._book

    def invoke(
        self, function: AgentFunction, arguments: Mapping[str, object]
    ) -> Iterable[Mapping[str, object]]:
        """Answer one call of the agent; see AgentBody."""
        return self.agent.invoke(function, arguments)

    def start(self) -> None:
        """Let time pass: operations and merges run on a thread."""
        self._pace.start()

    def settle(self) -> None:
        """Bring all operations and merges to their end now."""
        self._pace.settle()

    def close(self) -> None:
        """Stop, and give the folder back; what still runs goes on when it is opened again."""
        self._pace.stop()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def shut_down(self) -> None:
        """Go down as planned: machines of the cluster move away first, and the log says so.

        Raises:
            MachineBusyError: An operation runs on a machine that would have to move.
        """
        with self._book.changed:
            self.migrations.drain()
            note_shutdown(self._book)
            self.node.leave()

    def replace_node(self, lost: str) -> None:
        """Another node of the cluster is gone; see ClusterNode.replace."""
        with self._book.changed:
            self.node.replace(lost)

    def sync(self) -> None:
        """See what other nodes of the cluster did."""
        with self._book.changed:
            self.node.sync()

    def machine_names(self) -> tuple[str, ...]:
        """The machines, by name."""
        with self._book.changed:
            return tuple(machine.name for machine in self._book.state.machines.values())

    def machine_callings(self) -> tuple[str, ...]:
        """All that the machines may be called by at the lab's doors; see HostBook.named."""
        with self._book.changed:
            machines = list(self._book.state.machines.values())
        return tuple(word for m in machines for word in (m.name, m.label, m.vm_id))

    def guest_write(self, vm: str, total_bytes: int, seed: str | None = None) -> int:
        """Let a guest overwrite parts of its files; see Guests.write."""
        with self._book.changed:
            machine = self._book.named(vm)
            self.faults.refuse_write(machine)
            return self._guests.write(machine, total_bytes, seed)

    def states(self) -> dict[str, str]:
        """Name of the VMState of each machine, by its label."""
        with self._book.changed:
            machines = self._book.state.machines.values()
            return {machine.label: self._operations.state_of(machine) for machine in machines}

    def known_files(self, vm: str) -> list[KnownFile]:
        """What the files of a machine hold at this moment."""
        with self._book.changed:
            return known_files(self._book.named(vm))

    def copy_shadows(self, target: Path) -> list[Path]:
        """Copy the shadows of all disks as of one instant; names are `<vm>-disk<n>.raw`."""
        target.mkdir(parents=True, exist_ok=True)
        copies = []
        with self._book.changed:
            for machine in self._book.state.machines.values():
                for disk in (disk for disk in machine.disks if disk.chain):
                    source = self._book.shadow(machine, disk)
                    copy_sparse(source, target / source.name)
                    copies.append(target / source.name)
        return copies

    def set_property(self, vm: str, name: str, text: str) -> None:
        """Set what the host shows; see properties.set_property."""
        with self._book.changed:
            set_property(self._book.named(vm), name, text)
            self._book.save()

    def set_volume(self, path: str, name: str, text: str) -> None:
        """Set what the host shows of a volume; see volumes.set_volume."""
        with self._book.changed:
            set_volume(self._book, path, name, text)

    def set_requirement(self, name: str, text: str) -> None:
        """Set what the host has beside machines; see requirements.set_requirement."""
        with self._book.changed:
            set_requirement(self._book.state.requirements, name, text)
            self._book.save()

    def apply_replica_log(self, vm: str, total_bytes: int) -> int:
        """Let Hyper-V Replica bring changes to a replica's disks; see Guests.receive."""
        with self._book.changed:
            return self._guests.receive(self._book.named(vm), total_bytes)

    def foreign_checkpoint(self, vm: str) -> str:
        """Take a checkpoint as another backup product would; gives its id."""
        arguments = {"ConsistencyLevel": "Crash", "ElementName": "Other Backup 12.1 (temporary)"}
        record = self._do(START_CHECKPOINT, vm, arguments)
        return str(record.checkpoint_id)

    def foreign_reference_point(self, vm: str) -> str:
        """Make a reference point as another backup product would; gives its id."""
        checkpoint = self.foreign_checkpoint(vm)
        record = self._do(START_CONVERSION, vm, {"CheckpointId": checkpoint})
        return str(record.reference_point_id)

    def forget_tracking(self, vm: str) -> None:
        """Change tracking starts anew: reference points stay, their ids mean nothing any more."""
        with self._book.changed:
            for disk in self._book.named(vm).disks:
                disk.tracking = new_id()
            self._book.save()

    def move_storage(self, vm: str, folder: str) -> tuple[str, ...]:
        """Move a machine's disks to another folder of the host; where they are then."""
        with self._book.changed:
            machine = self._book.named(vm)
            if self._operations.is_busy(machine):
                raise MachineBusyError(f"{vm} is busy", hint="wait for its end")
            return move_storage(self._book, machine, folder)

    def delete_machine(self, vm: str) -> None:
        """Delete a machine with its disks, as an administrator would."""
        with self._book.changed:
            machine = self._book.named(vm)
            self._drop(machine)
            self._book.remove_debris()

    def _drop(self, machine: MachineState) -> None:
        state = self._book.state
        self.node.forget(machine)
        del state.machines[machine.vm_id]
        for record in list(state.operations.values()):
            if record.vm_id == machine.vm_id:
                del state.operations[record.request_id]
        self._book.save()
        self._book.changed.notify_all()
        for disk in machine.disks:
            self._book.shadow(machine, disk).unlink(missing_ok=True)
            for path in disk.chain:
                self._book.local(path).unlink(missing_ok=True)
        remove_files(self._book, held_files(machine))

    def _do(self, function: AgentFunction, vm: str, arguments: dict[str, str]) -> OperationRecord:
        request_id = new_id()
        with self._book.changed:
            vm_id = self._book.named(vm).vm_id
        whole = {"RequestId": request_id, "VMId": vm_id, **arguments}
        try:
            self._operations.start(function, whole)
        except AgentError as refusal:
            raise MachineBusyError(refusal.message, hint="wait for the operation") from refusal
        if not self._pace.is_running:
            self._pace.settle()
        record = self._operations.poll(request_id, wait_s=MAX_WAIT_S)
        if record.state is not OperationState.COMPLETED:
            raise CheckpointFailedError(
                record.error_description, hint="look at the machine: reconciler lab status"
            )
        return record

    def _recover(self) -> None:
        with self._book.changed:
            note_boot(self._book)
            self.node.join()
            self._book.remove_debris()
            self._guests.finish()
            self._operations.resume()
