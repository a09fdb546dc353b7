"""Machines that we hold points of, and that left: the policies, or the hosts.

Their points are never expired. A person lets them go, and each finding says how.
"""

from collections.abc import Iterator
from typing import Final

from reconciler.model.machine import Role
from reconciler.model.observed import Observed
from reconciler.model.protection import DataSource
from reconciler.plan.actions import Finding, Severity
from reconciler.plan.members import Membership
from reconciler.plan.words import counted, request_command
from reconciler.policy.policy_set import PolicySet

_OF_UNREPORTED: Final = ("machine.not_reported", "machine.host_not_declared", "waiting.owner")
_OF_UNCLAIMED: Final = ("machine.host_not_declared", "machine.not_claimed")


def departed(
    wanted: PolicySet, observed: Observed, found: Membership, *, has_hole: bool
) -> Iterator[Finding]:
    """What became of each data source that is no member any more, as far as that is known."""
    order = sorted(observed.sources.values(), key=lambda s: (s.machine_name, s.key))
    names = {group.name for group in wanted.groups}
    for source in order:
        if source.key in found.claims or not has_points(observed, source):
            continue
        if source.key not in found.reported:
            yield from _unreported(observed, source, found, has_hole=has_hole)
        elif not has_hole:
            yield _not_claimed(observed, source, found, has_group=source.group in names)


def undecided(
    observed: Observed, found: Membership, *, has_hole: bool
) -> Iterator[tuple[str, str]]:
    """Findings of `departed` that only hosts which are silent, or a broken policy, could decide."""
    for source in observed.sources.values():
        if source.key in found.claims or not has_points(observed, source):
            continue
        if observed.inventory.silent and source.key not in found.reported:
            yield from ((code, source.label) for code in _OF_UNREPORTED)
        if has_hole:
            yield from ((code, source.label) for code in _OF_UNCLAIMED)


def _unreported(
    observed: Observed, source: DataSource, found: Membership, *, has_hole: bool
) -> Iterator[Finding]:
    if observed.inventory.silent:
        return  # it may be on a host that says nothing: unknown, not gone
    if nodes := _nodes(source, found):
        yield _on_other_node(source, nodes)
    elif source.host in observed.inventory.reports:
        yield _not_reported(observed, source)
    elif not has_hole:
        yield _host_not_declared(observed, source)


def has_points(observed: Observed, source: DataSource) -> bool:
    """Whether anything can be recovered of it."""
    return bool(observed.point_counts.get(source.id))


def _kept(observed: Observed, source: DataSource) -> str:
    count = observed.point_counts.get(source.id, 0)
    return f"{counted(count, 'recovery point')} of it {'is' if count == 1 else 'are'} kept"


def _nodes(source: DataSource, found: Membership) -> tuple[str, ...]:
    """The cluster nodes that own it; replicas of it elsewhere are told by its role."""
    return found.owners.of(source.key.vm_id) if source.key.role is Role.PRIMARY else ()


def _not_claimed(
    observed: Observed, source: DataSource, found: Membership, *, has_group: bool
) -> Finding:
    excluded = found.excluded.get(source.key)
    if excluded is not None:
        why = excluded.message
    elif has_group:
        why = "no group claims this machine any more"
    else:
        why = f"its group {source.group} is gone, and no other claims this machine"
    return Finding(
        "machine.not_claimed",
        source.label,
        f"{why}; {_kept(observed, source)}, and no new ones are made",
        f"put it back into a group, or let its points go: {_delete(source)}",
        Severity.WARNING if excluded is None else Severity.INFO,
        source.host,
    )


def _on_other_node(source: DataSource, nodes: tuple[str, ...]) -> Finding:
    node = nodes[0]
    return Finding(
        "waiting.owner",
        source.label,
        f"its cluster says that the node {node} owns it, and no host reports it",
        f"if {node} is no HyperVHost yet, describe it, and name it in the cluster",
        host=source.host,
    )


def _not_reported(observed: Observed, source: DataSource) -> Finding:
    return Finding(
        "machine.not_reported",
        source.label,
        f"no host reports this machine any more; it was last seen on {source.host}; "
        + _kept(observed, source),
        f"recover it; or exclude it from its group and let its points go: {_delete(source)}",
        host=source.host,
    )


def _host_not_declared(observed: Observed, source: DataSource) -> Finding:
    return Finding(
        "machine.host_not_declared",
        source.label,
        f"no policy describes its host {source.host} any more, so nobody asked for it; "
        + _kept(observed, source),
        "put the HyperVHost back, or name the machine's new host; "
        f"or let its points go: {_delete(source)}",
        host=source.host,
    )


def _delete(source: DataSource) -> str:
    return request_command("delete-points", source.label)
