"""Machines of a lab host are removed, imported and created, and their disks are swapped."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler import agent_contract as contract
from reconciler.lab.configuration_document import configuration_of
from reconciler.lab.create import create_lab
from reconciler.lab.definition import HostDefinition, LabDefinition, MachineDefinition
from reconciler.lab.full_lab import CLUSTER_LAB, DEV_01, small_disk
from reconciler.lab.host import LabHost
from reconciler.lab.state import new_id
from reconciler.lab.targets import list_path
from reconciler.lab.wire.body import AgentError
from reconciler.model.machine import ControllerSlot
from tests.lab_calls import assert_disks_equal_shadows, call, do, machines

FIRST = MachineDefinition(
    vm_id="6d1f0b52-8a53-4b7c-9c8e-3f5a1e0c4d01",
    name="fin-sql01",
    guest_os="Windows Server 2022 Standard",
    disks=(
        small_disk("C:\\VMs\\fin-sql01\\disk0.vhdx", 0x201),
        replace(
            small_disk("C:\\VMs\\fin-sql01\\disk1.vhdx", 0x202),
            slot=ControllerSlot("SCSI", 0, 1),
        ),
    ),
)
VM = FIRST.vm_id
NAME = FIRST.name
FOLDER = "C:\\VMs\\fin-sql01\\"
CONFIGURATION = f"{FOLDER}{VM}.vmcx"
DISKS = [f"SCSI 0:{number}={FOLDER}disk{number}.vhdx" for number in range(2)]
MARK = "11111111-2222-4333-8444-555555555555"
STRANGER = "00000000-0000-4000-8000-000000000000"
FACTS = {
    "Name": "made",
    "Generation": 2,
    "Version": "9.0",
    "MemoryBytes": 1 << 30,
    "ProcessorCount": 2,
    "Folder": "C:\\VMs\\made",
}


@pytest.fixture
def host(tmp_path: Path) -> Iterator[LabHost]:
    """A host with fin-sql01, whose configuration file lies beside its disks."""
    definition = LabDefinition((HostDefinition("hv1", (FIRST, DEV_01)),))
    create_lab(tmp_path, definition)
    with LabHost(tmp_path, "hv1") as host:
        text = configuration_of(host.book.machine(VM))
        host.book.local(CONFIGURATION).write_bytes(text)
        yield host


def switch_off(host: LabHost) -> None:
    assert do(host, contract.START_STATE_CHANGE, VM, TargetState="Off")["State"] == "Completed"


def remove(host: LabHost) -> None:
    switch_off(host)
    assert do(host, contract.START_MACHINE_REMOVAL, VM)["State"] == "Completed"


def take_in(host: LabHost, **other: object) -> Mapping[str, Any]:
    usual: dict[str, object] = {
        "ConfigurationPath": CONFIGURATION,
        "Disk": DISKS,
        "Identity": "Keep",
        "MissingSwitch": "Disconnect",
    }
    return do(host, contract.START_IMPORT, VM, **(usual | other))


def create(host: LabHost, **other: object) -> Mapping[str, Any]:
    request = new_id()
    call(host, contract.START_CREATION, RequestId=request, **(FACTS | {"Disk": DISKS} | other))
    host.settle()
    (ended,) = call(host, contract.GET_OPERATION, RequestId=request, WaitSeconds=0)
    return ended


def swap(host: LabHost, change: str, path: str = f"{FOLDER}disk0.vhdx") -> Mapping[str, Any]:
    return do(host, contract.START_DISK_SWAP, VM, Path=path, Mark=MARK, Change=change)


def swap_aside(host: LabHost) -> Mapping[str, Any]:
    return swap(host, "Aside")


def list_folders(host: LabHost, *folders: str) -> None:
    path = list_path(host.book.folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\r\n".join(["", *folders, ""]), encoding="utf-8-sig")


def copied_disks(host: LabHost) -> list[str]:
    """Copies of the disks below another name."""
    for number in range(2):
        source = host.book.local(f"{FOLDER}disk{number}.vhdx")
        host.book.local(f"{FOLDER}copy{number}.vhdx").write_bytes(source.read_bytes())
    return [line.replace("\\disk", "\\copy") for line in DISKS]


def test_a_removed_machine_is_gone_and_its_disks_stay(host: LabHost) -> None:
    remove(host)

    assert set(machines(host)) == {"dev-01"}
    assert host.book.local(f"{FOLDER}disk0.vhdx").is_file()


def test_a_machine_that_runs_is_not_removed(host: LabHost) -> None:
    with pytest.raises(AgentError) as refusal:
        do(host, contract.START_MACHINE_REMOVAL, VM)

    assert refusal.value.error_id == "MachineNotOff"
    assert NAME in machines(host)


def test_a_machine_with_a_checkpoint_of_its_user_is_not_removed(host: LabHost) -> None:
    switch_off(host)
    host.set_property(NAME, "SnapshotCount", "1")

    with pytest.raises(AgentError) as refusal:
        do(host, contract.START_MACHINE_REMOVAL, VM)

    assert refusal.value.error_id == "MachineHasCheckpoints"
    assert do(host, contract.START_USER_CHECKPOINT_REMOVAL, VM)["State"] == "Completed"
    assert do(host, contract.START_MACHINE_REMOVAL, VM)["State"] == "Completed"


def test_a_removed_machine_comes_back_under_its_id(host: LabHost, tmp_path: Path) -> None:
    before = host.known_files(NAME)
    remove(host)

    ended = take_in(host)

    assert (ended["State"], ended["MadeVMId"]) == ("Completed", VM), ended["ErrorDescription"]
    assert machines(host)[NAME]["State"] == "Off"
    assert host.known_files(NAME) == before
    assert_disks_equal_shadows(tmp_path, "hv1")


def test_what_a_guest_writes_after_an_import_is_on_its_disks(host: LabHost, tmp_path: Path) -> None:
    remove(host)
    take_in(host)
    do(host, contract.START_STATE_CHANGE, VM, TargetState="Running")

    assert host.guest_write(NAME, 1 << 20)

    assert_disks_equal_shadows(tmp_path, "hv1")


def test_a_machine_that_is_here_is_not_imported_under_its_id(host: LabHost) -> None:
    with pytest.raises(AgentError) as refusal:
        take_in(host, Disk=copied_disks(host))

    assert refusal.value.error_id == "MachineExists"


def test_a_machine_that_is_here_is_imported_under_a_new_id(host: LabHost, tmp_path: Path) -> None:
    ended = take_in(host, Disk=copied_disks(host), Identity="New")

    found = [m for m in call(host, contract.GET_MACHINE) if m["Name"] == NAME]
    assert ended["State"] == "Completed", ended["ErrorDescription"]
    assert {m["VMId"] for m in found} == {VM, ended["MadeVMId"]}
    assert len(found) == len({VM, ended["MadeVMId"]}) == 2
    assert_disks_equal_shadows(tmp_path, "hv1")


def test_a_disk_of_another_machine_is_not_taken(host: LabHost) -> None:
    with pytest.raises(AgentError) as refusal:
        take_in(host, Identity="New")

    assert refusal.value.error_id == "FileInUse"


def test_a_missing_switch_is_told_by_its_id_and_may_be_disconnected(host: LabHost) -> None:
    remove(host)
    host.book.state.switches = []

    refused = take_in(host, MissingSwitch="Refuse")
    assert refused["State"] == "Exception"
    assert refused["Incompatibilities"] == [contract.MISSING_SWITCH]
    assert NAME not in machines(host)

    assert take_in(host, MissingSwitch="Disconnect")["State"] == "Completed"


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"\x00" * 4096, b"[]", b'{"vm_id": "' + VM.encode() + b'"}']
)
def test_what_is_no_configuration_ends_as_a_failure(host: LabHost, text: bytes) -> None:
    remove(host)
    host.book.local(CONFIGURATION).write_bytes(text)

    ended = take_in(host)

    assert (ended["State"], ended["MadeVMId"]) == ("Exception", None)
    assert NAME not in machines(host)


def test_the_files_of_another_machine_and_other_slots_end_as_failures(host: LabHost) -> None:
    remove(host)
    other = configuration_of(host.book.named("dev-01"))

    too_few = take_in(host, Disk=DISKS[:1])
    host.book.local(CONFIGURATION).write_bytes(other)
    stranger = take_in(host)

    assert (too_few["State"], stranger["State"]) == ("Exception", "Exception")
    assert set(machines(host)) == {"dev-01"}


@pytest.mark.parametrize(
    "path",
    [
        "C:\\Windows\\System32\\a.vhdx",
        "C:\\VMs\\fin-sql01\\..\\..\\Windows\\a.vhdx",
        "C:\\VMs\\fin-sql01-other\\a.vhdx",
        "C:\\VMs\\fin-sql01\\a.vhdx:stream.vhdx",
        "C:\\VMs\\fin-sql01\\a.exe",
        "C:/VMs/fin-sql01/a.vhdx",
        "\\\\?\\C:\\VMs\\fin-sql01\\a.vhdx",
        "\\\\files1\\vms\\a.vhdx",
        "C:\\VMs\\fin-sql01\\a.vhdx ",
        "C:\\VMs\\fin-sql01\\\\a.vhdx",
    ],
)
def test_a_path_that_leads_elsewhere_is_not_allowed(host: LabHost, path: str) -> None:
    remove(host)
    before = host.book.state.operations.keys()

    for wrong in ({"Disk": [f"SCSI 0:0={path}"]}, {"ConfigurationPath": path}):
        with pytest.raises(AgentError) as refusal:
            take_in(host, **wrong)
        assert refusal.value.error_id == "PathNotAllowed"

    assert host.book.state.operations.keys() == before


def test_a_folder_that_the_administrator_lists_is_allowed(host: LabHost) -> None:
    path = "E:\\Recovered\\a.vhdx"
    with pytest.raises(AgentError) as refusal:
        create(host, Disk=[f"SCSI 0:0={path}"], Folder="E:\\Recovered\\made")
    assert refusal.value.error_id == "PathNotAllowed"

    list_folders(host, "E:\\Recovered\\")
    with pytest.raises(AgentError) as refusal:
        create(host, Disk=[f"SCSI 0:0={path}"], Folder="E:\\Recovered\\made")
    assert refusal.value.error_id == "FileNotFound"


def test_where_folders_are_listed_no_others_are_allowed(host: LabHost) -> None:
    remove(host)
    list_folders(host, "E:\\Recovered")

    for refused in (take_in, swap_aside):
        with pytest.raises(AgentError) as refusal:
            refused(host)
        assert refusal.value.error_id == "PathNotAllowed"


def test_a_machine_is_made_from_facts(host: LabHost) -> None:
    list_folders(host, "C:\\VMs")
    sizes = [drive["Size"] for drive in machines(host)[NAME]["HardDrives"]]
    remove(host)

    ended = create(host)

    made = machines(host)["made"]
    assert ended["State"] == "Completed", ended["ErrorDescription"]
    assert (made["VMId"], made["Version"], made["Generation"]) == (ended["MadeVMId"], "9.0", 2)
    assert made["VMId"] not in (VM, STRANGER)
    assert [drive["Size"] for drive in made["HardDrives"]] == sizes


def test_a_disk_is_swapped_and_swapped_back(host: LabHost) -> None:
    switch_off(host)
    path = host.book.local(f"{FOLDER}disk0.vhdx")
    old = path.read_bytes()
    path.with_name(f"disk0.vhdx.{MARK}.new").write_bytes(b"new")

    assert [swap(host, step)["State"] for step in ("Aside", "Place")] == ["Completed"] * 2
    assert path.read_bytes() == b"new"
    assert swap(host, "Place")["State"] == "Completed"
    assert [swap(host, step)["State"] for step in ("Withdraw", "Back")] == ["Completed"] * 2

    assert path.read_bytes() == old
    assert path.with_name(f"disk0.vhdx.{MARK}.new").read_bytes() == b"new"
    swap(host, "DeleteNew")
    assert not path.with_name(f"disk0.vhdx.{MARK}.new").exists()


def test_a_disk_of_a_removed_machine_is_swapped(host: LabHost) -> None:
    remove(host)

    assert swap(host, "Aside")["State"] == "Completed"
    assert swap(host, "DeleteOld")["State"] == "Completed"

    assert not list(host.book.local(FOLDER).glob("disk0*"))


def test_change_tracking_goes_where_its_disk_goes(host: LabHost) -> None:
    remove(host)
    tracking = host.book.local(f"{FOLDER}disk0.vhdx.rct")
    tracking.write_bytes(b"rct")

    swap(host, "Aside")

    assert not tracking.exists()
    assert tracking.with_name(f"disk0.vhdx.{MARK}.old.rct").read_bytes() == b"rct"


def test_a_swap_never_overwrites_and_needs_its_file(host: LabHost) -> None:
    switch_off(host)
    path = host.book.local(f"{FOLDER}disk0.vhdx")
    new = path.with_name(f"disk0.vhdx.{MARK}.new")

    with pytest.raises(AgentError) as refusal:
        swap(host, "Back", f"{FOLDER}disk1.vhdx.vhdx")
    assert refusal.value.error_id == "PathNotAllowed"
    new.write_bytes(b"new")
    with pytest.raises(AgentError) as refusal:
        swap(host, "Place")
    assert refusal.value.error_id == "FileExists"
    path.unlink()
    new.unlink()
    with pytest.raises(AgentError) as refusal:
        swap(host, "Place")
    assert refusal.value.error_id == "FileNotFound"


def test_the_disk_of_a_machine_that_runs_is_not_swapped(host: LabHost) -> None:
    with pytest.raises(AgentError) as refusal:
        swap(host, "Aside")

    assert refusal.value.error_id == "MachineNotOff"


def test_the_same_request_removes_and_makes_once(host: LabHost) -> None:
    switch_off(host)
    request, again = new_id(), new_id()
    arguments: dict[str, object] = {
        "VMId": VM,
        "ConfigurationPath": CONFIGURATION,
        "Disk": DISKS,
        "Identity": "New",
        "MissingSwitch": "Refuse",
    }

    call(host, contract.START_MACHINE_REMOVAL, RequestId=request, VMId=VM)
    host.settle()
    made = []
    for _ in range(2):
        call(host, contract.START_MACHINE_REMOVAL, RequestId=request, VMId=VM)
        call(host, contract.START_IMPORT, RequestId=again, **arguments)
        host.settle()
        (ended,) = call(host, contract.GET_OPERATION, RequestId=again, WaitSeconds=0)
        made.append(ended["MadeVMId"])

    assert made[0] == made[1] != VM
    assert set(machines(host)) == {NAME, DEV_01.name}


def test_a_kill_in_the_middle_of_an_import_leaves_one_machine(tmp_path: Path) -> None:
    create_lab(tmp_path, LabDefinition((HostDefinition("hv1", (FIRST,)),)))
    request = new_id()
    with LabHost(tmp_path, "hv1") as host:
        text = configuration_of(host.book.machine(VM))
        host.book.local(CONFIGURATION).write_bytes(text)
        remove(host)
        call(
            host,
            contract.START_IMPORT,
            RequestId=request,
            VMId=VM,
            ConfigurationPath=CONFIGURATION,
            Disk=DISKS,
            Identity="Keep",
            MissingSwitch="Refuse",
        )
    with LabHost(tmp_path, "hv1") as host:
        host.settle()
        (ended,) = call(host, contract.GET_OPERATION, RequestId=request, WaitSeconds=0)

        assert ended["State"] == "Completed"
        assert list(machines(host)) == [NAME]


CLUSTERED = CLUSTER_LAB.hosts[0].machines[0]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[LabHost]:
    """The first node of a cluster."""
    create_lab(tmp_path, CLUSTER_LAB)
    with LabHost(tmp_path, "hvc1") as node:
        yield node


def change(host: LabHost, vm_id: str, step: str) -> Mapping[str, Any]:
    return do(host, contract.START_CLUSTER_CHANGE, vm_id, Change=step)


def group(host: LabHost, vm_id: str) -> Mapping[str, Any]:
    (cluster,) = call(host, contract.GET_CLUSTER)
    return next(g for g in cluster["Groups"] if g["VMId"] == vm_id)


def test_a_clustered_machine_goes_off_line_and_on_line(node: LabHost) -> None:
    vm_id = CLUSTERED.vm_id

    assert change(node, vm_id, "TakeOffline")["State"] == "Completed"
    assert group(node, vm_id)["State"] == "Offline"
    assert machines(node)[CLUSTERED.name]["State"] == "Saved"
    assert change(node, vm_id, "BringOnline")["State"] == "Completed"
    assert group(node, vm_id)["State"] == "Online"


def test_a_clustered_machine_that_was_removed_and_imported_is_clustered_again(
    node: LabHost, tmp_path: Path
) -> None:
    vm_id, path = CLUSTERED.vm_id, CLUSTERED.disks[0].path
    configuration = f"{path.rpartition(chr(92))[0]}\\{vm_id}.vmcx"
    text = configuration_of(node.book.machine(vm_id))
    node.book.local(configuration).write_bytes(text)
    change(node, vm_id, "TakeOffline")
    do(node, contract.START_MACHINE_REMOVAL, vm_id)
    more = {"Identity": "Keep", "MissingSwitch": "Refuse", "Disk": [f"SCSI 0:0={path}"]}
    made = do(node, contract.START_IMPORT, vm_id, ConfigurationPath=configuration, **more)
    assert made["State"] == "Completed", made["ErrorDescription"]

    assert change(node, vm_id, "AddRole")["State"] == "Completed"
    assert change(node, vm_id, "UpdateConfiguration")["State"] == "Completed"

    assert machines(node)[CLUSTERED.name]["IsClustered"]
    assert_disks_equal_shadows(tmp_path, "hvc1")


def test_a_host_without_a_cluster_has_no_role_to_change(host: LabHost) -> None:
    with pytest.raises(AgentError) as refusal:
        change(host, VM, "AddRole")

    assert refusal.value.error_id == "NotClustered"


def test_a_machine_on_a_local_disk_is_not_made_highly_available(node: LabHost) -> None:
    node.book.machine(CLUSTERED.vm_id).disks[0].chain = ["C:\\VMs\\a.vhdx"]
    with pytest.raises(AgentError) as refusal:
        change(node, CLUSTERED.vm_id, "AddRole")

    assert refusal.value.error_id == "ClusterRefused"
