"""The protection agent's functions as data.

One table: the client checks answers by it, the lab binds parameters by it, and the JEA files and
the tests of the PowerShell module are made from it. An end point runs these commands with these
parameters and knows no script.

Rules. Answers are flat objects of names, texts, whole numbers and byte arrays (nested objects only
for the disks of something). Sizes and offsets are longs, times are ISO 8601 texts in UTC, enums are
names, GUIDs are lower-case texts, lists of ranges and of hashes are packed in one byte array. A
function that changes something takes a request id, and repeating it with the same id does nothing
twice. Long work is started, polled and stopped.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.ranges import ByteRange

CONTRACT_VERSION = 1
MODULE = "ReconcilerAgent"

MAX_READ_BYTES = 4 << 20
"""Most that one read may return.

Source: reference/psrp-smb.md §3: a client needs about eight times a block in memory.
"""
MAX_RANGES = 4096
MAX_EXTENTS = 16_384
"""Most extents in one piece of changed ranges (256 KiB packed)."""
MAX_WAIT_S = 15
"""Longest that a poll waits on the host; below WSMan's own 20 s."""
HASH_BYTES = 32
"""SHA-256."""


class Kind(StrEnum):
    """Types that survive the wire unchanged in both directions."""

    STRING = "string"
    INT = "int"
    LONG = "long"
    BOOL = "bool"
    BYTES = "byte[]"
    STRINGS = "string[]"
    OBJECTS = "object[]"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One typed parameter; bounds hold for numbers and for the length of texts and arrays."""

    name: str
    kind: Kind
    help: str
    is_mandatory: bool = True
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """One property of an answer."""

    name: str
    kind: Kind
    help: str = ""
    fields: "tuple[Field, ...]" = ()
    is_optional: bool = False
    """May be null."""


@dataclass(frozen=True, slots=True)
class AgentFunction:
    """One command of the end point."""

    name: str
    synopsis: str
    parameters: tuple[Parameter, ...]
    output_type: str
    fields: tuple[Field, ...]
    error_ids: tuple[str, ...] = ()
    changes_something: bool = False


class OperationState(StrEnum):
    """State of an operation.

    Source: Msvm_ConcreteJob.JobState, as names; hyperv-facts.md §1.3.
    """

    NEW = "New"
    STARTING = "Starting"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    SHUTTING_DOWN = "ShuttingDown"
    COMPLETED = "Completed"
    TERMINATED = "Terminated"
    KILLED = "Killed"
    EXCEPTION = "Exception"
    SERVICE = "Service"
    QUERY_PENDING = "QueryPending"
    COMPLETED_WITH_WARNINGS = "CompletedWithWarnings"


SUCCEEDED = frozenset({OperationState.COMPLETED, OperationState.COMPLETED_WITH_WARNINGS})
ENDED = SUCCEEDED | {OperationState.TERMINATED, OperationState.KILLED, OperationState.EXCEPTION}

GUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"

_VM_ID = Parameter("VMId", Kind.STRING, "the machine", pattern=GUID)
_VM_IDS = Parameter("VMId", Kind.STRINGS, "only these machines", is_mandatory=False, maximum=5000)
_REQUEST_ID = Parameter("RequestId", Kind.STRING, "chosen by the caller", pattern=GUID)
_CHECKPOINT_ID = Parameter("CheckpointId", Kind.STRING, "a recovery checkpoint", pattern=GUID)
_PATH = Parameter("Path", Kind.STRING, "a virtual disk file of a machine here", maximum=32_767)
_RANGES = Parameter(
    "Ranges", Kind.BYTES, "offset and length pairs, 16 bytes each", minimum=16, maximum=16 * 4096
)

_SLOT = (
    Field("ControllerType", Kind.STRING, "IDE, SCSI or PMEM"),
    Field("ControllerNumber", Kind.INT),
    Field("ControllerLocation", Kind.INT),
)
_DISK = (
    *_SLOT,
    Field("Path", Kind.STRING, "the image file; empty for a pass-through disk"),
    Field("DiskNumber", Kind.INT, "set for a pass-through disk only", is_optional=True),
    Field("DiskIdentifier", Kind.STRING, "virtual disk id"),
    Field("VhdFormat", Kind.STRING, "VHD or VHDX"),
    Field("VhdType", Kind.STRING, "Fixed, Dynamic or Differencing"),
    Field("Size", Kind.LONG, "virtual size"),
    Field("FileSize", Kind.LONG),
    Field("BlockSize", Kind.LONG),
    Field("LogicalSectorSize", Kind.INT),
    Field("PhysicalSectorSize", Kind.INT),
)
_OPERATION = (
    Field("RequestId", Kind.STRING),
    Field("State", Kind.STRING, "name of the JobState"),
    Field("PercentComplete", Kind.INT),
    Field("ErrorCode", Kind.LONG, "0 or the code of the failure"),
    Field("ErrorDescription", Kind.STRING, "localised: for people only"),
    Field("CheckpointId", Kind.STRING, "made by this operation", is_optional=True),
    Field("ReferencePointId", Kind.STRING, "made by this operation", is_optional=True),
)


def _operation(
    name: str, synopsis: str, *parameters: Parameter, errors: tuple[str, ...]
) -> AgentFunction:
    return AgentFunction(
        name,
        synopsis,
        (_REQUEST_ID, *parameters),
        "Reconciler.Operation",
        _OPERATION,
        errors,
        changes_something=True,
    )


GET_HOST = AgentFunction(
    "Get-ReconcilerHost",
    "The host and its agent.",
    (),
    "Reconciler.Host",
    (
        Field("ComputerName", Kind.STRING),
        Field("OSBuild", Kind.INT, "BuildNumber of Win32_OperatingSystem"),
        Field("AgentVersion", Kind.STRING),
        Field("ContractVersion", Kind.INT),
        Field("LastBootUpTime", Kind.STRING, "ISO 8601, UTC"),
    ),
)
GET_MACHINE = AgentFunction(
    "Get-ReconcilerMachine",
    "The virtual machines of the host, with their disks.",
    (_VM_IDS,),
    "Reconciler.Machine",
    (
        Field("VMId", Kind.STRING),
        Field("Name", Kind.STRING),
        Field("State", Kind.STRING, "name of the VMState"),
        Field("Generation", Kind.INT),
        Field("Version", Kind.STRING, "configuration version, such as 9.0"),
        Field("VirtualMachineType", Kind.STRING, "RealizedVirtualMachine or PlannedVirtualMachine"),
        Field("OperationalStatus", Kind.STRINGS),
        Field("ReplicationMode", Kind.STRING, "None, Primary, Replica, TestReplica, …"),
        Field("GuestOSName", Kind.STRING, "OSName of the guest's key-value pairs; may be empty"),
        Field("HardDrives", Kind.OBJECTS, fields=_DISK),
        Field(
            "IntegrationServices",
            Kind.OBJECTS,
            fields=(
                Field("ComponentId", Kind.STRING, "GUID of the kind of component"),
                Field("Enabled", Kind.BOOL),
                Field("PrimaryOperationalStatus", Kind.STRING),
            ),
        ),
    ),
    ("VMNotFound",),
)
GET_CHECKPOINT = AgentFunction(
    "Get-ReconcilerCheckpoint",
    "The recovery checkpoints of the host's machines, whoever made them.",
    (_VM_IDS,),
    "Reconciler.Checkpoint",
    (
        Field("CheckpointId", Kind.STRING),
        Field("VMId", Kind.STRING),
        Field("ElementName", Kind.STRING),
        Field("CreationTime", Kind.STRING, "ISO 8601, UTC"),
        Field("HardDrives", Kind.OBJECTS, fields=_DISK),
    ),
    ("VMNotFound",),
)
GET_REFERENCE_POINT = AgentFunction(
    "Get-ReconcilerReferencePoint",
    "The RCT reference points of the host's machines, whoever made them.",
    (_VM_IDS,),
    "Reconciler.ReferencePoint",
    (
        Field("ReferencePointId", Kind.STRING, "InstanceID"),
        Field("VMId", Kind.STRING),
        Field(
            "Disks",
            Kind.OBJECTS,
            fields=(*_SLOT, Field("DiskIdentifier", Kind.STRING), Field("RctId", Kind.STRING)),
        ),
    ),
    ("VMNotFound",),
)
START_CHECKPOINT = _operation(
    "Start-ReconcilerCheckpoint",
    "Begin a recovery checkpoint.",
    _VM_ID,
    Parameter("ConsistencyLevel", Kind.STRING, "what to ask", choices=("Application", "Crash")),
    Parameter("ElementName", Kind.STRING, "its name, which marks it as ours", maximum=200),
    errors=("VMNotFound", "MachineBusy"),
)
START_CONVERSION = _operation(
    "Start-ReconcilerConversion",
    "Turn a recovery checkpoint into a reference point; its differencing disks merge.",
    _VM_ID,
    _CHECKPOINT_ID,
    errors=("VMNotFound", "CheckpointNotFound", "MachineBusy"),
)
START_CHECKPOINT_REMOVAL = _operation(
    "Start-ReconcilerCheckpointRemoval",
    "Remove a recovery checkpoint; its differencing disks merge.",
    _VM_ID,
    _CHECKPOINT_ID,
    errors=("VMNotFound", "CheckpointNotFound", "MachineBusy"),
)
START_REFERENCE_POINT_REMOVAL = _operation(
    "Start-ReconcilerReferencePointRemoval",
    "Remove a reference point.",
    _VM_ID,
    Parameter("ReferencePointId", Kind.STRING, "its InstanceID", maximum=1024),
    errors=("VMNotFound", "ReferencePointNotFound", "MachineBusy"),
)
GET_OPERATION = AgentFunction(
    "Get-ReconcilerOperation",
    "The state of an operation, after waiting a little for its end.",
    (
        _REQUEST_ID,
        Parameter(
            "WaitSeconds",
            Kind.INT,
            "longest wait",
            is_mandatory=False,
            minimum=0,
            maximum=MAX_WAIT_S,
        ),
    ),
    "Reconciler.Operation",
    _OPERATION,
    ("OperationNotFound",),
)
STOP_OPERATION = AgentFunction(
    "Stop-ReconcilerOperation",
    "Ask a running operation to end; one that has ended stays as it is.",
    (_REQUEST_ID,),
    "Reconciler.Operation",
    _OPERATION,
    ("OperationNotFound",),
    changes_something=True,
)
GET_DISK_CHANGE = AgentFunction(
    "Get-ReconcilerDiskChange",
    "One bounded piece of the ranges written since a change tracking id, in the virtual disk.",
    (
        Parameter("Path", Kind.STRING, "the checkpoint's disk file", maximum=32_767),
        Parameter("LimitId", Kind.STRING, "RCT id to count from", maximum=1024),
        Parameter("Offset", Kind.LONG, "where this piece begins", minimum=0),
        Parameter("Length", Kind.LONG, "how far to look", minimum=1),
    ),
    "Reconciler.DiskChange",
    (
        Field("ProcessedLength", Kind.LONG, "how far this piece reaches; never 0"),
        Field("Extents", Kind.BYTES, "offset and length pairs, unsorted, possibly overlapping"),
    ),
    ("DiskNotFound", "TrackingUnknown"),
)
READ_FILE = AgentFunction(
    "Read-ReconcilerFile",
    f"Ranges of a virtual disk file, joined; at most {MAX_READ_BYTES >> 20} MiB in all.",
    (_PATH, _RANGES),
    "Reconciler.FileBytes",
    (Field("FileSize", Kind.LONG), Field("Data", Kind.BYTES, "the ranges one after the other")),
    ("FileNotFound", "PathNotAllowed", "RangeNotAllowed"),
)
GET_BLOCK_HASH = AgentFunction(
    "Get-ReconcilerBlockHash",
    "SHA-256 of each of some ranges of a virtual disk file.",
    (_PATH, _RANGES),
    "Reconciler.BlockHash",
    (Field("Hashes", Kind.BYTES, "32 bytes a range, in the order of the ranges"),),
    ("FileNotFound", "PathNotAllowed", "RangeNotAllowed"),
)

FUNCTIONS: tuple[AgentFunction, ...] = (
    GET_HOST,
    GET_MACHINE,
    GET_CHECKPOINT,
    GET_REFERENCE_POINT,
    START_CHECKPOINT,
    START_CONVERSION,
    START_CHECKPOINT_REMOVAL,
    START_REFERENCE_POINT_REMOVAL,
    GET_OPERATION,
    STOP_OPERATION,
    GET_DISK_CHANGE,
    READ_FILE,
    GET_BLOCK_HASH,
)

_PAIR = struct.Struct("<QQ")


def pack_ranges(ranges: Iterable[ByteRange]) -> bytes:
    """Ranges as offset and length pairs, unsigned 64-bit little-endian."""
    return b"".join(_PAIR.pack(r.start, r.length) for r in ranges)


def unpack_ranges(packed: bytes) -> tuple[ByteRange, ...]:
    """Inverse of `pack_ranges`; pairs of length 0 are dropped.

    Raises:
        ValueError: The bytes are not whole pairs, or a pair leaves the 63-bit range.
    """
    if len(packed) % _PAIR.size:
        raise ValueError(f"{len(packed)} bytes are not whole pairs of {_PAIR.size}")
    pairs = _PAIR.iter_unpack(packed)
    found = [(offset, length) for offset, length in pairs if length]
    if any(offset + length >= 1 << 63 for offset, length in found):
        raise ValueError("a range ends beyond 2^63")
    return tuple(ByteRange(offset, offset + length) for offset, length in found)
