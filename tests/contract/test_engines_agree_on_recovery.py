"""What a recovery asks of a host: both engines do it, and refuse it, in the same way."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler import agent_contract as contract
from reconciler.agent_contract import AgentFunction
from reconciler.lab.create import create_lab
from reconciler.lab.definition import HostDefinition, LabDefinition
from reconciler.lab.full_lab import CLUSTER_LAB, OLD_01
from reconciler.lab.state import new_id
from tests.contract.test_engines_agree import ENGINES, STRANGER, Engines, served
from tests.lab_world import skip_without_powershell

CLUSTERED = CLUSTER_LAB.hosts[0].machines[0]
ELSEWHERE = CLUSTER_LAB.hosts[1].machines[0]


def refusals(engines: Engines, function: AgentFunction, **arguments: object) -> set[Any]:
    """What both say to a request that is new to each."""
    return {
        answer if isinstance(answer := engines.ask(e, function, **request), str) else "begun"
        for e in ENGINES
        for request in [{"RequestId": new_id()} | arguments]
    }


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Engines]:
    """The first node of a cluster."""
    skip_without_powershell()
    create_lab(tmp_path, CLUSTER_LAB)
    with served(tmp_path, "hvc1") as engines:
        yield engines


def group_state(engines: Engines, vm: str) -> str:
    (cluster,) = engines.both(contract.GET_CLUSTER)
    return next(str(g["State"]) for g in cluster["Groups"] if g["VMId"] == vm)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_clustered_machine_goes_off_line_and_comes_back(node: Engines, engine: str) -> None:
    vm, change = CLUSTERED.vm_id, contract.START_CLUSTER_CHANGE
    request = {"RequestId": new_id(), "VMId": vm, "Change": "TakeOffline"}

    node.ask(engine, change, **request)
    (off,) = node.ask(
        engine, contract.GET_OPERATION, RequestId=request["RequestId"], WaitSeconds=15
    )
    again = node.ask(engine, change, **request)
    (machine,) = node.both(contract.GET_MACHINE, VMId=[vm])
    states = [group_state(node, vm)]
    others = [
        node.do(engine, change, vm, Change=step)
        for step in ("TakeOffline", "UpdateConfiguration", "AddRole", "BringOnline", "BringOnline")
    ]
    states.append(group_state(node, vm))

    assert again == [off]
    assert machine["State"] == "Saved"
    assert states == ["Offline", "Online"]
    assert [each["State"] for each in (off, *others)] == ["Completed"] * 6


@pytest.mark.parametrize("engine", ENGINES)
def test_a_machine_gets_its_role_back(node: Engines, engine: str) -> None:
    vm, change = CLUSTERED.vm_id, contract.START_CLUSTER_CHANGE
    cluster = node.host.book.cluster
    assert cluster is not None
    with node.host.book.changed, cluster.changing() as shared:
        del shared.groups[vm]

    without = refusals(node, change, VMId=vm, Change="BringOnline")
    added = node.do(engine, change, vm, Change="AddRole")

    assert without == {"ClusterGroupNotFound"}
    assert added["State"] == "Completed"
    assert group_state(node, vm) == "Online"


def test_a_role_that_cannot_be_changed_here_is_refused_by_both(node: Engines) -> None:
    change, disk = contract.START_CLUSTER_CHANGE, node.host.book.machine(CLUSTERED.vm_id).disks[0]

    assert refusals(node, change, VMId=STRANGER, Change="AddRole") == {"VMNotFound"}
    assert refusals(node, change, VMId=ELSEWHERE.vm_id, Change="TakeOffline") == {"VMNotFound"}
    wrong = refusals(node, change, VMId=CLUSTERED.vm_id, Change="Remove")
    assert wrong == {"ParameterArgumentValidationError"}
    with node.host.book.changed:
        disk.chain = ["D:\\a.vhdx"]
        target = node.host.book.local("D:\\a.vhdx")
        target.parent.mkdir(parents=True)
        target.write_bytes(b"")
    assert refusals(node, change, VMId=CLUSTERED.vm_id, Change="AddRole") == {"ClusterRefused"}


def test_a_host_without_a_cluster_has_no_role_to_change(tmp_path: Path) -> None:
    skip_without_powershell()
    create_lab(tmp_path, LabDefinition((HostDefinition("hv1", (OLD_01,)),)))
    with served(tmp_path, "hv1") as engines:
        change = contract.START_CLUSTER_CHANGE

        assert refusals(engines, change, VMId=OLD_01.vm_id, Change="AddRole") == {"NotClustered"}
        assert refusals(engines, change, VMId=STRANGER, Change="AddRole") == {"VMNotFound"}
