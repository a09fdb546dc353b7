"""(wanted, observed, now) → plan."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from reconciler.model.machine import DiskFormat, NaturalKey, VirtualMachine
from reconciler.model.names import GroupName, PlanId, PoolName
from reconciler.model.observed import Observed, RecoveryRequest
from reconciler.model.protection import Cause, CauseKind, DataSource, Replica, ReplicaState
from reconciler.plan.actions import (
    Action,
    CreateReplica,
    ExpressFullBackup,
    Finding,
    Plan,
    RecoverDisks,
    RemoveLeftovers,
    Severity,
    Subject,
)
from reconciler.plan.consistency import obtainable_consistency
from reconciler.plan.due import is_filled, latest_slot
from reconciler.plan.leftovers import leftovers
from reconciler.plan.members import Member, Membership, membership
from reconciler.plan.tracking import is_tracked
from reconciler.policy.policy_set import PolicySet


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a plan is made for, beside wanted and observed."""

    id: PlanId
    now: datetime
    clock: str
    has_hole: bool = False
    """A policy file is broken and has no last good version: hold what it might have claimed."""


def make_plan(wanted: PolicySet, observed: Observed, occasion: Occasion) -> Plan:
    """Everything that is due now, in order: clean-up first, then what the groups promise."""
    found = membership(wanted, observed)
    actions: list[Action] = list(_clean_up(observed, found, occasion))
    findings = [
        *found.findings,
        *_silent_hosts(observed),
        *_gone(observed, found.claimed, occasion),
    ]
    for member in found.members:
        blocked = list(_blocked(member.machine))
        findings.extend(blocked)
        findings.extend(_not_protected(member.machine))
        findings.extend(_inconsistent(member.machine, observed))
        findings.extend(_at_work(member.machine, observed))
        if not blocked:
            actions.extend(_protect(member, observed, occasion.now))
    return Plan(
        id=occasion.id,
        made_for=occasion.now,
        clock=occasion.clock,
        policy_digest=wanted.digest,
        policy_commit=wanted.commit,
        actions=tuple(actions),
        findings=tuple(findings),
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


def _clean_up(
    observed: Observed, found: Membership, occasion: Occasion
) -> Iterator[RemoveLeftovers]:
    """Also of machines that left the policy; not of those that are blocked or may be claimed."""
    groups = {m.machine.key: GroupName(m.group.name) for m in found.members}
    for _, report in sorted(observed.inventory.reports.items()):
        for machine in report.machines:
            group = groups.get(machine.key)
            if machine.key in found.blocked or (group is None and occasion.has_hole):
                continue
            if action := leftovers(observed, report, group, machine):
                yield action


def _protect(member: Member, observed: Observed, now: datetime) -> Iterator[Action]:
    """The one backup that a member needs now, if any."""
    group, machine = member.group, member.machine
    source = observed.source_of(machine.key)
    replica = observed.replicas.get(source.id) if source else None
    if source is not None and source.id in observed.running:
        return
    tracked = is_tracked(observed.inventory.reports[machine.host].facts, machine)
    slot = latest_slot(group, now, is_tracked=tracked)
    if replica is None or replica.head is None or source is None:
        yield _create(member, slot, is_tracked=tracked)
        return
    match replica.state:
        case ReplicaState.MISSING:
            yield _create(member, slot, is_tracked=tracked)
        case ReplicaState.INCONSISTENT:
            return  # no recovery point is made of it: see _inconsistent
        case ReplicaState.CONSISTENT:
            if not is_filled(slot, replica.latest_captured_at, now):
                yield _express_full(member, replica, slot, is_tracked=tracked)
        case _:
            assert_never(replica.state)


def _create(member: Member, slot: datetime, *, is_tracked: bool) -> CreateReplica:
    machine = member.machine
    return CreateReplica(
        _subject(member),
        "no replica yet",
        PoolName(member.group.pool),
        obtainable_consistency(machine),
        Cause(CauseKind.REPLICA_CREATION, slot),
        sum(disk.geometry.virtual_bytes for disk in machine.disks),
        is_tracked,
    )


def _express_full(
    member: Member, replica: Replica, slot: datetime, *, is_tracked: bool
) -> ExpressFullBackup:
    assert replica.head is not None  # noqa: S101 (the caller looked)
    return ExpressFullBackup(
        _subject(member),
        f"no recovery point since the slot of {slot.isoformat(timespec='minutes')}",
        replica.source,
        obtainable_consistency(member.machine),
        Cause(CauseKind.SLOT, slot),
        replica.head.recovery_point,
        is_tracked,
    )


def _subject(member: Member) -> Subject:
    machine = member.machine
    return Subject(machine.key, machine.name, machine.host, GroupName(member.group.name))


def _silent_hosts(observed: Observed) -> Iterator[Finding]:
    for _, host in sorted(observed.inventory.silent.items()):
        yield Finding(
            host.code,
            host.name,
            f"{host.message}; its machines are unknown, not gone",
            host.hint,
            Severity.ERROR,
        )


def _gone(
    observed: Observed, claimed: frozenset[NaturalKey], occasion: Occasion
) -> Iterator[Finding]:
    """Machines we hold points of that no host reports, or that no group claims any more."""
    reported = {m.key for r in observed.inventory.reports.values() for m in r.machines}
    for source in sorted(observed.sources.values(), key=lambda s: s.machine_name):
        replica = observed.replicas.get(source.id)
        if replica is None or replica.head is None or observed.is_silent(source.host):
            continue
        if source.key in reported:
            if source.key not in claimed and not occasion.has_hole:
                yield Finding(
                    "machine.not_claimed",
                    source.machine_name,
                    "no group claims this machine any more; no new recovery points are made",
                    "its recovery points are kept; put it back into a group to go on",
                )
        elif observed.inventory.silent:
            continue  # it may have moved to a host that says nothing: unknown, not gone
        elif source.host in observed.inventory.reports:
            yield Finding(
                "machine.not_reported",
                source.machine_name,
                f"no host reports this machine any more; it was last seen on {source.host}",
                "its recovery points are kept; recover it, or remove it from the policy",
            )
        elif not occasion.has_hole:
            yield _host_not_declared(source)


def _host_not_declared(source: DataSource) -> Finding:
    return Finding(
        "machine.host_not_declared",
        source.machine_name,
        f"no policy describes its host {source.host} any more, so nobody asked for it",
        "its recovery points are kept; put the HyperVHost back, or name the machine's new host",
    )


def _not_protected(machine: VirtualMachine) -> Iterator[Finding]:
    for disk in machine.pass_through:
        yield Finding(
            "disk.pass_through",
            machine.name,
            f"the disk at {disk.slot} is physical disk {disk.disk_number}: "
            "the host sees none of its data",
            "protect it from inside the guest, or move its data to a VHDX",
        )


def _blocked(machine: VirtualMachine) -> Iterator[Finding]:
    """Why the machine cannot be backed up at all, as it is."""
    for fault in machine.faults:
        yield Finding(
            "blocked.machine",
            machine.name,
            f"it is not backed up: {fault}",
            "look at the machine's settings on its host, and repair what is missing there",
            Severity.ERROR,
        )
    for disk in machine.disks:
        if disk.geometry.format is DiskFormat.VHD:
            yield Finding(
                "blocked.disk_format",
                machine.name,
                f"it is not backed up: the disk at {disk.slot} is a VHD file",
                "convert it with Convert-VHD to VHDX; VHD files cannot be read yet",
                Severity.ERROR,
            )


def _at_work(machine: VirtualMachine, observed: Observed) -> Iterator[Finding]:
    source = observed.source_of(machine.key)
    job = observed.running.get(source.id) if source else None
    if job is not None:
        yield Finding(
            "job.running",
            machine.name,
            f"job {job} is at work on it, so nothing else is planned",
            "wait for it; if its process is gone, the job is healed after 90 seconds",
            Severity.INFO,
        )


def _inconsistent(machine: VirtualMachine, observed: Observed) -> Iterator[Finding]:
    source = observed.source_of(machine.key)
    replica = observed.replicas.get(source.id) if source else None
    if replica is not None and replica.state is ReplicaState.INCONSISTENT:
        yield Finding(
            "replica.inconsistent",
            machine.name,
            "the replica may differ from the machine, so no recovery points are made of it",
            "its earlier recovery points are kept and can be recovered",
            Severity.ERROR,
        )
