"""Files of a machine's configuration, as a recovery checkpoint keeps them."""

from reconciler.agent_contract.deeds import CHECKPOINT_ID, VM_ID
from reconciler.agent_contract.shape import AgentFunction, Field, Kind

GET_CONFIGURATION_FILE = AgentFunction(
    "Get-ReconcilerConfigurationFile",
    "The configuration files of a recovery checkpoint; Read-ReconcilerFile reads them.",
    (VM_ID, CHECKPOINT_ID),
    "Reconciler.ConfigurationFile",
    (
        Field("Name", Kind.STRING, "what stands after the last backslash of its path"),
        Field("Path", Kind.STRING),
        Field(
            "FileSize",
            Kind.LONG,
            "nothing for a file that the checkpoint names and that is not there",
            is_optional=True,
        ),
    ),
    ("VMNotFound", "CheckpointNotFound", "PathNotAllowed"),
)
