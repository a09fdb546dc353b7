"""All policies that are in force together."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from reconciler.model.names import HostName
from reconciler.policy.file_servers import FileServer
from reconciler.policy.hosts import HyperVCluster, HyperVHost
from reconciler.policy.protection_group import ProtectionGroup
from reconciler.policy.storage import StoragePool

Policy = ProtectionGroup | HyperVHost | HyperVCluster | StoragePool | FileServer

KINDS: Final[Mapping[str, type[Policy]]] = {
    "ProtectionGroup": ProtectionGroup,
    "HyperVHost": HyperVHost,
    "HyperVCluster": HyperVCluster,
    "StoragePool": StoragePool,
    "FileServer": FileServer,
}


@dataclass(frozen=True)
class PolicySet:
    """What is wanted, whole: every host, cluster and pool that a policy names is in it.

    Shape: each tuple sorted by name, names unique in it.
    """

    groups: tuple[ProtectionGroup, ...] = ()
    hosts: tuple[HyperVHost, ...] = ()
    pools: tuple[StoragePool, ...] = ()
    clusters: tuple[HyperVCluster, ...] = ()
    """A host is a node of at most one."""
    file_servers: tuple[FileServer, ...] = ()
    commit: str = ""
    """Git commit of the policy folder; empty when unknown."""

    @property
    def policies(self) -> tuple[Policy, ...]:
        """All of them, kind after kind."""
        return (*self.groups, *self.hosts, *self.pools, *self.clusters, *self.file_servers)

    def cluster_of(self, host: HostName) -> str:
        """Name of the cluster that a host is a node of; empty when it is of none."""
        return self._clusters.get(host, "")

    @cached_property
    def _clusters(self) -> Mapping[str, str]:
        return {node: cluster.name for cluster in self.clusters for node in cluster.nodes}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what the policies mean; comments, order and spelling do not change it."""
        dumps = [policy.model_dump(mode="json", by_alias=True) for policy in self.policies]
        dumps.sort(key=lambda dump: (dump["kind"], dump["name"]))
        text = json.dumps(dumps, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
