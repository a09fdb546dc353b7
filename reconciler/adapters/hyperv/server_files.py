"""Files of a file server that has a protection agent of its own: hashes are computed there."""

from collections.abc import Sequence

from reconciler.adapters.hyperv.calls import AgentCalls
from reconciler.adapters.hyperv.host_file import HostFile
from reconciler.adapters.hyperv.requirements import requirements
from reconciler.model.requirements import Requirements
from reconciler.ports import RandomAccess


class AgentFiles:
    """The files of one server over one session with its agent, for one thread."""

    def __init__(self, calls: AgentCalls) -> None:
        self._calls = calls

    def open(self, path: str) -> RandomAccess:
        """A file by its UNC path; nothing is read yet."""
        return HostFile(self._calls, path)

    def requirements(self, shares: Sequence[str]) -> Requirements:
        """What the server and these shares have."""
        return requirements(self._calls, shares)

    def close(self) -> None:
        """End the session; never raises."""
        self._calls.session.close()
