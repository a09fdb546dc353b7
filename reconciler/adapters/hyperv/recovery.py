"""What a recovery asks of a host's agent; every answer is checked before anything believes it.

`import_machine`, `create_machine`, `swap_disk` and `change_role` speak functions of the contract
that a host's module need not have yet: such a host refuses them, and nothing is changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from reconciler import agent_contract as contract
from reconciler.adapters.hyperv.calls import AgentCalls
from reconciler.adapters.hyperv.decode import Answer, Decoder
from reconciler.agent_contract import AgentFunction
from reconciler.errors import ItemNotFoundError
from reconciler.model.machine import ControllerSlot
from reconciler.model.names import RequestId, VmId

DiskPaths = Mapping[ControllerSlot, str]


class SwapStep(StrEnum):
    """One step of putting a disk file in the place of another."""

    ASIDE = "Aside"
    PLACE = "Place"
    WITHDRAW = "Withdraw"
    BACK = "Back"
    DELETE_OLD = "DeleteOld"
    DELETE_NEW = "DeleteNew"


class RoleStep(StrEnum):
    """One change of a machine's role on its cluster."""

    ADD = "AddRole"
    TAKE_OFFLINE = "TakeOffline"
    BRING_ONLINE = "BringOnline"
    UPDATE = "UpdateConfiguration"


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """What a machine is made of when its configuration is lost.

    Units: bytes.
    """

    name: str
    generation: int
    version: str
    memory_bytes: int
    processors: int
    folder: str


_OF_NONE: Final = VmId("00000000-0000-0000-0000-000000000000")


class HostRecovery:
    """The recovery functions of one host, each carried to its end."""

    def __init__(self, calls: AgentCalls) -> None:
        """Over the session of the host's other calls."""
        self._calls = calls

    def turn_off(self, vm_id: VmId, request_id: RequestId) -> None:
        """As by its switch; a machine that is off already stays so."""
        function = contract.START_STATE_CHANGE
        self._calls.operate(function, request_id, VMId=vm_id, TargetState="Off")

    def remove_machine(self, vm_id: VmId, request_id: RequestId) -> None:
        """Remove a machine, and leave its disks; one that is gone already is no error."""
        try:
            self._calls.operate(contract.START_MACHINE_REMOVAL, request_id, VMId=vm_id)
        except ItemNotFoundError:
            return

    def remove_user_checkpoints(self, vm_id: VmId, request_id: RequestId) -> None:
        """Remove the user's own checkpoints; the merges of their disks go on afterwards."""
        self._calls.operate(contract.START_USER_CHECKPOINT_REMOVAL, request_id, VMId=vm_id)

    def import_machine(  # noqa: PLR0913 (the contract's own parameters)
        self,
        vm_id: VmId,
        configuration: str,
        disks: DiskPaths,
        request_id: RequestId,
        *,
        keeps_id: bool,
        may_disconnect: bool,
    ) -> VmId:
        """Import a machine from its configuration file; gives the id that it has here."""
        ended = self._calls.operate(
            contract.START_IMPORT,
            request_id,
            VMId=vm_id,
            ConfigurationPath=configuration,
            Disk=_lines(disks),
            Identity="Keep" if keeps_id else "New",
            MissingSwitch="Disconnect" if may_disconnect else "Refuse",
        )
        made, decoder = self._made(contract.START_IMPORT, ended)
        if (made == vm_id) is not keeps_id:
            raise decoder.broken(f"MadeVMId is {made}, and {vm_id} was imported")
        return made

    def create_machine(self, facts: MachineFacts, disks: DiskPaths, request_id: RequestId) -> VmId:
        """Create a machine that has the disks and no network; gives its new id."""
        ended = self._calls.operate(
            contract.START_CREATION,
            request_id,
            Name=facts.name,
            Generation=facts.generation,
            Version=facts.version,
            MemoryBytes=facts.memory_bytes,
            ProcessorCount=facts.processors,
            Folder=facts.folder,
            Disk=_lines(disks),
        )
        return self._made(contract.START_CREATION, ended)[0]

    def swap_disk(
        self, vm_id: VmId, path: str, mark: str, step: SwapStep, request_id: RequestId
    ) -> None:
        """One step of a swap; one that is done already stays so."""
        self._calls.operate(
            contract.START_DISK_SWAP,
            request_id,
            VMId=vm_id,
            Path=path,
            Mark=mark,
            Change=step.value,
        )

    def change_role(self, vm_id: VmId, step: RoleStep, request_id: RequestId) -> None:
        """One change of its role on the cluster; one that is made already stays so."""
        function = contract.START_CLUSTER_CHANGE
        self._calls.operate(function, request_id, VMId=vm_id, Change=step.value)

    def _made(self, function: AgentFunction, ended: Answer) -> tuple[VmId, Decoder]:
        decoder = Decoder(self._calls.host, function)
        if ended["MadeVMId"] is None:
            raise decoder.broken("MadeVMId is missing of an operation that succeeded")
        made = VmId(decoder.guid(ended, "MadeVMId"))
        if made == _OF_NONE:
            raise decoder.broken("MadeVMId is the id of nothing")
        return made, decoder


def _lines(disks: DiskPaths) -> list[str]:
    return [f"{slot}={path}" for slot, path in disks.items()]
