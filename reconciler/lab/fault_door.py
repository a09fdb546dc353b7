"""Set and clear the faults of one host; the door for those who play with the lab."""

from collections.abc import Callable
from functools import partial

from reconciler.errors import PrerequisiteError, SettingsError
from reconciler.lab import faults
from reconciler.lab.book import HostBook
from reconciler.lab.faults import FaultKind
from reconciler.lab.operations import Operations
from reconciler.lab.state import FaultRecord, MachineState, new_id
from reconciler.lab.wire.disturbances import Disturbance

_BY_DISTURBANCE = {
    Disturbance.RESET: FaultKind.CONNECTION_RESET,
    Disturbance.SILENCE: FaultKind.NO_ANSWER,
    Disturbance.REFUSED_LOGIN: FaultKind.WRONG_PASSWORD,
}


class FaultDoor:
    """The faults of one host. `changed` is called after each change, without the book's lock."""

    def __init__(self, book: HostBook, operations: Operations) -> None:
        self._book = book
        self._operations = operations
        self.changed: Callable[[], None] = lambda: None

    @property
    def is_down(self) -> bool:
        """Whether the host refuses connections."""
        with self._book.changed:
            return faults.is_set(self._book.state.faults, FaultKind.HOST_DOWN)

    def strikes(self, disturbance: Disturbance) -> bool:
        """Whether this goes wrong on the wire now; see `Strikes`."""
        with self._book.changed:
            records = self._book.state.faults
            before = len(records), [record.left for record in records]
            is_struck = faults.strikes(records, _BY_DISTURBANCE[disturbance])
            if before != (len(records), [record.left for record in records]):
                self._book.save()
            return is_struck

    def set(self, kind: str, vm: str | None = None, count: int | None = None) -> None:
        """Let something go wrong until it is cleared, or so many times.

        Raises:
            SettingsError: There is no such fault, or not of this.
            PrerequisiteError: The machine is no replica.
        """
        known = _known(kind)
        _refuse_odd(known, vm, count)
        with self._book.changed:
            machine = self._book.named(vm) if vm else None
            if machine and known in faults.OF_REPLICAS:
                _refuse_primary(machine)
            if machine and known is FaultKind.TRACKING_RESET:
                self._reset_tracking(machine)
            else:
                records = machine.faults if machine else self._book.state.faults
                records[:] = [record for record in records if record.kind != known]
                records.append(FaultRecord(kind=known, left=count))
            self._book.save()
        self.changed()

    def clear(self, kind: str | None = None, vm: str | None = None) -> int:
        """All is well again: with a fault, or with a machine, or with the host and its machines.

        Returns: how many faults there were.
        """
        known = _known(kind) if kind else None
        with self._book.changed:
            machines = [self._book.named(vm)] if vm else list(self._book.state.machines.values())
            places = [machine.faults for machine in machines]
            places += [] if vm else [self._book.state.faults]
            gone = [
                (records, record)
                for records in places
                for record in records
                if known in (None, record.kind)
            ]
            for records, record in gone:
                records.remove(record)
                self._run_on(record)
            self._book.save()
            for machine in machines:
                self._operations.go_on_with(machine)
        self.changed()
        return len(gone)

    def refuse_write(self, machine: MachineState) -> None:
        """What a guest that is about to write meets.

        Raises:
            PrerequisiteError: Its volume is full, so it is paused now; or it is just being saved.
        """
        with self._book.changed:
            full = [r for r in self._book.state.faults if r.kind == FaultKind.VOLUME_FULL]
            if full and machine.state == "Running":
                machine.properties |= {
                    "State": "PausedCritical",
                    "OperationalStatus": ["CriticalIoError"],
                }
                full[0].paused.append(machine.vm_id)
                self._book.save()
                raise PrerequisiteError(
                    f"{machine.name} was paused when it wrote: its volume is full",
                    hint="reconciler lab fault clear volume-full",
                )
            if (state := self._operations.state_of(machine)) != machine.state:
                raise PrerequisiteError(
                    f"the guest of {machine.name} cannot write: it is {state}", hint="wait for it"
                )

    def all(self) -> list[dict[str, object]]:
        """Every fault; see faults.all_faults."""
        with self._book.changed:
            return faults.all_faults(self._book.state)

    def _reset_tracking(self, machine: MachineState) -> None:
        for disk in machine.disks:
            disk.tracking = new_id()

    def _run_on(self, record: FaultRecord) -> None:
        for vm_id in record.paused:
            machine = self._book.state.machines.get(vm_id)
            if machine and machine.state == "PausedCritical":
                machine.properties |= {"State": "Running", "OperationalStatus": ["Ok"]}


def _known(kind: str) -> FaultKind:
    try:
        return FaultKind(kind)
    except ValueError:
        raise SettingsError(
            f"there is no fault {kind}", hint=f"one of {', '.join(FaultKind)}"
        ) from None


def _refuse_odd(kind: FaultKind, vm: str | None, count: int | None) -> None:
    refused = partial(SettingsError, hint="see reconciler lab fault set --help")
    if kind is FaultKind.NODE_LOST:
        raise refused("a host cannot lose itself")
    if (vm is None) != (kind in faults.OF_HOSTS):
        whose = "a host" if kind in faults.OF_HOSTS else "a machine"
        raise refused(f"{kind} is a fault of {whose}: name one")
    if count is not None and (kind not in faults.COUNTABLE or count < 1):
        raise refused(f"{kind} is there or not: it cannot happen {count} times")


def _refuse_primary(machine: MachineState) -> None:
    if not str(machine.properties["ReplicationMode"]).endswith("Replica"):
        raise PrerequisiteError(
            f"{machine.name} is no replica of Hyper-V", hint="a replica is called by its label"
        )
