"""Answers of a host, checked against the contract before anything believes them."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from reconciler.agent_contract import GUID, AgentFunction, Field, Kind
from reconciler.errors import HostRefusedError
from reconciler.model.machine import (
    Checkpoint,
    ControllerSlot,
    DiskFormat,
    DiskGeometry,
    HostFacts,
    IntegrationService,
    NaturalKey,
    PassThroughDisk,
    ReferencePoint,
    Role,
    TrackedDisk,
    VirtualDisk,
    VirtualMachine,
)
from reconciler.model.names import CheckpointId, HostName, RctId, ReferencePointId, VmId

Answer = Mapping[str, object]

MAX_TEXT = 32_767
MAX_ITEMS = 10_000
MAX_VIRTUAL_BYTES = 64 << 40
"""Source: [MS-VHDX] 2.6.2.4, largest virtual disk."""
PLANNED = "PlannedVirtualMachine"

_ROLES = {
    "None": Role.PRIMARY,
    "Primary": Role.PRIMARY,
    "Replica": Role.REPLICA,
    "ExtendedReplica": Role.EXTENDED_REPLICA,
    "TestReplica": Role.TEST_REPLICA,
}
_FORMATS = frozenset(f.value for f in DiskFormat)
_CONTROLLERS = frozenset({"IDE", "SCSI", "PMEM"})
_SECTORS = frozenset({512, 4096})
_INT = range(-(2**31), 2**31)
_LONG = range(-(2**63), 2**63)


class _OddDiskError(Exception):
    """A disk that was told in a way nobody can use; the text goes on after 'the disk at …'."""


def shown(text: str) -> str:
    """Foreign text as it may stand in a message."""
    return "".join(c if c.isprintable() else "?" for c in text[:60])


def broken_contract(host: HostName, function: str, what: str) -> HostRefusedError:
    """The error for an answer that the contract does not allow."""
    return HostRefusedError(
        f"{host} gave an answer to {function} that its contract does not allow: {what}",
        hint="compare the agent's version on the host with this reconciler's",
        host=host,
    )


class Decoder:
    """Checks the answers of one host to one function."""

    def __init__(self, host: HostName, function: AgentFunction) -> None:
        self._host = host
        self._function = function

    def checked(self, answers: Sequence[Answer]) -> list[Answer]:
        """The answers, each with exactly the declared fields of the declared types.

        Raises:
            HostRefusedError: An answer breaks the contract.
        """
        if len(answers) > MAX_ITEMS:
            raise self._broken(f"{len(answers)} objects, more than {MAX_ITEMS}")
        return [self._object(self._function.fields, answer, "") for answer in answers]

    def _broken(self, what: str) -> HostRefusedError:
        return broken_contract(self._host, self._function.name, what)

    def _object(self, fields: tuple[Field, ...], answer: object, where: str) -> Answer:
        if not isinstance(answer, Mapping):
            raise self._broken(f"{where or 'the answer'} is not an object")
        return {f.name: self._value(f, answer.get(f.name), f"{where}{f.name}") for f in fields}

    def _value(self, field: Field, value: object, where: str) -> object:
        if value is None:
            return self._nothing(field, where)
        if field.kind in {Kind.STRINGS, Kind.OBJECTS}:
            return self._list(field, value, where)
        if not _fits(field.kind, value):
            raise self._broken(f"{where} is no {field.kind.value}")
        return value

    def _nothing(self, field: Field, where: str) -> object:
        if field.kind in {Kind.STRINGS, Kind.OBJECTS}:
            return []  # PowerShell makes null of an empty array in more than one place
        if field.is_optional:
            return None
        raise self._broken(f"{where} is missing")

    def _list(self, field: Field, value: object, where: str) -> list[object]:
        if isinstance(value, str | Mapping):
            value = [value]  # PowerShell unrolls an array of one
        if not isinstance(value, list | tuple) or len(value) > MAX_ITEMS:
            raise self._broken(f"{where} is no list of at most {MAX_ITEMS}")
        if field.kind is Kind.OBJECTS:
            return [self._object(field.fields, item, f"{where}.") for item in value]
        if not all(isinstance(item, str) and len(item) <= MAX_TEXT for item in value):
            raise self._broken(f"{where} is no {field.kind.value}")
        return list(value)

    # --- from checked answers to models; `answer` has passed `checked`

    def facts(self, answer: Answer) -> HostFacts:
        """The host; its name here is the one in the policy, whatever it calls itself."""
        return HostFacts(
            name=self._host,
            os_build=_int(answer, "OSBuild"),
            agent_version=_text(answer, "AgentVersion"),
            contract_version=_int(answer, "ContractVersion"),
            booted_at=self._time(answer, "LastBootUpTime"),
        )

    def machine(self, answer: Answer) -> VirtualMachine | None:
        """One machine; None for the planned half of a migration.

        What is odd about one machine is its fault, and hides no other machine of the host.
        """
        if _text(answer, "VirtualMachineType") == PLANNED:
            return None
        mode = _text(answer, "ReplicationMode")
        drives = _objects(answer, "HardDrives")
        disks, faults = self._disks(drives)
        if mode not in _ROLES:
            faults = (*faults, f"its ReplicationMode '{shown(mode)}' is unknown")
        return VirtualMachine(
            key=NaturalKey(self._vm_id(answer), _ROLES.get(mode, Role.PRIMARY)),
            name=_text(answer, "Name"),
            host=self._host,
            state=_text(answer, "State"),
            generation=_int(answer, "Generation"),
            configuration_version=_text(answer, "Version"),
            operational_status=_texts(answer, "OperationalStatus"),
            guest_os=_text(answer, "GuestOSName"),
            disks=disks,
            pass_through=tuple(
                PassThroughDisk(_slot(d), _int(d, "DiskNumber"))
                for d in drives
                if d["DiskNumber"] is not None
            ),
            integration_services=tuple(
                IntegrationService(
                    _text(s, "ComponentId").lower(),
                    bool(s["Enabled"]),
                    _text(s, "PrimaryOperationalStatus"),
                )
                for s in _objects(answer, "IntegrationServices")
            ),
            faults=faults,
        )

    def checkpoint(self, answer: Answer) -> Checkpoint:
        """One recovery checkpoint."""
        disks, faults = self._disks(_objects(answer, "HardDrives"))
        return Checkpoint(
            id=CheckpointId(self._guid(answer, "CheckpointId")),
            vm_id=self._vm_id(answer),
            name=_text(answer, "ElementName"),
            created_at=self._time(answer, "CreationTime"),
            disks=disks,
            faults=faults,
        )

    def _disks(self, drives: Sequence[Answer]) -> tuple[tuple[VirtualDisk, ...], tuple[str, ...]]:
        """The disks that have a file, and what is wrong with the others."""
        disks: list[VirtualDisk] = []
        faults: list[str] = []
        for drive in drives:
            if drive["DiskNumber"] is not None:
                continue
            try:
                disk = self._disk(drive)
            except _OddDiskError as error:
                faults.append(f"the disk at {shown(str(_slot(drive)))} {error}")
                continue
            if any(disk.slot == other.slot for other in disks):
                faults.append(f"two disks are told at {disk.slot}")
            disks.append(disk)
        return tuple(disks), tuple(faults)

    def reference_point(self, answer: Answer) -> ReferencePoint:
        """One reference point."""
        return ReferencePoint(
            id=ReferencePointId(_text(answer, "ReferencePointId")),
            vm_id=self._vm_id(answer),
            disks=tuple(
                TrackedDisk(_slot(d), _text(d, "DiskIdentifier").lower(), RctId(_text(d, "RctId")))
                for d in _objects(answer, "Disks")
            ),
        )

    def _disk(self, drive: Answer) -> VirtualDisk:
        slot, text = _slot(drive), _text(drive, "VhdFormat")
        size, block = _int(drive, "Size"), _int(drive, "BlockSize")
        logical, physical = _int(drive, "LogicalSectorSize"), _int(drive, "PhysicalSectorSize")
        identifier = _text(drive, "DiskIdentifier").lower()
        if (
            slot.controller_type not in _CONTROLLERS
            or min(slot.controller_number, slot.location) < 0
        ):
            raise _OddDiskError("is attached to nothing that is known")
        if text not in _FORMATS:
            raise _OddDiskError(f"has the format '{shown(text)}', which is neither VHD nor VHDX")
        if not re.fullmatch(GUID, identifier):
            raise _OddDiskError("has no virtual disk id")
        if not 0 < size <= MAX_VIRTUAL_BYTES or logical not in _SECTORS or size % logical:
            raise _OddDiskError(f"has {size} bytes in sectors of {logical}")
        if block < 0 or physical not in _SECTORS:
            raise _OddDiskError(f"has blocks of {block} bytes, physical sectors of {physical}")
        geometry = DiskGeometry(size, logical, physical, DiskFormat(text), block)
        return VirtualDisk(slot, _text(drive, "Path"), identifier, geometry)

    def _vm_id(self, answer: Answer) -> VmId:
        return VmId(self._guid(answer, "VMId"))

    def _guid(self, answer: Answer, name: str) -> str:
        text = _text(answer, name).lower()
        if not re.fullmatch(GUID, text):
            raise self._broken(f"{name} is no GUID")
        return text

    def _time(self, answer: Answer, name: str) -> datetime:
        try:
            found = datetime.fromisoformat(_text(answer, name))
            if found.tzinfo is not None:
                return found.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise self._broken(f"{name} is no ISO 8601 time") from error
        raise self._broken(f"{name} has no offset")


def _fits(kind: Kind, value: object) -> bool:
    match kind:
        case Kind.STRING:
            return isinstance(value, str) and len(value) <= MAX_TEXT
        case Kind.INT:
            return type(value) is int and value in _INT
        case Kind.LONG:
            return type(value) is int and value in _LONG
        case Kind.BOOL:
            return isinstance(value, bool)
        case Kind.BYTES:
            return isinstance(value, bytes)
        case Kind.STRINGS | Kind.OBJECTS:
            return isinstance(value, list)


def _slot(drive: Answer) -> ControllerSlot:
    return ControllerSlot(
        _text(drive, "ControllerType"),
        _int(drive, "ControllerNumber"),
        _int(drive, "ControllerLocation"),
    )


# The four below only narrow types: `checked` has already refused everything else.


def _text(answer: Answer, name: str) -> str:
    value = answer[name]
    assert isinstance(value, str)  # noqa: S101
    return value


def _int(answer: Answer, name: str) -> int:
    value = answer[name]
    assert isinstance(value, int)  # noqa: S101
    return value


def _texts(answer: Answer, name: str) -> tuple[str, ...]:
    value = answer[name]
    assert isinstance(value, list)  # noqa: S101
    return tuple(value)


def _objects(answer: Answer, name: str) -> list[Answer]:
    value = answer[name]
    assert isinstance(value, list)  # noqa: S101
    return value
