"""The agent's functions, answered by the lab."""

from collections.abc import Callable, Iterable, Mapping

from reconciler import agent_contract as contract
from reconciler.agent_contract import AgentFunction, pack_ranges
from reconciler.lab.book import HostBook
from reconciler.lab.describe import (
    Answer,
    checkpoint_answer,
    machine_answer,
    operation_answer,
    reference_point_answer,
)
from reconciler.lab.dice import Dice
from reconciler.lab.operations import Operations
from reconciler.lab.served_files import ServedFiles
from reconciler.lab.state import MachineState
from reconciler.lab.tracking import changed_piece, epoch_of
from reconciler.lab.wire.body import AgentError

AGENT_VERSION = "1.0.0"

Arguments = Mapping[str, object]


class LabAgent:
    """The body behind one host's wire; safe to call from several threads."""

    def __init__(self, book: HostBook, operations: Operations) -> None:
        self._book = book
        self._operations = operations
        self._files = ServedFiles(book)
        self._answers: dict[str, Callable[[Arguments], Iterable[Answer]]] = {
            contract.GET_HOST.name: self._host,
            contract.GET_MACHINE.name: self._machines,
            contract.GET_CHECKPOINT.name: self._checkpoints,
            contract.GET_REFERENCE_POINT.name: self._reference_points,
            contract.GET_OPERATION.name: self._operation,
            contract.STOP_OPERATION.name: self._stop,
            contract.GET_DISK_CHANGE.name: self._changes,
            contract.READ_FILE.name: self._read,
            contract.GET_BLOCK_HASH.name: self._hashes,
        }

    def invoke(self, function: AgentFunction, arguments: Arguments) -> Iterable[Answer]:
        """Answer one call; see AgentBody."""
        if answer := self._answers.get(function.name):
            return list(answer(arguments))
        started = self._operations.start(function, {k: str(v) for k, v in arguments.items()})
        return [operation_answer(started)]

    def _host(self, _: Arguments) -> Iterable[Answer]:
        state = self._book.state
        yield {
            "ComputerName": state.name.upper(),
            "OSBuild": state.os_build,
            "AgentVersion": AGENT_VERSION,
            "ContractVersion": contract.CONTRACT_VERSION,
            "LastBootUpTime": state.booted_at,
        }

    def _machines(self, arguments: Arguments) -> Iterable[Answer]:
        with self._book.changed:
            return [
                machine_answer(self._book, machine, self._operations.statuses(machine))
                for machine in self._chosen(arguments)
            ]

    def _checkpoints(self, arguments: Arguments) -> Iterable[Answer]:
        with self._book.changed:
            return [
                checkpoint_answer(self._book, machine, point)
                for machine in self._chosen(arguments)
                for point in machine.checkpoints
            ]

    def _reference_points(self, arguments: Arguments) -> Iterable[Answer]:
        with self._book.changed:
            return [
                reference_point_answer(machine, point)
                for machine in self._chosen(arguments)
                for point in machine.reference_points
            ]

    def _operation(self, arguments: Arguments) -> Iterable[Answer]:
        wait_s = min(_number(arguments, "WaitSeconds"), contract.MAX_WAIT_S)
        yield operation_answer(self._operations.poll(str(arguments["RequestId"]), wait_s))

    def _stop(self, arguments: Arguments) -> Iterable[Answer]:
        yield operation_answer(self._operations.stop(str(arguments["RequestId"])))

    def _changes(self, arguments: Arguments) -> Iterable[Answer]:
        path, limit_id = str(arguments["Path"]), str(arguments["LimitId"])
        look = (_number(arguments, "Offset"), _number(arguments, "Length"))
        with self._book.changed:
            machine, disk, newest = self._files.checkpoint_disk(path)
            oldest = epoch_of(machine, disk, limit_id)
            if oldest is None or oldest > newest:
                text = f"change tracking of {path} does not know {limit_id}"
                raise AgentError("TrackingUnknown", text, category="InvalidData", target=path)
            dice = Dice(limit_id, path, *look)
            piece = changed_piece(disk, range(oldest + 1, newest + 1), look, dice)
        yield {"ProcessedLength": piece.processed_bytes, "Extents": pack_ranges(piece.extents)}

    def _read(self, arguments: Arguments) -> Iterable[Answer]:
        size, data = self._files.read(str(arguments["Path"]), _packed(arguments))
        yield {"FileSize": size, "Data": data}

    def _hashes(self, arguments: Arguments) -> Iterable[Answer]:
        yield {"Hashes": self._files.hashes(str(arguments["Path"]), _packed(arguments))}

    def _chosen(self, arguments: Arguments) -> list[MachineState]:
        """The machines asked for, or all."""
        wanted = arguments.get("VMId")
        if isinstance(wanted, (list, tuple)) and wanted:
            return [self._book.machine(str(vm_id)) for vm_id in wanted]
        return list(self._book.state.machines.values())


def _number(arguments: Arguments, name: str) -> int:
    value = arguments.get(name, 0)
    return value if isinstance(value, int) else 0


def _packed(arguments: Arguments) -> bytes:
    value = arguments["Ranges"]
    return value if isinstance(value, bytes) else b""
