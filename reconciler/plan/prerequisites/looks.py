"""How checks go over what is observed: hosts and machines in order, and where their disks lie."""

from collections.abc import Iterator

from reconciler.model.machine import HostReport, VirtualMachine
from reconciler.model.observed import Observed
from reconciler.model.unc import UncPath, unc_path


def reports(observed: Observed) -> Iterator[HostReport]:
    """What hosts told, by name."""
    for _, report in sorted(observed.inventory.reports.items()):
        yield report


def machines(observed: Observed) -> Iterator[tuple[HostReport, VirtualMachine]]:
    """Every machine with what its host told."""
    for report in reports(observed):
        for machine in report.machines:
            yield report, machine


def remote_paths(machine: VirtualMachine) -> tuple[UncPath, ...]:
    """Where those of its disks lie that are on file servers."""
    found = (unc_path(disk.path) for disk in machine.disks)
    return tuple(path for path in found if path is not None)


def shares(report: HostReport) -> dict[str, set[str]]:
    """The file servers of a host's machines with their shares, all in lower case."""
    found: dict[str, set[str]] = {}
    for machine in report.machines:
        for path in remote_paths(machine):
            found.setdefault(path.server.casefold(), set()).add(path.share.casefold())
    return found
