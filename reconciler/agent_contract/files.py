"""Bytes of virtual disk files: what changed, what they are, what they hash to."""

from reconciler.agent_contract.shape import (
    MAX_READ_BYTES,
    NO_HYPER_V,
    AgentFunction,
    Field,
    Kind,
    Parameter,
)

PATH = Parameter("Path", Kind.STRING, "a file of a machine's disk or configuration", maximum=32_767)
RANGES = Parameter(
    "Ranges", Kind.BYTES, "offset and length pairs, 16 bytes each", minimum=16, maximum=16 * 4096
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
    ("DiskNotFound", "TrackingUnknown", NO_HYPER_V),
)
READ_FILE = AgentFunction(
    "Read-ReconcilerFile",
    f"Ranges of a virtual disk file, joined; at most {MAX_READ_BYTES >> 20} MiB in all.",
    (PATH, RANGES),
    "Reconciler.FileBytes",
    (Field("FileSize", Kind.LONG), Field("Data", Kind.BYTES, "the ranges one after the other")),
    ("FileNotFound", "PathNotAllowed", "RangeNotAllowed", NO_HYPER_V),
)
GET_BLOCK_HASH = AgentFunction(
    "Get-ReconcilerBlockHash",
    "SHA-256 of each of some ranges of a virtual disk file.",
    (PATH, RANGES),
    "Reconciler.BlockHash",
    (Field("Hashes", Kind.BYTES, "32 bytes a range, in the order of the ranges"),),
    ("FileNotFound", "PathNotAllowed", "RangeNotAllowed", NO_HYPER_V),
)
