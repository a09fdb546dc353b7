"""What a recovery asks of a host, answered by the lab's engine in Python, and by a liar."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from reconciler import agent_contract as contract
from reconciler.adapters.hyperv.calls import AgentCalls
from reconciler.adapters.hyperv.recovery import (
    HostRecovery,
    MachineFacts,
    RoleStep,
    SwapStep,
)
from reconciler.adapters.hyperv.session import AgentFailure
from reconciler.agent_contract import AgentFunction
from reconciler.errors import (
    HostError,
    HostNotReadyError,
    HostRefusedError,
    ItemNotFoundError,
    PrerequisiteError,
    StateChangeFailedError,
)
from reconciler.lab.configuration_document import configuration_of
from reconciler.lab.create import create_lab
from reconciler.lab.definition import HostDefinition, LabDefinition
from reconciler.lab.full_lab import DEV_01
from reconciler.lab.host import LabHost
from reconciler.lab.state import new_id
from reconciler.lab.wire.body import AgentError
from reconciler.model.machine import ControllerSlot
from reconciler.model.names import HostName, RequestId, VmId

DEV = replace(DEV_01, has_user_checkpoint=False)
VM = VmId(DEV.vm_id)
STRANGER = VmId("00000000-0000-4000-8000-000000000000")
MARK = "11111111-2222-4333-8444-555555555555"
PATH = DEV.disks[0].path
CONFIGURATION = f"C:\\VMs\\dev-01\\{VM}.vmcx"
DISKS = {ControllerSlot("SCSI", 0, 0): PATH}


@dataclass
class Session:
    """A lab host with no wire between; `lies` replace properties of an ended operation."""

    host: LabHost
    lies: dict[str, object] = field(default_factory=dict)

    def call(
        self, function: AgentFunction, arguments: Mapping[str, object], *, deadline_s: float
    ) -> list[dict[str, object]]:
        del deadline_s
        try:
            answers = [dict(each) for each in self.host.invoke(function, arguments)]
        except AgentError as refusal:
            raise AgentFailure(function.name, refusal.error_id, refusal.message) from refusal
        self.host.settle()
        lies = self.lies if function is contract.GET_OPERATION else {}
        return [answer | lies for answer in answers]

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A host with dev-01, whose configuration file lies beside its disk."""
    create_lab(tmp_path, LabDefinition((HostDefinition("hv1", (DEV,)),)))
    with LabHost(tmp_path, "hv1") as host:
        text = configuration_of(host.book.machine(VM))
        host.book.local(CONFIGURATION).write_bytes(text)
        yield Session(host)


@pytest.fixture
def recovery(session: Session) -> HostRecovery:
    return HostRecovery(AgentCalls(HostName("hv1"), session))


def request() -> RequestId:
    return RequestId(new_id())


def removed(recovery: HostRecovery) -> None:
    recovery.turn_off(VM, request())
    recovery.remove_machine(VM, request())


def take_in(recovery: HostRecovery, *, keeps_id: bool = True, may_disconnect: bool = False) -> VmId:
    return recovery.import_machine(
        VM, CONFIGURATION, DISKS, request(), keeps_id=keeps_id, may_disconnect=may_disconnect
    )


def test_a_machine_is_removed_and_imported_under_its_id(
    session: Session, recovery: HostRecovery
) -> None:
    removed(recovery)
    assert VM not in session.host.book.state.machines

    assert take_in(recovery) == VM
    assert list(session.host.book.state.machines) == [VM]


def test_a_machine_is_imported_under_a_new_id(session: Session, recovery: HostRecovery) -> None:
    removed(recovery)

    made = take_in(recovery, keeps_id=False)

    assert made != VM
    assert list(session.host.book.state.machines) == [made]


def test_a_machine_that_is_gone_is_removed_already(recovery: HostRecovery) -> None:
    recovery.remove_machine(STRANGER, request())

    with pytest.raises(ItemNotFoundError):
        recovery.turn_off(STRANGER, request())


def test_a_machine_that_runs_is_not_removed(session: Session, recovery: HostRecovery) -> None:
    with pytest.raises(PrerequisiteError, match="Running"):
        recovery.remove_machine(VM, request())

    assert VM in session.host.book.state.machines


def test_the_same_request_imports_once(session: Session, recovery: HostRecovery) -> None:
    removed(recovery)
    once = request()
    made = {
        recovery.import_machine(VM, CONFIGURATION, DISKS, once, keeps_id=False, may_disconnect=True)
        for _ in range(2)
    }

    assert made == set(session.host.book.state.machines)


def test_a_missing_switch_is_a_failure_unless_it_may_be_disconnected(
    session: Session, recovery: HostRecovery
) -> None:
    removed(recovery)
    session.host.book.state.switches = []

    with pytest.raises(HostError, match="switch"):
        take_in(recovery)
    assert take_in(recovery, may_disconnect=True) == VM


def test_a_machine_is_made_from_facts(session: Session, recovery: HostRecovery) -> None:
    removed(recovery)
    facts = MachineFacts("made", 2, "9.0", 1 << 30, 2, "C:\\VMs\\dev-01\\made")

    made = recovery.create_machine(facts, DISKS, request())

    assert session.host.book.machine(made).name == "made"


def test_a_disk_is_swapped_and_back(session: Session, recovery: HostRecovery) -> None:
    removed(recovery)
    path = session.host.book.local(PATH)
    old = path.read_bytes()
    path.with_name(f"{path.name}.{MARK}.new").write_bytes(b"new")

    for step in (SwapStep.ASIDE, SwapStep.PLACE):
        recovery.swap_disk(VM, PATH, MARK, step, request())
    assert path.read_bytes() == b"new"
    for step in (SwapStep.WITHDRAW, SwapStep.BACK):
        recovery.swap_disk(VM, PATH, MARK, step, request())
    assert path.read_bytes() == old


def test_a_path_that_leads_elsewhere_is_refused(recovery: HostRecovery) -> None:
    with pytest.raises(HostRefusedError, match="PathNotAllowed"):
        recovery.import_machine(
            VM,
            "C:\\Windows\\a.vmcx",
            DISKS,
            request(),
            keeps_id=False,
            may_disconnect=False,
        )


def test_a_host_without_a_cluster_has_no_role_to_change(recovery: HostRecovery) -> None:
    with pytest.raises(HostNotReadyError, match="cluster"):
        recovery.change_role(VM, RoleStep.ADD, request())


@pytest.mark.parametrize("made", [None, "", "no guid", 7, STRANGER, "0" * 8, "{" + VM + "}"])
def test_a_host_that_lies_about_what_it_made_is_not_believed(
    session: Session, recovery: HostRecovery, made: object
) -> None:
    removed(recovery)
    session.lies = {"MadeVMId": made}

    with pytest.raises(HostRefusedError, match="MadeVMId"):
        take_in(recovery)


def test_an_old_id_is_not_taken_for_a_new_one(session: Session, recovery: HostRecovery) -> None:
    removed(recovery)
    session.lies = {"MadeVMId": VM.upper()}

    with pytest.raises(HostRefusedError, match="MadeVMId"):
        take_in(recovery, keeps_id=False)


def test_a_machine_that_cannot_be_turned_off_is_told_so(
    session: Session, recovery: HostRecovery
) -> None:
    session.host.set_property(DEV_01.name, "State", "PausedCritical")

    with pytest.raises(StateChangeFailedError):
        recovery.turn_off(VM, request())
