"""R4.7: what hosts and file servers of SMB storage must have."""

from collections.abc import Iterator, Sequence
from typing import Final

from reconciler.model.machine import HostReport
from reconciler.model.observed import Observed
from reconciler.model.requirements import Requirements, ShareEntry
from reconciler.plan.actions import Finding, Severity
from reconciler.plan.prerequisites.looks import reports, shares
from reconciler.plan.words import listed

_NO_CHIMNEY: Final = frozenset({"", "Disabled"})
_INSTALLED: Final = "Installed"
_FULL: Final = "Full"
_DENY: Final = "Deny"


def automount(observed: Observed) -> Iterator[Finding]:
    """Hosts with disks on SMB shares mount new volumes by themselves."""
    for report, asked in _with_smb(observed):
        if not asked.has_automount:
            yield Finding(
                "prerequisite.automount",
                report.facts.name,
                "automount is off (NoAutoMount is set), and machines on it have disks on SMB "
                "shares",
                "switch it on: mountvol /E",
                Severity.WARNING,
                report.facts.name,
            )


def chimney(observed: Observed) -> Iterator[Finding]:
    """Hosts with disks on SMB shares do not offload TCP connections."""
    for report, asked in _with_smb(observed):
        if asked.chimney not in _NO_CHIMNEY:
            yield Finding(
                "prerequisite.tcp_chimney",
                report.facts.name,
                f"TCP chimney offload is {asked.chimney}, and machines on it have disks on SMB "
                "shares",
                "switch it off: Set-NetOffloadGlobalSetting -Chimney Disabled",
                Severity.WARNING,
                report.facts.name,
            )


def file_servers(observed: Observed) -> Iterator[Finding]:
    """File servers have the VSS agent service, and shares that every host may write to.

    What several hosts would tell of one server is told once.
    """
    found: dict[tuple[str, str, str], Finding] = {}
    for each in _of_file_servers(observed):
        found.setdefault((each.code, each.about, each.message), each)
    yield from found.values()


def _of_file_servers(observed: Observed) -> Iterator[Finding]:
    for report in reports(observed):
        for server, names in sorted(shares(report).items()):
            look = report.file_servers.get(server)
            if look is None or look.facts is None:
                if report.requirements is not None:
                    yield _not_looked_at(report, server, look.problem if look else "")
                continue
            yield from _agent_service(report, server, look.facts)
            for share in sorted(names):
                entries = [e for e in look.facts.share_entries if e.share.casefold() == share]
                for account in _accounts(report):
                    yield from _access(report, f"\\\\{server}\\{share}", account, entries)


def _with_smb(observed: Observed) -> Iterator[tuple[HostReport, Requirements]]:
    for report in reports(observed):
        if report.requirements is not None and shares(report):
            yield report, report.requirements


def _accounts(report: HostReport) -> list[str]:
    """The computer accounts of the hosts that may run the machines; lower case, no domain."""
    nodes = report.cluster.node_states if report.cluster is not None else ()
    names = {report.facts.computer_name.lower(), *(node.lower() for node in nodes)}
    return sorted(f"{name.split('.')[0]}$" for name in names if name)


def _not_looked_at(report: HostReport, server: str, problem: str) -> Finding:
    return Finding(
        "prerequisite.file_server_unknown",
        server,
        "machines have disks on it, and what they need there could not be looked at: "
        f"{problem or 'it was not asked'}",
        "look there yourself: Get-SmbShareAccess shows full control for each host's computer "
        "account, Get-WindowsFeature FS-VSS-Agent is installed; or describe it by a FileServer "
        "policy with 'through: agent'",
        Severity.INFO,
        report.facts.name,
    )


def _agent_service(report: HostReport, server: str, facts: Requirements) -> Iterator[Finding]:
    if facts.file_server_agent in {"", _INSTALLED}:
        return
    yield Finding(
        "prerequisite.file_server_agent",
        server,
        f"machines have disks on it, and its File Server VSS Agent Service is not installed "
        f"({facts.file_server_agent})",
        "install it on that server: Install-WindowsFeature FS-VSS-Agent",
        Severity.WARNING,
        report.facts.name,
    )


def _access(
    report: HostReport, share: str, account: str, entries: Sequence[ShareEntry]
) -> Iterator[Finding]:
    own = [e for e in entries if e.account.rpartition("\\")[2].casefold() == account]
    full = [e for e in entries if (e.kind, e.right) == ("Allow", _FULL)]
    is_denied = any(entry.kind == _DENY for entry in own)
    if not entries or (any(entry in full for entry in own) and not is_denied):
        return
    # Whether an account is in a group, and which group is everybody, no access list tells.
    groups = sorted({e.account for e in full if not e.account.endswith("$")})
    is_unsure = bool(groups) and not is_denied
    told = listed(sorted(f"{e.account} {e.kind} {e.right}" for e in entries))
    more = f"; it may have it as a member of {listed(groups)}" if is_unsure else ""
    yield Finding(
        "prerequisite.share_access",
        share,
        f"the computer account {account.upper()} has no full control by its own name: {told}{more}",
        f"grant it on the share and its folder: Grant-SmbShareAccess -AccountName "
        f"DOMAIN\\{account.upper()} -AccessRight Full",
        Severity.INFO if is_unsure else Severity.WARNING,
        report.facts.name,
    )
