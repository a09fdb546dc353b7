"""R4.8, what is observed of it: where on SMB storage the disks of a machine lie."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from reconciler.model.observed import Observed
from reconciler.plan.actions import Finding, Severity
from reconciler.plan.prerequisites.looks import machines, remote_paths
from reconciler.plan.words import counted

_IPV6: Final = ".ipv6-literal.net"
"""How a path spells an IPv6 address, which may hold no colon."""


def mixed_storage(observed: Observed) -> Iterator[Finding]:
    """The disks of a machine are all local or all remote."""
    for _, machine in machines(observed):
        remote = len(remote_paths(machine))
        if not 0 < remote < len(machine.disks):
            continue
        yield Finding(
            "prerequisite.mixed_storage",
            machine.label,
            f"{remote} of its {counted(len(machine.disks), 'disk')} are on SMB shares, and the "
            "others on its host: Hyper-V does not support backups of such machines",
            "move all of its disks to the host, or all of them to file servers (Move-VMStorage)",
            Severity.WARNING,
            machine.host,
        )


def named_by_address(observed: Observed) -> Iterator[Finding]:
    """Paths of disks call a file server by its name."""
    for _, machine in machines(observed):
        servers = {path.server for path in remote_paths(machine)}
        for server in sorted(filter(is_address, servers)):
            yield Finding(
                "prerequisite.file_server_by_address",
                machine.label,
                f"its disks are on a file server that is called by its address, {server}: Hyper-V "
                "does not support that",
                "attach the disks by the server's name, as in \\\\SERVER\\share\\disk.vhdx",
                Severity.WARNING,
                machine.host,
            )


def is_address(server: str) -> bool:
    """Whether what a path calls a server is an IPv4 or IPv6 address."""
    try:
        ip_address(server)
    except ValueError:
        return server.lower().endswith(_IPV6)
    return True
