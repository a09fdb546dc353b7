"""Who belongs to which group: claims of policies on machines that hosts report."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.model.machine import NaturalKey, VirtualMachine
from reconciler.model.observed import Observed
from reconciler.plan.actions import Finding, Severity
from reconciler.policy.policy_set import PolicySet
from reconciler.policy.protection_group import ProtectionGroup


@dataclass(frozen=True, slots=True)
class Member:
    """A machine and the one group that claims it."""

    group: ProtectionGroup
    machine: VirtualMachine


@dataclass(frozen=True, slots=True)
class Membership:
    """Machines with exactly one claim and one sighting, and findings for the others."""

    members: tuple[Member, ...]
    findings: tuple[Finding, ...]
    claimed: frozenset[NaturalKey]
    """Also machines that are blocked."""
    blocked: frozenset[NaturalKey]
    """Claimed twice, or seen twice, whoever claims them: nothing is done to these."""


def membership(wanted: PolicySet, observed: Observed) -> Membership:
    """Sort the reported machines by what claims them."""
    sightings = _sightings(observed)
    members: list[Member] = []
    findings: list[Finding] = []
    claimed: set[NaturalKey] = set()
    blocked = {key for key, seen in sightings.items() if len(seen) > 1}
    for key, seen in sightings.items():
        groups = _claims(wanted, seen)
        if not groups:
            continue
        claimed.add(key)
        problem = _seen_twice(seen) or _claimed_twice(groups, seen[0])
        if problem is None:
            members.append(Member(groups[0], seen[0]))
        else:
            blocked.add(key)
            findings.append(problem)
    members.sort(key=lambda m: (m.group.name, m.machine.host, m.machine.name, m.machine.key))
    findings.extend(_idle_selectors(wanted, observed))
    return Membership(tuple(members), tuple(findings), frozenset(claimed), frozenset(blocked))


def _sightings(observed: Observed) -> Mapping[NaturalKey, list[VirtualMachine]]:
    found: dict[NaturalKey, list[VirtualMachine]] = {}
    for _, report in sorted(observed.inventory.reports.items()):
        for machine in report.machines:
            found.setdefault(machine.key, []).append(machine)
    return found


def _claims(wanted: PolicySet, seen: Iterable[VirtualMachine]) -> list[ProtectionGroup]:
    return [g for g in wanted.groups if any(_is_member(g, machine) for machine in seen)]


def _is_member(group: ProtectionGroup, machine: VirtualMachine) -> bool:
    return group.claims(machine.host, machine.name, machine.id)


def _seen_twice(seen: list[VirtualMachine]) -> Finding | None:
    if len(seen) == 1:
        return None
    hosts = ", ".join(sorted(m.host for m in seen))
    return Finding(
        "blocked.seen_twice",
        seen[0].name,
        f"the machine {seen[0].id} is registered on more than one host: {hosts}",
        "remove the registration that is not in use; until then it is not backed up",
        Severity.ERROR,
    )


def _claimed_twice(groups: list[ProtectionGroup], machine: VirtualMachine) -> Finding | None:
    if len(groups) == 1:
        return None
    names = ", ".join(sorted(g.name for g in groups))
    return Finding(
        "blocked.claimed_twice",
        machine.name,
        f"it is claimed by more than one group: {names}",
        "narrow the members of one of them; until then it is not backed up",
        Severity.ERROR,
    )


def _idle_selectors(wanted: PolicySet, observed: Observed) -> Iterator[Finding]:
    """Groups that nothing belongs to, unless a host that could hold members is silent."""
    machines = [m for r in observed.inventory.reports.values() for m in r.machines]
    if observed.inventory.silent:
        return
    for group in wanted.groups:
        if not any(_is_member(group, machine) for machine in machines):
            yield Finding(
                "group.empty",
                group.name,
                "no machine that a host reports belongs to this group",
                "compare its members with `reconciler show`",
            )
