"""The one capture that a member needs now, if any; else why there is none."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from reconciler.model.names import PoolName
from reconciler.model.observed import RequestKind
from reconciler.model.protection import Cause, CauseKind
from reconciler.plan.actions import (
    Capture,
    ConsistencyCheck,
    CreateReplica,
    ExpressFullBackup,
    Finding,
    Severity,
)
from reconciler.plan.consistency import NoWay, Way, guest_obstacle, way_to_capture
from reconciler.plan.due import MOST_COUNTED, is_filled, is_quiet, latest_check
from reconciler.plan.obstacles import lacks_room, obstacles
from reconciler.plan.standing import Protected, Standing
from reconciler.plan.words import counted, request_command, shown


@dataclass(frozen=True, slots=True)
class Protection:
    """What becomes of a member in this plan."""

    capture: Capture | None = None
    findings: tuple[Finding, ...] = ()
    held: Finding | None = None
    """Why no capture is made, however much it is asked for."""
    may_expire: bool = False
    """Whether points may be let go, once the capture is made if there is one."""


@dataclass(frozen=True, slots=True)
class _Creation:
    cause: Cause
    reason: str


@dataclass(frozen=True, slots=True)
class _Backup:
    protected: Protected
    cause: Cause
    reason: str


@dataclass(frozen=True, slots=True)
class _Check:
    protected: Protected
    cause: Cause
    reason: str


_Due = _Creation | _Backup | _Check


def protect(standing: Standing) -> Protection:
    """Decide what a member gets; at most one capture, whatever is due and asked for at once."""
    due = _due(standing)
    undone = (due,) if isinstance(due, Finding) else ()
    if standing.job is not None:
        doubted = undone if standing.protected else ()
        return Protection(findings=(_at_work(standing), *doubted, *_missed(standing, None)))
    way = way_to_capture(standing.machine, standing.facts.os_build, standing.group.consistency.wish)
    held = obstacles(standing, way)
    if held or isinstance(way, NoWay):
        # to wait is no news while nothing is due
        told = () if due is None and held[0].code.startswith("waiting.") else held
        findings = (*told, *undone, *_missed(standing, held[0]))
        return Protection(None, findings, held[0], may_expire=lacks_room(standing, held[0]))
    saved = tuple(_saved(standing, way))
    if isinstance(due, Finding):
        return Protection(None, (*saved, due, *_missed(standing, due)), due)
    capture = _capture(standing, due, way) if due is not None else None
    # with a capture the replica is consistent afterwards, and without one nothing was due
    return Protection(capture, (*saved, *_missed(standing, None)), may_expire=True)


def _due(standing: Standing) -> _Due | Finding | None:
    """What is due, before anybody looked whether the machine can give it."""
    protected = standing.protected
    if protected is None:
        return _creation(standing)
    if standing.doubt:
        return _repair(standing, protected)
    return _upkeep(standing, protected)


def _creation(standing: Standing) -> _Creation | Finding:
    if standing.asked(RequestKind.IMPORT):
        cause = Cause(CauseKind.REPLICA_CREATION, standing.slot)
        return _Creation(cause, "no replica yet; it is imported from media")
    wish = standing.group.initial_replication
    if wish is not None and wish.is_manual:
        return _awaits_import(standing)
    requested = standing.asked(RequestKind.BACKUP, RequestKind.CONSISTENCY_CHECK)
    if not requested and not is_quiet(standing.group, standing.now):
        return Finding(
            "waiting.quiet_time",
            standing.machine.label,
            "its replica is created in the quiet time of its group",
            f"it begins by itself then; for now, remove initial_replication from "
            f"group {standing.group.name}",
            Severity.INFO,
            standing.machine.host,
        )
    cause = Cause(CauseKind.REPLICA_CREATION, standing.slot)
    return _Creation(cause, "no replica yet; requested" if requested else "no replica yet")


def _awaits_import(standing: Standing) -> Finding:
    name = standing.machine.label
    return Finding(
        "replica.awaits_import",
        name,
        "its replica is created from media, and none were imported yet",
        f"near its host: reconciler replica export {name} FOLDER; carry the media to this server; "
        f"here: reconciler replica import {name} FOLDER",
        Severity.WARNING,
        standing.machine.host,
    )


def _repair(standing: Standing, protected: Protected) -> _Check | Finding:
    checks = standing.group.consistency_check
    if standing.asked(RequestKind.CONSISTENCY_CHECK):
        return _check(standing, protected, f"requested; {standing.doubt}")
    if checks.when_inconsistent:
        return _check(standing, protected, standing.doubt)
    if scheduled := _scheduled(standing, protected):
        return _check(standing, protected, f"{scheduled}; {standing.doubt}")
    return Finding(
        "replica.inconsistent",
        standing.machine.label,
        f"{standing.doubt}; no recovery points are made of it",
        f"compare and repair it: {request_command('consistency-check', standing.machine.label)}",
        Severity.ERROR,
        standing.machine.host,
    )


def _upkeep(standing: Standing, protected: Protected) -> _Backup | _Check | None:
    if standing.asked(RequestKind.CONSISTENCY_CHECK):
        return _check(standing, protected, "requested")
    if scheduled := _scheduled(standing, protected):
        return _check(standing, protected, scheduled)
    requested = standing.asked(RequestKind.BACKUP)
    if standing.is_slot_filled:
        cause = Cause(CauseKind.REQUEST, None)
        return _Backup(protected, cause, "requested") if requested else None
    reasons = [f"no recovery point since the slot of {shown(standing.slot)}"]
    if missed := standing.missed:
        reasons.append(f"{_count(missed, 'slot')} before it missed")
    if requested:
        reasons.append("requested")
    return _Backup(protected, Cause(CauseKind.SLOT, standing.slot), "; ".join(reasons))


def _scheduled(standing: Standing, protected: Protected) -> str:
    """The check of the schedule that is due, in words; empty when none is."""
    at = latest_check(standing.group, standing.now)
    if at is None or is_filled(at, protected.replica.checked_at, standing.now):
        return ""
    return f"consistency check scheduled for {shown(at)}"


def _check(standing: Standing, protected: Protected, reason: str) -> _Check:
    slot = None if standing.is_slot_filled else standing.slot
    return _Check(protected, Cause(CauseKind.CONSISTENCY_CHECK, slot), reason)


def _capture(standing: Standing, due: _Due, way: Way) -> Capture:
    group, machine = standing.group, standing.machine
    requests = standing.asked(RequestKind.BACKUP, RequestKind.CONSISTENCY_CHECK)
    match due:
        case _Creation():
            return CreateReplica(
                standing.subject,
                due.reason,
                PoolName(group.pool),
                way.consistency,
                due.cause,
                sum(disk.geometry.virtual_bytes for disk in machine.disks),
                standing.is_tracked,
                group.consistency.wish,
                requests + standing.asked(RequestKind.IMPORT),
                way.saves_machine,
                media=standing.media,
            )
        case _Backup():
            return ExpressFullBackup(
                standing.subject,
                due.reason,
                due.protected.source.id,
                way.consistency,
                due.cause,
                due.protected.head.recovery_point,
                standing.is_tracked,
                group.consistency.wish,
                standing.missed,
                requests,
                way.saves_machine,
                group.page_files.wish,
            )
        case _Check():
            return ConsistencyCheck(
                standing.subject,
                due.reason,
                due.protected.source.id,
                way.consistency,
                due.cause,
                due.protected.head.recovery_point,
                standing.is_tracked,
                group.consistency.wish,
                requests,
                way.saves_machine,
            )
        case _:
            assert_never(due)


def _at_work(standing: Standing) -> Finding:
    return Finding(
        "job.running",
        standing.machine.label,
        f"job {standing.job} is at work on it, so nothing else is planned",
        "wait for it; if its process is gone, the job is healed after 90 seconds",
        Severity.INFO,
        standing.machine.host,
    )


def _saved(standing: Standing, way: Way | NoWay) -> Iterator[Finding]:
    obstacle = guest_obstacle(standing.machine, standing.facts.os_build)
    if isinstance(way, Way) and way.saves_machine and obstacle is not None:
        yield Finding(
            "consistency.saved_state",
            standing.machine.label,
            f"it is saved for each backup and runs on at once: {obstacle.reason}",
            f"{obstacle.hint}, or choose 'otherwise: crash' in group {standing.group.name}",
            Severity.INFO,
            standing.machine.host,
        )


def _missed(standing: Standing, held: Finding | None) -> Iterator[Finding]:
    missed, newest = standing.missed, standing.captured_at
    if not missed or newest is None:
        return
    reason = f"; {held.message}" if held else ""
    yield Finding(
        "recovery_point.missed",
        standing.machine.label,
        f"{_count(missed, 'slot')} passed without a recovery point; "
        f"the newest is of {shown(newest)}{reason}",
        held.hint if held else "one backup makes up for all of them; this plan has it",
        Severity.WARNING if held else Severity.INFO,
        standing.machine.host,
    )


def _count(missed: int, noun: str) -> str:
    return f"at least {counted(missed, noun)}" if missed >= MOST_COUNTED else counted(missed, noun)
