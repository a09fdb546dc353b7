"""Machines that are not where the last look saw them.

Between two looks such a machine may have been on any node of its cluster. One that went away and
came back meanwhile cannot be told from one that stayed.
"""

from collections.abc import Iterator, Mapping

from reconciler.model.machine import HostReport, NaturalKey
from reconciler.model.names import HostName
from reconciler.model.observed import Observed
from reconciler.model.protection import DataSource
from reconciler.plan.sightings import Owners, certain


class Moved:
    """One look, compared with where the last one saw each machine."""

    def __init__(self, observed: Observed, by_node: Mapping[str, HostName]) -> None:
        """`by_node` has the hosts by what their clusters call them, in lower case."""
        self._observed = observed
        self._by_node = by_node
        self._owners = Owners(observed.inventory)
        self._here = certain(observed)
        self._reported: dict[NaturalKey, set[HostName]] = {}
        for host, report in observed.inventory.reports.items():
            for machine in report.machines:
                self._reported.setdefault(machine.key, set()).add(host)

    def of(self, report: HostReport, lost: str) -> Iterator[DataSource]:
        """Those that may have moved to a lost node of that host's cluster since the last look."""
        if report.cluster is None:
            return
        nodes = {node.lower() for node in report.cluster.node_states}
        hosts = {host for node, host in self._by_node.items() if node in nodes}
        for source in self._observed.sources.values():
            now = self._now(source)
            is_of_cluster = source.host in hosts or not now.isdisjoint(hosts)
            if self._is_owned_by(lost, report, source) or (now != {source.host} and is_of_cluster):
                yield source

    def _is_owned_by(self, node: str, report: HostReport, source: DataSource) -> bool:
        """Whether a node owns it still, as before its cluster moves it on."""
        owners = report.cluster.owners if report.cluster else {}
        return source.key not in self._here and owners.get(source.key.vm_id) == node.lower()

    def _now(self, source: DataSource) -> set[HostName | None]:
        """Where it may be; None is a node that no policy describes; empty when it is nowhere."""
        seen = self._here.get(source.key)
        if seen is not None:
            return {seen.host}
        nodes = self._owners.of(source.key.vm_id)
        if nodes:
            return {self._by_node.get(node) for node in nodes}
        is_untold = self._observed.is_silent(source.host)
        return {source.host} if is_untold else {*self._reported.get(source.key, ())}
