"""The agent's functions, answered by the lab."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from reconciler import agent_contract as contract
from reconciler.agent_contract import AgentFunction, pack_ranges
from reconciler.lab.agent_files import module_files
from reconciler.lab.book import HostBook
from reconciler.lab.configuration import told_files
from reconciler.lab.describe import (
    Answer,
    checkpoint_answer,
    cluster_answer,
    event_answer,
    machine_answer,
    operation_answer,
    planned_answer,
    reference_point_answer,
    seldom_answer,
    volume_answer,
)
from reconciler.lab.dice import Dice
from reconciler.lab.faults import FaultKind, is_set, told
from reconciler.lab.node import ClusterNode
from reconciler.lab.operations import Operations
from reconciler.lab.power import computer_name
from reconciler.lab.requirements import requirement_answer
from reconciler.lab.served_files import ServedFiles
from reconciler.lab.state import MachineState
from reconciler.lab.tracking import changed_piece, epoch_of
from reconciler.lab.wire.body import AgentError

AGENT_VERSION = "1.1.0"

Arguments = Mapping[str, object]


class LabAgent:
    """The body behind one host's wire; safe to call from several threads."""

    def __init__(self, book: HostBook, operations: Operations, node: ClusterNode) -> None:
        self._book = book
        self._node = node
        self._operations = operations
        self._files = ServedFiles(book)
        self._answers: dict[str, Callable[[Arguments], Iterable[Answer]]] = {
            contract.GET_HOST.name: self._host,
            contract.GET_MACHINE.name: self._machines,
            contract.GET_CHECKPOINT.name: self._checkpoints,
            contract.GET_REFERENCE_POINT.name: self._reference_points,
            contract.GET_CLUSTER.name: self._cluster,
            contract.GET_VOLUME.name: self._volumes,
            contract.GET_EVENT.name: self._events,
            contract.GET_REQUIREMENT.name: self._requirements,
            contract.GET_OPERATION.name: self._operation,
            contract.STOP_OPERATION.name: self._stop,
            contract.GET_DISK_CHANGE.name: self._changes,
            contract.READ_FILE.name: self._read,
            contract.GET_BLOCK_HASH.name: self._hashes,
            contract.GET_AGENT_FILE.name: lambda _: module_files(),
            contract.GET_CONFIGURATION_FILE.name: self._configuration,
        }

    def invoke(self, function: AgentFunction, arguments: Arguments) -> Iterable[Answer]:
        """Answer one call; see AgentBody."""
        with self._book.changed:
            self._node.sync()
        if answer := self._answers.get(function.name):
            return list(answer(arguments))
        started = self._operations.start(function, {k: _text(v) for k, v in arguments.items()})
        return [operation_answer(started)]

    def _host(self, _: Arguments) -> Iterable[Answer]:
        state = self._book.state
        yield {
            "ComputerName": computer_name(state.name),
            "OSBuild": state.os_build,
            "AgentVersion": AGENT_VERSION,
            "ContractVersion": contract.CONTRACT_VERSION,
            "LastBootUpTime": state.booted_at,
            "ClusterName": state.cluster,
        }

    def _cluster(self, _: Arguments) -> Iterable[Answer]:
        if cluster := self._book.cluster:
            yield cluster_answer(cluster.read())

    def _volumes(self, _: Arguments) -> Iterable[Answer]:
        with self._book.changed:
            local = list(self._book.state.volumes)
        cluster = self._book.cluster
        shared = cluster.read().volumes if cluster else []
        answers = [volume_answer(volume, is_cluster_shared=False) for volume in local]
        answers += [volume_answer(volume, is_cluster_shared=True) for volume in shared]
        if is_set(self._book.state.faults, FaultKind.VOLUME_FULL):
            answers = [answer | {"SizeRemaining": 0} for answer in answers]
        return answers

    def _events(self, arguments: Arguments) -> Iterable[Answer]:
        after, most = _number(arguments, "AfterRecordId"), _number(arguments, "MaxEvents")
        with self._book.changed:
            later = [event for event in self._book.state.events if event.record_id > after]
        return [event_answer(event) for event in later[:most]]

    def _requirements(self, arguments: Arguments) -> Iterable[Answer]:
        asked = arguments.get("Share")
        names = [str(name).casefold() for name in asked] if isinstance(asked, list) else []
        with self._book.changed:
            state = self._book.state
            here = state.requirements
            coming = self._node.planned()
            machines = [
                seldom_answer(machine, state.os_build)
                for machine in (*coming, *state.machines.values())
            ]
            shares = {name: here.share_access.get(name, []) for name in names}
            yield requirement_answer(here, state.os_build, machines, shares)

    def _machines(self, arguments: Arguments) -> Iterable[Answer]:
        wanted = _wanted(arguments)
        with self._book.changed:
            coming = [m for m in self._node.planned() if wanted is None or m.vm_id in wanted]
            if wanted:
                wanted = [vm_id for vm_id in wanted if vm_id not in {m.vm_id for m in coming}]
            return [planned_answer(self._book, machine) for machine in coming] + [
                self._told(machine) for machine in self._chosen(wanted)
            ]

    def _told(self, machine: MachineState) -> Answer:
        usual = machine_answer(self._book, machine, self._operations.statuses(machine))
        return usual | {"State": self._operations.state_of(machine)} | told(machine)

    def _checkpoints(self, arguments: Arguments) -> Iterable[Answer]:
        with self._book.changed:
            return [
                checkpoint_answer(self._book, machine, point)
                for machine in self._chosen(_wanted(arguments))
                for point in machine.checkpoints
            ]

    def _reference_points(self, arguments: Arguments) -> Iterable[Answer]:
        with self._book.changed:
            return [
                reference_point_answer(machine, point)
                for machine in self._chosen(_wanted(arguments))
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

    def _configuration(self, arguments: Arguments) -> Iterable[Answer]:
        with self._book.changed:
            machine = self._book.machine(str(arguments["VMId"]))
            return list(told_files(self._book, machine, str(arguments["CheckpointId"])))

    def _chosen(self, wanted: Sequence[str] | None) -> list[MachineState]:
        """The machines asked for, or all."""
        if wanted is not None:
            return [self._book.machine(vm_id) for vm_id in wanted]
        return list(self._book.state.machines.values())


def _wanted(arguments: Arguments) -> list[str] | None:
    """The machines that a call is about; None means all."""
    wanted = arguments.get("VMId")
    if not (isinstance(wanted, (list, tuple)) and wanted):
        return None
    return [str(vm_id) for vm_id in wanted]


def _text(value: object) -> str:
    """An argument as the journal keeps it; lists have a line for each item."""
    return "\n".join(value) if isinstance(value, list | tuple) else str(value)


def _number(arguments: Arguments, name: str) -> int:
    value = arguments.get(name, 0)
    return value if isinstance(value, int) else 0


def _packed(arguments: Arguments) -> bytes:
    value = arguments["Ranges"]
    return value if isinstance(value, bytes) else b""
