"""Clusters as their nodes tell of them, beside what the policies say of them."""

from collections.abc import Iterator, Mapping
from typing import Final

from reconciler.model.machine import HostReport, VirtualMachine
from reconciler.model.names import HostName
from reconciler.model.observed import Observed
from reconciler.plan.actions import Finding, Severity
from reconciler.plan.sightings import cluster_of
from reconciler.plan.words import listed
from reconciler.policy.hosts import HyperVCluster
from reconciler.policy.policy_set import PolicySet

PENDING: Final = "Pending"
FAILED: Final = frozenset({"Failed", "PartialOnline"})
"""States of a machine's group in which its cluster does not keep it up.

Source: hyperv-facts.md §3.2, Get-ClusterGroup.
"""


def neighbours(wanted: PolicySet, observed: Observed) -> Mapping[HostName, tuple[HostName, ...]]:
    """The other nodes of each host's cluster: what the policies and the nodes themselves say."""
    found: dict[HostName, set[HostName]] = {}
    for nodes in (*_declared(wanted), *_told(observed)):
        for node in nodes:
            found.setdefault(node, set()).update(nodes - {node})
    return {host: tuple(sorted(others)) for host, others in found.items() if others}


def pending(machine: VirtualMachine, observed: Observed) -> Finding | None:
    """A machine whose group is on its way up, down or elsewhere: nothing is begun on it."""
    if _group_state(machine, observed) != PENDING:
        return None
    return Finding(
        "waiting.machine",
        machine.label,
        "its cluster is about to bring its group up or down",
        "wait for its end; the next pass looks again",
        Severity.INFO,
        machine.host,
    )


def findings(wanted: PolicySet, observed: Observed) -> Iterator[Finding]:
    """Where policies and clusters disagree, and groups that a cluster cannot keep up."""
    yield from _no_nodes(wanted, observed)
    yield from _undescribed(observed)
    yield from _undeclared(wanted, observed)
    yield from _failed(observed)


def _declared(wanted: PolicySet) -> Iterator[set[HostName]]:
    for cluster in wanted.clusters:
        yield {HostName(node) for node in cluster.nodes}


def _told(observed: Observed) -> Iterator[set[HostName]]:
    nodes: dict[str, set[HostName]] = {}
    for host, report in observed.inventory.reports.items():
        if name := cluster_of(report):
            nodes.setdefault(name, set()).add(host)
    yield from nodes.values()


def _group_state(machine: VirtualMachine, observed: Observed) -> str:
    cluster = observed.inventory.reports[machine.host].cluster
    return cluster.group_states.get(machine.id, "") if cluster else ""


def _no_nodes(wanted: PolicySet, observed: Observed) -> Iterator[Finding]:
    """Hosts that a policy calls nodes, and that are of another cluster or of none."""
    for cluster in wanted.clusters:
        told = {node: _cluster_of_node(observed, node) for node in cluster.nodes}
        names = {name for name in told.values() if name}
        usual = min(names, key=lambda name: (-list(told.values()).count(name), name), default="")
        for node, name in told.items():
            if name is None or (name and name == usual):
                continue
            what = f"is a node of the cluster {name}" if name else "is no node of any cluster"
            yield Finding(
                "cluster.no_node",
                node,
                f"HyperVCluster {cluster.name} calls it a node, but it says that it {what}",
                f"take it out of the nodes of {cluster.name}, or join it to the cluster; its own "
                "machines are backed up all the same",
                host=HostName(node),
            )


def _cluster_of_node(observed: Observed, node: str) -> str | None:
    """What a host says which cluster it is of; None when it says nothing at all."""
    report = observed.inventory.reports.get(HostName(node))
    return None if report is None else cluster_of(report)


def _undescribed(observed: Observed) -> Iterator[Finding]:
    """Nodes of a cluster that no HyperVHost is: what runs there is not seen."""
    known = {r.facts.computer_name.lower() for r in observed.inventory.reports.values()}
    # one that is silent cannot say what it calls itself; most are called as the policies call them
    known |= {host.split(".")[0].lower() for host in observed.inventory.silent}
    silent = len(observed.inventory.silent)
    for name, reports in sorted(_by_cluster(observed).items()):
        states: dict[str, str] = {}
        for report in reports:
            states |= report.cluster.node_states if report.cluster else {}
        if not (strangers := sorted(states.keys() - known)):
            continue
        maybe = "; hosts that are silent now may be among them" if silent else ""
        yield Finding(
            "cluster.node_not_described",
            name,
            f"no HyperVHost is its {_nodes(strangers)}: machines that run there are not "
            f"backed up{maybe}",
            "describe each as a HyperVHost, and name it in the nodes of its HyperVCluster",
            Severity.INFO if silent else Severity.WARNING,
        )


def _nodes(names: list[str]) -> str:
    return f"node {names[0]}" if len(names) == 1 else f"nodes {listed(names)}"


def _undeclared(wanted: PolicySet, observed: Observed) -> Iterator[Finding]:
    """Nodes that answer, and that no HyperVCluster names."""
    for name, reports in sorted(_by_cluster(observed).items()):
        hosts = sorted(r.facts.name for r in reports if not wanted.cluster_of(r.facts.name))
        if not hosts:
            continue
        declared = _policy_of(wanted, reports)
        where = f"the nodes of HyperVCluster {declared.name}" if declared else "a HyperVCluster"
        yield Finding(
            "cluster.not_declared",
            name,
            f"{listed(hosts)} {'is a node' if len(hosts) == 1 else 'are nodes'} of it, "
            "and no HyperVCluster says so",
            f"name {'it' if len(hosts) == 1 else 'them'} in {where}, so that members may be "
            "chosen by cluster and a machine is followed to a node that is silent",
            Severity.INFO,
        )


def _policy_of(wanted: PolicySet, reports: list[HostReport]) -> HyperVCluster | None:
    names = {wanted.cluster_of(report.facts.name) for report in reports} - {""}
    return next((cluster for cluster in wanted.clusters if cluster.name in names), None)


def _by_cluster(observed: Observed) -> Mapping[str, list[HostReport]]:
    found: dict[str, list[HostReport]] = {}
    for _, report in sorted(observed.inventory.reports.items()):
        if name := cluster_of(report):
            found.setdefault(name, []).append(report)
    return found


def _failed(observed: Observed) -> Iterator[Finding]:
    """Machines whose group failed, told by the host that reports them."""
    for host, report in sorted(observed.inventory.reports.items()):
        for machine in report.machines:
            state = _group_state(machine, observed)
            if state in FAILED:
                yield Finding(
                    "cluster.group_failed",
                    machine.label,
                    f"its cluster says that its group is {state}: it does not keep it up",
                    "look at the group in Failover Cluster Manager; backups take the machine "
                    "as it is meanwhile",
                    host=host,
                )
