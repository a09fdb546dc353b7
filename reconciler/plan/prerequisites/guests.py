"""R4.1 and R4.3: integration services, and the SCSI controller of Windows Server 2012 R2."""

from collections.abc import Iterator
from typing import Final

from reconciler.model.observed import Observed
from reconciler.plan.actions import Finding, Severity
from reconciler.plan.consistency import VSS_COMPONENT
from reconciler.plan.prerequisites.looks import machines
from reconciler.plan.tracking import SERVER_2016

_RUNNING: Final = "Running"
_NOT_TOLD: Final = frozenset({"", "0.0"})


def vss_service(observed: Observed) -> Iterator[Finding]:
    """From Server 2016 on, the backup service of a running machine is enabled and well."""
    for report, machine in machines(observed):
        if report.facts.os_build < SERVER_2016 or machine.state != _RUNNING:
            continue
        found = [s for s in machine.integration_services if s.component_id == VSS_COMPONENT]
        if any(service.is_enabled and service.status == "Ok" for service in found):
            continue
        told = "; ".join(
            f"{'enabled' if s.is_enabled else 'switched off'}, it reports {s.status}" for s in found
        )
        yield Finding(
            "prerequisite.integration_services",
            machine.label,
            "its integration service Backup (volume shadow copy) is not at work: "
            f"{told or 'it is not there'}",
            "enable it in the machine's settings under Integration Services, and see that it runs "
            "in the guest: vmicvss on Windows, hv_vss_daemon on Linux",
            Severity.WARNING,
            machine.host,
        )


def integration_versions(observed: Observed) -> Iterator[Finding]:
    """Before Server 2016, the integration services in a running machine are as new as its host's.

    What either side does not tell is unknown; a guest that is off tells nothing.
    """
    for report, machine in machines(observed):
        asked = report.requirements
        if asked is None or report.facts.os_build >= SERVER_2016 or machine.state != _RUNNING:
            continue
        told = asked.machines.get(machine.id)
        here = told.integration_version if told is not None else ""
        if {here, asked.integration_version} & _NOT_TOLD or here == asked.integration_version:
            continue
        yield Finding(
            "prerequisite.integration_version",
            machine.label,
            f"its integration services have version {here}, those of its host "
            f"{asked.integration_version}",
            "update them in the guest: insert the integration services setup disk, or Windows "
            "Update",
            Severity.WARNING,
            machine.host,
        )


def scsi_controllers(observed: Observed) -> Iterator[Finding]:
    """On Windows Server 2012 R2 a machine without SCSI controller cannot be backed up running."""
    for report, machine in machines(observed):
        if report.requirements is None or report.facts.os_build >= SERVER_2016:
            continue
        told = report.requirements.machines.get(machine.id)
        if told is None or told.scsi_controllers > 0:
            continue
        yield Finding(
            "prerequisite.scsi_controller",
            machine.label,
            "it has no SCSI controller, and its host is older than Windows Server 2016: Hyper-V "
            "cannot back it up while it runs (event 10103)",
            "add a SCSI controller while it is off (Add-VMScsiController); it may stay empty",
            Severity.WARNING,
            machine.host,
        )
