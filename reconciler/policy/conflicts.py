"""What only shows when all policies are seen together: names twice, names that lead nowhere."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reconciler.policy.complaints import Code, Location, Remark, did_you_mean
from reconciler.policy.hosts import HyperVHost
from reconciler.policy.policy_set import Policy
from reconciler.policy.protection_group import ProtectionGroup
from reconciler.policy.storage import StoragePool


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


def conflicts_of(placed: Iterable[Placed]) -> Iterator[Conflict]:
    """Everything that does not fit together. Of two that collide the later one is blamed."""
    everything = tuple(placed)
    yield from _twice(everything)
    yield from _unknown_names(everything)


def _twice(everything: Iterable[Placed]) -> Iterator[Conflict]:
    """Claims that only one policy may make: its name, its folder, its address."""
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
        case StoragePool():
            for index, volume in enumerate(policy.volumes):
                text = f"two pools have a volume at '{volume.path}'"
                yield ("path", volume.path.rstrip("/\\")), ("volumes", index, "path"), text
        case ProtectionGroup():
            pass


def _unknown_names(everything: Iterable[Placed]) -> Iterator[Conflict]:
    hosts = [p.policy.name for p in everything if isinstance(p.policy, HyperVHost)]
    pools = [p.policy.name for p in everything if isinstance(p.policy, StoragePool)]
    for this in everything:
        group = this.policy
        if not isinstance(group, ProtectionGroup):
            continue
        if group.pool not in pools:
            yield _unknown(this, ("pool",), ("pool", "StoragePool", group.pool), pools)
        for index, member in enumerate(group.members):
            if member.host is not None and member.host not in hosts:
                at = ("members", index, "host")
                yield _unknown(this, at, ("host", "HyperVHost", member.host), hosts)


def _unknown(
    placed: Placed, location: Location, named: tuple[str, str, str], known: list[str]
) -> Conflict:
    noun, kind, name = named
    hint = did_you_mean(name, known, f"known {noun}s") or f"write a policy of kind {kind}"
    remark = Remark(location, f"there is no {noun} '{name}'", hint, Code.CONFLICT)
    return Conflict(placed, remark, is_reference=True)
