"""What a host or a file server of a lab has beside machines, and the switches for it."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from reconciler.errors import ItemNotFoundError, SettingsError

SERVER_2016: Final = 14_393
OLD_VERSION: Final = "6.3.9600.19456"
"""Of integration services on Windows Server 2012 R2; from 2016 on Hyper-V shows 0.0."""
NO_VERSION: Final = "0.0"
_CHIMNEY: Final = ("Enabled", "Disabled", "Automatic", "")
_INSTALL_STATES: Final = ("Installed", "Available", "Removed", "")
_KINDS: Final = ("Allow", "Deny")
_RIGHTS: Final = ("Full", "Change", "Read", "Custom")


class ShareEntryState(BaseModel):
    """One entry of a share's access list."""

    model_config = ConfigDict(extra="forbid")

    account: str
    kind: str = "Allow"
    right: str = "Full"


class RequirementState(BaseModel):
    """What one computer has; a new one has all that backups need."""

    model_config = ConfigDict(extra="forbid")

    vss_providers: list[int] = Field(default_factory=lambda: [1, 2, 3])
    no_auto_mount: int = 0
    chimney: str = "Disabled"
    integration_version: str | None = None
    """None: what the host's build has."""
    file_server_agent: str = "Installed"
    share_access: dict[str, list[ShareEntryState]] = Field(default_factory=dict)
    """By the name of the share; none for a share that was never touched."""


def requirement_answer(
    state: RequirementState,
    os_build: int,
    machines: Iterable[Mapping[str, object]],
    shares: Mapping[str, list[ShareEntryState]],
) -> dict[str, object]:
    """Reconciler.Requirement, of the shares that were asked about."""
    return {
        "VssProviderTypes": [str(kind) for kind in state.vss_providers],
        "NoAutoMount": state.no_auto_mount,
        "Chimney": state.chimney,
        "IntegrationServicesVersion": host_version(state, os_build),
        "FileServerVssAgent": state.file_server_agent if shares else "",
        "Machines": list(machines),
        "ShareAccess": [
            {
                "Share": share,
                "AccountName": entry.account,
                "AccessControlType": entry.kind,
                "AccessRight": entry.right,
            }
            for share, entries in shares.items()
            for entry in entries
        ],
    }


def host_version(state: RequirementState, os_build: int) -> str:
    """The integration services that a host has for its machines; later builds have none."""
    if state.integration_version is not None:
        return state.integration_version
    return OLD_VERSION if os_build < SERVER_2016 else ""


def guest_version(os_build: int) -> str:
    """What Hyper-V shows of those in a machine that nobody touched."""
    return OLD_VERSION if os_build < SERVER_2016 else NO_VERSION


def set_requirement(state: RequirementState, name: str, text: str) -> None:
    """Set one property from its text; lists are separated by commas.

    Raises:
        ItemNotFoundError: There is no such property.
        SettingsError: The text is no value of it.
    """
    first, _, share = name.partition(".")
    if first == "ShareAccess" and share:
        state.share_access[share.casefold()] = [_entry(p) for p in text.split(",") if p]
        return
    setter = _SETTERS.get(name)
    if setter is None:
        known = ", ".join((*_SETTERS, "ShareAccess.SHARE"))
        raise ItemNotFoundError(f"{name} is no property of a host", hint=f"one of {known}")
    setter(state, text)


def _entry(text: str) -> ShareEntryState:
    account, kind, right = (*text.split(":"), "Allow", "Full")[:3]
    return ShareEntryState(
        account=account,
        kind=_one_of("ShareAccess", kind, _KINDS),
        right=_one_of("ShareAccess", right, _RIGHTS),
    )


def _one_of(name: str, text: str, choices: tuple[str, ...]) -> str:
    if text not in choices:
        raise SettingsError(f"{name}: {text} is none", hint=f"one of {', '.join(choices)}")
    return text


def _number(name: str, text: str) -> int:
    if not text.isdecimal():
        raise SettingsError(f"{name}: {text} is no number", hint="give one")
    return int(text)


def _set_providers(state: RequirementState, text: str) -> None:
    state.vss_providers = [_number("VssProviders", part) for part in text.split(",") if part]


def _set_automount(state: RequirementState, text: str) -> None:
    state.no_auto_mount = _number("NoAutoMount", text)


def _set_chimney(state: RequirementState, text: str) -> None:
    state.chimney = _one_of("Chimney", text, _CHIMNEY)


def _set_version(state: RequirementState, text: str) -> None:
    state.integration_version = text


def _set_agent(state: RequirementState, text: str) -> None:
    state.file_server_agent = _one_of("FileServerVssAgent", text, _INSTALL_STATES)


_SETTERS: Final[Mapping[str, Callable[[RequirementState, str], None]]] = {
    "VssProviders": _set_providers,
    "NoAutoMount": _set_automount,
    "Chimney": _set_chimney,
    "IntegrationServicesVersion": _set_version,
    "FileServerVssAgent": _set_agent,
}


def read_requirements(path: Path) -> RequirementState:
    """What a file server's document says; of one that has none, what a new one has."""
    try:
        return RequirementState.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return RequirementState()
