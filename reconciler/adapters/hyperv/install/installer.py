"""Does the steps on one host, and tells each before it is done."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from threading import Event
from typing import Final

from reconciler.adapters.hyperv.install import deeds, steps
from reconciler.adapters.hyperv.install.administrator import Administrator, Seen
from reconciler.adapters.hyperv.install.files import CONFIGURATION_FILE, Wanted, sha256
from reconciler.adapters.hyperv.install.steps import Step, Way
from reconciler.adapters.hyperv.install.verify import Complaint
from reconciler.errors import (
    HostNotReadyError,
    HostRefusedError,
    HostUnreachableError,
    NotAllowedError,
)
from reconciler.model.names import HostName

_POLL_S: Final = 0.5
_MOST_POLLS: Final = 120
_PROBE: Final = replace(deeds.LOOK, changes_something=True)
"""A look that is not repeated in a new session: it tells that the old one is lost."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How the installer speaks with a person."""

    say: Callable[[str], None]
    confirms: Callable[[str], bool]
    is_dry: bool
    """Steps are told, and not done."""


class Installer:
    """Installs, updates and removes the agent of one host."""

    def __init__(
        self,
        host: HostName,
        configuration: str,
        administrator: Administrator,
        manners: Manners,
    ) -> None:
        self._host = host
        self._name = configuration
        self._administrator = administrator
        self._manners = manners

    def install(self, wanted: Wanted, verify: Callable[[], list[Complaint]]) -> list[Complaint]:
        """Bring the host to what is wanted; what is wrong afterwards, which is nothing mostly.

        Raises:
            HostNotReadyError: There is nothing to update.
            NotAllowedError: A restart of WinRM is needed and was not confirmed.
            HostError: The host does not answer, or refuses a step.
        """
        seen = self._administrator.look(self._name)
        if wanted.access is None and CONFIGURATION_FILE not in seen.files:
            raise HostNotReadyError(
                f"the agent is not installed on {self._host}",
                hint=f"reconciler agent install {self._host}",
            )
        todo = steps.install_steps(seen, wanted, self._name)
        self._allow(todo)
        self._all(todo, wanted)
        self._tell("verify, with the credentials of the host's policy")
        version = wanted.agent.version
        if self._manners.is_dry:
            self._all(steps.cleaning_steps(seen, version))
            return []
        complaints = verify()
        now = self._administrator.look(self._name)
        if not complaints:
            self._all(steps.cleaning_steps(now, version))
        elif todo:
            self._all(steps.undoing_steps(now, version))
        return complaints

    def remove(self) -> tuple[str, ...]:
        """Take the agent away; the files that are left in its folder, because they are not ours.

        Raises:
            HostRefusedError: The end point that is registered is not ours.
            NotAllowedError: A restart of WinRM is needed and was not confirmed.
            HostError: The host does not answer, or refuses a step.
        """
        seen = self._administrator.look(self._name)
        if seen.is_registered and CONFIGURATION_FILE not in seen.files:
            raise HostRefusedError(
                f"{self._host} has an end point {self._name}, but {seen.folder} has no "
                f"{CONFIGURATION_FILE} that it was made of: it may not be ours",
                hint=f"look at it there: Get-PSSessionConfiguration -Name {self._name}; "
                "Unregister-PSSessionConfiguration removes it",
                host=self._host,
            )
        first = steps.unregistering_steps(seen, self._name)
        self._allow(first)
        self._all([*first, *steps.removing_steps(seen)])
        left = seen if self._manners.is_dry else self._administrator.look(self._name)
        return () if self._manners.is_dry else tuple(left.files)

    def _allow(self, todo: list[Step]) -> None:
        if self._manners.is_dry or not steps.restarts(todo):
            return
        question = (
            f"WinRM on {self._host} has to restart, which ends all remote sessions there. Go on?"
        )
        if not self._manners.confirms(question):
            raise NotAllowedError(
                f"nothing was changed on {self._host}: the restart of WinRM was not confirmed",
                hint="confirm it, or give --yes",
            )

    def _all(self, todo: Iterable[Step], wanted: Wanted | None = None) -> None:
        for step in todo:
            self._tell(step.text)
            if not self._manners.is_dry:
                self._do(step, wanted)

    def _do(self, step: Step, wanted: Wanted | None) -> None:
        if step.way is Way.RESTART:
            self._restart()
        if step.way is Way.CHECK_DRAFT and wanted is not None:
            self._check_draft(wanted)
        for deed, arguments in step.calls:
            self._administrator.do(deed, arguments)

    def _check_draft(self, wanted: Wanted) -> None:
        version = wanted.agent.version
        found = steps.below(self._administrator.look(self._name), steps.draft_of(version))
        expected = {path: sha256(data) for path, data in wanted.agent.module.items()}
        if found != expected:
            paths = sorted(
                p for p in found.keys() | expected.keys() if found.get(p) != expected.get(p)
            )
            raise HostRefusedError(
                f"{self._host} has something else than was copied: {', '.join(paths[:5])}",
                hint="the same command again; if it stays so, look at what guards files there",
                host=self._host,
            )

    def _restart(self) -> Seen:
        """Restart WinRM, and wait until it is back."""
        self._administrator.do(deeds.RESTART, {})
        if not self._ended():
            raise HostUnreachableError(
                f"WinRM on {self._host} has not restarted",
                hint="on the host: Restart-Service WinRM; then the same command again",
                host=self._host,
            )
        self._administrator.close()
        for _ in range(_MOST_POLLS - 1):
            try:
                return self._administrator.look(self._name)
            except HostUnreachableError:
                Event().wait(_POLL_S)
        return self._administrator.look(self._name)

    def _ended(self) -> bool:
        """Whether the session of before was ended in time."""
        for _ in range(_MOST_POLLS):
            try:
                self._administrator.look(self._name, _PROBE)
            except HostUnreachableError:
                return True
            Event().wait(_POLL_S)
        return False

    def _tell(self, text: str) -> None:
        self._manners.say(f"would {text}" if self._manners.is_dry else text)
