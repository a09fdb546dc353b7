"""(wanted, observed, now) → plan."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from reconciler.model.machine import NaturalKey, VirtualMachine
from reconciler.model.names import GroupName, PlanId
from reconciler.model.observed import Observed, RecoveryRequest
from reconciler.model.unc import unc_path
from reconciler.plan import clusters
from reconciler.plan.actions import (
    Action,
    Capture,
    ExpirePoints,
    Finding,
    Plan,
    RecoverDisks,
    RemoveLeftovers,
    Severity,
    Subject,
)
from reconciler.plan.deletions import deletions
from reconciler.plan.departed import departed, has_points, undecided
from reconciler.plan.doubts import take_note
from reconciler.plan.expiry import Expiry, expire
from reconciler.plan.findings import (
    damaged,
    deduplicated,
    not_available_yet,
    of_member,
    silent_hosts,
    unclaimed,
)
from reconciler.plan.headroom import headroom
from reconciler.plan.index import Index, index
from reconciler.plan.leftovers import left_saved, leftovers
from reconciler.plan.members import Member, Membership, membership
from reconciler.plan.merging import merges_left
from reconciler.plan.placement import Placing, placed
from reconciler.plan.prerequisites import of_members
from reconciler.plan.prerequisites.head_room import HEAD_ROOM
from reconciler.plan.prerequisites.scale import SCALE
from reconciler.plan.protect import protect
from reconciler.plan.requests import Refusals
from reconciler.plan.rooms import Headroom
from reconciler.plan.standing import Standing, standing
from reconciler.plan.volumes import Volumes
from reconciler.policy.policy_set import PolicySet

_RANK: Final = (Severity.ERROR, Severity.WARNING, Severity.INFO)


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a plan is made for, beside wanted and observed."""

    id: PlanId
    now: datetime
    clock: str
    has_hole: bool = False
    """A policy file is broken and has no last good version: hold what it might have claimed."""
    broken: tuple[Finding, ...] = ()
    """Of policy files."""
    expiry_paused: str = ""
    """Why no point may expire now; empty when they may."""

    @property
    def may_expire(self) -> bool:
        """Whether ages and policies can be trusted enough to delete anything because of them."""
        return not self.has_hole and not self.expiry_paused


@dataclass(slots=True)
class _Work:
    """What becomes of all members together."""

    captures: list[Capture] = field(default_factory=list)
    asked_expiries: list[ExpirePoints] = field(default_factory=list)
    """Done before the captures, because those may fail for want of room."""
    expiries: list[ExpirePoints] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    held: dict[NaturalKey, Finding] = field(default_factory=dict)

    @property
    def actions(self) -> tuple[Action, ...]:
        """In the order in which those of each machine are done."""
        return (*self.asked_expiries, *self.captures, *self.expiries)

    def expire(self, expiry: Expiry) -> None:
        """Take in what becomes of a member's points."""
        if expiry.before is not None:
            self.asked_expiries.append(expiry.before)
        if expiry.behind is not None:
            self.expiries.append(expiry.behind)
        if expiry.held is not None:
            self.findings.append(expiry.held)


def _undescribed(machine: VirtualMachine, described: Collection[str]) -> tuple[str, ...]:
    """The file servers of its disks that nobody told how to reach."""
    named = {remote.server for disk in machine.disks if (remote := unc_path(disk.path))}
    return tuple(sorted(name for name in named if name.casefold() not in described))


def make_plan(wanted: PolicySet, observed: Observed, occasion: Occasion) -> Plan:
    """Everything that is due now.

    Shape: first what dead jobs left, then what persons let expire, then captures, then what
    expires behind them, then whole replicas that persons let go; so the actions of each machine
    are in the order in which they are done.
    """
    looked, noted = index(observed), take_note(observed)
    found = membership(wanted, observed)
    cleaning = tuple(_clean_up(looked, found, occasion))
    doubts = {doubt.source: doubt.reason for doubt in noted.doubts}
    placing = Placing(wanted, observed, Volumes(wanted, observed))
    rooms = headroom(observed)
    described = {server.known_as.casefold() for server in wanted.file_servers}
    states = [
        (
            member,
            replace(
                standing(member, looked, doubts, occasion.now, placing.volumes),
                shortage=rooms.shortage(member.machine.key),
                undescribed=_undescribed(member.machine, described),
            ),
        )
        for member in _after(cleaning, found)
    ]
    work = _work(states, looked, occasion, placing)
    deleting = deletions(wanted, looked, found, has_hole=occasion.has_hole)
    actions: tuple[Action, ...] = (*cleaning, *work.actions, *deleting)
    refusals = Refusals(wanted, looked, found, work.held, occasion.has_hole, occasion.expiry_paused)
    findings = (*_findings(wanted, looked, found, occasion, rooms), *work.findings)
    return Plan(
        id=occasion.id,
        made_for=occasion.now,
        clock=occasion.clock,
        policy_digest=wanted.digest,
        policy_commit=wanted.commit,
        actions=actions,
        findings=tuple(sorted(findings, key=lambda f: _RANK.index(f.severity))),
        doubts=noted.doubts,
        watches=noted.watches,
        refusals=tuple(refusals.of(actions)),
        headroom=rooms.of({capture.subject.key for capture in work.captures}),
        neighbours=clusters.neighbours(wanted, observed),
        unknown=frozenset(observed.inventory.silent),
        members=frozenset(
            source.id
            for source in observed.sources.values()
            if occasion.has_hole or source.key in found.claims
        ),
        undecided=found.undecided.union(
            undecided(observed, found, has_hole=occasion.has_hole),
            (SCALE,) if observed.inventory.silent else (),
            ((HEAD_ROOM, each.volume.label) for each in rooms.rooms.values() if each.is_in_use),
        ),
    )


def recovery_plan(observed: Observed, request: str, occasion: Occasion) -> Plan:
    """Only what one request asks to recover; needs no host."""
    return Plan(
        id=occasion.id,
        made_for=occasion.now,
        clock=occasion.clock,
        policy_digest="",
        policy_commit="",
        actions=tuple(
            _recovery(observed, each) for each in observed.recoveries if each.id == request
        ),
    )


def _recovery(observed: Observed, request: RecoveryRequest) -> RecoverDisks:
    source = observed.sources[request.source]
    return RecoverDisks(
        Subject(source.key, source.machine_name, source.host, source.group),
        "requested",
        request.id,
        request.source,
        request.recovery_point,
        request.folder,
    )


def _clean_up(index: Index, found: Membership, occasion: Occasion) -> Iterator[RemoveLeftovers]:
    """Also of machines that left the policy; not of those that are blocked or may be claimed.

    But a machine that a dead job of ours left saved is down, so it runs on whoever claims it.
    """
    groups = {member.machine.key: GroupName(member.group.name) for member in found.members}
    for machine in sorted(found.here.values(), key=lambda m: m.host):
        group = groups.get(machine.key)
        is_in_doubt = machine.key in found.held or (group is None and occasion.has_hole)
        action = leftovers(index, group, machine)
        if action is not None and (action.resumes or not is_in_doubt):
            yield action


def _after(cleaning: tuple[RemoveLeftovers, ...], found: Membership) -> Iterator[Member]:
    """The members as they are once what was left is cleaned up."""
    resumed = {action.subject.key for action in cleaning if action.resumes}
    for member in found.members:
        if member.machine.key in resumed:
            yield replace(member, machine=replace(member.machine, state="Running"))
        else:
            yield member


def _work(
    states: Sequence[tuple[Member, Standing]], index: Index, occasion: Occasion, placing: Placing
) -> _Work:
    work, volumes = _Work(), placing.volumes
    work.findings.extend(volumes.findings(state.volume for _, state in states))
    placing.count_begun(state for _, state in states)
    for member, state in states:
        protection = placed(protect(state), state, placing)
        work.findings.extend((*of_member(member), *protection.findings))
        if protection.capture is not None:
            work.captures.append(protection.capture)
        if protection.held is not None:
            work.held[member.machine.key] = protection.held
        if occasion.may_expire:
            work.expire(expire(state, protection, index.observed))
    return work


def _findings(
    wanted: PolicySet, index: Index, found: Membership, occasion: Occasion, rooms: Headroom
) -> Iterator[Finding]:
    """All that is about no member."""
    observed = index.observed
    held = {s.key for s in observed.sources.values() if has_points(observed, s)}
    yield from occasion.broken
    yield from silent_hosts(observed)
    yield from damaged(observed)
    yield from found.findings
    yield from left_saved(observed, found.here)
    yield from merges_left(index, found.here.values(), occasion.now)
    yield from departed(wanted, observed, found, has_hole=occasion.has_hole)
    if not occasion.has_hole:
        yield from unclaimed(found.unclaimed, held)
    yield from not_available_yet(wanted.groups)
    yield from clusters.findings(wanted, observed)
    yield from deduplicated(found.members, observed.inventory.reports)
    yield from of_members(observed, (member.machine.key for member in found.members), rooms)
    if occasion.expiry_paused:
        yield Finding(
            "expiry.paused",
            "all groups",
            f"no recovery points expire: {occasion.expiry_paused}",
            "see that the clock is right; expiry goes on when `reconciler run` is started anew",
            Severity.INFO,
        )
