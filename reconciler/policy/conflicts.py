"""What only shows when all policies are seen together: names twice, names that lead nowhere."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from reconciler.policy.complaints import Code, Location, Remark, did_you_mean
from reconciler.policy.file_servers import FileServer
from reconciler.policy.hosts import HyperVCluster, HyperVHost
from reconciler.policy.policy_set import Policy
from reconciler.policy.protection_group import ProtectionGroup
from reconciler.policy.selectors import Selector
from reconciler.policy.sign_in import unfit_node
from reconciler.policy.storage import StoragePool

_NOUNS = {"HyperVHost": "host", "HyperVCluster": "cluster", "StoragePool": "pool"}


@dataclass(frozen=True, slots=True)
class Placed:
    """A policy and where it stands: the file, and which document of it."""

    path: str
    index: int
    policy: Policy


@dataclass(frozen=True, slots=True)
class Conflict:
    """A remark about a policy that is right by itself."""

    placed: Placed
    remark: Remark
    is_reference: bool = False
    """A name that nothing answers to, perhaps because that file is broken."""


class _Reference(NamedTuple):
    """A policy that is named by another one."""

    at: Location
    kind: str
    name: str


def conflicts_of(placed: Iterable[Placed]) -> Iterator[Conflict]:
    """Everything that does not fit together. Of two that collide the later one is blamed."""
    everything = tuple(placed)
    yield from _twice(everything)
    yield from _unknown_names(everything)
    yield from _impossible_selectors(everything)
    yield from _unknown_volumes(everything)
    yield from _unfit_nodes(everything)


def _twice(everything: Iterable[Placed]) -> Iterator[Conflict]:
    """Claims that only one policy may make: its name, its folder, its address, its nodes."""
    owners: dict[tuple[str, ...], Placed] = {}
    for this in everything:
        for claim, location, text in _claims(this.policy):
            owner = owners.setdefault(claim, this)
            if owner is this:
                continue
            hint = f"the first is '{owner.policy.name}' in {owner.path}; change one of the two"
            yield Conflict(this, Remark(location, text, hint, Code.CONFLICT))


def _claims(policy: Policy) -> Iterator[tuple[tuple[str, ...], Location, str]]:
    text = f"there are two policies of kind {policy.kind} with the name '{policy.name}'"
    yield (policy.kind, policy.name), ("name",), text
    match policy:
        case HyperVHost():
            where = f"{policy.address.lower()}:{policy.wsman_port}"
            yield ("address", where), ("address",), f"there are two hosts at {where}"
        case HyperVCluster():
            for index, node in enumerate(policy.nodes):
                text = f"the host '{node}' is a node of two clusters"
                yield ("node", node), ("nodes", index), text
        case StoragePool():
            for index, volume in enumerate(policy.volumes):
                text = f"two pools have a volume at '{volume.place}'"
                yield ("place", volume.place), ("volumes", index, volume.kind), text
        case FileServer():
            key = "address" if policy.unc_name is None else "unc_name"
            text = f"there are two file servers that disk paths call '{policy.known_as}'"
            yield ("unc", policy.known_as.lower()), (key,), text
        case ProtectionGroup():
            pass


def _unknown_names(everything: tuple[Placed, ...]) -> Iterator[Conflict]:
    known: dict[str, list[str]] = {kind: [] for kind in _NOUNS}
    for placed in everything:
        known.setdefault(placed.policy.kind, []).append(placed.policy.name)
    for this in everything:
        for reference in _references(this.policy):
            if reference.name not in known[reference.kind]:
                yield _unknown(this, reference, known[reference.kind])


def _references(policy: Policy) -> Iterator[_Reference]:
    match policy:
        case ProtectionGroup():
            yield _Reference(("pool",), "StoragePool", policy.pool)
            for at, selector in _selectors(policy):
                if selector.host is not None:
                    yield _Reference((*at, "host"), "HyperVHost", selector.host)
                if selector.cluster is not None:
                    yield _Reference((*at, "cluster"), "HyperVCluster", selector.cluster)
        case HyperVCluster():
            for index, node in enumerate(policy.nodes):
                yield _Reference(("nodes", index), "HyperVHost", node)
        case HyperVHost() | StoragePool() | FileServer():
            pass


def _selectors(group: ProtectionGroup) -> Iterator[tuple[Location, Selector]]:
    for key, selectors in (("members", group.members), ("exclude", group.exclude)):
        for index, selector in enumerate(selectors):
            yield (key, index), selector
    for index, chosen in enumerate(group.volumes):
        yield ("volumes", index, "member"), chosen.member


def _unknown(placed: Placed, reference: _Reference, known: list[str]) -> Conflict:
    noun = _NOUNS[reference.kind]
    hint = did_you_mean(reference.name, known, f"known {noun}s")
    hint = hint or f"write a policy of kind {reference.kind}"
    text = f"there is no {noun} '{reference.name}'"
    remark = Remark(reference.at, text, hint, Code.CONFLICT)
    return Conflict(placed, remark, is_reference=True)


def _impossible_selectors(everything: tuple[Placed, ...]) -> Iterator[Conflict]:
    """A host together with a cluster that it is no node of: no machine is ever there."""
    nodes: Mapping[str, tuple[str, ...]] = {
        placed.policy.name: placed.policy.nodes
        for placed in everything
        if isinstance(placed.policy, HyperVCluster)
    }
    for this in everything:
        if not isinstance(this.policy, ProtectionGroup):
            continue
        for at, selector in _selectors(this.policy):
            here = nodes.get(selector.cluster or "")
            if selector.host is None or here is None or selector.host in here:
                continue
            text = f"'{selector.host}' is no node of the cluster '{selector.cluster}'"
            hint = f"remove one of the two keys; its nodes: {', '.join(here)}"
            remark = Remark((*at, "host"), text, hint, Code.CONFLICT)
            yield Conflict(this, remark, is_reference=True)


def _unknown_volumes(everything: tuple[Placed, ...]) -> Iterator[Conflict]:
    """Volumes that a group chooses, and its pool does not have."""
    pools = {
        placed.policy.name: [volume.name for volume in placed.policy.volumes]
        for placed in everything
        if isinstance(placed.policy, StoragePool)
    }
    for this in everything:
        if not isinstance(this.policy, ProtectionGroup) or this.policy.pool not in pools:
            continue
        known = pools[this.policy.pool]
        for at, name in _chosen_volumes(this.policy):
            if name not in known:
                hint = did_you_mean(name, known, "its volumes")
                text = f"the pool '{this.policy.pool}' has no volume '{name}'"
                remark = Remark(at, text, hint, Code.CONFLICT)
                yield Conflict(this, remark, is_reference=True)


def _chosen_volumes(group: ProtectionGroup) -> Iterator[tuple[Location, str]]:
    if group.volume is not None:
        yield ("volume",), group.volume
    for index, chosen in enumerate(group.volumes):
        yield ("volumes", index, "volume"), chosen.volume


def _unfit_nodes(everything: tuple[Placed, ...]) -> Iterator[Conflict]:
    """Nodes of clusters without trust that are not asked with a certificate."""
    clusters = {
        node: placed.policy.name
        for placed in everything
        if isinstance(placed.policy, HyperVCluster)
        for node in placed.policy.nodes
    }
    for this in everything:
        host = this.policy
        if isinstance(host, HyperVHost) and host.name in clusters:
            is_written = "authentication" in host.model_fields_set
            remark = unfit_node(
                clusters[host.name], host.membership, host.authentication, is_written=is_written
            )
            if remark is not None:
                yield Conflict(this, remark)
