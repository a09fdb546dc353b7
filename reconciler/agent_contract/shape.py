"""What functions, parameters and answers are made of, and what ranges look like on the wire."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.ranges import ByteRange

CONTRACT_VERSION = 2
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
NO_HYPER_V = "HyperVNotInstalled"
"""Id of the error of what needs Hyper-V, on a computer without it."""
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
