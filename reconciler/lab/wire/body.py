"""The seam between the wire and what plays the host."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from reconciler.agent_contract import AgentFunction


class AgentError(Exception):
    """A terminating error of a function: it ends the call, and the caller sees its id."""

    def __init__(
        self,
        error_id: str,
        message: str,
        *,
        category: str = "NotSpecified",
        target: str | None = None,
    ) -> None:
        super().__init__(message)
        self.error_id = error_id
        self.message = message
        self.category = category
        self.target = target


class AgentBody(Protocol):
    """The functions of the agent, without their wire. Called from several threads at once."""

    def invoke(
        self, function: AgentFunction, arguments: Mapping[str, object]
    ) -> Iterable[Mapping[str, object]]:
        """Answers of one call.

        Shape: `arguments` are bound: every mandatory parameter is there, and each value has the
        Python type of its kind (str, int, bool, bytes, list of str). Each answer has the fields
        that the function declares.

        Raises:
            AgentError: The call ends with this error.
        """
        ...
