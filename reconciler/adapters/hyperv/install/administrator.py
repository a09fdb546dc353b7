"""A session as the administrator of a host, at the end point that Windows itself has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.adapters.hyperv.install.deeds import LOOK, scripts
from reconciler.adapters.hyperv.session import AgentFailure, AgentSession, EndPoint
from reconciler.agent_contract import AgentFunction
from reconciler.errors import HostNotReadyError, HostRefusedError

CONFIGURATION: Final = "Microsoft.PowerShell"
DEADLINE_S: Final = 120.0
_LEAST: Final = (5, 1)
MAX_FILES: Final = 4000


@dataclass(frozen=True, slots=True)
class Seen:
    """What a host has."""

    folder: str
    files: Mapping[str, str]
    """SHA-256 by the path in the agent's folder."""
    is_registered: bool
    registered_sha256: str


class Administrator:
    """Runs the deeds on one host. The password is nowhere but in its session."""

    def __init__(self, end_point: EndPoint, password: str) -> None:
        self._end_point = end_point
        self._session = AgentSession(end_point, password, scripts())

    def look(self, configuration: str, deed: AgentFunction = LOOK) -> Seen:
        """What is there.

        Raises:
            HostNotReadyError: The host's PowerShell is too old.
            HostError: It does not answer, or refuses.
        """
        (found,) = self._answers(deed, {"Name": configuration}, 1)
        version = str(found.get("PowerShellVersion"))
        if _parsed(version) < _LEAST:
            raise HostNotReadyError(
                f"{self._end_point.host} has PowerShell {version}, and the agent needs 5.1",
                hint="install Windows Management Framework 5.1 there",
            )
        files = found.get("Files")
        listed = (
            [each for each in files if isinstance(each, dict)] if isinstance(files, list) else []
        )
        return Seen(
            folder=str(found.get("Folder")),
            files={str(each.get("Path")): str(each.get("Sha256")) for each in listed[:MAX_FILES]},
            is_registered=found.get("IsRegistered") is True,
            registered_sha256=str(found.get("RegisteredSha256")),
        )

    def do(self, deed: AgentFunction, arguments: Mapping[str, object]) -> None:
        """One deed.

        Raises:
            HostError: It was not done, or nobody knows.
        """
        self._answers(deed, arguments, None)

    def close(self) -> None:
        """End the session."""
        self._session.close()

    def _answers(
        self, deed: AgentFunction, arguments: Mapping[str, object], count: int | None
    ) -> list[dict[str, object]]:
        host = self._end_point.host
        try:
            found = self._session.call(deed, arguments, deadline_s=DEADLINE_S)
        except AgentFailure as failure:
            raise HostRefusedError(
                f"{host} did not do {deed.name}: {failure.text}",
                hint="look at the reason; then the same command again, which goes on from here",
                host=host,
            ) from failure
        except HostRefusedError as error:
            if "did not let" not in error.message and "denies access" not in error.message:
                raise
            raise HostRefusedError(
                error.message,
                hint="check --user and the password: it has to be an administrator of the host",
                host=host,
            ) from error
        if count is not None and len(found) != count:
            raise HostRefusedError(
                f"{host} gave {len(found)} answers to {deed.name}",
                hint=f"check that {CONFIGURATION} there is the end point that Windows has",
                host=host,
            )
        return found


def _parsed(version: str) -> tuple[int, ...]:
    numbers = version.partition("-")[0].split(".")[:2]
    return tuple(int(each) for each in numbers) if all(n.isdecimal() for n in numbers) else (0,)
