"""The lab's answers to the agent's functions."""

import hashlib
from collections.abc import Mapping
from typing import Any

import pytest

from reconciler import agent_contract as contract
from reconciler.agent_contract import AgentFunction, pack_ranges, unpack_ranges
from reconciler.lab.definition import FIN_SQL01, WEB_01
from reconciler.lab.host import LabHost
from reconciler.lab.state import new_id
from reconciler.lab.wire.body import AgentError
from reconciler.model.ranges import ByteRange
from tests.lab_calls import call

VM = FIN_SQL01.vm_id
DISK0 = FIN_SQL01.disks[0].path
FIRST = pack_ranges([ByteRange(0, 512)])


def error_of(host: LabHost, function: AgentFunction, **arguments: object) -> str:
    with pytest.raises(AgentError) as caught:
        list(host.invoke(function, arguments))
    assert caught.value.error_id in function.error_ids
    return caught.value.error_id


def start(host: LabHost, function: AgentFunction, **arguments: object) -> str:
    request = new_id()
    (answer,) = call(host, function, RequestId=request, VMId=VM, **arguments)
    assert answer["State"] == "Starting"
    return request


def finish(host: LabHost, request: str) -> Mapping[str, Any]:
    host.settle()
    (answer,) = call(host, contract.GET_OPERATION, RequestId=request, WaitSeconds=0)
    return answer


def checkpoint(host: LabHost, level: str = "Application") -> Mapping[str, Any]:
    arguments = {"ConsistencyLevel": level, "ElementName": "ours"}
    return finish(host, start(host, contract.START_CHECKPOINT, **arguments))


def changed(host: LabHost, path: str, since: str) -> tuple[ByteRange, ...]:
    (answer,) = call(
        host, contract.GET_DISK_CHANGE, Path=path, LimitId=since, Offset=0, Length=1 << 30
    )
    return unpack_ranges(answer["Extents"])


def test_a_machine_shows_its_properties_and_disks(hv1: LabHost) -> None:
    (host,) = call(hv1, contract.GET_HOST)
    (machine,) = call(hv1, contract.GET_MACHINE, VMId=[VM])

    assert host["ComputerName"] == "HV1"
    assert machine["Name"] == "fin-sql01"
    assert [drive["Path"] for drive in machine["HardDrives"]] == [d.path for d in FIN_SQL01.disks]


def test_a_checkpoint_keeps_the_files_and_the_machine_writes_to_new_ones(hv1: LabHost) -> None:
    done = checkpoint(hv1)

    (point,) = call(hv1, contract.GET_CHECKPOINT)
    (machine,) = call(hv1, contract.GET_MACHINE)
    assert done["State"] == "Completed"
    assert point["CheckpointId"] == done["CheckpointId"]
    assert [drive["Path"] for drive in point["HardDrives"]] == [d.path for d in FIN_SQL01.disks]
    assert all(drive["Path"].endswith(".avhdx") for drive in machine["HardDrives"])
    assert {drive["VhdType"] for drive in machine["HardDrives"]} == {"Differencing"}


def test_a_conversion_leaves_a_reference_point_and_merges_the_disks(hv1: LabHost) -> None:
    made = checkpoint(hv1)
    done = finish(hv1, start(hv1, contract.START_CONVERSION, CheckpointId=made["CheckpointId"]))

    (point,) = call(hv1, contract.GET_REFERENCE_POINT)
    (machine,) = call(hv1, contract.GET_MACHINE)
    assert point["ReferencePointId"] == done["ReferencePointId"]
    assert len(point["Disks"]) == 2
    assert call(hv1, contract.GET_CHECKPOINT) == []
    assert [drive["Path"] for drive in machine["HardDrives"]] == [d.path for d in FIN_SQL01.disks]


def test_writes_during_a_checkpoint_count_as_changes_since_its_reference_point(
    hv1: LabHost,
) -> None:
    made = checkpoint(hv1)
    hv1.guest_write("fin-sql01", 1 << 20)
    finish(hv1, start(hv1, contract.START_CONVERSION, CheckpointId=made["CheckpointId"]))
    (point,) = call(hv1, contract.GET_REFERENCE_POINT)
    checkpoint(hv1)

    assert changed(hv1, DISK0, point["Disks"][0]["RctId"])


def test_an_id_is_unknown_once_its_reference_point_is_gone(hv1: LabHost) -> None:
    reference = hv1.foreign_reference_point("fin-sql01")
    (point,) = call(hv1, contract.GET_REFERENCE_POINT)
    since = point["Disks"][0]["RctId"]
    checkpoint(hv1)
    assert changed(hv1, DISK0, since) is not None

    gone = start(hv1, contract.START_REFERENCE_POINT_REMOVAL, ReferencePointId=reference)
    assert finish(hv1, gone)["State"] == "Completed"

    look = {"Path": DISK0, "Offset": 0, "Length": 512}
    assert error_of(hv1, contract.GET_DISK_CHANGE, LimitId=since, **look) == "TrackingUnknown"


def test_tracking_that_was_reset_knows_no_old_id(hv1: LabHost) -> None:
    hv1.foreign_reference_point("fin-sql01")
    (point,) = call(hv1, contract.GET_REFERENCE_POINT)
    hv1.forget_tracking("fin-sql01")
    checkpoint(hv1)

    look = {"Path": DISK0, "Offset": 0, "Length": 512}
    since = point["Disks"][0]["RctId"]
    assert error_of(hv1, contract.GET_DISK_CHANGE, LimitId=since, **look) == "TrackingUnknown"


def test_changes_are_asked_of_a_file_that_a_checkpoint_keeps(hv1: LabHost) -> None:
    look = {"LimitId": "x", "Offset": 0, "Length": 512}

    assert error_of(hv1, contract.GET_DISK_CHANGE, Path=DISK0, **look) == "DiskNotFound"


def test_a_request_id_that_was_seen_does_nothing_twice(hv1: LabHost) -> None:
    request = new_id()
    arguments = {
        "RequestId": request,
        "VMId": VM,
        "ConsistencyLevel": "Crash",
        "ElementName": "ours",
    }
    call(hv1, contract.START_CHECKPOINT, **arguments)
    done = finish(hv1, request)

    (again,) = call(hv1, contract.START_CHECKPOINT, **arguments)
    hv1.settle()

    assert again == done
    assert len(call(hv1, contract.GET_CHECKPOINT)) == 1


def test_a_machine_with_a_running_operation_is_busy(hv1: LabHost) -> None:
    arguments = {"ConsistencyLevel": "Crash", "ElementName": "ours"}
    first = start(hv1, contract.START_CHECKPOINT, **arguments)

    again = {"RequestId": new_id(), "VMId": VM, **arguments}
    assert error_of(hv1, contract.START_CHECKPOINT, **again) == "MachineBusy"
    (machine,) = call(hv1, contract.GET_MACHINE)
    assert machine["OperationalStatus"] == ["Ok", "CreatingSnapshot"]
    assert finish(hv1, first)["State"] == "Completed"


def test_a_stopped_operation_has_no_effect(hv1: LabHost) -> None:
    request = start(hv1, contract.START_CHECKPOINT, ConsistencyLevel="Crash", ElementName="ours")

    call(hv1, contract.STOP_OPERATION, RequestId=request)

    assert finish(hv1, request)["State"] == "Terminated"
    assert call(hv1, contract.GET_CHECKPOINT) == []


def test_a_guest_that_does_not_answer_fails_an_application_consistent_checkpoint(
    hv1: LabHost,
) -> None:
    hv1.set_property("fin-sql01", "IntegrationServices.VSS.PrimaryOperationalStatus", "NoContact")

    refused = checkpoint(hv1)

    assert (refused["State"], refused["ErrorCode"]) == ("Exception", 32_775)
    assert call(hv1, contract.GET_CHECKPOINT) == []
    assert checkpoint(hv1, "Crash")["State"] == "Completed"


def test_unknown_ids_are_errors_of_their_own(hv1: LabHost) -> None:
    none = new_id()
    unknown = {"RequestId": none, "VMId": VM, "CheckpointId": none}
    level = {"ConsistencyLevel": "Crash", "ElementName": "ours"}
    other = {"RequestId": none, "VMId": WEB_01.vm_id, **level}
    reference = {"RequestId": none, "VMId": VM, "ReferencePointId": "no"}

    assert error_of(hv1, contract.START_CONVERSION, **unknown) == "CheckpointNotFound"
    assert error_of(hv1, contract.START_CHECKPOINT_REMOVAL, **unknown) == "CheckpointNotFound"
    assert error_of(hv1, contract.START_CHECKPOINT, **other) == "VMNotFound"
    removal = contract.START_REFERENCE_POINT_REMOVAL
    assert error_of(hv1, removal, **reference) == "ReferencePointNotFound"
    assert error_of(hv1, contract.GET_OPERATION, RequestId=none) == "OperationNotFound"
    assert error_of(hv1, contract.STOP_OPERATION, RequestId=none) == "OperationNotFound"
    assert error_of(hv1, contract.GET_MACHINE, VMId=[none]) == "VMNotFound"


def test_ranges_of_a_file_are_read_and_hashed_in_the_order_asked(hv1: LabHost) -> None:
    ranges = pack_ranges([ByteRange(65_536, 66_000), ByteRange(0, 8)])

    (read,) = call(hv1, contract.READ_FILE, Path=DISK0.upper(), Ranges=ranges)
    (hashed,) = call(hv1, contract.GET_BLOCK_HASH, Path=DISK0, Ranges=ranges)

    assert len(read["Data"]) == 464 + 8
    parts = (read["Data"][:464], read["Data"][464:])
    assert hashed["Hashes"] == b"".join(hashlib.sha256(part).digest() for part in parts)


OTHER_PATHS = (
    "C:\\Windows\\System32\\config\\SAM",
    "C:\\VMs\\fin-sql01\\..\\fin-sql01\\other\\disk0.vhdx",
    "C:\\VMs\\fin-sql01\\..\\..\\state.json",
    "C:\\VMs\\fin-sql01\\secret.txt",
    "..\\..\\state.json",
    "/etc/passwd",
    "\\\\server\\share\\disk.vhdx",
    WEB_01.disks[0].path,
    "",
)


def test_no_other_file_is_ever_read(hv1: LabHost) -> None:
    for path in OTHER_PATHS:
        for function in (contract.READ_FILE, contract.GET_BLOCK_HASH):
            assert error_of(hv1, function, Path=path, Ranges=FIRST) == "PathNotAllowed", path


def test_a_disk_file_that_was_merged_is_not_found(hv1: LabHost) -> None:
    path = "C:\\VMs\\fin-sql01\\disk0_GONE.avhdx"

    assert error_of(hv1, contract.READ_FILE, Path=path, Ranges=FIRST) == "FileNotFound"


BAD_RANGES = (
    pack_ranges([ByteRange(0, 1 << 40)]),
    pack_ranges([ByteRange(1 << 40, (1 << 40) + 1)]),
    b"\0" * 16,
    b"\0" * 15,
    b"",
    pack_ranges([ByteRange(0, 2 << 20)] * 3),
)


def test_ranges_that_are_empty_too_long_or_past_the_end_are_refused(hv1: LabHost) -> None:
    for ranges in BAD_RANGES:
        assert error_of(hv1, contract.READ_FILE, Path=DISK0, Ranges=ranges) == "RangeNotAllowed"


def test_a_pass_through_disk_is_shown_and_left_out_of_checkpoints(hv1: LabHost) -> None:
    hv1.set_property("fin-sql01", "HardDrives.1.DiskNumber", "3")

    checkpoint(hv1)

    (machine,) = call(hv1, contract.GET_MACHINE)
    (point,) = call(hv1, contract.GET_CHECKPOINT)
    shown = machine["HardDrives"][1]
    assert (shown["DiskNumber"], shown["Path"]) == (3, "")
    assert [drive["Path"] for drive in point["HardDrives"]] == [DISK0]
