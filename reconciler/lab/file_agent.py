"""The agent of a file server: virtual disk files on its shares, nothing else."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from reconciler import agent_contract as contract
from reconciler.agent_contract import AgentFunction
from reconciler.lab.agent import AGENT_VERSION
from reconciler.lab.control import host_names
from reconciler.lab.file_ranges import file_not_found, hash_ranges, read_ranges
from reconciler.lab.file_server import shares
from reconciler.lab.files import replace_file
from reconciler.lab.power import computer_name
from reconciler.lab.requirements import (
    ShareEntryState,
    read_requirements,
    requirement_answer,
    set_requirement,
)
from reconciler.lab.wire.body import AgentError

FUNCTIONS: Final = (
    contract.GET_HOST,
    contract.GET_REQUIREMENT,
    contract.READ_FILE,
    contract.GET_BLOCK_HASH,
)
"""What the agent of a server without Hyper-V has."""
_REQUIREMENTS: Final = "requirements.json"
_OS_BUILD: Final = 20_348
_SUFFIXES: Final = (".vhdx", ".avhdx", ".vhd", ".avhd")


class FileServerAgent:
    """The body behind the wire of one file server; see AgentBody."""

    def __init__(self, folder: Path, booted_at: str) -> None:
        self._folder = folder
        self._booted_at = booted_at

    def invoke(
        self, function: AgentFunction, arguments: Mapping[str, object]
    ) -> Iterable[Mapping[str, object]]:
        """Answer one call; see AgentBody."""
        if function is contract.GET_HOST:
            yield self._host()
            return
        if function is contract.GET_REQUIREMENT:
            yield self._requirements(arguments)
            return
        path, packed = str(arguments["Path"]), arguments["Ranges"]
        assert isinstance(packed, bytes)  # noqa: S101 (bound by the contract)
        if function is contract.READ_FILE:
            size, data = read_ranges(self._find(path), path, packed)
            yield {"FileSize": size, "Data": data}
        else:
            yield {"Hashes": hash_ranges(self._find(path), path, packed)}

    def _host(self) -> Mapping[str, object]:
        return {
            "ComputerName": computer_name(self._folder.name),
            "OSBuild": _OS_BUILD,
            "AgentVersion": AGENT_VERSION,
            "ContractVersion": contract.CONTRACT_VERSION,
            "LastBootUpTime": self._booted_at,
            "ClusterName": "",
        }

    def set_requirement(self, name: str, text: str) -> None:
        """Set what the server has beside files; see requirements.set_requirement."""
        state = read_requirements(self._folder / _REQUIREMENTS)
        set_requirement(state, name, text)
        replace_file(self._folder / _REQUIREMENTS, state.model_dump_json().encode())

    def _requirements(self, arguments: Mapping[str, object]) -> Mapping[str, object]:
        """Shares that nobody touched give full control to each host of the lab."""
        state = read_requirements(self._folder / _REQUIREMENTS)
        hosts = [
            ShareEntryState(account=f"LAB\\{computer_name(name)}$")
            for name in host_names(self._folder.parent)
        ]
        there = {share.name.casefold() for share in shares(self._folder)}
        asked = arguments.get("Share")
        names = [str(name).casefold() for name in asked] if isinstance(asked, list) else []
        told = {n: state.share_access.get(n, hosts) for n in names if n in there}
        return requirement_answer(state, _OS_BUILD, (), told)

    def _find(self, path: str) -> Path:
        """The file of a path, looked up among those that there are: no spelling leads elsewhere."""
        for share in shares(self._folder):
            for file in share.rglob("*"):
                if file.suffix.lower() in _SUFFIXES and self._unc(file) == path.casefold():
                    return file
        if path.casefold().startswith(self._root) and path.lower().endswith(_SUFFIXES):
            raise file_not_found(path)
        text = f"{path} is no virtual disk file on a share of this server"
        raise AgentError("PathNotAllowed", text, category="PermissionDenied", target=path)

    def _unc(self, file: Path) -> str:
        steps = file.relative_to(self._folder).parts
        return (self._root + "\\".join(steps)).casefold()

    @property
    def _root(self) -> str:
        return f"\\\\{self._folder.name}\\".casefold()
