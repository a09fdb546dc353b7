"""The lab's engine in Python and the agent's module in PowerShell, on one host: the same answers.

Each case is one call, made to both over the wire; what one of them changes, the other one sees.
"""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler import agent_contract as contract
from reconciler.adapters.hyperv.session import AgentFailure, AgentSession, EndPoint
from reconciler.agent_contract import AgentFunction, Field, Kind, pack_ranges, unpack_ranges
from reconciler.lab.control_server import host_control
from reconciler.lab.create import create_lab
from reconciler.lab.definition import FIN_SQL01, WEB_01, HostDefinition, LabDefinition
from reconciler.lab.full_lab import CLUSTER_LAB, DEV_01, FULL_LAB, OLD_01
from reconciler.lab.host import LabHost
from reconciler.lab.pace import Delays
from reconciler.lab.power import NODE_LOST, note_event
from reconciler.lab.powershell.door import HyperVDoor
from reconciler.lab.powershell.session import agent_shells
from reconciler.lab.state import new_id
from reconciler.lab.wire.host import WireHost
from reconciler.lab.wire.psrp import agent_engine
from reconciler.model.names import HostName
from reconciler.model.ranges import ByteRange, merged
from tests.lab_calls import check_fields
from tests.lab_world import skip_without_powershell

PASSWORD = "Passw0rd!"  # noqa: S105
STRANGER = "00000000-0000-4000-8000-000000000000"
ENGINES = ("python", "powershell")
FOR_PEOPLE = frozenset({"ErrorDescription"})
"""Texts in any language."""
WHO_ASKED = frozenset({"RequestId"})


@dataclass
class Engines:
    """One host, asked in both ways."""

    host: LabHost
    sessions: Mapping[str, AgentSession]
    machines: Mapping[str, str] = field(default_factory=dict)

    def ask(self, engine: str, function: AgentFunction, **arguments: object) -> Any:
        """Checked answers, in an order that does not depend on the engine; or the error's id."""
        try:
            answers = self.sessions[engine].call(function, arguments, deadline_s=60)
        except AgentFailure as failure:
            return failure.error_id
        for answer in answers:
            check_fields(function.fields, answer)
        return sorted((told(function.fields, answer) for answer in answers), key=repr)

    def both(self, function: AgentFunction, **arguments: object) -> Any:
        """What both answer."""
        first = self.ask("python", function, **arguments)
        assert self.ask("powershell", function, **arguments) == first
        return first

    def do(self, engine: str, function: AgentFunction, vm: str, **more: object) -> Any:
        """An operation, from its start to its end."""
        request = new_id()
        started = self.ask(
            engine, function, RequestId=request, VMId=self.machines.get(vm, vm), **more
        )
        if isinstance(started, str):
            return started
        (ended,) = self.ask(engine, contract.GET_OPERATION, RequestId=request, WaitSeconds=15)
        return ended


def told(fields: Sequence[Field], answer: Mapping[str, Any]) -> dict[str, Any]:
    """An answer without what may differ: texts for people, spellings of a time."""
    found: dict[str, Any] = {}
    for each in fields:
        value = answer[each.name]
        if each.kind is Kind.OBJECTS:
            found[each.name] = sorted((told(each.fields, inner) for inner in value), key=repr)
        elif each.name in FOR_PEOPLE | WHO_ASKED:
            continue
        elif value and each.help.startswith("ISO 8601"):
            found[each.name] = datetime.fromisoformat(value).astimezone(UTC)
        else:
            found[each.name] = value
    return found


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """One host with fin-sql01 and web-01."""
    skip_without_powershell()
    lab = tmp_path_factory.mktemp("lab")
    create_lab(lab, LabDefinition((HostDefinition("hv1", (FIN_SQL01, WEB_01)),)))
    with served(lab, "hv1") as found:
        answers = found.sessions["python"].call(contract.GET_MACHINE, {}, deadline_s=60)
        found.machines = {str(m["Name"]): str(m["VMId"]) for m in answers}
        yield found


@contextmanager
def served(lab: Path, name: str, delays: Delays | None = None) -> Iterator[Engines]:
    """A host of a lab behind both engines."""
    with LabHost(lab, name, delays) as host:
        control = host_control(host, lab, HyperVDoor(host).deeds())
        shells = {"python": agent_engine(host), "powershell": agent_shells(lab, name)}
        wire = WireHost(name, {"svc": PASSWORD}, shells)
        port = wire.listen()
        host.start()
        control.start()
        sessions = {engine: session(port, engine) for engine in shells}
        yield Engines(host, sessions)
        for each in sessions.values():
            each.close()
        control.close()
        wire.close()


def session(port: int, engine: str) -> AgentSession:
    place = ("127.0.0.1", port, False, "ntlm", "svc")
    return AgentSession(EndPoint(HostName("hv1"), *place, configuration=engine), PASSWORD)


@pytest.fixture
def checkpoint(engines: Engines) -> Iterator[Mapping[str, Any]]:
    """A checkpoint of web-01, removed afterwards."""
    ended = take(engines, "python")
    (point,) = (
        p
        for p in engines.ask("python", contract.GET_CHECKPOINT)
        if p["CheckpointId"] == ended["CheckpointId"]
    )
    yield point
    engines.do(
        "python",
        contract.START_CHECKPOINT_REMOVAL,
        "web-01",
        CheckpointId=point["CheckpointId"],
    )


def take(engines: Engines, engine: str, vm: str = "web-01", level: str = "Crash") -> Any:
    more = {"ConsistencyLevel": level, "ElementName": "reconciler ours 1"}
    return engines.do(engine, contract.START_CHECKPOINT, vm, **more)


LOOKS: list[tuple[AgentFunction, dict[str, object]]] = [
    (contract.GET_HOST, {}),
    (contract.GET_MACHINE, {}),
    (contract.GET_MACHINE, {"VMId": [STRANGER]}),
    (contract.GET_MACHINE, {"VMId": ["no guid"]}),
    (contract.GET_MACHINE, {"VM": [STRANGER], "Nothing": 1}),
    (contract.GET_CHECKPOINT, {}),
    (contract.GET_CHECKPOINT, {"VMId": [STRANGER]}),
    (contract.GET_REFERENCE_POINT, {}),
    (contract.GET_REFERENCE_POINT, {"VMId": [STRANGER]}),
    (contract.GET_CLUSTER, {}),
    (contract.GET_VOLUME, {}),
    (contract.GET_EVENT, {"AfterRecordId": 0, "MaxEvents": 1000}),
    (contract.GET_EVENT, {"AfterRecordId": 1, "MaxEvents": 1}),
    (contract.GET_EVENT, {"AfterRecordId": -1, "MaxEvents": 1}),
    (contract.GET_EVENT, {"AfterRecordId": 0, "MaxEvents": 1001}),
    (contract.GET_EVENT, {"AfterRecordId": 0}),
    (contract.GET_REQUIREMENT, {}),
    (contract.GET_REQUIREMENT, {"Share": ["gone"]}),
    (contract.GET_REQUIREMENT, {"Share": ["x"] * 101}),
    (contract.GET_AGENT_FILE, {}),
    (contract.GET_OPERATION, {"RequestId": STRANGER}),
    (contract.GET_OPERATION, {"RequestId": STRANGER, "WaitSeconds": 16}),
    (contract.STOP_OPERATION, {"RequestId": STRANGER}),
    (
        contract.GET_DISK_CHANGE,
        {"Path": "C:\\x.vhdx", "LimitId": "rctX:1", "Offset": 0, "Length": 1},
    ),
    (contract.READ_FILE, {"Path": "C:\\Windows\\win.ini", "Ranges": bytes(16)}),
    (contract.READ_FILE, {"Path": "", "Ranges": bytes(16)}),
    (contract.READ_FILE, {"Path": "C:\\x.vhdx", "Ranges": b""}),
    (contract.READ_FILE, {"Path": "C:\\x.vhdx", "Ranges": bytes(8)}),
    (contract.GET_BLOCK_HASH, {"Path": "\\\\x\\y\\z.vhdx", "Ranges": bytes(16)}),
]


@pytest.mark.parametrize(("function", "arguments"), LOOKS)
def test_a_look_tells_the_same(
    engines: Engines, function: AgentFunction, arguments: dict[str, object]
) -> None:
    engines.both(function, **arguments)


def test_properties_that_a_host_may_have_are_told_the_same(engines: Engines) -> None:
    for name, value in (
        ("State", "RunningCritical"),
        ("OperationalStatus", "Ok,MergingDisks"),
        ("Jobs", "108:Running,94:Starting,70:Completed"),
        ("Notes", "ä <&> ' \" 日本"),
        ("ReplicationMode", "Replica"),
        ("ReplicationHealth", "Warning"),
        ("LastReplicationTime", "2026-11-20T10:11:12+00:00"),
        ("GuestOSName", "Windows <Server> & Co"),
        ("IntegrationServices.VSS.Enabled", "false"),
        ("IntegrationServices.VSS.PrimaryOperationalStatus", "NoContact"),
    ):
        engines.host.set_property("fin-sql01", name, value)
    vm_ids = [engines.machines["fin-sql01"]]

    (powershell,) = engines.ask("powershell", contract.GET_MACHINE, VMId=vm_ids)
    (python,) = engines.ask("python", contract.GET_MACHINE, VMId=vm_ids)

    engines.host.set_property("fin-sql01", "Jobs", "")
    # What has ended is told by one of them only, and counts nowhere.
    python["Jobs"] = [job for job in python["Jobs"] if job["JobState"] != "Completed"]
    assert powershell == python


@pytest.mark.parametrize(
    ("name", "value", "usual"),
    [
        ("SupportPersistentReservations", "true", "false"),
        ("DiskNumber", "4", "null"),
    ],
)
def test_disks_that_no_checkpoint_holds_are_told_the_same(
    engines: Engines, name: str, value: str, usual: str
) -> None:
    engines.host.set_property("fin-sql01", "State", "Running")
    engines.host.set_property("fin-sql01", f"HardDrives.1.{name}", value)
    engines.host.settle()
    try:
        (machine,) = engines.both(contract.GET_MACHINE, VMId=[engines.machines["fin-sql01"]])
        taken = take(engines, "powershell", vm="fin-sql01")
        (point,) = engines.both(contract.GET_CHECKPOINT)
        removal = {"CheckpointId": taken["CheckpointId"]}
        engines.do("python", contract.START_CHECKPOINT_REMOVAL, "fin-sql01", **removal)
    finally:
        engines.host.set_property("fin-sql01", f"HardDrives.1.{name}", usual)

    told_so = [d[name] for d in machine["HardDrives"] if d["ControllerLocation"] == 1]
    assert told_so == [4 if name == "DiskNumber" else True]
    assert [drive["ControllerLocation"] for drive in point["HardDrives"]] == [0]


def test_volumes_and_lost_nodes_are_told_the_same(engines: Engines) -> None:
    engines.host.set_volume("D:", "ProtectionStatus", "On")
    engines.host.set_volume("D:", "DedupEnabled", "true")
    with engines.host.book.changed:
        note_event(engines.host.book, NODE_LOST, "hv2")

    volume = next(v for v in engines.both(contract.GET_VOLUME) if v["Path"] == "D:\\")
    events = engines.both(contract.GET_EVENT, AfterRecordId=0, MaxEvents=1000)

    assert (volume["ProtectionStatus"], volume["DedupEnabled"]) == ("On", True)
    assert [event["Node"] for event in events] == ["HV2"]


def test_the_configuration_files_of_a_checkpoint_are_told_and_read_the_same(
    engines: Engines, checkpoint: Mapping[str, Any]
) -> None:
    asked = {"VMId": checkpoint["VMId"], "CheckpointId": checkpoint["CheckpointId"]}
    files = engines.both(contract.GET_CONFIGURATION_FILE, **asked)
    (settings,) = (f for f in files if f["Name"].endswith(".vmcx"))
    ranges = pack_ranges([ByteRange(0, settings["FileSize"])])
    (read,) = engines.both(contract.READ_FILE, Path=settings["Path"], Ranges=ranges)
    beside = settings["Path"].replace(".vmcx", ".txt")

    assert sorted(f["Name"].rpartition(".")[2] for f in files) == ["vmcx", "vmgs", "vmrs"]
    assert b"web-01" in read["Data"]
    engines.both(contract.GET_BLOCK_HASH, Path=settings["Path"], Ranges=ranges)
    assert engines.both(contract.READ_FILE, Path=beside, Ranges=ranges) == "PathNotAllowed"
    stranger = {**asked, "CheckpointId": STRANGER}
    assert engines.both(contract.GET_CONFIGURATION_FILE, **stranger) == "CheckpointNotFound"
    assert (
        engines.both(contract.GET_CONFIGURATION_FILE, **asked | {"VMId": STRANGER}) == "VMNotFound"
    )


def test_a_configuration_file_that_is_not_there_is_told_without_a_size(engines: Engines) -> None:
    engines.host.faults.set("configuration-gone", "web-01")
    taken = take(engines, "python")
    asked = {"VMId": engines.machines["web-01"], "CheckpointId": taken["CheckpointId"]}
    files = engines.both(contract.GET_CONFIGURATION_FILE, **asked)
    engines.host.faults.clear("configuration-gone", "web-01")
    removal = {"CheckpointId": taken["CheckpointId"]}
    engines.do("python", contract.START_CHECKPOINT_REMOVAL, "web-01", **removal)

    assert {f["Name"].rpartition(".")[2]: f["FileSize"] for f in files}["vmcx"] is None


@pytest.mark.parametrize("engine", ENGINES)
def test_what_one_does_the_other_one_sees(engines: Engines, engine: str) -> None:
    taken = take(engines, engine)
    (point,) = engines.both(contract.GET_CHECKPOINT)
    converted = engines.do(
        engine, contract.START_CONVERSION, "web-01", CheckpointId=taken["CheckpointId"]
    )
    gone = engines.both(contract.GET_CHECKPOINT)
    (reference,) = engines.both(contract.GET_REFERENCE_POINT)
    removed = engines.do(
        engine,
        contract.START_REFERENCE_POINT_REMOVAL,
        "web-01",
        ReferencePointId=converted["ReferencePointId"],
    )

    assert (taken["State"], taken["ErrorCode"]) == ("Completed", 0)
    assert (point["CheckpointId"], point["ElementName"]) == (
        taken["CheckpointId"],
        "reconciler ours 1",
    )
    assert gone == []
    assert reference["ReferencePointId"] == converted["ReferencePointId"]
    assert removed["State"] == "Completed"
    assert engines.both(contract.GET_REFERENCE_POINT) == []


def test_what_is_not_there_is_not_found_by_both(engines: Engines) -> None:
    refused: list[tuple[AgentFunction, str, dict[str, object]]] = [
        (contract.START_CONVERSION, "web-01", {"CheckpointId": STRANGER}),
        (contract.START_CHECKPOINT_REMOVAL, "web-01", {"CheckpointId": STRANGER}),
        (contract.START_REFERENCE_POINT_REMOVAL, "web-01", {"ReferencePointId": "Microsoft:x"}),
        (contract.START_STATE_CHANGE, STRANGER, {"TargetState": "Saved"}),
        (contract.START_CHECKPOINT, "web-01", {"ConsistencyLevel": "No", "ElementName": "x"}),
    ]
    for function, vm, more in refused:
        first = engines.do("python", function, vm, **more)
        assert isinstance(first, str)
        assert engines.do("powershell", function, vm, **more) == first


@pytest.mark.parametrize("engine", ENGINES)
def test_a_checkpoint_that_hyper_v_ends_is_told_with_its_code(
    engines: Engines, engine: str
) -> None:
    engines.host.set_property("web-01", "State", "Off")
    try:
        ended = take(engines, engine, level="Application")
    finally:
        engines.host.set_property("web-01", "State", "Running")

    assert (ended["State"], ended["ErrorCode"], ended["CheckpointId"]) == (
        "Exception",
        32_775,
        None,
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_a_machine_is_saved_and_runs_on(engines: Engines, engine: str) -> None:
    saved = engines.do(engine, contract.START_STATE_CHANGE, "web-01", TargetState="Saved")
    again = engines.do(engine, contract.START_STATE_CHANGE, "web-01", TargetState="Saved")
    states = {m["Name"]: m["State"] for m in engines.both(contract.GET_MACHINE)}
    runs = engines.do(engine, contract.START_STATE_CHANGE, "web-01", TargetState="Running")

    assert [each["State"] for each in (saved, again, runs)] == ["Completed"] * 3
    assert states["web-01"] == "Saved"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_request_that_is_repeated_is_done_once(engines: Engines, engine: str) -> None:
    request = {
        "RequestId": new_id(),
        "VMId": engines.machines["web-01"],
        "ConsistencyLevel": "Crash",
        "ElementName": "reconciler ours 2",
    }
    first = engines.ask(engine, contract.START_CHECKPOINT, **request)
    second = engines.ask(engine, contract.START_CHECKPOINT, **request)
    (ended,) = engines.ask(
        engine, contract.GET_OPERATION, RequestId=request["RequestId"], WaitSeconds=15
    )
    points = engines.both(contract.GET_CHECKPOINT)
    engines.do(
        engine, contract.START_CHECKPOINT_REMOVAL, "web-01", CheckpointId=ended["CheckpointId"]
    )

    assert not isinstance(first, str)
    assert not isinstance(second, str)
    assert [point["CheckpointId"] for point in points] == [ended["CheckpointId"]]


def test_ranges_and_hashes_are_the_same(engines: Engines, checkpoint: Mapping[str, Any]) -> None:
    path = checkpoint["HardDrives"][0]["Path"]
    size = checkpoint["HardDrives"][0]["FileSize"]
    good = pack_ranges([ByteRange(0, 65_536), ByteRange(7, 8), ByteRange(size - 9, size)])
    small = pack_ranges([ByteRange(at, at + 1) for at in range(4096)])
    bad = [
        pack_ranges([ByteRange(size, size + 1)]),
        pack_ranges([ByteRange(0, (4 << 20) + 1)]),
        b"\xff" * 16,
        bytes(16),
        bytes(24),
    ]
    for function in (contract.READ_FILE, contract.GET_BLOCK_HASH):
        assert not isinstance(engines.both(function, Path=path, Ranges=good), str)
        assert not isinstance(engines.both(function, Path=path.upper(), Ranges=small), str)
        assert engines.both(function, Path=path, Ranges=bad[0]) == "RangeNotAllowed"
        for ranges in bad[2:]:
            assert engines.both(function, Path=path, Ranges=ranges) == "RangeNotAllowed"
        missing = path.rpartition("\\")[0] + "\\gone.avhdx"
        assert engines.both(function, Path=missing, Ranges=good) == "FileNotFound"
    assert engines.both(contract.READ_FILE, Path=path, Ranges=bad[1]) == "RangeNotAllowed"


def test_changed_ranges_are_the_same(engines: Engines, checkpoint: Mapping[str, Any]) -> None:
    which = {"CheckpointId": checkpoint["CheckpointId"]}
    converted = engines.do("powershell", contract.START_CONVERSION, "web-01", **which)
    made = converted["ReferencePointId"]
    (reference,) = engines.both(contract.GET_REFERENCE_POINT)
    assert reference["ReferencePointId"] == made
    engines.host.guest_write("web-01", 300_000, "seed")
    taken = take(engines, "powershell")
    (point,) = engines.both(contract.GET_CHECKPOINT)
    drive = point["HardDrives"][0]
    look = {"Path": drive["Path"], "LimitId": reference["Disks"][0]["RctId"]}

    at, changed = 0, b""
    while at < drive["Size"]:
        length = drive["Size"] - at
        (piece,) = engines.both(contract.GET_DISK_CHANGE, **look, Offset=at, Length=length)
        at, changed = at + piece["ProcessedLength"], changed + piece["Extents"]
    unknown = engines.both(
        contract.GET_DISK_CHANGE, **look | {"LimitId": "rctX:0"}, Offset=0, Length=1
    )
    for function, which in (
        (contract.START_CHECKPOINT_REMOVAL, {"CheckpointId": taken["CheckpointId"]}),
        (contract.START_REFERENCE_POINT_REMOVAL, {"ReferencePointId": made}),
    ):
        engines.do("powershell", function, "web-01", **which)

    assert sum(r.length for r in merged(unpack_ranges(changed))) >= 300_000
    assert unknown == "TrackingUnknown"


REFUSED_BY_THE_END_POINT: list[tuple[str, str]] = [
    ("Get-VM", "CommandNotFoundException"),
    ("Invoke-CimMethod", "CommandNotFoundException"),
    ("Open-DiskFile", "CommandNotFoundException"),
    ("Get-Process", "CommandNotFoundException"),
]


@pytest.mark.parametrize(("name", "error_id"), REFUSED_BY_THE_END_POINT)
def test_nothing_but_the_contract_can_be_called(engines: Engines, name: str, error_id: str) -> None:
    stranger = AgentFunction(name, "", (), "Test.Nothing", ())

    assert engines.both(stranger) == error_id


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("kind", "state", "code"),
    [
        ("checkpoint-exception", "Exception", 32_768),
        ("checkpoint-warns", "CompletedWithWarnings", 0),
        ("volume-full", "Exception", 0x8007_0070),
    ],
)
def test_a_checkpoint_that_goes_wrong_is_told_the_same(
    engines: Engines, engine: str, kind: str, state: str, code: int
) -> None:
    of_machine = None if kind == "volume-full" else "web-01"
    engines.host.faults.set(kind, of_machine, None)
    try:
        ended = take(engines, engine)
    finally:
        engines.host.faults.clear(kind, of_machine)
    if ended["CheckpointId"]:
        made = {"CheckpointId": ended["CheckpointId"]}
        engines.do(engine, contract.START_CHECKPOINT_REMOVAL, "web-01", **made)

    assert (ended["State"], ended["ErrorCode"]) == (state, code)


def test_an_operation_outlives_its_shell_and_can_be_stopped(tmp_path: Path) -> None:
    skip_without_powershell()
    create_lab(tmp_path, LabDefinition((HostDefinition("hv1", (WEB_01,)),)))
    with served(tmp_path, "hv1", Delays(operation_s=60)) as engines:
        request = {"RequestId": new_id()}
        (machine,) = engines.ask("python", contract.GET_MACHINE)
        more = {"ConsistencyLevel": "Crash", "ElementName": "reconciler ours 3"}
        more["VMId"] = machine["VMId"]
        engines.ask("powershell", contract.START_CHECKPOINT, **request, **more)
        others = [
            engines.ask(engine, contract.START_CHECKPOINT, RequestId=new_id(), **more)
            for engine in ENGINES
        ]
        for process in children():
            os.kill(process, signal.SIGKILL)
        running = engines.ask("powershell", contract.GET_OPERATION, **request, WaitSeconds=0)
        stopped = engines.ask("powershell", contract.STOP_OPERATION, **request)
        again = engines.ask("powershell", contract.STOP_OPERATION, **request)

    assert others == ["MachineBusy", "MachineBusy"]
    assert running[0]["State"] in {"Starting", "Running"}
    assert stopped[0]["State"] == "Terminated"
    assert again == stopped


def test_a_shell_whose_process_is_killed_heals(engines: Engines) -> None:
    before = engines.ask("powershell", contract.GET_HOST)
    killed = children()
    for process in killed:
        os.kill(process, signal.SIGKILL)
    after = engines.ask("powershell", contract.GET_HOST)

    assert after == before
    assert killed
    assert not killed & children()


def children() -> set[int]:
    """The PowerShell processes of this one."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        found |= {int(word) for word in (task / "children").read_text().split()}
    return {each for each in found if b"pwsh.dll" in command_of(each)}


def command_of(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("definition", [FULL_LAB, CLUSTER_LAB], ids=["full", "cluster"])
def test_every_kind_of_machine_is_told_the_same(tmp_path: Path, definition: LabDefinition) -> None:
    skip_without_powershell()
    create_lab(tmp_path, definition)
    for host in definition.hosts:
        with served(tmp_path, host.name) as engines:
            clusters = engines.both(contract.GET_CLUSTER)
            assert bool(clusters) == bool(
                engines.ask("python", contract.GET_HOST)[0]["ClusterName"]
            )
            engines.both(contract.GET_HOST)
            engines.both(contract.GET_VOLUME)
            engines.both(contract.GET_MACHINE)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_machine_is_turned_off_cleared_and_removed_by_both(tmp_path: Path, engine: str) -> None:
    skip_without_powershell()
    own = replace(DEV_01, has_user_checkpoint=True)
    create_lab(tmp_path, LabDefinition((HostDefinition("hv1", (own, OLD_01)),)))
    vm, request = own.vm_id, new_id()
    with served(tmp_path, "hv1") as engines:
        refused = [
            engines.ask(e, contract.START_MACHINE_REMOVAL, RequestId=new_id(), VMId=vm)
            for e in ENGINES
        ]
        off = engines.do(engine, contract.START_STATE_CHANGE, vm, TargetState="Off")
        held = [
            engines.ask(e, contract.START_MACHINE_REMOVAL, RequestId=new_id(), VMId=vm)
            for e in ENGINES
        ]
        cleared = engines.do(engine, contract.START_USER_CHECKPOINT_REMOVAL, vm)
        engines.host.settle()
        (machine,) = engines.both(contract.GET_MACHINE, VMId=[vm])
        removal = {"RequestId": request, "VMId": vm}
        engines.ask(engine, contract.START_MACHINE_REMOVAL, **removal)
        (removed,) = engines.ask(engine, contract.GET_OPERATION, RequestId=request, WaitSeconds=15)
        again = engines.ask(engine, contract.START_MACHINE_REMOVAL, **removal)
        left = engines.both(contract.GET_MACHINE)
        unknown = [
            engines.ask(e, f, RequestId=new_id(), VMId=vm)
            for e in ENGINES
            for f in (contract.START_MACHINE_REMOVAL, contract.START_USER_CHECKPOINT_REMOVAL)
        ]
        disks = [engines.host.book.local(disk.path).is_file() for disk in own.disks]

    assert refused == ["MachineNotOff"] * 2
    assert held == ["MachineHasCheckpoints"] * 2
    assert [each["State"] for each in (off, cleared, removed)] == ["Completed"] * 3
    assert (machine["State"], machine["SnapshotCount"]) == ("Off", 0)
    assert again == [removed]
    assert [each["Name"] for each in left] == [OLD_01.name]
    assert unknown == ["VMNotFound"] * 4
    assert disks == [True]
