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

from reconciler.agent_contract.configuration import GET_CONFIGURATION_FILE
from reconciler.agent_contract.deeds import (
    GET_OPERATION,
    START_CHECKPOINT,
    START_CHECKPOINT_REMOVAL,
    START_CONVERSION,
    START_REFERENCE_POINT_REMOVAL,
    START_STATE_CHANGE,
    STOP_OPERATION,
)
from reconciler.agent_contract.files import (
    GET_BLOCK_HASH,
    GET_DISK_CHANGE,
    READ_FILE,
)
from reconciler.agent_contract.looks import (
    GET_CHECKPOINT,
    GET_CLUSTER,
    GET_EVENT,
    GET_HOST,
    GET_MACHINE,
    GET_REFERENCE_POINT,
    GET_VOLUME,
)
from reconciler.agent_contract.own_files import GET_AGENT_FILE
from reconciler.agent_contract.prerequisites import GET_REQUIREMENT, MAX_SHARES
from reconciler.agent_contract.recovery import (
    DISK_AT,
    MISSING_SWITCH,
    RECOVERY,
    START_CLUSTER_CHANGE,
    START_CREATION,
    START_DISK_SWAP,
    START_IMPORT,
    START_MACHINE_REMOVAL,
    START_USER_CHECKPOINT_REMOVAL,
)
from reconciler.agent_contract.shape import (
    CONTRACT_VERSION,
    ENDED,
    GUID,
    HASH_BYTES,
    MAX_EXTENTS,
    MAX_RANGES,
    MAX_READ_BYTES,
    MAX_WAIT_S,
    MODULE,
    NO_HYPER_V,
    SUCCEEDED,
    AgentFunction,
    Field,
    Kind,
    OperationState,
    Parameter,
    pack_ranges,
    unpack_ranges,
)

__all__ = [
    "CONTRACT_VERSION",
    "DISK_AT",
    "ENDED",
    "FUNCTIONS",
    "GET_AGENT_FILE",
    "GET_BLOCK_HASH",
    "GET_CHECKPOINT",
    "GET_CLUSTER",
    "GET_CONFIGURATION_FILE",
    "GET_DISK_CHANGE",
    "GET_EVENT",
    "GET_HOST",
    "GET_MACHINE",
    "GET_OPERATION",
    "GET_REFERENCE_POINT",
    "GET_REQUIREMENT",
    "GET_VOLUME",
    "GUID",
    "HASH_BYTES",
    "MAX_EXTENTS",
    "MAX_RANGES",
    "MAX_READ_BYTES",
    "MAX_SHARES",
    "MAX_WAIT_S",
    "MISSING_SWITCH",
    "MODULE",
    "NO_HYPER_V",
    "READ_FILE",
    "RECOVERY",
    "START_CHECKPOINT",
    "START_CHECKPOINT_REMOVAL",
    "START_CLUSTER_CHANGE",
    "START_CONVERSION",
    "START_CREATION",
    "START_DISK_SWAP",
    "START_IMPORT",
    "START_MACHINE_REMOVAL",
    "START_REFERENCE_POINT_REMOVAL",
    "START_STATE_CHANGE",
    "START_USER_CHECKPOINT_REMOVAL",
    "STOP_OPERATION",
    "SUCCEEDED",
    "AgentFunction",
    "Field",
    "Kind",
    "OperationState",
    "Parameter",
    "pack_ranges",
    "unpack_ranges",
]

FUNCTIONS: tuple[AgentFunction, ...] = (
    GET_HOST,
    GET_MACHINE,
    GET_CHECKPOINT,
    GET_REFERENCE_POINT,
    GET_CLUSTER,
    GET_VOLUME,
    GET_EVENT,
    GET_REQUIREMENT,
    START_CHECKPOINT,
    START_CONVERSION,
    START_CHECKPOINT_REMOVAL,
    START_REFERENCE_POINT_REMOVAL,
    START_STATE_CHANGE,
    GET_OPERATION,
    STOP_OPERATION,
    GET_DISK_CHANGE,
    READ_FILE,
    GET_BLOCK_HASH,
    *RECOVERY,
    GET_AGENT_FILE,
    GET_CONFIGURATION_FILE,
)
