"""Long work on a host: a journal of requests, each done once, and merges in the background.

Everything an operation does becomes true in one save of the state, at its end. An operation that
a kill interrupts is carried to its end after the restart; the contract would also allow to end it
as an exception, but this way a request id that was answered once is never forgotten.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import structlog

from reconciler.agent_contract import (
    START_CHECKPOINT,
    START_CHECKPOINT_REMOVAL,
    START_CONVERSION,
    START_REFERENCE_POINT_REMOVAL,
    START_STATE_CHANGE,
    SUCCEEDED,
    AgentFunction,
    OperationState,
)
from reconciler.lab import checkpoints, configuration, faults, saving
from reconciler.lab.book import HostBook
from reconciler.lab.faults import FaultKind
from reconciler.lab.pace import Delays, Pace
from reconciler.lab.recovery import Recovery
from reconciler.lab.state import MachineState, OperationRecord
from reconciler.lab.wire.body import AgentError

_log: structlog.stdlib.BoundLogger = structlog.get_logger()

KEPT_OPERATIONS = 512
"""Ended operations that the journal remembers."""
_STATUS = {
    START_CHECKPOINT.name: "CreatingSnapshot",
    START_CONVERSION.name: "DeletingSnapshot",
    START_CHECKPOINT_REMOVAL.name: "DeletingSnapshot",
}


class Operations:
    """The operations of one host."""

    def __init__(self, book: HostBook, pace: Pace, delays: Delays) -> None:
        self._book = book
        self._pace = pace
        self._delays = delays
        self._merges_due: set[str] = set()
        self._recovery = Recovery(book)
        self.moving: set[str] = set()
        """Machines that migrate to another node; nothing may begin on them."""

    def resume(self) -> None:
        """After a restart: finish a merge that was cut off, and go on with all the rest."""
        with self._book.changed:
            for machine in self._book.state.machines.values():
                self.go_on_with(machine)
            for record in self._book.state.operations.values():
                if not record.has_ended:
                    self._begin_later(record.request_id)

    def go_on_with(self, machine: MachineState) -> None:
        """Finish a merge that was cut off, and go on with the others; hold the lock."""
        for disk in machine.disks:
            if disk.is_merging:
                checkpoints.merge_top(self._book, disk)
        self._merge_later(machine)

    def is_busy(self, machine: MachineState) -> bool:
        """Whether an operation runs, or the machine is on its way; hold the lock."""
        return machine.vm_id in self.moving or any(True for _ in self._running(machine.vm_id))

    def start(self, function: AgentFunction, arguments: dict[str, str]) -> OperationRecord:
        """Begin an operation, or show the one that has this request id already.

        Raises:
            AgentError: As the function declares.
        """
        request_id, vm_id = arguments["RequestId"], arguments.get("VMId", "")
        with self._book.changed:
            if known := self._book.state.operations.get(request_id):
                return known.model_copy()
            machine = self._recovery.machine(function, vm_id)
            self._refuse_busy(vm_id)
            if machine:
                if function is START_CHECKPOINT and self._is_stuck(machine):
                    raise _busy(vm_id, "is still merging its disks")
                _refuse_unknown(machine, arguments)
            self._recovery.check(function, arguments)
            record = OperationRecord(
                request_id=request_id, function=function.name, vm_id=vm_id, arguments=arguments
            )
            self._book.state.operations[request_id] = record
            self._drop_old()
            self._book.save()
            self._begin_later(request_id)
            return record.model_copy()

    def poll(self, request_id: str, wait_s: float) -> OperationRecord:
        """The operation, after waiting for its end.

        Raises:
            AgentError: OperationNotFound.
        """
        with self._book.changed:
            self._book.changed.wait_for(lambda: self._record(request_id).has_ended, wait_s)
            return self._record(request_id).model_copy()

    def stop(self, request_id: str) -> OperationRecord:
        """Terminate an operation, unless it has ended."""
        with self._book.changed:
            record = self._record(request_id)
            if not record.has_ended:
                self._end(record, OperationState.TERMINATED)
            return record.model_copy()

    def statuses(self, machine: MachineState) -> list[str]:
        """What is going on with a machine, as names of the operational status."""
        functions = [record.function for record in self._running(machine.vm_id)]
        running = [_STATUS[function] for function in functions if function in _STATUS]
        is_merging = self._may_merge(machine) or self._is_stuck(machine)
        migrating = ["MigratingVirtualMachine"] if machine.vm_id in self.moving else []
        return running + (["MergingDisks"] if is_merging else []) + migrating

    def state_of(self, machine: MachineState) -> str:
        """Name of the VMState, also on the way from one to another."""
        passing = (
            saving.state_on_the_way(machine, record) for record in self._running(machine.vm_id)
        )
        return next(filter(None, passing), machine.state)

    def _begin_later(self, request_id: str) -> None:
        self._pace.later(self._delays.operation_s / 2, partial(self._begin, request_id))

    def _begin(self, request_id: str) -> None:
        with self._running_record(request_id) as record:
            if record:
                record.state, record.percent = OperationState.RUNNING, 50
                half_s = self._delays.operation_s / 2
                self._pace.later(half_s, partial(self._finish, request_id))

    def _finish(self, request_id: str) -> None:
        with self._running_record(request_id) as record:
            if record is None:
                return
            held = self._held_files(record.vm_id)
            try:
                self._do(record)
            except checkpoints.RefusedError as refusal:
                self._end(record, OperationState.EXCEPTION, refusal.code, str(refusal))
            except (OSError, ValueError) as error:
                self._end(record, OperationState.EXCEPTION, faults.FAILED, str(error))
            else:
                machine = self._book.state.machines.get(record.vm_id)
                self._end(record, _success(machine, record))
                configuration.remove_files(self._book, held - self._held_files(record.vm_id))
                if machine:
                    self._merge_later(machine)

    def _held_files(self, vm_id: str) -> set[str]:
        machine = self._book.state.machines.get(vm_id)
        return configuration.held_files(machine) if machine else set()

    def _do(self, record: OperationRecord) -> None:
        if deed := self._recovery.deeds.get(record.function):
            deed(record)
            return
        deeds: dict[str, Callable[[MachineState, OperationRecord], None]] = {
            START_CHECKPOINT.name: partial(checkpoints.take, self._book),
            START_CONVERSION.name: partial(checkpoints.convert, self._book),
            START_CHECKPOINT_REMOVAL.name: checkpoints.remove,
            START_REFERENCE_POINT_REMOVAL.name: checkpoints.destroy,
            START_STATE_CHANGE.name: saving.change_state,
        }
        deeds[record.function](self._book.state.machines[record.vm_id], record)

    def _end(
        self, record: OperationRecord, state: OperationState, code: int = 0, text: str = ""
    ) -> None:
        record.state, record.error_code, record.error_description = state, code, text
        record.percent = 100 if state in SUCCEEDED else record.percent
        self._book.save()
        self._book.changed.notify_all()

    def _merge_later(self, machine: MachineState) -> None:
        if self._may_merge(machine) and machine.vm_id not in self._merges_due:
            self._merges_due.add(machine.vm_id)
            self._pace.later(self._delays.merge_s, partial(self._merge, machine.vm_id))

    def _merge(self, vm_id: str) -> None:
        """One file of one disk at a time, so that other calls get their turn."""
        with self._book.changed:
            self._merges_due.discard(vm_id)
            machine = self._book.state.machines.get(vm_id)
            if machine is None or not self._may_merge(machine):
                return
            disk = next(checkpoints.mergeable(machine))
            try:
                checkpoints.merge_top(self._book, disk)
            except (OSError, ValueError) as error:
                _log.error("lab_merge.failed", path=disk.live_path, reason=str(error))
            self._merge_later(machine)

    @contextmanager
    def _running_record(self, request_id: str) -> Iterator[OperationRecord | None]:
        with self._book.changed:
            record = self._book.state.operations.get(request_id)
            yield None if record is None or record.has_ended else record

    def _record(self, request_id: str) -> OperationRecord:
        try:
            return self._book.state.operations[request_id]
        except KeyError:
            text = f"no operation has the request id {request_id}"
            raise AgentError(
                "OperationNotFound", text, category="ObjectNotFound", target=request_id
            ) from None

    def _running(self, vm_id: str) -> Iterator[OperationRecord]:
        for record in self._book.state.operations.values():
            if vm_id and record.vm_id == vm_id and not record.has_ended:
                yield record

    def _refuse_busy(self, vm_id: str) -> None:
        if vm_id in self.moving:
            raise _busy(vm_id, "is migrating")
        for record in self._running(vm_id):
            raise _busy(vm_id, f"is busy with {record.function}")

    def _may_merge(self, machine: MachineState) -> bool:
        """Whether disks merge, or are about to."""
        kinds = (FaultKind.MERGE_STUCK, FaultKind.MERGE_FAILED)
        is_faulty = any(faults.is_set(machine.faults, kind) for kind in kinds)
        return not is_faulty and any(True for _ in checkpoints.mergeable(machine))

    def _is_stuck(self, machine: MachineState) -> bool:
        """Whether disks should merge, and do not."""
        is_faulty = faults.is_set(machine.faults, FaultKind.MERGE_STUCK)
        return is_faulty and any(True for _ in checkpoints.mergeable(machine))

    def _drop_old(self) -> None:
        operations = self._book.state.operations
        ended = [record.request_id for record in operations.values() if record.has_ended]
        for request_id in ended[:-KEPT_OPERATIONS]:
            del operations[request_id]


def _success(machine: MachineState | None, record: OperationRecord) -> OperationState:
    is_checkpoint = record.function == START_CHECKPOINT.name
    if machine and is_checkpoint and faults.strikes(machine.faults, FaultKind.CHECKPOINT_WARNS):
        return OperationState.COMPLETED_WITH_WARNINGS
    return OperationState.COMPLETED


def _busy(vm_id: str, why: str) -> AgentError:
    text = f"'{vm_id}' {why}"
    return AgentError("MachineBusy", text, category="ResourceBusy", target=vm_id)


def _refuse_unknown(machine: MachineState, arguments: dict[str, str]) -> None:
    checkpoint = arguments.get("CheckpointId")
    if checkpoint and checkpoint not in {point.id for point in machine.checkpoints}:
        raise AgentError(
            "CheckpointNotFound",
            f"'{machine.name}' has no checkpoint {checkpoint}",
            category="ObjectNotFound",
            target=checkpoint,
        )
    reference = arguments.get("ReferencePointId")
    if reference and reference not in {point.id for point in machine.reference_points}:
        raise AgentError(
            "ReferencePointNotFound",
            f"'{machine.name}' has no reference point {reference}",
            category="ObjectNotFound",
            target=reference,
        )
