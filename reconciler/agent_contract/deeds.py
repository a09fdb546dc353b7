"""Operations: what changes something, started, polled and stopped."""

from reconciler.agent_contract.shape import (
    GUID,
    MAX_WAIT_S,
    AgentFunction,
    Field,
    Kind,
    Parameter,
)

VM_ID = Parameter("VMId", Kind.STRING, "the machine", pattern=GUID)
REQUEST_ID = Parameter("RequestId", Kind.STRING, "chosen by the caller", pattern=GUID)
CHECKPOINT_ID = Parameter("CheckpointId", Kind.STRING, "a recovery checkpoint", pattern=GUID)

OPERATION = (
    Field("RequestId", Kind.STRING),
    Field("State", Kind.STRING, "name of the JobState"),
    Field("PercentComplete", Kind.INT),
    Field("ErrorCode", Kind.LONG, "0 or the code of the failure"),
    Field("ErrorDescription", Kind.STRING, "localised: for people only"),
    Field("CheckpointId", Kind.STRING, "made by this operation", is_optional=True),
    Field("ReferencePointId", Kind.STRING, "made by this operation", is_optional=True),
    Field("MadeVMId", Kind.STRING, "the machine made by this operation", is_optional=True),
    Field("Incompatibilities", Kind.STRINGS, "ids of what this host lacks: 33012 is a switch"),
)


def operation(
    name: str, synopsis: str, *parameters: Parameter, errors: tuple[str, ...]
) -> AgentFunction:
    """A function that starts an operation; the request id is its first parameter."""
    return AgentFunction(
        name,
        synopsis,
        (REQUEST_ID, *parameters),
        "Reconciler.Operation",
        OPERATION,
        errors,
        changes_something=True,
    )


START_CHECKPOINT = operation(
    "Start-ReconcilerCheckpoint",
    "Begin a recovery checkpoint.",
    VM_ID,
    Parameter("ConsistencyLevel", Kind.STRING, "what to ask", choices=("Application", "Crash")),
    Parameter("ElementName", Kind.STRING, "its name, which marks it as ours", maximum=200),
    errors=("VMNotFound", "MachineBusy"),
)
START_CONVERSION = operation(
    "Start-ReconcilerConversion",
    "Turn a recovery checkpoint into a reference point; its differencing disks merge.",
    VM_ID,
    CHECKPOINT_ID,
    errors=("VMNotFound", "CheckpointNotFound", "MachineBusy"),
)
START_CHECKPOINT_REMOVAL = operation(
    "Start-ReconcilerCheckpointRemoval",
    "Remove a recovery checkpoint; its differencing disks merge.",
    VM_ID,
    CHECKPOINT_ID,
    errors=("VMNotFound", "CheckpointNotFound", "MachineBusy"),
)
START_REFERENCE_POINT_REMOVAL = operation(
    "Start-ReconcilerReferencePointRemoval",
    "Remove a reference point.",
    VM_ID,
    Parameter("ReferencePointId", Kind.STRING, "its InstanceID", maximum=1024),
    errors=("VMNotFound", "ReferencePointNotFound", "MachineBusy"),
)
START_STATE_CHANGE = operation(
    "Start-ReconcilerStateChange",
    "Save a running machine, let one run on, or turn one off as by its switch.",
    VM_ID,
    Parameter(
        "TargetState",
        Kind.STRING,
        "the VMState to reach",
        choices=("Saved", "Running", "Off"),
    ),
    errors=("VMNotFound", "MachineBusy"),
)
GET_OPERATION = AgentFunction(
    "Get-ReconcilerOperation",
    "The state of an operation, after waiting a little for its end.",
    (
        REQUEST_ID,
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
    OPERATION,
    ("OperationNotFound",),
)
STOP_OPERATION = AgentFunction(
    "Stop-ReconcilerOperation",
    "Ask a running operation to end; one that has ended stays as it is.",
    (REQUEST_ID,),
    "Reconciler.Operation",
    OPERATION,
    ("OperationNotFound",),
    changes_something=True,
)
