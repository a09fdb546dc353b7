"""A host over restarts, and the lab's own doors."""

import json
from pathlib import Path

import pytest

from reconciler import agent_contract as contract
from reconciler.errors import (
    HostUnreachableError,
    ItemNotFoundError,
    PrerequisiteError,
    SettingsError,
    TargetExistsError,
)
from reconciler.lab.clock import LabClock
from reconciler.lab.control import (
    ControlClient,
    ControlError,
    client_for_machine,
    host_names,
)
from reconciler.lab.control_server import host_control
from reconciler.lab.create import create_lab
from reconciler.lab.definition import FIN_SQL01
from reconciler.lab.host import LabHost
from reconciler.lab.images.manifest import disk_image
from reconciler.lab.shadow import hash_shadow
from reconciler.lab.state import new_id
from reconciler.model.ranges import ByteRange


def test_a_lab_is_made_once_and_holds_two_hosts(pristine_lab: Path) -> None:
    assert host_names(pristine_lab) == ("hv1", "hv2")
    with pytest.raises(TargetExistsError, match="exists already"):
        create_lab(pristine_lab)


def test_one_process_serves_a_host(lab: Path, hv1: LabHost) -> None:
    assert hv1.name == "hv1"
    with pytest.raises(SettingsError, match="another process"):
        LabHost(lab, "hv1")


def test_a_folder_without_a_host_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no host of a lab"):
        LabHost(tmp_path, "hv1")


def test_an_operation_that_was_running_is_carried_to_its_end_after_a_restart(lab: Path) -> None:
    request = new_id()
    arguments = {
        "RequestId": request,
        "VMId": FIN_SQL01.vm_id,
        "ConsistencyLevel": "Crash",
        "ElementName": "ours",
    }
    with LabHost(lab, "hv1") as host:
        host.invoke(contract.START_CHECKPOINT, arguments)
    with LabHost(lab, "hv1") as host:
        host.settle()
        poll = {"RequestId": request, "WaitSeconds": 0}
        (done,) = host.invoke(contract.GET_OPERATION, poll)
        (point,) = host.invoke(contract.GET_CHECKPOINT, {})

    assert done["State"] == "Completed"
    assert done["CheckpointId"] == point["CheckpointId"]


def test_time_ends_an_operation_that_a_poll_waits_for(hv1: LabHost) -> None:
    request = new_id()
    hv1.start()
    arguments = {
        "RequestId": request,
        "VMId": FIN_SQL01.vm_id,
        "ConsistencyLevel": "Crash",
        "ElementName": "ours",
    }
    hv1.invoke(contract.START_CHECKPOINT, arguments)

    (done,) = hv1.invoke(contract.GET_OPERATION, {"RequestId": request, "WaitSeconds": 10})

    assert done["State"] == "Completed"


def test_files_hold_what_the_lab_says_they_hold_after_writes(lab: Path) -> None:
    with LabHost(lab, "hv2") as host:
        before = {file.path: file.sha256 for file in host.known_files("web-01")}
        written = host.guest_write("web-01", 3 << 20)
        after = {file.path: file.sha256 for file in host.known_files("web-01")}

    assert written >= 3 << 20
    assert after != before
    assert "/swap.img" not in after
    for file in disk_image("web-01-disk0").files():
        if file.extents and not file.is_scratch:
            places = file.places(ByteRange(0, file.size))
            assert hash_shadow(lab / "hv2/shadow/web-01-disk0.raw", places) == after[file.path]


def test_a_guest_that_is_off_writes_nothing(hv1: LabHost) -> None:
    hv1.set_property("fin-sql01", "State", "Off")

    with pytest.raises(PrerequisiteError, match="it is Off"):
        hv1.guest_write("fin-sql01", 4096)


def test_only_properties_of_the_contract_can_be_set(hv1: LabHost) -> None:
    hv1.set_property("fin-sql01", "OperationalStatus", "Ok,MigratingVirtualMachine")
    hv1.set_property("fin-sql01", "HardDrives.0.VhdFormat", "VHD")
    (machine,) = hv1.invoke(contract.GET_MACHINE, {})

    assert machine["OperationalStatus"] == ["Ok", "MigratingVirtualMachine"]
    assert machine["HardDrives"][0]["VhdFormat"] == "VHD"  # type: ignore[index]
    for name in ("Colour", "VMId", "HardDrives.9.Path", "HardDrives.0.Colour", "HardDrives"):
        with pytest.raises(ItemNotFoundError):
            hv1.set_property("fin-sql01", name, "x")
    with pytest.raises(SettingsError, match="no number"):
        hv1.set_property("fin-sql01", "Generation", "two")


def test_a_deleted_machine_leaves_no_file(lab: Path, hv1: LabHost) -> None:
    hv1.delete_machine("fin-sql01")

    assert list(hv1.invoke(contract.GET_MACHINE, {})) == []
    assert [path for path in (lab / "hv1/files").rglob("*") if path.is_file()] == []


def test_the_clock_of_a_lab_moves_for_everyone_who_has_its_folder(tmp_path: Path) -> None:
    here, there = LabClock(tmp_path), LabClock(tmp_path)
    before = there()

    here.advance(3_600)
    here.advance(-60)

    assert 3_540 <= (there() - before).total_seconds() < 3_600
    (tmp_path / "clock.json").write_text(json.dumps({"offset_s": "soon"}))
    with pytest.raises(SettingsError):
        here()


def test_the_door_lets_in_who_has_the_token_and_answers_questions(lab: Path, hv1: LabHost) -> None:
    server = host_control(hv1, lab)
    server.start()
    client = ControlClient(lab, "hv1")
    try:
        pong = client.ask("ping")
        assert (pong["host"], pong["machines"]) == ("hv1", ["fin-sql01"])
        assert client.ask("write", vm="fin-sql01", total_bytes=65_536) >= 65_536
        (first, second) = client.ask("shadow", target=str(lab / "copy"))
        assert Path(first).stat().st_size == 4 << 30
        assert Path(second).stat().st_blocks * 512 < 64 << 20
        assert len(client.ask("known_files", vm="fin-sql01")) == 25
        client.ask("set", vm="fin-sql01", name="State", value="Off")
        with pytest.raises(ControlError, match="it is Off"):
            client.ask("write", vm="fin-sql01", total_bytes=1)
        with pytest.raises(ControlError, match="not understood"):
            client.ask("format")
        door = lab / "hv1" / "control.json"
        assert door.stat().st_mode & 0o777 == 0o600
        good = door.read_text()
        door.write_text(json.dumps(json.loads(good) | {"token": "0" * 64}))
        with pytest.raises(ControlError, match="wrong token"):
            client.ask("ping")
    finally:
        server.close()


def test_a_host_that_is_down_is_unreachable(lab: Path) -> None:
    with pytest.raises(HostUnreachableError, match="not running"):
        client_for_machine(lab, "fin-sql01")
