"""The files that make an end point of the contract: role capability and session configurations.

One table gives them all, so a function that joins the contract is in them without a further edit.
What a host may not know before it is installed (who may connect, as whom the agent runs) is handed
in.

Source: hyperv-facts.md §5.1. PowerShell looks for a role capability in the folder of a module and
not in those of its versions.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid5

from reconciler.agent_contract.shape import MODULE, AgentFunction, Parameter

ROLE: Final = MODULE
"""Name of the role capability."""
DEFAULT_COMMANDS: Final = frozenset(
    {
        "Clear-Host",
        "Exit-PSSession",
        "Get-Command",
        "Get-FormatData",
        "Get-Help",
        "Measure-Object",
        "Out-Default",
        "Select-Object",
    }
)
"""What a restricted session offers by itself.

Source: hyperv-facts.md §5.1.
"""
_NAMESPACE: Final = UUID("6f0c1f0e-6f2b-4a50-9d5c-0a5ad3f6c7f1")
_QUOTES: Final = re.compile("(['\u2018\u2019\u201a\u201b])")
"""All of them end a text in single quotes."""

Data = str | bool | Sequence["Data"] | Mapping[str, "Data"]
"""What a PowerShell data file holds."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use an end point, and as whom the agent runs on its host."""

    accounts: tuple[str, ...]
    """Accounts and groups, as DOMAIN\\name."""
    group_managed_account: str = ""
    """The account to run as; a virtual account if empty."""
    virtual_account_groups: tuple[str, ...] = ()
    """Local groups of the virtual account; the administrators if empty."""
    required_groups: tuple[str, ...] = ()
    """Groups that who connects must be in, all of them."""
    transcripts: str = ""
    """Folder on the host that is told of every session; none if empty."""


def role_capability(functions: Iterable[AgentFunction]) -> str:
    """Text of the .psrc file: what a session may call, with which parameters.

    The newest version of the module is imported: a restricted session cannot look for another one,
    because that asks for Get-Module, which it lacks.
    """
    return _with_id({"ModulesToImport": MODULE, "VisibleFunctions": visible(functions)})


def session_configuration(access: Access) -> str:
    """Text of the .pssc file that a host registers."""
    data: dict[str, Data] = dict(_RESTRICTED)
    if access.group_managed_account:
        data["GroupManagedServiceAccount"] = access.group_managed_account
    else:
        data["RunAsVirtualAccount"] = True
        if access.virtual_account_groups:
            data["RunAsVirtualAccountGroups"] = access.virtual_account_groups
    role: Mapping[str, Data] = {"RoleCapabilities": [ROLE]}
    data["RoleDefinitions"] = dict.fromkeys(access.accounts, role)
    if access.required_groups:
        data["RequiredGroups"] = {"And": access.required_groups}
    if access.transcripts:
        data["TranscriptDirectory"] = access.transcripts
    return _with_id(data)


def flat_configuration(functions: Iterable[AgentFunction], modules: Sequence[str]) -> str:
    """Text of a .pssc file that says itself what a role capability would make visible.

    `pwsh -s -ConfigurationFile` takes it, which refuses role definitions.
    """
    more = {"ModulesToImport": modules, "VisibleFunctions": visible(functions)}
    return _with_id({**_RESTRICTED, **more})


def visible(functions: Iterable[AgentFunction]) -> list[Data]:
    """The entries of VisibleFunctions: names, with the parameters of those that have any."""
    return [
        {"Name": each.name, "Parameters": [_restricted(p) for p in each.parameters]}
        if each.parameters
        else each.name
        for each in functions
    ]


_RESTRICTED: Final[Mapping[str, Data]] = {
    "SchemaVersion": "2.0.0.0",
    "SessionType": "RestrictedRemoteServer",
    "LanguageMode": "NoLanguage",
}


def _restricted(parameter: Parameter) -> dict[str, Data]:
    """A parameter; of a pattern and a set PowerShell would only look at the pattern."""
    if parameter.pattern:
        return {"Name": parameter.name, "ValidatePattern": parameter.pattern}
    if parameter.choices:
        return {"Name": parameter.name, "ValidateSet": parameter.choices}
    return {"Name": parameter.name}


def _with_id(data: Mapping[str, Data]) -> str:
    """The text of a file, whose id follows from what it says."""
    identity = str(uuid5(_NAMESPACE, _text(data, 0)))
    return _text({"GUID": identity, **data}, 0) + "\n"


def _text(value: Data, depth: int) -> str:
    inner, outer = "    " * (depth + 1), "    " * depth
    match value:
        case bool():
            return "$true" if value else "$false"
        case str():
            return _quoted(value)
        case Mapping():
            lines = (f"{inner}{_key(k)} = {_text(v, depth + 1)}\n" for k, v in value.items())
            return f"@{{\n{''.join(lines)}{outer}}}"
        case _ if all(isinstance(each, str) for each in value):
            return f"@({', '.join(_text(each, depth) for each in value)})"
        case _:
            lines = (f"{inner}{_text(each, depth + 1)}\n" for each in value)
            return f"@(\n{''.join(lines)}{outer})"


def _key(name: str) -> str:
    return name if name.isascii() and name.isidentifier() else _quoted(name)


def _quoted(text: str) -> str:
    return "'" + _QUOTES.sub(r"\1\1", text) + "'"
