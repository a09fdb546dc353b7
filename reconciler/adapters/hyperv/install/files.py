"""What a host is to have: the module of this version, its role capability, its end point."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.adapters.hyperv.agent import FOLDER, MANIFEST
from reconciler.agent_contract import FUNCTIONS
from reconciler.agent_contract.jea import ROLE, Access, role_capability, session_configuration

ROLE_FILE: Final = f"RoleCapabilities/{ROLE}.psrc"
CONFIGURATION_FILE: Final = "ReconcilerAgent.pssc"
_ENDINGS: Final = frozenset({".ps1", ".psd1", ".psm1"})
_MARK: Final = "utf-8-sig"
"""Windows PowerShell 5.1 reads a file without a mark in the host's code page."""


@dataclass(frozen=True, slots=True)
class ModuleVersion:
    """One version of the module, with its role capability."""

    version: str
    module: Mapping[str, bytes]
    """Its files, by the path in the folder of the version."""
    role: bytes

    def hashes(self) -> dict[str, str]:
        """SHA-256 of what Get-ReconcilerAgentFile is to tell."""
        told = {**self.module, ROLE_FILE: self.role}
        return {path: sha256(data) for path, data in told.items()}


def this_version() -> ModuleVersion:
    """The version that this reconciler brings."""
    module = {
        path.relative_to(FOLDER).as_posix(): path.read_bytes()
        for path in sorted(FOLDER.rglob("*"))
        if path.suffix in _ENDINGS
    }
    found = re.search(r"ModuleVersion = '([0-9.]+)'", MANIFEST.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{MANIFEST} names no version")
    version = found[1]
    return ModuleVersion(version, module, role_capability(FUNCTIONS).encode(_MARK))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a host is to have."""

    agent: ModuleVersion
    access: Access | None
    """None: the end point stays as it is registered."""

    def configuration(self) -> bytes | None:
        """The file that is registered; None if the host's own stays."""
        return None if self.access is None else session_configuration(self.access).encode(_MARK)


def sha256(data: bytes) -> str:
    """Of some bytes, in lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()
