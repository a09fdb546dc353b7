"""All policies that are in force together."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from reconciler.policy.hosts import HyperVHost
from reconciler.policy.protection_group import ProtectionGroup
from reconciler.policy.storage import StoragePool

Policy = ProtectionGroup | HyperVHost | StoragePool

KINDS: Final[dict[str, type[ProtectionGroup] | type[HyperVHost] | type[StoragePool]]] = {
    "ProtectionGroup": ProtectionGroup,
    "HyperVHost": HyperVHost,
    "StoragePool": StoragePool,
}


@dataclass(frozen=True)
class PolicySet:
    """What is wanted, whole: every host and pool that a group names is in it.

    Shape: each tuple sorted by name, names unique in it.
    """

    groups: tuple[ProtectionGroup, ...] = ()
    hosts: tuple[HyperVHost, ...] = ()
    pools: tuple[StoragePool, ...] = ()
    commit: str = ""
    """Git commit of the policy folder; empty when unknown."""

    @property
    def policies(self) -> tuple[Policy, ...]:
        """All of them, kind after kind."""
        return (*self.groups, *self.hosts, *self.pools)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what the policies mean; comments, order and spelling do not change it."""
        dumps = [policy.model_dump(mode="json", by_alias=True) for policy in self.policies]
        dumps.sort(key=lambda dump: (dump["kind"], dump["name"]))
        text = json.dumps(dumps, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
