"""Nothing a host says is believed before it keeps the contract, field by field."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler import agent_contract as contract
from reconciler.adapters.hyperv import decode, decode_host, decode_machine
from reconciler.adapters.hyperv.decode import MAX_ITEMS, MAX_TEXT, Decoder
from reconciler.agent_contract import AgentFunction, Field, Kind
from reconciler.errors import HostRefusedError
from reconciler.model.machine import (
    Checkpoint,
    ClusterFacts,
    ControllerSlot,
    DiskFormat,
    DiskGeometry,
    HostEvent,
    HostFacts,
    HostVolume,
    IntegrationService,
    NaturalKey,
    PassThroughDisk,
    ReferencePoint,
    Replication,
    Role,
    SharedDisk,
    TrackedDisk,
    VirtualDisk,
    VirtualMachine,
)
from reconciler.model.names import CheckpointId, HostName, RctId, ReferencePointId, VmId

Change = Callable[..., dict[str, object]]
HV1 = HostName("hv1")
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
VM = "c0ffee00-0000-4000-8000-000000000001"
DISK = "d15c0000-0000-4000-8000-000000000001"
DRIVE: dict[str, object] = {
    "ControllerType": "SCSI",
    "ControllerNumber": 0,
    "ControllerLocation": 1,
    "Path": r"D:\VMs\erp\disk.vhdx",
    "DiskNumber": None,
    "DiskIdentifier": DISK.upper(),
    "VhdFormat": "VHDX",
    "VhdType": "Dynamic",
    "Size": 64 << 30,
    "FileSize": 5 << 30,
    "BlockSize": 32 << 20,
    "LogicalSectorSize": 512,
    "PhysicalSectorSize": 4096,
    "SupportPersistentReservations": False,
}
MACHINE: dict[str, object] = {
    "VMId": VM.upper(),
    "Name": "erp",
    "State": "Running",
    "Generation": 2,
    "Version": "9.0",
    "VirtualMachineType": "RealizedVirtualMachine",
    "OperationalStatus": ["Ok", "Backing up"],
    "IsClustered": False,
    "Notes": "",
    "SnapshotCount": 0,
    "ReplicationMode": "None",
    "ReplicationState": "Disabled",
    "ReplicationHealth": "NotApplicable",
    "LastReplicationTime": None,
    "LastAppliedLogTime": None,
    "GuestOSName": "Windows Server 2022",
    "Jobs": [],
    "HardDrives": [DRIVE],
    "IntegrationServices": [
        {"ComponentId": "ABC", "Enabled": True, "PrimaryOperationalStatus": "Ok"}
    ],
}
HOST: dict[str, object] = {
    "ComputerName": "WIN-1234",
    "OSBuild": 20_348,
    "AgentVersion": "1.0.0",
    "ContractVersion": 1,
    "LastBootUpTime": "2026-11-24T13:00:00+01:00",
    "ClusterName": "",
}
CLUSTER: dict[str, object] = {
    "Name": "PROD-CL1",
    "Nodes": [{"Name": "NODE-A", "State": "Up"}, {"Name": "node-b", "State": "Down"}],
    "Groups": [{"VMId": VM.upper(), "OwnerNode": "Node-A", "State": "Online"}],
}
VOLUME: dict[str, object] = {
    "Path": "C:\\ClusterStorage\\Volume1\\",
    "Size": 4 << 40,
    "SizeRemaining": 1 << 40,
    "IsClusterShared": True,
    "DedupEnabled": False,
    "ProtectionStatus": "On",
}
EVENT: dict[str, object] = {
    "RecordId": 2**40,
    "ProviderName": "Microsoft-Windows-FailoverClustering",
    "Id": 1135,
    "TimeCreated": "2026-11-24T13:00:00+01:00",
    "Node": "NODE-B",
}
CHECKPOINT: dict[str, object] = {
    "CheckpointId": DISK,
    "VMId": VM,
    "ElementName": "reconciler 5e12ae00 job-1",
    "CreationTime": "2026-11-24T12:00:00.5Z",
    "HardDrives": [DRIVE],
}
REFERENCE_POINT: dict[str, object] = {
    "ReferencePointId": "Microsoft:opaque/1",
    "VMId": VM,
    "Disks": [
        {
            "ControllerType": "SCSI",
            "ControllerNumber": 0,
            "ControllerLocation": 1,
            "DiskIdentifier": DISK.upper(),
            "RctId": "rctX:Mixed:00000001",
        }
    ],
}
ERP_DISK = VirtualDisk(
    ControllerSlot("SCSI", 0, 1),
    r"D:\VMs\erp\disk.vhdx",
    DISK,
    DiskGeometry(64 << 30, 512, 4096, DiskFormat.VHDX, 32 << 20),
)

SAMPLES: dict[Kind, object] = {
    Kind.STRING: "text",
    Kind.INT: 1,
    Kind.LONG: 1,
    Kind.BOOL: True,
    Kind.BYTES: b"",
    Kind.STRINGS: ["text"],
}
WRONG: dict[Kind, list[object]] = {
    Kind.STRING: [5, b"text", ["text"], True, "x" * (MAX_TEXT + 1)],
    Kind.INT: ["1", 1.0, True, 2**31, -(2**31) - 1, [1]],
    Kind.LONG: ["1", 1.0, False, 2**63, -(2**63) - 1, {}],
    Kind.BOOL: [1, 0, "True", []],
    Kind.BYTES: ["text", [1, 2], 5, bytearray(b"x")],
    Kind.STRINGS: [5, [5], ["text", None], ["x" * (MAX_TEXT + 1)], ["x"] * (MAX_ITEMS + 1), b"ab"],
    Kind.OBJECTS: [5, "text", [5], ["text"], [[]], [{}] * (MAX_ITEMS + 1), b"ab"],
}


def sample(fields: tuple[Field, ...]) -> dict[str, object]:
    """An answer that keeps the contract."""
    return {
        f.name: [sample(f.fields)] if f.kind is Kind.OBJECTS else SAMPLES[f.kind] for f in fields
    }


def every_field(
    fields: tuple[Field, ...], where: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Field]]:
    """Each field at any depth, with the path to it."""
    for field in fields:
        yield (*where, field.name), field
        yield from every_field(field.fields, (*where, field.name))


def with_value(answer: Any, path: tuple[str, ...], value: object) -> Any:
    """The answer with the value at a path in it."""
    name, *rest = path
    if not rest:
        return {**answer, name: value}
    return {**answer, name: [with_value(answer[name][0], tuple(rest), value)]}


FIELDS = [
    pytest.param(function, path, field, id=f"{function.name}-{'.'.join(path)}")
    for function in contract.FUNCTIONS
    for path, field in every_field(function.fields)
]


@pytest.mark.parametrize(("function", "path", "field"), FIELDS)
def test_a_field_of_a_wrong_type_or_size_is_refused_by_name(
    function: AgentFunction, path: tuple[str, ...], field: Field
) -> None:
    decoder, right = Decoder(HV1, function), sample(function.fields)
    for value in WRONG[field.kind]:
        with pytest.raises(HostRefusedError) as refused:
            decoder.checked([with_value(right, path, value)])
        assert refused.value.message.startswith(f"hv1 gave an answer to {function.name} ")
        assert f": {'.'.join(path)}" in refused.value.message
        assert "agent's version" in refused.value.hint


@pytest.mark.parametrize(("function", "path", "field"), FIELDS)
def test_a_field_that_is_null_is_refused_unless_it_may_be(
    function: AgentFunction, path: tuple[str, ...], field: Field
) -> None:
    decoder, answer = Decoder(HV1, function), with_value(sample(function.fields), path, None)
    if field.kind in {Kind.STRINGS, Kind.OBJECTS}:
        assert decoder.checked([answer]) == [with_value(answer, path, [])]
    elif field.is_optional:
        assert decoder.checked([answer]) == [answer]
    else:
        with pytest.raises(HostRefusedError, match=rf": {'.'.join(path)} is missing$"):
            decoder.checked([answer])


@pytest.mark.parametrize("function", contract.FUNCTIONS, ids=lambda it: it.name)
def test_a_right_answer_passes_without_what_the_contract_does_not_know(
    function: AgentFunction,
) -> None:
    right = sample(function.fields)

    assert Decoder(HV1, function).checked([right | {"PSComputerName": "x"}]) == [right]


@pytest.mark.parametrize("function", contract.FUNCTIONS, ids=lambda it: it.name)
def test_a_list_of_one_that_powershell_unrolled_is_a_list_again(function: AgentFunction) -> None:
    right = sample(function.fields)
    unrolled = {
        name: value[0] if isinstance(value, list) else value for name, value in right.items()
    }

    assert Decoder(HV1, function).checked([unrolled]) == [right]


def test_what_is_no_object_is_refused_wherever_it_stands() -> None:
    decoder = Decoder(HV1, contract.GET_HOST)
    junk: list[Any] = [None, "text", 5, [HOST]]
    for answer in junk:
        with pytest.raises(HostRefusedError, match=r": the answer is not an object$"):
            decoder.checked([answer])


def test_the_number_of_answers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "MAX_ITEMS", 2)
    decoder = Decoder(HV1, contract.GET_HOST)

    assert len(decoder.checked([HOST] * 2)) == 2
    with pytest.raises(HostRefusedError, match="3 objects, more than 2"):
        decoder.checked([HOST] * 3)


def test_lists_at_their_bounds_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "MAX_ITEMS", 3)
    decoder = Decoder(HV1, contract.GET_MACHINE)
    answer = MACHINE | {"OperationalStatus": ["x" * MAX_TEXT] * 3, "HardDrives": [DRIVE] * 3}

    assert decoder.checked([answer]) == [answer]
    for name in ("OperationalStatus", "HardDrives"):
        with pytest.raises(HostRefusedError, match=f"{name} is no list of at most 3"):
            decoder.checked([answer | {name: [None] * 4}])


def test_texts_and_numbers_at_their_bounds_are_right() -> None:
    decoder = Decoder(HV1, contract.GET_OPERATION)
    answer = sample(contract.GET_OPERATION.fields) | {
        "ErrorDescription": "x" * MAX_TEXT,
        "PercentComplete": -(2**31),
        "ErrorCode": 2**63 - 1,
    }

    assert decoder.checked([answer]) == [answer]


# --- from answers to models


def facts(**changes: object) -> HostFacts:
    decoder = Decoder(HV1, contract.GET_HOST)
    return decode_host.facts(decoder, *decoder.checked([HOST | changes]))


def cluster(**changes: object) -> ClusterFacts:
    decoder = Decoder(HV1, contract.GET_CLUSTER)
    return decode_host.cluster(decoder, *decoder.checked([CLUSTER | changes]))


def volume(**changes: object) -> HostVolume:
    decoder = Decoder(HV1, contract.GET_VOLUME)
    return decode_host.volume(decoder, *decoder.checked([VOLUME | changes]))


def event(**changes: object) -> HostEvent:
    decoder = Decoder(HV1, contract.GET_EVENT)
    return decode_host.event(decoder, *decoder.checked([EVENT | changes]))


def machine(**changes: object) -> VirtualMachine | None:
    decoder = Decoder(HV1, contract.GET_MACHINE)
    return decode_machine.machine(decoder, *decoder.checked([MACHINE | changes]))


def checkpoint(**changes: object) -> Checkpoint:
    decoder = Decoder(HV1, contract.GET_CHECKPOINT)
    return decode_machine.checkpoint(decoder, *decoder.checked([CHECKPOINT | changes]))


def reference_point(**changes: object) -> ReferencePoint:
    decoder = Decoder(HV1, contract.GET_REFERENCE_POINT)
    return decode_machine.reference_point(decoder, *decoder.checked([REFERENCE_POINT | changes]))


def test_a_host_keeps_the_name_of_its_policy() -> None:
    assert facts() == HostFacts(HV1, 20_348, "1.0.0", 1, NOON, computer_name="win-1234")


def test_a_node_names_its_cluster() -> None:
    assert facts(ClusterName="PROD-CL1").cluster == "PROD-CL1"


def test_names_of_computers_are_compared_in_lower_case() -> None:
    assert cluster() == ClusterFacts(
        "PROD-CL1",
        {"node-a": "Up", "node-b": "Down"},
        {VmId(VM): "node-a"},
        {VmId(VM): "Online"},
    )
    assert event().node == "node-b"


def test_a_cluster_without_machines_is_still_one() -> None:
    assert cluster(Groups=None).owners == {}


def test_an_owner_of_something_that_is_no_machine_is_refused() -> None:
    with pytest.raises(HostRefusedError, match=r"VMId is no GUID$"):
        cluster(Groups=[{"VMId": "Cluster Group", "OwnerNode": "NODE-A", "State": "Online"}])


def test_a_volume_is_read_whole() -> None:
    path = "C:\\ClusterStorage\\Volume1\\"
    assert volume() == HostVolume(path, 4 << 40, 1 << 40, is_cluster_shared=True, is_encrypted=True)
    assert volume(DedupEnabled=True).is_deduplicated


@pytest.mark.parametrize("status", ["Off", "Unknown", "", "on"])
def test_only_a_volume_whose_protection_is_on_is_encrypted(status: str) -> None:
    assert not volume(ProtectionStatus=status).is_encrypted


@pytest.mark.parametrize("name", ["Size", "SizeRemaining"])
def test_a_volume_of_less_than_nothing_is_refused(name: str) -> None:
    with pytest.raises(HostRefusedError, match="a volume of "):
        volume(**{name: -1})


def test_an_event_is_read_whole() -> None:
    provider = "Microsoft-Windows-FailoverClustering"
    assert event() == HostEvent(2**40, provider, 1135, NOON, "node-b")


def test_a_machine_is_read_whole() -> None:
    assert machine() == VirtualMachine(
        key=NaturalKey(VmId(VM), Role.PRIMARY),
        name="erp",
        host=HV1,
        state="Running",
        generation=2,
        configuration_version="9.0",
        operational_status=("Ok", "Backing up"),
        guest_os="Windows Server 2022",
        disks=(ERP_DISK,),
        integration_services=(IntegrationService("abc", is_enabled=True, status="Ok"),),
    )


def test_what_an_administrator_wrote_is_kept_as_it_is() -> None:
    notes = "accounting\r\nlabels: tier=gold, owner=erp \u00e9"
    found = machine(Notes=notes, IsClustered=True, SnapshotCount=2)

    assert found is not None
    assert (found.notes, found.is_clustered, found.user_checkpoints) == (notes, True, 2)


def test_an_impossible_number_of_checkpoints_is_a_fault_of_that_machine() -> None:
    found = machine(SnapshotCount=-1)

    assert found is not None
    assert found.user_checkpoints == 0
    assert found.faults == ("its SnapshotCount is -1",)


def test_only_what_is_still_going_on_is_a_job() -> None:
    going = [{"JobType": 108, "JobState": "Running"}, {"JobType": 50, "JobState": "Suspended"}]
    ended = [{"JobType": 70, "JobState": state.value} for state in contract.ENDED]
    found = machine(Jobs=[*going, *ended])

    assert found is not None
    assert found.job_types == (108, 50)


REPLICATED: dict[str, object] = {
    "ReplicationMode": "Replica",
    "ReplicationState": "Replicating",
    "ReplicationHealth": "Normal",
    "LastReplicationTime": "2026-11-24T12:00:00Z",
}


def test_a_machine_that_is_replicated_says_how() -> None:
    found = machine(**REPLICATED)

    assert found is not None
    assert found.replication == Replication("Replicating", "Normal", NOON, None)


def test_a_machine_that_is_not_replicated_says_nothing_of_it() -> None:
    found = machine(LastReplicationTime="junk that nobody looks at")

    assert found is not None
    assert found.replication is None
    assert found.faults == ()


@pytest.mark.parametrize("name", ["LastReplicationTime", "LastAppliedLogTime"])
def test_an_impossible_time_of_replication_is_a_fault_of_that_machine(name: str) -> None:
    found = machine(**REPLICATED | {name: "yesterday\n"})

    assert found is not None
    assert found.faults == (f"its {name} 'yesterday?' is no time",)
    assert found.replication is not None
    assert found.replication.last_applied_at is None


def test_a_machine_without_anything_is_still_one() -> None:
    found = machine(HardDrives=None, IntegrationServices=[], OperationalStatus=None, Name="")

    assert found is not None
    assert not found.disks
    assert not found.pass_through
    assert not found.integration_services
    assert found.operational_status == ()


def test_the_planned_half_of_a_migration_is_left_out() -> None:
    assert machine(VirtualMachineType="PlannedVirtualMachine") is None


@pytest.mark.parametrize(
    ("mode", "role"),
    [
        ("None", Role.PRIMARY),
        ("Primary", Role.PRIMARY),
        ("Replica", Role.REPLICA),
        ("ExtendedReplica", Role.EXTENDED_REPLICA),
        ("TestReplica", Role.TEST_REPLICA),
    ],
)
def test_the_role_is_part_of_what_a_machine_is(mode: str, role: Role) -> None:
    found = machine(ReplicationMode=mode)

    assert found is not None
    assert found.key == NaturalKey(VmId(VM), role)


def test_an_unknown_role_is_a_fault_of_that_machine_alone() -> None:
    found = machine(ReplicationMode="primary\n")

    assert found is not None
    assert found.faults == ("its ReplicationMode 'primary?' is unknown",)


def test_a_physical_disk_is_kept_apart_whatever_else_is_said_of_it() -> None:
    physical = DRIVE | {"DiskNumber": 0, "Path": "", "VhdFormat": "", "Size": 0, "BlockSize": -1}
    found = machine(HardDrives=[physical, DRIVE])

    assert found is not None
    assert found.pass_through == (PassThroughDisk(ControllerSlot("SCSI", 0, 1), 0),)
    assert found.disks == (ERP_DISK,)
    assert checkpoint(HardDrives=[physical, DRIVE]).disks == (ERP_DISK,)


@pytest.mark.parametrize(
    "how", [{"SupportPersistentReservations": True}, {"VhdFormat": "VHDSet", "Size": 0}]
)
def test_a_shared_disk_is_kept_apart_and_is_no_fault(how: dict[str, object]) -> None:
    shared = DRIVE | {"ControllerLocation": 2, "Path": r"D:\VMs\erp\quorum.vhds"} | how
    found = machine(HardDrives=[shared, DRIVE])

    assert found is not None
    assert found.shared == (SharedDisk(ControllerSlot("SCSI", 0, 2), r"D:\VMs\erp\quorum.vhds"),)
    assert (found.disks, found.faults) == ((ERP_DISK,), ())
    assert checkpoint(HardDrives=[shared, DRIVE]).disks == (ERP_DISK,)


def test_a_physical_disk_that_is_said_to_be_shared_is_a_physical_disk() -> None:
    physical = DRIVE | {"DiskNumber": 0, "SupportPersistentReservations": True}
    found = machine(HardDrives=[physical])

    assert found is not None
    assert (len(found.pass_through), found.shared) == (1, ())


def test_a_disk_of_another_format_is_a_fault_of_its_machine() -> None:
    found = machine(HardDrives=[DRIVE, DRIVE | {"ControllerLocation": 7, "VhdFormat": "QCOW2"}])

    assert found is not None
    assert found.disks == (ERP_DISK,)
    (fault,) = found.faults
    assert "SCSI 0:7" in fault
    assert "'QCOW2'" in fault


def test_two_disks_at_one_slot_are_a_fault() -> None:
    found = machine(HardDrives=[DRIVE, DRIVE])

    assert found is not None
    assert found.faults == ("two disks are told at SCSI 0:1",)


@pytest.mark.parametrize(
    "wrong",
    [
        {"Size": 0},
        {"Size": -512},
        {"Size": 513},
        {"Size": (64 << 40) + 512},
        {"Size": 512, "LogicalSectorSize": 4096},
        {"LogicalSectorSize": 0},
        {"LogicalSectorSize": 520},
        {"PhysicalSectorSize": 0},
        {"PhysicalSectorSize": 1024},
        {"BlockSize": -1},
        {"DiskIdentifier": ""},
        {"DiskIdentifier": f"{DISK}\n"},
        {"ControllerType": "../../x"},
        {"ControllerNumber": -1},
        {"ControllerLocation": -1},
    ],
)
def test_a_disk_of_impossible_shape_is_a_fault_and_no_disk(wrong: dict[str, object]) -> None:
    found = checkpoint(HardDrives=[DRIVE | wrong])

    assert found.disks == ()
    assert len(found.faults) == 1


@pytest.mark.parametrize(
    "right", [{"Size": 64 << 40}, {"Size": 4096, "LogicalSectorSize": 4096}, {"BlockSize": 0}]
)
def test_a_disk_at_the_bounds_is_right(right: dict[str, object]) -> None:
    assert len(checkpoint(HardDrives=[DRIVE | right]).disks) == 1


def test_a_checkpoint_is_read_whole() -> None:
    assert checkpoint() == Checkpoint(
        CheckpointId(DISK),
        VmId(VM),
        "reconciler 5e12ae00 job-1",
        datetime(2026, 11, 24, 12, 0, 0, 500_000, tzinfo=UTC),
        (ERP_DISK,),
    )


def test_ids_of_tracking_are_opaque_but_ids_of_disks_are_compared_in_lower_case() -> None:
    slot = ControllerSlot("SCSI", 0, 1)
    assert reference_point() == ReferencePoint(
        ReferencePointId("Microsoft:opaque/1"),
        VmId(VM),
        (TrackedDisk(slot, DISK, RctId("rctX:Mixed:00000001")),),
    )


@pytest.mark.parametrize(
    "text", ["", "erp", f"{{{VM}}}", VM.replace("-", ""), f"{VM}\n", f" {VM}", VM[:-1] + "g"]
)
def test_what_is_no_guid_is_refused_by_name(text: str) -> None:
    for read in (machine, checkpoint, reference_point):
        with pytest.raises(HostRefusedError, match=r"VMId is no GUID$"):
            read(VMId=text)
    with pytest.raises(HostRefusedError, match=r"CheckpointId is no GUID$"):
        checkpoint(CheckpointId=text)


@pytest.mark.parametrize("text", ["", "now", "24.11.2026 12:00", "2026-13-01T00:00:00Z"])
def test_what_is_no_time_is_refused_by_name(text: str) -> None:
    with pytest.raises(HostRefusedError, match=r"CreationTime is no ISO 8601 time$"):
        checkpoint(CreationTime=text)
    with pytest.raises(HostRefusedError, match=r"LastBootUpTime is no ISO 8601 time$"):
        facts(LastBootUpTime=text)


def test_a_time_without_an_offset_is_refused() -> None:
    with pytest.raises(HostRefusedError, match=r"CreationTime has no offset$"):
        checkpoint(CreationTime="2026-11-24T12:00:00")


@pytest.mark.parametrize("year", ["0001", "1601", "1989", "2201", "9999"])
def test_a_time_that_nobody_can_count_with_is_refused(year: str) -> None:
    for text in (f"{year}-01-01T00:00:00+01:00", f"{year}-12-31T23:59:59.999999-01:00"):
        told = rf"Time is of the year {int(year)}$"
        with pytest.raises(HostRefusedError, match=told):
            checkpoint(CreationTime=text)
        with pytest.raises(HostRefusedError, match=told):
            facts(LastBootUpTime=text)


@pytest.mark.parametrize("year", [1990, 2200])
def test_a_time_of_a_clock_that_is_only_wrong_is_taken(year: int) -> None:
    assert checkpoint(CreationTime=f"{year}-06-01T00:00:00Z").created_at.year == year


def test_no_bytes_are_no_empty_list() -> None:
    with pytest.raises(HostRefusedError):
        machine(HardDrives=b"")
