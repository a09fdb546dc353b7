"""Where each machine is: of the nodes of a cluster that report it, the one that owns it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.model.machine import HostReport, Inventory, NaturalKey, VirtualMachine
from reconciler.model.names import VmId
from reconciler.model.observed import Observed
from reconciler.model.protection import DataSource
from reconciler.plan.actions import Finding, Severity


@dataclass(frozen=True, slots=True)
class Sighting:
    """All reports of one machine."""

    counted: tuple[VirtualMachine, ...]
    """Those that its cluster does not contradict; more than one is one too many."""
    others: tuple[VirtualMachine, ...] = ()
    """Of nodes that do not own it now, as while it migrates."""

    @property
    def all(self) -> tuple[VirtualMachine, ...]:
        """Every report of it."""
        return self.counted + self.others


class Owners:
    """Which node owns a clustered machine, as the nodes that answer tell it."""

    def __init__(self, inventory: Inventory) -> None:
        self._nodes: dict[tuple[str, VmId], set[str]] = {}
        for report in inventory.reports.values():
            for vm_id, node in (report.cluster.owners if report.cluster else {}).items():
                key = (cluster_of(report), vm_id)
                self._nodes.setdefault(key, set()).add(node.lower())
        self._by_machine: dict[VmId, set[str]] = {}
        for (_, vm_id), nodes in self._nodes.items():
            self._by_machine.setdefault(vm_id, set()).update(nodes)

    def is_owned_elsewhere(self, report: HostReport, machine: VirtualMachine) -> bool:
        """Whether a node of the host's cluster says that another node owns the machine.

        Nodes that contradict each other were asked while it moved: then nobody is sure to own it.
        """
        nodes = self._nodes.get((cluster_of(report), machine.id))
        own = report.facts.computer_name.lower()
        return bool(own) and nodes is not None and nodes != {own}

    def is_owner(self, report: HostReport, machine: VirtualMachine) -> bool:
        """Whether the host's cluster says that it owns the machine."""
        nodes = self._nodes.get((cluster_of(report), machine.id))
        return nodes == {report.facts.computer_name.lower()}

    def of(self, vm_id: VmId) -> tuple[str, ...]:
        """The nodes that are said to own a machine."""
        return tuple(sorted(self._by_machine.get(vm_id, ())))


def cluster_of(report: HostReport) -> str:
    """The cluster that a host is a node of, as it calls it itself."""
    told = report.cluster.name if report.cluster else report.facts.cluster
    return told.lower()


def sightings(inventory: Inventory, owners: Owners) -> Mapping[NaturalKey, Sighting]:
    """Every machine that any host reports."""
    counted: dict[NaturalKey, list[VirtualMachine]] = {}
    others: dict[NaturalKey, list[VirtualMachine]] = {}
    for _, report in sorted(inventory.reports.items()):
        for machine in report.machines:
            is_elsewhere = owners.is_owned_elsewhere(report, machine)
            (others if is_elsewhere else counted).setdefault(machine.key, []).append(machine)
            (counted if is_elsewhere else others).setdefault(machine.key, [])
    return {key: Sighting(tuple(found), tuple(others[key])) for key, found in counted.items()}


def is_stranger(machine: VirtualMachine, observed: Observed, owners: Owners) -> bool:
    """Whether it may be a copy with the same id: the host of the one we know says nothing.

    A machine that its cluster has moved to this host is none.
    """
    source = observed.source_of(machine.key)
    if source is None or source.host == machine.host or not observed.is_silent(source.host):
        return False
    return not owners.is_owner(observed.inventory.reports[machine.host], machine)


def certain(observed: Observed) -> Mapping[NaturalKey, VirtualMachine]:
    """Machines of which it is sure where they are: seen once, and no strangers."""
    owners = Owners(observed.inventory)
    found = sightings(observed.inventory, owners)
    once = {key: seen.counted[0] for key, seen in found.items() if len(seen.counted) == 1}
    return {key: m for key, m in once.items() if not is_stranger(m, observed, owners)}


def unfamiliar(machine: VirtualMachine, source: DataSource) -> Finding:
    """A machine that may be a copy of one whose host is silent."""
    return Finding(
        "waiting.owner",
        machine.label,
        f"{machine.host} reports a machine of its id, but it was last seen on {source.host}, which "
        "says nothing: it may be a copy",
        f"start {source.host}; if the machine has moved for good, take {source.host} out of the "
        "policies, or see that its cluster names the owner",
        host=source.host,
    )


def moving(sighting: Sighting, owners: Owners, inventory: Inventory) -> Iterator[Finding]:
    """A machine that only nodes report which do not own it."""
    if sighting.counted:
        return
    machine = sighting.others[0]
    nodes = owners.of(machine.id)
    if len(nodes) > 1:
        yield Finding(
            "waiting.machine",
            machine.label,
            f"it is moving: nodes of its cluster name different owners ({', '.join(nodes)})",
            "wait for its end; the next pass looks again",
            Severity.INFO,
            machine.host,
        )
        return
    is_declared = bool(inventory.silent) or any(
        report.facts.computer_name.lower() in nodes for report in inventory.reports.values()
    )
    yield Finding(
        "waiting.owner",
        machine.label,
        f"its cluster says that the node {nodes[0]} owns it, which does not report it",
        "the next pass looks again"
        if is_declared
        else f"no HyperVHost that answers is {nodes[0]}: describe it, and name it in the cluster",
        Severity.INFO if is_declared else Severity.WARNING,
        machine.host,
    )
