"""R4.4 and R4.6: cluster shared volumes, their VSS provider and BitLocker."""

from collections.abc import Iterator
from typing import Final

from reconciler.model.machine import HostReport
from reconciler.model.observed import Observed
from reconciler.plan.actions import Finding, Severity
from reconciler.plan.prerequisites.looks import reports
from reconciler.plan.words import listed

HARDWARE: Final = 3
"""VSS_PROVIDER_TYPE. Source: hyperv-facts.md §3.4."""
_TYPES: Final = {1: "system", 2: "software", 3: "hardware", 4: "file share"}


def hardware_provider(observed: Observed) -> Iterator[Finding]:
    """A host with machines on cluster shared volumes has a VSS hardware provider."""
    for report in reports(observed):
        used = _used(report)
        if report.requirements is None or not used:
            continue
        types = report.requirements.vss_providers
        if HARDWARE in types:
            continue
        told = listed(sorted({_TYPES.get(kind, f"type {kind}") for kind in types}))
        yield Finding(
            "prerequisite.hardware_provider",
            report.facts.name,
            f"no VSS hardware provider is installed on it; it has {told or 'none at all'}, and "
            f"machines on {listed(used)}",
            "install the VSS hardware provider of the storage's vendor; with the software provider "
            "backups on one volume should not run side by side",
            Severity.WARNING,
            report.facts.name,
        )


def encrypted_volumes(observed: Observed) -> Iterator[Finding]:
    """What BitLocker on cluster shared volumes means for whoever restarts a host."""
    for report in reports(observed):
        encrypted = [v.path for v in report.volumes if v.is_cluster_shared and v.is_encrypted]
        if encrypted:
            yield Finding(
                "prerequisite.bitlocker",
                report.facts.name,
                f"BitLocker is on for {listed(sorted(encrypted))}",
                "nothing has to be done; after a restart of this host the replicas of its machines "
                "there are checked, or an alert has the command where the group says by hand",
                Severity.INFO,
                report.facts.name,
            )


def _used(report: HostReport) -> list[str]:
    """Shared volumes that disks of the machines lie on."""
    paths = [disk.path.lower() for machine in report.machines for disk in machine.disks]
    shared = (volume.path for volume in report.volumes if volume.is_cluster_shared)
    return sorted(v for v in shared if any(path.startswith(v.lower()) for path in paths))
