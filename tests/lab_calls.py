"""The agent's functions, called on lab hosts in this process; every answer is checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciler import agent_contract as contract
from reconciler.agent_contract import AgentFunction, Field, Kind, unpack_ranges
from reconciler.lab.book import HostBook
from reconciler.lab.clock import LabClock
from reconciler.lab.disks import LabDisk
from reconciler.lab.files import copy_sparse
from reconciler.lab.host import LabHost
from reconciler.lab.images.manifest import disk_image
from reconciler.lab.state import new_id
from reconciler.model.ranges import ByteRange, merged

TYPES = {
    Kind.STRING: str,
    Kind.INT: int,
    Kind.LONG: int,
    Kind.BOOL: bool,
    Kind.BYTES: bytes,
    Kind.STRINGS: list,
    Kind.OBJECTS: list,
}


def call(host: LabHost, function: AgentFunction, **arguments: object) -> list[Mapping[str, Any]]:
    answers = list(host.invoke(function, arguments))
    for answer in answers:
        check_fields(function.fields, answer)
    return answers


def check_fields(fields: tuple[Field, ...], answer: Mapping[str, Any]) -> None:
    assert set(answer) == {field.name for field in fields}
    for field in fields:
        value = answer[field.name]
        if value is None:
            assert field.is_optional
            continue
        assert type(value) is TYPES[field.kind], field.name
        if field.kind is Kind.OBJECTS:
            for inner in answer[field.name]:
                check_fields(field.fields, inner)


def do(host: LabHost, function: AgentFunction, vm_id: str, **more: object) -> Mapping[str, Any]:
    """An operation carried to its end."""
    request = new_id()
    call(host, function, RequestId=request, VMId=vm_id, **more)
    host.settle()
    (ended,) = call(host, contract.GET_OPERATION, RequestId=request, WaitSeconds=0)
    return ended


def checkpoint(host: LabHost, vm_id: str, level: str = "Crash") -> str:
    arguments = {"ConsistencyLevel": level, "ElementName": "ours"}
    ended = do(host, contract.START_CHECKPOINT, vm_id, **arguments)
    assert ended["State"] == "Completed", ended["ErrorDescription"]
    return str(ended["CheckpointId"])


def reference_point(host: LabHost, vm_id: str) -> Mapping[str, Any]:
    """The reference point made of a new checkpoint."""
    ended = do(host, contract.START_CONVERSION, vm_id, CheckpointId=checkpoint(host, vm_id))
    points = call(host, contract.GET_REFERENCE_POINT, VMId=[vm_id])
    (made,) = (p for p in points if p["ReferencePointId"] == ended["ReferencePointId"])
    return made


def changed_since(host: LabHost, point: Mapping[str, Any]) -> tuple[ByteRange, ...]:
    """What a new checkpoint's first disk has that the reference point does not know."""
    made = checkpoint(host, point["VMId"])
    points = call(host, contract.GET_CHECKPOINT, VMId=[point["VMId"]])
    (drive,) = (p["HardDrives"][0] for p in points if p["CheckpointId"] == made)
    (answer,) = call(
        host,
        contract.GET_DISK_CHANGE,
        Path=drive["Path"],
        LimitId=point["Disks"][0]["RctId"],
        Offset=0,
        Length=drive["Size"],
    )
    do(host, contract.START_CHECKPOINT_REMOVAL, point["VMId"], CheckpointId=made)
    return merged(unpack_ranges(answer["Extents"]))


def machines(host: LabHost) -> dict[str, Mapping[str, Any]]:
    return {machine["Name"]: machine for machine in call(host, contract.GET_MACHINE)}


def event_ids(host: LabHost) -> list[tuple[int, str]]:
    """Id and node of all events."""
    events = call(host, contract.GET_EVENT, AfterRecordId=0, MaxEvents=1000)
    return [(event["Id"], event["Node"]) for event in events]


def copy_lab(source: Path, target: Path) -> Path:
    for path in source.rglob("*"):
        copied = target / path.relative_to(source)
        if path.is_dir():
            copied.mkdir(parents=True, exist_ok=True)
        else:
            copied.parent.mkdir(parents=True, exist_ok=True)
            copy_sparse(path, copied)
    return target


def assert_disks_equal_shadows(lab: Path, host: str) -> None:
    """Of all machines of a host, by the files that lie in its folders."""
    book = HostBook(lab / host, LabClock(lab))
    assert book.state.pending is None
    for machine in book.state.machines.values():
        for disk in (disk for disk in machine.disks if disk.chain):
            opened = LabDisk.open([book.local(path) for path in disk.chain])
            with book.shadow(machine, disk).open("rb") as raw:
                for file in disk_image(disk.image).files():
                    for place in file.places(ByteRange(0, max(file.size, 1))):
                        raw.seek(place.start)
                        expected = raw.read(place.length)
                        assert opened.read(place.start, place.length) == expected, file.path
            opened.close()
