"""What a host or a file server tells of what backups need, beside its machines."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.model.names import VmId


@dataclass(frozen=True, slots=True)
class ShareEntry:
    """One entry of the access list of a share; texts are enum names, but for the account."""

    share: str
    account: str
    kind: str
    """Allow or Deny."""
    right: str
    """Full, Change, Read or Custom."""


@dataclass(frozen=True, slots=True)
class MachineRequirements:
    """What of a machine is asked seldom."""

    scsi_controllers: int
    integration_version: str
    """Of its integration services; empty or 0.0 where Hyper-V does not know it."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """What one computer tells."""

    vss_providers: tuple[int, ...] = ()
    """Types of its VSS providers: 1 system, 2 software, 3 hardware, 4 file share."""
    has_automount: bool = True
    chimney: str = ""
    """Enabled, Disabled or Automatic; empty where Windows has no TCP chimney."""
    integration_version: str = ""
    """Of the integration services that the host has for its machines; empty when not known."""
    file_server_agent: str = ""
    """InstallState of the File Server VSS Agent service; empty when not known."""
    share_entries: tuple[ShareEntry, ...] = ()
    """Of the shares that were asked about."""
    machines: Mapping[VmId, MachineRequirements] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileServerLook:
    """What a file server told, or why it told nothing."""

    facts: Requirements | None
    problem: str = ""
