"""Who belongs to which group: claims of policies on machines that hosts report."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.model.labels import labels_of
from reconciler.model.machine import NaturalKey, Role, VirtualMachine
from reconciler.model.names import HostName
from reconciler.model.observed import Observed
from reconciler.plan.actions import Finding, Severity
from reconciler.plan.clusters import pending
from reconciler.plan.sightings import Owners, Sighting, is_stranger, moving, sightings, unfamiliar
from reconciler.policy.policy_set import PolicySet
from reconciler.policy.protection_group import ProtectionGroup
from reconciler.policy.selectors import Candidate, matches

_HOW_TO_CHOOSE = "narrow the members of one of them; until then it is not backed up"


@dataclass(frozen=True, slots=True)
class Member:
    """A machine and the one group that claims it."""

    group: ProtectionGroup
    machine: VirtualMachine


@dataclass(slots=True)
class Membership:
    """Machines with exactly one claim and one sighting, and findings for the others."""

    owners: Owners
    members: list[Member] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    claims: dict[NaturalKey, tuple[ProtectionGroup, ...]] = field(default_factory=dict)
    """Also of machines that are blocked."""
    held: dict[NaturalKey, Finding] = field(default_factory=dict)
    """Claimed, but blocked or on the way to another node: why nothing is done to these."""
    excluded: dict[NaturalKey, Finding] = field(default_factory=dict)
    unclaimed: list[VirtualMachine] = field(default_factory=list)
    here: dict[NaturalKey, VirtualMachine] = field(default_factory=dict)
    """Machines that are seen exactly once and are no strangers, whoever claims them."""
    strangers: set[NaturalKey] = field(default_factory=set)
    """Seen, but the host of the one that we know is silent: it may be a copy of it."""
    undecided: frozenset[tuple[str, str]] = frozenset()
    """Findings that are true or not by what a silent host would say."""
    reported: frozenset[NaturalKey] = frozenset()
    """Every machine that any host reports."""


def membership(wanted: PolicySet, observed: Observed) -> Membership:
    """Sort the reported machines by what claims them."""
    found = Membership(Owners(observed.inventory))
    seen = sightings(observed.inventory, found.owners)
    found.reported = frozenset(seen)
    for sighting in seen.values():
        if len(sighting.counted) == 1:
            _place(found, sighting.counted[0], observed)
        _sort(found, sighting, wanted, observed)
    found.members.sort(key=_order)
    idle = tuple(_idle(wanted, found.claims))
    if observed.inventory.silent:
        # a host that could hold members says nothing
        found.undecided = frozenset((finding.code, finding.about) for finding in idle)
    else:
        found.findings.extend(idle)
    return found


def _place(found: Membership, machine: VirtualMachine, observed: Observed) -> None:
    if is_stranger(machine, observed, found.owners):
        found.strangers.add(machine.key)
    else:
        found.here[machine.key] = machine


def candidate(machine: VirtualMachine, wanted: PolicySet) -> Candidate:
    """What selectors can know of a machine."""
    return Candidate(
        machine.host,
        wanted.cluster_of(machine.host),
        machine.name,
        machine.id,
        machine.key.role,
        labels_of(machine.notes),
    )


def claims(group: ProtectionGroup, machine: Candidate) -> bool:
    """Whether a group claims a machine. The copy of a test failover has to be asked for."""
    if not group.claims(machine):
        return False
    return machine.role is not Role.TEST_REPLICA or any(
        selector.role == Role.TEST_REPLICA.value and matches(selector, machine)
        for selector in group.members
    )


def _sort(found: Membership, sighting: Sighting, wanted: PolicySet, observed: Observed) -> None:
    machine = sighting.all[0]
    candidates = [candidate(each, wanted) for each in sighting.counted or sighting.others]
    groups = tuple(g for g in wanted.groups if any(claims(g, each) for each in candidates))
    if not groups:
        if (excluded := _excluded(machine, candidates, wanted)) is not None:
            found.excluded[machine.key] = excluded
            found.findings.append(excluded)
        elif machine.key.role is not Role.TEST_REPLICA:
            found.unclaimed.append(machine)
        return
    found.claims[machine.key] = groups
    problem = (
        _seen_twice(sighting)
        or _claimed_twice(groups, machine)
        or next(moving(sighting, found.owners, observed.inventory), None)
        or pending(machine, observed)
        or _unfamiliar(found, machine, observed)
    )
    if problem is None:
        found.members.append(Member(groups[0], machine))
    else:
        found.held[machine.key] = problem
        found.findings.append(problem)


def _unfamiliar(found: Membership, machine: VirtualMachine, observed: Observed) -> Finding | None:
    source = observed.source_of(machine.key) if machine.key in found.strangers else None
    return unfamiliar(machine, source) if source else None


def _order(member: Member) -> tuple[str, HostName, str, NaturalKey]:
    machine = member.machine
    return member.group.name, machine.host, machine.name, machine.key


def _excluded(
    machine: VirtualMachine, candidates: Sequence[Candidate], wanted: PolicySet
) -> Finding | None:
    for group in wanted.groups:
        for each in candidates:
            if (exclusion := group.exclusion_of(each)) is not None:
                return Finding(
                    "machine.excluded",
                    machine.label,
                    f"group {group.name} leaves it out: {exclusion.reason}",
                    "nobody else backs it up; remove the exclusion to have it protected",
                    Severity.INFO,
                    machine.host,
                )
    return None


def _seen_twice(sighting: Sighting) -> Finding | None:
    if len(sighting.counted) <= 1:
        return None
    machine = sighting.counted[0]
    hosts = ", ".join(sorted(m.host for m in sighting.counted))
    return Finding(
        "blocked.seen_twice",
        machine.label,
        f"the machine {machine.id} is registered on more than one host: {hosts}",
        "remove the registration that is not in use; until then it is not backed up",
        Severity.ERROR,
        machine.host,
    )


def _claimed_twice(groups: tuple[ProtectionGroup, ...], machine: VirtualMachine) -> Finding | None:
    if len(groups) == 1:
        return None
    names = ", ".join(sorted(g.name for g in groups))
    return Finding(
        "blocked.claimed_twice",
        machine.label,
        f"it is claimed by more than one group: {names}",
        _HOW_TO_CHOOSE,
        Severity.ERROR,
        machine.host,
    )


def _idle(
    wanted: PolicySet, claimed: Mapping[NaturalKey, tuple[ProtectionGroup, ...]]
) -> Iterator[Finding]:
    """Groups that nothing belongs to."""
    busy = {group.name for groups in claimed.values() for group in groups}
    for group in wanted.groups:
        if group.name not in busy:
            yield Finding(
                "group.empty",
                group.name,
                "no machine that a host reports belongs to this group",
                "compare its members with `reconciler show`",
            )
