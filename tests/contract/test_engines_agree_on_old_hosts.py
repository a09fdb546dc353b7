"""Hosts before Windows Server 2016: what came later is told as missing by both engines alike."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler import agent_contract as contract
from reconciler.lab.create import create_lab
from reconciler.lab.definition import HostDefinition, LabDefinition
from reconciler.lab.full_lab import R2_01, SERVER_2012_R2, VHD_01
from reconciler.lab.state import new_id
from tests.contract.test_engines_agree import ENGINES, Engines, served, take
from tests.lab_world import skip_without_powershell

NOT_SUPPORTED = 32_770
OLD = R2_01.name
WITHOUT_SCSI = replace(VHD_01, configuration_version="5.0")


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """One host of build 9600, with a machine of each controller."""
    skip_without_powershell()
    lab = tmp_path_factory.mktemp("lab")
    hosts = (HostDefinition("hv3", (R2_01, WITHOUT_SCSI), os_build=SERVER_2012_R2),)
    create_lab(lab, LabDefinition(hosts))
    with served(lab, "hv3") as found:
        answers = found.sessions["python"].call(contract.GET_MACHINE, {}, deadline_s=60)
        found.machines = {str(m["Name"]): str(m["VMId"]) for m in answers}
        yield found


def test_machines_and_their_old_versions_are_told_the_same(engines: Engines) -> None:
    machines = engines.both(contract.GET_MACHINE)

    assert {machine["Version"] for machine in machines} == {"5.0"}


def test_there_are_no_reference_points_and_asking_for_them_is_no_error(engines: Engines) -> None:
    assert engines.both(contract.GET_REFERENCE_POINT) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_a_checkpoint_that_would_ask_the_guest_is_not_supported(
    engines: Engines, engine: str
) -> None:
    ended = take(engines, engine, OLD, level="Application")

    assert (ended["State"], ended["ErrorCode"]) == ("Exception", NOT_SUPPORTED)
    assert engines.both(contract.GET_CHECKPOINT) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_a_checkpoint_is_taken_and_goes_but_never_becomes_a_reference_point(
    engines: Engines, engine: str
) -> None:
    taken = take(engines, engine, OLD)
    (point,) = engines.both(contract.GET_CHECKPOINT)
    which = {"CheckpointId": taken["CheckpointId"]}
    path = point["HardDrives"][0]["Path"]

    converted = engines.do(engine, contract.START_CONVERSION, OLD, **which)
    look = {"Path": path, "LimitId": "rctX:0", "Offset": 0, "Length": 1}
    changes = engines.both(contract.GET_DISK_CHANGE, **look)
    removed = engines.do(engine, contract.START_CHECKPOINT_REMOVAL, OLD, **which)

    assert (converted["State"], converted["ErrorCode"]) == ("Exception", NOT_SUPPORTED)
    assert changes == "TrackingUnknown"
    assert removed["State"] == "Completed"
    assert engines.both(contract.GET_CHECKPOINT) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_what_never_was_a_reference_point_cannot_be_removed(engines: Engines, engine: str) -> None:
    removed = engines.do(
        engine, contract.START_REFERENCE_POINT_REMOVAL, OLD, ReferencePointId="Microsoft:x"
    )

    assert removed == "ReferencePointNotFound"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_machine_without_a_scsi_controller_is_refused_a_checkpoint(
    engines: Engines, engine: str
) -> None:
    ended = take(engines, engine, WITHOUT_SCSI.name)

    assert (ended["State"], ended["ErrorCode"]) == ("Exception", 32_768)


def test_one_that_is_off_needs_no_controller(engines: Engines) -> None:
    engines.host.set_property(WITHOUT_SCSI.name, "State", "Off")
    taken = take(engines, "powershell", WITHOUT_SCSI.name)
    which = {"CheckpointId": taken["CheckpointId"]}
    engines.do("python", contract.START_CHECKPOINT_REMOVAL, WITHOUT_SCSI.name, **which)
    engines.host.set_property(WITHOUT_SCSI.name, "State", "Running")

    assert taken["State"] == "Completed"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_machine_is_made_in_the_only_version_there_is(tmp_path: Path, engine: str) -> None:
    skip_without_powershell()
    hosts = (HostDefinition("hv3", (WITHOUT_SCSI,), os_build=SERVER_2012_R2),)
    create_lab(tmp_path, LabDefinition(hosts))
    path = WITHOUT_SCSI.disks[0].path
    facts = {"Name": "made", "Generation": 1, "MemoryBytes": 1 << 30, "ProcessorCount": 1}
    facts |= {"Folder": f"{path}-made", "Disk": [f"IDE 1:0={path}"]}
    with served(tmp_path, "hv3") as engines:

        def made(version: str) -> Any:
            request = {"RequestId": new_id()}
            engines.ask(engine, contract.START_CREATION, **request, **facts, Version=version)
            (ended,) = engines.ask(engine, contract.GET_OPERATION, **request, WaitSeconds=15)
            return ended["State"]

        engines.do(engine, contract.START_STATE_CHANGE, WITHOUT_SCSI.vm_id, TargetState="Off")
        engines.do(engine, contract.START_MACHINE_REMOVAL, WITHOUT_SCSI.vm_id)
        assert [made("9.0"), made("5.0")] == ["Exception", "Completed"]
        (machine,) = engines.both(contract.GET_MACHINE)

    assert (machine["Name"], machine["Version"]) == ("made", "5.0")
