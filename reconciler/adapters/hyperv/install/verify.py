"""What is wrong with the agent of a host, asked with the credentials of its policy."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from reconciler.adapters.hyperv.install.files import ModuleVersion
from reconciler.adapters.hyperv.session import AgentFailure, AgentSession
from reconciler.agent_contract import (
    CONTRACT_VERSION,
    FUNCTIONS,
    GET_AGENT_FILE,
    GET_HOST,
    AgentFunction,
)
from reconciler.agent_contract.jea import DEFAULT_COMMANDS
from reconciler.errors import HostError
from reconciler.model.names import HostName

SCRIPT: Final = AgentFunction("a script", "What no restricted session runs.", (), "", ())
PROBES: Final = {SCRIPT.name: "[pscustomobject] @{ Runs = $true }"}
_DEADLINE_S: Final = 60.0
_GET_COMMAND: Final = AgentFunction("Get-Command", "What may be called.", (), "", ())
_GET_PROCESS: Final = AgentFunction("Get-Process", "What may not be called.", (), "", ())
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that is wrong, and what helps."""

    text: str
    remedy: str


class Verifier:
    """Looks at one host's agent; the session is made with `PROBES` as its scripts."""

    def __init__(self, host: HostName, session: AgentSession, agent: ModuleVersion) -> None:
        self._host = host
        self._session = session
        self._agent = agent
        self._update = f"reconciler agent update {host}"

    def complaints(self) -> list[Complaint]:
        """All that is wrong."""
        try:
            return [*self._versions(), *self._commands(), *self._language(), *self._files()]
        except HostError as error:
            return [Complaint(error.message, error.hint)]
        except AgentFailure as failure:
            return [Complaint(f"{self._host}: {failure}", self._update)]
        finally:
            self._session.close()

    def _versions(self) -> Iterator[Complaint]:
        for answer in self._ask(GET_HOST):
            has, speaks = answer.get("AgentVersion"), answer.get("ContractVersion")
            if has != self._agent.version or speaks != CONTRACT_VERSION:
                text = (
                    f"the agent is version {has} (contract {speaks}), "
                    f"and not {self._agent.version} ({CONTRACT_VERSION})"
                )
                yield Complaint(text, self._update)

    def _commands(self) -> Iterator[Complaint]:
        listed = {str(each.get("Name")) for each in self._ask(_GET_COMMAND)} - DEFAULT_COMMANDS
        contract = {function.name for function in FUNCTIONS}
        if missing := contract - listed:
            yield Complaint(f"the end point does not offer {_listed(missing)}", self._update)
        if more := listed - contract:
            text = f"the end point offers more than the contract: {_listed(more)}"
            yield Complaint(text, self._update)

    def _language(self) -> Iterator[Complaint]:
        for what, refusals in (
            (SCRIPT, {"ScriptsNotAllowed"}),
            (_GET_PROCESS, {"CommandNotFoundException"}),
        ):
            try:
                self._ask(what)
                told = "runs it"
            except AgentFailure as failure:
                if failure.error_id in refusals:
                    continue
                told = failure.error_id
            text = f"the end point is to refuse {what.name}, and does not ({told})"
            yield Complaint(text, f"register it anew: reconciler agent install {self._host}")

    def _files(self) -> Iterator[Complaint]:
        found = {str(a.get("Path")): str(a.get("Sha256")) for a in self._ask(GET_AGENT_FILE)}
        wanted = self._agent.hashes()
        for paths, what in (
            (wanted.keys() - found.keys(), "are not there"),
            (found.keys() - wanted.keys(), "do not belong to the agent"),
            ({p for p in wanted.keys() & found.keys() if wanted[p] != found[p]}, "differ"),
        ):
            if paths:
                yield Complaint(f"files of the agent {what}: {_listed(paths)}", self._update)

    def _ask(self, function: AgentFunction) -> list[dict[str, object]]:
        return self._session.call(function, {}, deadline_s=_DEADLINE_S)


def _listed(names: set[str]) -> str:
    shown = sorted(names)[:_SHOWN]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(shown) + more
