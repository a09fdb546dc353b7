"""Prerequisites are told the same by the lab's engine and by the agent's module."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler import agent_contract as contract
from reconciler.adapters.hyperv.session import AgentSession, EndPoint
from reconciler.lab.control_server import host_control
from reconciler.lab.create import create_lab
from reconciler.lab.definition import WEB_01, HostDefinition, LabDefinition
from reconciler.lab.host import LabHost
from reconciler.lab.powershell.door import HyperVDoor
from reconciler.lab.powershell.session import agent_shells
from reconciler.lab.wire.host import WireHost
from reconciler.lab.wire.psrp import agent_engine
from reconciler.model.names import HostName
from tests.lab_calls import check_fields
from tests.lab_world import skip_without_powershell

PASSWORD = "Passw0rd!"  # noqa: S105
OLD_BUILD = 9_600


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Both"]:
    skip_without_powershell()
    lab = tmp_path_factory.mktemp("lab")
    create_lab(lab, LabDefinition((HostDefinition("hv1", (WEB_01,), os_build=OLD_BUILD),)))
    with served(lab) as found:
        yield found


class Both:
    """One host, asked in both ways."""

    def __init__(self, host: LabHost, sessions: list[AgentSession]) -> None:
        self.host = host
        self._sessions = sessions

    def ask(self, **arguments: object) -> Any:
        """The one answer that both give."""
        answers = [
            each.call(contract.GET_REQUIREMENT, arguments, deadline_s=60) for each in self._sessions
        ]
        for answer in answers:
            check_fields(contract.GET_REQUIREMENT.fields, answer[0])
        assert answers[0] == answers[1]
        return answers[0][0]


@contextmanager
def served(lab: Path) -> Iterator[Both]:
    with LabHost(lab, "hv1") as host:
        control = host_control(host, lab, HyperVDoor(host).deeds())
        shells = {"python": agent_engine(host), "powershell": agent_shells(lab, "hv1")}
        wire = WireHost("hv1", {"svc": PASSWORD}, shells)
        port = wire.listen()
        control.start()
        place = ("127.0.0.1", port, False, "ntlm", "svc")
        sessions = [
            AgentSession(EndPoint(HostName("hv1"), *place, configuration=engine), PASSWORD)
            for engine in shells
        ]
        yield Both(host, sessions)
        for each in sessions:
            each.close()
        control.close()
        wire.close()


def test_a_host_in_order_is_told_the_same(both: Both) -> None:
    answer = both.ask()

    assert answer["VssProviderTypes"] == ["1", "2", "3"]
    assert (answer["NoAutoMount"], answer["Chimney"]) == (0, "Disabled")
    (machine,) = answer["Machines"]
    assert machine["ScsiControllers"] == 1
    assert machine["IntegrationServicesVersion"] == answer["IntegrationServicesVersion"]


@pytest.mark.parametrize(
    ("name", "value", "field", "told"),
    [
        ("VssProviders", "1,2", "VssProviderTypes", ["1", "2"]),
        ("VssProviders", "", "VssProviderTypes", []),
        ("NoAutoMount", "1", "NoAutoMount", 1),
        ("Chimney", "Automatic", "Chimney", "Automatic"),
        ("Chimney", "", "Chimney", ""),
        ("IntegrationServicesVersion", "6.3.1.2", "IntegrationServicesVersion", "6.3.1.2"),
        ("FileServerVssAgent", "Available", "FileServerVssAgent", "Available"),
    ],
)
def test_a_property_that_is_switched_is_told_the_same(
    both: Both, name: str, value: str, field: str, told: object
) -> None:
    both.host.set_requirement(name, value)

    assert both.ask(Share=["vms"])[field] == told


def test_a_machine_is_told_the_same(both: Both) -> None:
    both.host.set_property("web-01", "ScsiControllers", "0")
    both.host.set_property("web-01", "IntegrationServicesVersion", "6.2.9200.1")

    (machine,) = both.ask()["Machines"]

    assert (machine["ScsiControllers"], machine["IntegrationServicesVersion"]) == (0, "6.2.9200.1")


def test_access_to_shares_is_told_the_same(both: Both) -> None:
    both.host.set_requirement("ShareAccess.vms", "LAB\\HV1$:Allow:Full,LAB\\HV2$:Deny:Read")

    found = both.ask(Share=["VMs", "gone"])["ShareAccess"]

    assert [(e["Share"], e["AccountName"], e["AccessControlType"]) for e in found] == [
        ("vms", "LAB\\HV1$", "Allow"),
        ("vms", "LAB\\HV2$", "Deny"),
    ]
