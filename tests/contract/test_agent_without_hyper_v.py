"""The agent's module where Hyper-V is not: it loads, and tells what such a computer has."""

from collections.abc import Iterator

import pytest

from reconciler import agent_contract as contract
from reconciler.agent_contract import AgentFunction
from reconciler.lab.create import create_lab
from reconciler.lab.definition import HostDefinition, LabDefinition
from reconciler.lab.full_lab import OLD_01
from reconciler.lab.powershell import session
from reconciler.lab.state import new_id
from tests.contract.test_engines_agree import Engines, served
from tests.lab_world import skip_without_powershell

VM: dict[str, object] = {"VMId": OLD_01.vm_id}
NEEDS_HYPER_V: list[tuple[AgentFunction, dict[str, object]]] = [
    (contract.GET_MACHINE, {}),
    (contract.GET_MACHINE, {"VMId": [OLD_01.vm_id]}),
    (contract.GET_CHECKPOINT, {}),
    (contract.GET_REFERENCE_POINT, {}),
    (contract.READ_FILE, {"Path": OLD_01.disks[0].path, "Ranges": bytes(16)}),
    (contract.GET_BLOCK_HASH, {"Path": OLD_01.disks[0].path, "Ranges": bytes(16)}),
    (contract.GET_DISK_CHANGE, {"Path": "a", "LimitId": "b", "Offset": 0, "Length": 1}),
    (contract.START_MACHINE_REMOVAL, VM),
    (contract.START_STATE_CHANGE, VM | {"TargetState": "Off"}),
    (contract.START_CLUSTER_CHANGE, VM | {"Change": "AddRole"}),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """A host whose PowerShell has every module but that of Hyper-V."""
    skip_without_powershell()
    lab, modules = tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("modules")
    for module in session.STAND_INS.iterdir():
        if module.name != "Hyper-V":
            (modules / module.name).symlink_to(module)
    create_lab(lab, LabDefinition((HostDefinition("hv1", (OLD_01,)),)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "STAND_INS", modules)
        with served(lab, "hv1") as engines:
            yield engines


@pytest.mark.parametrize(("function", "arguments"), NEEDS_HYPER_V)
def test_what_needs_hyper_v_says_so(
    server: Engines, function: AgentFunction, arguments: dict[str, object]
) -> None:
    request = {"RequestId": new_id()} if function.changes_something else {}

    assert server.ask("powershell", function, **request, **arguments) == contract.NO_HYPER_V


def test_what_the_computer_has_is_told_as_anywhere(server: Engines) -> None:
    (facts,) = server.ask("powershell", contract.GET_REQUIREMENT)
    unknown = server.ask("powershell", contract.GET_OPERATION, RequestId=new_id())

    server.both(contract.GET_HOST)
    server.both(contract.GET_VOLUME)
    server.both(contract.GET_EVENT, AfterRecordId=0, MaxEvents=10)
    assert server.both(contract.GET_CLUSTER) == []
    assert len(server.both(contract.GET_AGENT_FILE)) > len(contract.FUNCTIONS)
    assert facts["Machines"] == []
    assert unknown == "OperationNotFound"
