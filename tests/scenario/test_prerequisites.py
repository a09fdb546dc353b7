"""`reconciler hosts` and `plan` tell what was switched wrong in the lab, until it is right."""

import json
from collections.abc import Iterator

import pytest

from reconciler.lab.control import ControlClient
from reconciler.lab.definition import HostDefinition, LabDefinition
from reconciler.lab.full_lab import R2_01, SERVER_2012_R2, SMB_01
from tests.lab_world import World, new_world

SHARE = "\\\\files1\\vms"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A host with disks on a file server that has an agent, and one of 2012 R2."""
    hosts = (
        HostDefinition("hv2", (SMB_01,)),
        HostDefinition("hv3", (R2_01,), os_build=SERVER_2012_R2),
    )
    for made in new_world(tmp_path_factory, LabDefinition(hosts, file_servers=("files1",))):
        made.is_read_by_agent = True
        made.write_policies()
        yield made


def told(world: World) -> set[tuple[str, str]]:
    shown = world.cli("hosts", "--output", "json")
    assert shown.returncode == 0, shown.stderr
    return {
        (f["id"].removeprefix("prerequisite."), f["about"])
        for f in json.loads(shown.stdout)["findings"]
    }


def planned(world: World) -> set[tuple[str, str]]:
    return {(f.code.removeprefix("prerequisite."), f.about) for f in world.plan().findings}


@pytest.mark.parametrize(
    ("host", "name", "wrong", "right", "expected"),
    [
        ("hv2", "NoAutoMount", "1", "0", ("automount", "hv2")),
        ("hv2", "Chimney", "Enabled", "Disabled", ("tcp_chimney", "hv2")),
        ("files1", "FileServerVssAgent", "Available", "Installed", ("file_server_agent", "files1")),
        (
            "files1",
            "ShareAccess.vms",
            "LAB\\HV9$",
            "LAB\\HV2$:Allow:Full",
            ("share_access", SHARE),
        ),
    ],
)
def test_a_host_that_is_switched_wrong_is_told(
    world: World, host: str, name: str, wrong: str, right: str, expected: tuple[str, str]
) -> None:
    assert expected not in told(world)
    assert world.cli("lab", "host", host, name, wrong).returncode == 0
    try:
        assert expected in told(world)
        assert expected in planned(world)
    finally:
        ControlClient(world.lab, host).ask("set_requirement", name=name, value=right)
    assert expected not in told(world)
    assert expected not in planned(world)


@pytest.mark.parametrize(
    ("machine", "name", "wrong", "right", "expected", "is_planned"),
    [
        ("r2-01", "ScsiControllers", "0", "1", "scsi_controller", True),
        (
            "r2-01",
            "IntegrationServicesVersion",
            "6.2.9200.1",
            "6.3.9600.19456",
            "integration_version",
            True,
        ),
        (
            "smb-01",
            "IntegrationServices.VSS.Enabled",
            "false",
            "true",
            "integration_services",
            False,
        ),
    ],
)
def test_a_machine_that_is_switched_wrong_is_told(
    world: World,
    machine: str,
    name: str,
    wrong: str,
    right: str,
    expected: str,
    is_planned: bool,  # noqa: FBT001
) -> None:
    assert (expected, machine) not in told(world)
    assert world.cli("lab", "set", machine, name, wrong).returncode == 0
    try:
        assert (expected, machine) in told(world)
        assert ((expected, machine) in planned(world)) is is_planned
    finally:
        world.door(machine).ask("set", vm=machine, name=name, value=right)
    assert (expected, machine) not in told(world)


def test_a_file_server_by_address_is_told(world: World) -> None:
    (machine,) = world.report("hv2").machines
    ask = world.door("smb-01").ask
    wrong = ("file_server_by_address", "smb-01")

    assert wrong not in told(world)
    ask("set", vm="smb-01", name="HardDrives.0.Path", value=r"\\10.0.0.7\vms\smb-01.vhdx")
    try:
        assert wrong in told(world)
        assert wrong in planned(world)
    finally:
        ask("set", vm="smb-01", name="HardDrives.0.Path", value=machine.disks[0].path)
    assert wrong not in told(world)


def test_a_host_that_says_nothing_is_told_by_the_exit_code(world: World) -> None:
    world.cli("lab", "fault", "set", "host-down", "--host", "hv3")
    try:
        codes = [
            world.cli(*words).returncode
            for words in (("hosts",), ("plan",), ("plan", "--exit-code"))
        ]
    finally:
        world.cli("lab", "fault", "clear", "host-down", "--host", "hv3")

    assert codes == [8, 0, 8]


def test_a_switch_that_does_not_exist_is_refused(world: World) -> None:
    refused = world.cli("lab", "host", "hv2", "Chimny", "Enabled")

    assert refused.returncode == 1
    assert "Chimney" in refused.stderr


def test_a_file_server_without_an_agent_is_unknown(world: World) -> None:
    world.is_read_by_agent = False
    world.write_policies()
    try:
        assert ("file_server_unknown", "files1") in told(world)
    finally:
        world.is_read_by_agent = True
        world.write_policies()


def test_hosts_says_evidence_and_remedy_for_people(world: World) -> None:
    door = ControlClient(world.lab, "hv2")
    door.ask("set_requirement", name="NoAutoMount", value="1")
    try:
        shown = world.cli("hosts").stdout
    finally:
        door.ask("set_requirement", name="NoAutoMount", value="0")

    assert "warning: hv2: automount is off" in shown
    assert "(prerequisite.automount)" in shown
    assert "= hint: switch it on: mountvol /E" in shown
