"""What a host, and the file servers of its machines' disks, have beside machines."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from reconciler import agent_contract as contract
from reconciler.adapters.file_servers import FileServers
from reconciler.adapters.hyperv.calls import AgentCalls
from reconciler.adapters.hyperv.decode import (
    Answer,
    Decoder,
    number_of,
    objects_of,
    text_of,
    texts_of,
)
from reconciler.errors import HostRefusedError
from reconciler.model.machine import HostReport
from reconciler.model.requirements import MachineRequirements, Requirements, ShareEntry
from reconciler.model.unc import unc_path

MOST_SERVERS: Final = 16
"""File servers that one host's disks are looked up on; whatever it tells, a look must end."""
_PATTERNS: Final = frozenset("*?[]`")
"""Signs that PowerShell does not take as they are in a name."""


def with_requirements_of(report: HostReport, calls: AgentCalls, servers: FileServers) -> HostReport:
    """The report with what else there is; a host whose agent cannot tell keeps its report."""
    try:
        found = requirements(calls, ())
    except HostRefusedError:
        return report
    looks = {
        server: servers.look(server, shares)
        for server, shares in list(_shares(report).items())[:MOST_SERVERS]
    }
    return replace(report, requirements=found, file_servers=looks)


def requirements(calls: AgentCalls, shares: Sequence[str]) -> Requirements:
    """What one computer tells of itself and of these shares of it."""
    named = list(shares[: contract.MAX_SHARES])
    arguments: dict[str, object] = {"Share": named} if named else {}
    return decoded(*calls.one(contract.GET_REQUIREMENT, **arguments))


def decoded(decoder: Decoder, answer: Answer) -> Requirements:
    """One answer that keeps the contract."""
    types = texts_of(answer, "VssProviderTypes")
    if not all(re.fullmatch(r"[0-9]{1,10}", kind) for kind in types):
        raise decoder.broken("a type of a VSS provider is no number")
    return Requirements(
        vss_providers=tuple(map(int, types)),
        has_automount=number_of(answer, "NoAutoMount") == 0,
        chimney=text_of(answer, "Chimney"),
        integration_version=text_of(answer, "IntegrationServicesVersion"),
        file_server_agent=text_of(answer, "FileServerVssAgent"),
        share_entries=tuple(_entry(each) for each in objects_of(answer, "ShareAccess")),
        machines={
            decoder.vm_id(each): MachineRequirements(
                number_of(each, "ScsiControllers"), text_of(each, "IntegrationServicesVersion")
            )
            for each in objects_of(answer, "Machines")
        },
    )


def _entry(answer: Answer) -> ShareEntry:
    return ShareEntry(
        text_of(answer, "Share"),
        text_of(answer, "AccountName"),
        text_of(answer, "AccessControlType"),
        text_of(answer, "AccessRight"),
    )


def _shares(report: HostReport) -> dict[str, list[str]]:
    """The file servers of the machines' disks with their shares, in lower case."""
    found: dict[str, list[str]] = {}
    for machine in report.machines:
        for disk in machine.disks:
            path = unc_path(disk.path)
            if path is None or not path.share or _PATTERNS.intersection(path.share):
                continue
            shares = found.setdefault(path.server.casefold(), [])
            if path.share.casefold() not in shares:
                shares.append(path.share.casefold())
    return found
