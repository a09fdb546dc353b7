"""What a recovery asks of a host: both engines do it, and refuse it, in the same way."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler import agent_contract as contract
from reconciler.adapters.hyperv.calls import AgentCalls
from reconciler.adapters.hyperv.recovery import HostRecovery, SwapStep
from reconciler.agent_contract import AgentFunction
from reconciler.lab.configuration_document import configuration_of
from reconciler.lab.create import create_lab
from reconciler.lab.definition import HostDefinition, LabDefinition, MachineDefinition
from reconciler.lab.full_lab import CLUSTER_LAB, OLD_01, small_disk
from reconciler.lab.state import new_id
from reconciler.lab.targets import list_path
from reconciler.model.machine import ControllerSlot
from reconciler.model.names import HostName, RequestId, VmId
from tests.contract.test_engines_agree import ENGINES, STRANGER, Engines, children, served
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


SQL = MachineDefinition(
    vm_id="6d1f0b52-8a53-4b7c-9c8e-3f5a1e0c4d01",
    name="fin-sql01",
    guest_os="Windows Server 2022 Standard",
    disks=(
        small_disk("C:\\VMs\\fin-sql01\\disk0.vhdx", 0x201),
        replace(
            small_disk("C:\\VMs\\fin-sql01\\disk1.vhdx", 0x202), slot=ControllerSlot("SCSI", 1, 1)
        ),
    ),
)
FOLDER = "C:\\VMs\\fin-sql01\\"
DISKS = [f"{disk.slot}={disk.path}" for disk in SQL.disks]
MARK = "11111111-2222-4333-8444-555555555555"
FACTS: dict[str, object] = {
    "Name": "made",
    "Generation": 2,
    "Version": "9.0",
    "MemoryBytes": 1 << 30,
    "ProcessorCount": 2,
    "Folder": f"{FOLDER}made",
    "Disk": DISKS,
}


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Engines]:
    """A host with fin-sql01, which is off, and old-01."""
    skip_without_powershell()
    create_lab(tmp_path, LabDefinition((HostDefinition("hv1", (SQL, OLD_01)),)))
    with served(tmp_path, "hv1") as engines:
        engines.host.set_property(SQL.name, "State", "Off")
        yield engines


def begin(engines: Engines, engine: str, function: AgentFunction, **arguments: object) -> Any:
    """An operation whose first parameter is no machine, from its start to its end."""
    request = {"RequestId": new_id()} | arguments
    started = engines.ask(engine, function, **request)
    if isinstance(started, str):
        return started
    wait = {"RequestId": request["RequestId"], "WaitSeconds": 15}
    (ended,) = engines.ask(engine, contract.GET_OPERATION, **wait)
    assert engines.ask(engine, function, **request) == [ended]
    return ended


def names(engines: Engines) -> list[str]:
    return sorted(str(machine["Name"]) for machine in engines.both(contract.GET_MACHINE))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_machine_is_made_of_facts_and_disks(host: Engines, engine: str) -> None:
    host.do(engine, contract.START_MACHINE_REMOVAL, SQL.vm_id)

    made = begin(host, engine, contract.START_CREATION, **FACTS)
    (machine,) = host.both(contract.GET_MACHINE, VMId=[made["MadeVMId"]])
    (facts,) = host.both(contract.GET_REQUIREMENT)
    (seldom,) = (m for m in facts["Machines"] if m["VMId"] == made["MadeVMId"])

    assert made["State"] == "Completed"
    assert (machine["Name"], machine["State"], machine["Generation"]) == ("made", "Off", 2)
    assert [drive["Path"] for drive in machine["HardDrives"]] == [d.path for d in SQL.disks]
    assert [drive["ControllerNumber"] for drive in machine["HardDrives"]] == [0, 1]
    assert seldom["ScsiControllers"] == 2


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "wrong",
    [
        {"Version": "12.0"},
        {"Disk": [f"IDE 0:0={SQL.disks[0].path}"]},
        {"Disk": [f"SCSI 0:0={disk.path}" for disk in SQL.disks]},
    ],
    ids=["version", "controller", "twice"],
)
def test_a_machine_that_cannot_be_made_leaves_nothing(
    host: Engines, engine: str, wrong: dict[str, object]
) -> None:
    host.do(engine, contract.START_MACHINE_REMOVAL, SQL.vm_id)

    ended = begin(host, engine, contract.START_CREATION, **(FACTS | wrong))

    assert (ended["State"], ended["ErrorCode"], ended["MadeVMId"]) == ("Exception", 32_768, None)
    assert names(host) == [OLD_01.name]
    assert host.host.book.local(SQL.disks[0].path).is_file()


def test_a_machine_of_generation_1_gets_its_second_ide_disk(tmp_path: Path) -> None:
    skip_without_powershell()
    create_lab(tmp_path, LabDefinition((HostDefinition("hv1", (SQL,)),)))
    disks = [f"IDE {number}:0={disk.path}" for number, disk in enumerate(SQL.disks)]
    with served(tmp_path, "hv1") as engines:
        engines.host.set_property(SQL.name, "State", "Off")
        engines.do("powershell", contract.START_MACHINE_REMOVAL, SQL.vm_id)
        facts = FACTS | {"Generation": 1, "Disk": disks}
        made = begin(engines, "powershell", contract.START_CREATION, **facts)
        (machine,) = engines.both(contract.GET_MACHINE, VMId=[made["MadeVMId"]])

    assert [drive["ControllerNumber"] for drive in machine["HardDrives"]] == [0, 1]


OUTSIDE = [
    "C:\\Windows\\System32\\a.vhdx",
    "C:\\VMs\\fin-sql01\\..\\..\\Windows\\a.vhdx",
    "C:\\VMs\\fin-sql01-other\\a.vhdx",
    "C:\\VMs\\fin-sql01\\a.vhdx:stream.vhdx",
    "C:\\VMs\\fin-sql01\\a.exe",
    "C:\\VMs\\fin-sql01\\vhdx",
    "C:/VMs/fin-sql01/a.vhdx",
    "\\\\?\\C:\\VMs\\fin-sql01\\a.vhdx",
    "\\\\files1\\vms\\a.vhdx",
    "C:\\VMs\\fin-sql01\\a.vhdx ",
    "C:\\VMs\\fin-sql01\\\\a.vhdx",
    "C:\\VMs\\fin-sql01\\$(x)\\..\\a.vhdx",
    "c:\\vms\\FIN-SQL01\\a*.vhdx",
]


def test_paths_that_lead_elsewhere_are_refused_by_both(host: Engines) -> None:
    for path in OUTSIDE:
        request = FACTS | {"Disk": [f"SCSI 0:0={path}"]}
        assert refusals(host, contract.START_CREATION, **request) == {"PathNotAllowed"}, path
        swap = {"VMId": SQL.vm_id, "Path": path, "Mark": MARK, "Change": "Aside"}
        assert refusals(host, contract.START_DISK_SWAP, **swap) == {"PathNotAllowed"}, path
    for other in ("C:\\VMs", f"{FOLDER}made\n", f"{FOLDER}made.", FOLDER):
        folder = FACTS | {"Folder": other}
        assert refusals(host, contract.START_CREATION, **folder) == {"PathNotAllowed"}, other
    gone = FACTS | {"Disk": [f"SCSI 0:0={FOLDER}gone.vhdx"]}
    assert refusals(host, contract.START_CREATION, **gone) == {"FileNotFound"}
    assert refusals(host, contract.START_CREATION, **FACTS) == {"FileInUse"}
    for line in ("SCSI 0:0", "SCSI 0:0=", f"USB 0:0={FOLDER}a.vhdx"):
        answer = refusals(host, contract.START_CREATION, **(FACTS | {"Disk": [line]}))
        assert answer == {"ParameterArgumentValidationError"}


def test_where_an_administrator_lists_folders_no_others_count(host: Engines) -> None:
    listed = list_path(host.host.book.folder)
    listed.parent.mkdir(parents=True, exist_ok=True)
    listed.write_text("\r\nE:\\Recovered\\\r\nF:\r\n", encoding="utf-8-sig")
    swap = {"VMId": SQL.vm_id, "Path": SQL.disks[0].path, "Mark": MARK, "Change": "Aside"}
    there = FACTS | {"Folder": "E:\\Recovered\\made", "Disk": ["SCSI 0:0=F:\\a.vhdx"]}
    deeper = there | {"Disk": ["SCSI 0:0=F:\\b\\a.vhdx"]}

    assert refusals(host, contract.START_CREATION, **FACTS) == {"PathNotAllowed"}
    assert refusals(host, contract.START_DISK_SWAP, **swap) == {"PathNotAllowed"}
    assert refusals(host, contract.START_CREATION, **deeper) == {"PathNotAllowed"}
    assert refusals(host, contract.START_CREATION, **there) == {"FileNotFound"}
    listed.write_text("")
    assert refusals(host, contract.START_CREATION, **there) == {"PathNotAllowed"}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("is_removed", [False, True], ids=["off", "removed"])
def test_a_disk_is_swapped_and_back(host: Engines, engine: str, is_removed: bool) -> None:  # noqa: FBT001
    book, path, swap = host.host.book, SQL.disks[0].path, contract.START_DISK_SWAP
    if is_removed:
        host.do(engine, contract.START_MACHINE_REMOVAL, SQL.vm_id)
    old = book.local(path).read_bytes()
    new = book.local(f"{path}.{MARK}.new")
    new.write_bytes(b"new")
    book.local(f"{path}.rct").write_bytes(b"rct")

    def step(change: str) -> Any:
        what = {"VMId": SQL.vm_id, "Path": path, "Mark": MARK, "Change": change}
        return begin(host, engine, swap, **what)["State"]

    assert [step(each) for each in ("Aside", "Aside", "Place", "Place")] == ["Completed"] * 4
    assert book.local(path).read_bytes() == b"new"
    assert book.local(f"{path}.{MARK}.old.rct").read_bytes() == b"rct"
    assert [step(each) for each in ("Withdraw", "Back", "DeleteNew")] == ["Completed"] * 3

    assert book.local(path).read_bytes() == old
    assert book.local(f"{path}.rct").read_bytes() == b"rct"
    left = sorted(file.name for file in book.local(FOLDER).iterdir())
    assert left == ["disk0.vhdx", "disk0.vhdx.rct", "disk1.vhdx"]


def test_a_swap_that_would_harm_is_refused_by_both(host: Engines) -> None:
    book, path = host.host.book, SQL.disks[0].path
    old, rct = book.local(f"{path}.{MARK}.old"), book.local(f"{path}.{MARK}.old.rct")

    def refused(change: str, vm: str = SQL.vm_id, of: str = path, mark: str = MARK) -> set[Any]:
        what = {"VMId": vm, "Path": of, "Mark": mark, "Change": change}
        return refusals(host, contract.START_DISK_SWAP, **what)

    old.write_bytes(b"somebody's")
    assert refused("Aside") == {"FileExists"}
    old.unlink()
    rct.write_bytes(b"somebody's")
    book.local(f"{path}.rct").write_bytes(b"")
    assert refused("Aside") == {"FileExists"}
    assert refused("Back") == {"FileExists"}
    assert rct.read_bytes() == b"somebody's"
    book.local(path).rename(book.local(f"{FOLDER}kept"))
    assert refused("Place") == {"FileNotFound"}
    book.local(f"{FOLDER}kept").rename(book.local(path))
    assert refused("Aside", vm=STRANGER) == {"PathNotAllowed"}
    assert refused("Aside", of=OLD_01.disks[0].path) == {"PathNotAllowed"}
    assert refused("Aside", mark="x") == {"ParameterArgumentValidationError"}
    with book.changed:
        book.machine(OLD_01.vm_id).disks[0].chain = [path]
    assert refused("Aside") == {"FileInUse"}
    host.host.set_property(SQL.name, "State", "Running")
    assert refused("DeleteOld") == {"MachineNotOff"}


CONFIGURATION = f"{FOLDER}{SQL.vm_id}.vmcx"
IMPORT: dict[str, object] = {
    "VMId": SQL.vm_id,
    "ConfigurationPath": CONFIGURATION,
    "Disk": DISKS,
    "Identity": "Keep",
    "MissingSwitch": "Refuse",
}


def write_configuration(engines: Engines, vm: str = SQL.vm_id) -> None:
    book = engines.host.book
    with book.changed:
        book.local(CONFIGURATION).write_bytes(configuration_of(book.machine(vm)))


def put_away(engines: Engines, engine: str) -> None:
    """Keep the configuration of fin-sql01, and remove it: whoever did that knows its folders."""
    write_configuration(engines)
    assert engines.do(engine, contract.START_MACHINE_REMOVAL, SQL.vm_id)["State"] == "Completed"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("identity", ["Keep", "New"])
def test_a_machine_is_imported_with_its_disks_elsewhere(
    host: Engines, engine: str, identity: str
) -> None:
    put_away(host, engine)
    book = host.host.book
    moved = [line.replace("\\disk", "\\moved") for line in DISKS]
    for disk in SQL.disks:
        target = book.local(disk.path.replace("\\disk", "\\moved"))
        book.local(disk.path).rename(target)

    wanted = IMPORT | {"Identity": identity, "Disk": moved}
    ended = begin(host, engine, contract.START_IMPORT, **wanted)
    (machine,) = host.both(contract.GET_MACHINE, VMId=[ended["MadeVMId"]])

    assert (ended["State"], ended["Incompatibilities"]) == ("Completed", [])
    assert (ended["MadeVMId"] == SQL.vm_id) is (identity == "Keep")
    assert (machine["Name"], machine["State"]) == (SQL.name, "Off")
    told = [(d["ControllerNumber"], d["ControllerLocation"]) for d in machine["HardDrives"]]
    assert told == [(0, 0), (1, 1)]
    assert [f"={drive['Path']}" for drive in machine["HardDrives"]] == [
        line[line.index("=") :] for line in moved
    ]
    assert names(host) == sorted([SQL.name, OLD_01.name])


@pytest.mark.parametrize("engine", ENGINES)
def test_an_import_that_fails_leaves_no_machine(host: Engines, engine: str) -> None:
    put_away(host, engine)
    book = host.host.book

    def failed(**other: object) -> Any:
        ended = begin(host, engine, contract.START_IMPORT, **(IMPORT | other))
        assert (ended["State"], ended["ErrorCode"], ended["MadeVMId"]) == (
            "Exception",
            32_768,
            None,
        )
        assert names(host) == [OLD_01.name]
        return ended["Incompatibilities"]

    assert failed(Disk=DISKS[:1]) == []
    assert failed(Disk=[DISKS[0], DISKS[1].replace("SCSI 1:1", "SCSI 0:1")]) == []
    assert failed(Disk=[DISKS[0], DISKS[0]]) == []
    with book.changed:
        book.state.switches = []
    assert failed() == [contract.MISSING_SWITCH]
    write_configuration(host, OLD_01.vm_id)
    assert failed() == []
    book.local(CONFIGURATION).write_bytes(b"\x00" * 4096)
    assert failed() == []
    assert all(book.local(disk.path).is_file() for disk in SQL.disks)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_machine_whose_switch_is_missing_is_imported_without(host: Engines, engine: str) -> None:
    put_away(host, engine)
    with host.host.book.changed:
        host.host.book.state.switches = ["Other"]

    ended = begin(host, engine, contract.START_IMPORT, **(IMPORT | {"MissingSwitch": "Disconnect"}))

    assert (ended["State"], ended["MadeVMId"]) == ("Completed", SQL.vm_id)
    assert host.host.book.machine(SQL.vm_id).switch == ""


def test_what_cannot_be_imported_is_refused_by_both(host: Engines) -> None:
    write_configuration(host)
    start = contract.START_IMPORT

    assert refusals(host, start, **IMPORT) == {"FileInUse"}
    for disk in SQL.disks:
        source = host.host.book.local(disk.path)
        source.with_name(f"copy-{source.name}").write_bytes(source.read_bytes())
    copies = IMPORT | {"Disk": [line.replace("\\disk", "\\copy-disk") for line in DISKS]}
    assert refusals(host, start, **copies) == {"MachineExists"}
    outside = copies | {"ConfigurationPath": "C:\\Windows\\a.vmcx"}
    assert refusals(host, start, **outside) == {"PathNotAllowed"}
    disguised = copies | {"ConfigurationPath": SQL.disks[0].path}
    assert refusals(host, start, **disguised) == {"PathNotAllowed"}
    gone = copies | {"ConfigurationPath": f"{FOLDER}gone.vmcx"}
    assert refusals(host, start, **gone) == {"FileNotFound"}


@pytest.mark.parametrize("engine", ENGINES)
def test_an_import_that_is_stopped_leaves_no_machine(host: Engines, engine: str) -> None:
    put_away(host, engine)
    request = {"RequestId": new_id()}

    host.ask(engine, contract.START_IMPORT, **request, **IMPORT)
    (stopped,) = host.ask(engine, contract.STOP_OPERATION, **request)
    again = begin(host, engine, contract.START_IMPORT, **IMPORT)

    assert (stopped["State"], stopped["MadeVMId"]) == ("Terminated", None)
    assert again["State"] == "Completed"
    assert names(host) == sorted([SQL.name, OLD_01.name])


def test_an_import_goes_on_in_another_shell(host: Engines) -> None:
    put_away(host, "powershell")
    request = {"RequestId": new_id()}
    started = host.ask("powershell", contract.START_IMPORT, **request, **IMPORT)
    states = []
    for _ in range(8):
        for process in children():
            os.kill(process, signal.SIGKILL)
        (now,) = host.ask("powershell", contract.GET_OPERATION, **request, WaitSeconds=0)
        states.append(now["State"])
        if now["State"] == "Completed":
            break

    assert started[0]["State"] == "Starting"
    assert states[-1] == "Completed"
    assert len(states) > len({"Define", "Validate", "Realize"})
    assert names(host) == sorted([SQL.name, OLD_01.name])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_recovery_to_the_original_place_is_carried_to_its_end(host: Engines, engine: str) -> None:
    calls = AgentCalls(HostName("hv1"), host.sessions[engine])
    recovery, vm = HostRecovery(calls), VmId(SQL.vm_id)
    write_configuration(host)
    recovered = {disk.path: host.host.book.local(disk.path).read_bytes() for disk in SQL.disks}
    for path, content in recovered.items():
        host.host.book.local(f"{path}.{MARK}.new").write_bytes(content)
        host.host.book.local(path).write_bytes(b"damaged")

    def request() -> RequestId:
        return RequestId(new_id())

    recovery.turn_off(vm, request())
    recovery.remove_user_checkpoints(vm, request())
    recovery.remove_machine(vm, request())
    for path in recovered:
        for step in (SwapStep.ASIDE, SwapStep.PLACE):
            recovery.swap_disk(vm, path, MARK, step, request())
    places = {disk.slot: disk.path for disk in SQL.disks}
    made = recovery.import_machine(
        vm, CONFIGURATION, places, request(), keeps_id=True, may_disconnect=False
    )
    for path in recovered:
        recovery.swap_disk(vm, path, MARK, SwapStep.DELETE_OLD, request())

    assert made == vm
    assert {p: host.host.book.local(p).read_bytes() for p in recovered} == recovered
    left = sorted(file.name for file in host.host.book.local(FOLDER).iterdir())
    assert left == [f"{vm}.vmcx", "disk0.vhdx", "disk1.vhdx"]
