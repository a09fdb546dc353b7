"""The agent about itself: the files that it runs from."""

from reconciler.agent_contract.shape import AgentFunction, Field, Kind

GET_AGENT_FILE = AgentFunction(
    "Get-ReconcilerAgentFile",
    "The files of the agent's module, and its role capability if it is installed with one.",
    (),
    "Reconciler.AgentFile",
    (
        Field("Path", Kind.STRING, "from the module's folder on, with slashes"),
        Field("Size", Kind.LONG),
        Field("Sha256", Kind.STRING, "lower-case hexadecimal"),
    ),
)
