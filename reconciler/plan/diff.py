"""A plan as text for people and as JSON for machines."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final, assert_never

from reconciler.plan.actions import (
    Action,
    Capture,
    ConsistencyCheck,
    CreateReplica,
    DeletePoints,
    ExpirePoints,
    ExpressFullBackup,
    Finding,
    Plan,
    RecoverDisks,
    RemoveLeftovers,
    Severity,
)
from reconciler.plan.rooms import Room
from reconciler.plan.words import counted, shown_bytes

FORMAT: Final = "1.3"
"""Minor versions only add; readers refuse another major version."""
_IN_DATA_ONLY: Final = frozenset({"volume.deduplicated"})
"""Findings that nobody has to read."""
_COUNTED: Final[tuple[tuple[type[Action], str, str], ...]] = (
    (CreateReplica, "replica to create", "replicas to create"),
    (ExpressFullBackup, "express full backup", "express full backups"),
    (ConsistencyCheck, "consistency check", "consistency checks"),
    (ExpirePoints, "expiry", "expiries"),
    (DeletePoints, "deletion", "deletions"),
    (RemoveLeftovers, "clean-up", "clean-ups"),
    (RecoverDisks, "recovery", "recoveries"),
)


def as_data(plan: Plan) -> dict[str, object]:
    """The plan as plain data, in a stable order; no secrets can be in it."""
    return {
        "format": FORMAT,
        "plan": plan.id,
        "made_for": _text(plan.made_for),
        "clock": plan.clock,
        "policy_digest": plan.policy_digest,
        "policy_commit": plan.policy_commit,
        "digest": digest(plan),
        "actions": [_action_data(action) for action in plan.actions],
        "findings": [_finding_data(finding) for finding in plan.findings],
        "head_room": [_room_data(room) for _, room in sorted(plan.headroom.rooms.items())],
        "doubts": _doubts_data(plan),
        "refusals": [
            {"request": refusal.request, "message": refusal.message, "hint": refusal.hint}
            for refusal in plan.refusals
        ],
        "unknown_hosts": sorted(plan.unknown),
    }


def digest(plan: Plan) -> str:
    """What was reviewed: policies, doubts and every action, without the plan's own id and time."""
    reviewed = {
        "policies": plan.policy_digest,
        "actions": [_action_data(a) for a in plan.actions],
        "doubts": _doubts_data(plan),
    }
    text = json.dumps(reviewed, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def as_json(plan: Plan, disk_allocation: Sequence[object] | None = None) -> str:
    """The plan as indented JSON, with the figures of volumes beside it if they are given."""
    figures = {} if disk_allocation is None else {"disk_allocation": list(disk_allocation)}
    data = as_data(plan) | figures
    return json.dumps(data, indent=2, ensure_ascii=False)


def as_text(plan: Plan) -> str:
    """The plan for a person: each line with its reason, then what will not be done."""
    lines = [line for action in plan.actions for line in _action_lines(action)]
    if told := _told(plan):
        lines += ["", "Findings"] if lines else ["Findings"]
        lines += [line for finding in told for line in _finding_lines(finding)]
    if plan.refusals:
        lines += ["", "Refused requests"] if lines else ["Refused requests"]
        for refusal in plan.refusals:
            lines += [f"  ! {refusal.message}", f"      = hint: {refusal.hint}"]
    return "\n".join([*map(printable, lines), *([""] if lines else []), summary(plan)])


def printable(text: str) -> str:
    """A line that cannot steer a terminal: names come from hosts and guests."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def summary(plan: Plan) -> str:
    """One line that counts."""
    told = []
    for kind, one, many in _COUNTED:
        if count := sum(isinstance(action, kind) for action in plan.actions):
            told.append(f"{count} {one if count == 1 else many}")
    if findings := len(_told(plan)):
        told.append(counted(findings, "finding"))
    if refused := len(plan.refusals):
        told.append(f"{counted(refused, 'request')} refused")
    return f"Plan: {', '.join(told)}." if told else "Plan: nothing to do."


def _told(plan: Plan) -> list[Finding]:
    return [finding for finding in plan.findings if finding.code not in _IN_DATA_ONLY]


def _action_lines(action: Action) -> Iterator[str]:
    """One line; for a replica a second one with its volume and why, and its size there."""
    yield _line(action)
    if isinstance(action, CreateReplica):
        size = f"{shown_bytes(action.bytes_to_provision)} to provision"
        where = f"{action.pool}/{action.volume}"
        yield f"      = volume {where}, {size}   # {action.placement}"


def _line(action: Action) -> str:
    subject = action.subject
    name = subject.label
    where = f"{name} on {subject.host}"
    match action:
        case CreateReplica():
            size = f", disks {action.bytes_expected / (1 << 30):.1f} GiB"
            what = f"+ create replica       {where}  ({_how(action)}{size})"
        case ExpressFullBackup():
            what = f"> express full backup  {where}  ({_how(action)})"
        case ConsistencyCheck():
            what = f"= consistency check    {where}  ({_how(action)})"
        case RemoveLeftovers():
            what = f"- clean up             {where}"
        case ExpirePoints():
            what = f"x expire               {where}  ({counted(len(action.points), 'point')})"
        case DeletePoints():
            what = f"x delete points        {where}  (all {action.count})"
        case RecoverDisks():
            what = f"< recover disks        {name} to {action.folder}"
        case _:
            assert_never(action)
    return f"  {what}   # {action.reason}"


def _how(capture: Capture) -> str:
    """The consistency, and what it costs the machine."""
    how = capture.consistency.value
    return f"{how}: it is saved and resumed" if capture.saves_machine else how


def _finding_lines(finding: Finding) -> Iterator[str]:
    mark = "i" if finding.severity is Severity.INFO else "!"
    yield f"  {mark} {finding.about}: {finding.message} ({finding.code})"
    yield f"      = hint: {finding.hint}"


def _finding_data(finding: Finding) -> dict[str, object]:
    return {
        "code": finding.code,
        "about": finding.about,
        "host": finding.host,
        "severity": finding.severity.value,
        "message": finding.message,
        "hint": finding.hint,
    }


def _room_data(room: Room) -> dict[str, object]:
    """Units: bytes."""
    return {
        "volume": room.volume.path,
        "of": room.volume.owner,
        "free_bytes": room.free_bytes,
        "needs": [
            {"vm": each.machine, "vm_id": each.key.vm_id, "bytes": each.need_bytes}
            for each in room.needs
        ],
    }


def _doubts_data(plan: Plan) -> list[dict[str, object]]:
    return [
        {"source": doubt.source, "vm": doubt.machine, "reason": doubt.reason}
        for doubt in plan.doubts
    ]


def _action_data(action: Action) -> dict[str, object]:
    subject = action.subject
    return {
        "vm": subject.name,
        "vm_id": subject.key.vm_id,
        "role": subject.key.role.value,
        "host": subject.host,
        "protection_group": subject.group,
        "reason": action.reason,
    } | _deed_data(action)


def _deed_data(action: Action) -> dict[str, object]:
    match action:
        case CreateReplica():
            more = {
                "pool": action.pool,
                "bytes_expected": action.bytes_expected,
                "media": action.media,
                "volume": action.volume,
                "placement": action.placement,
                "bytes_to_provision": action.bytes_to_provision,
            }
            return {"action": "create_replica", **_capture_data(action), **more}
        case ExpressFullBackup():
            more = {"based_on": action.based_on, "missed_slots": action.missed_slots}
            return {"action": "express_full_backup", **_capture_data(action), **more}
        case ConsistencyCheck():
            return {
                "action": "consistency_check",
                **_capture_data(action),
                "based_on": action.based_on,
            }
        case RemoveLeftovers():
            return {
                "action": "remove_leftovers",
                "is_tracked": action.is_tracked,
                "jobs": list(action.jobs),
                "checkpoints": list(action.checkpoints),
                "reference_points": list(action.reference_points),
                "resumes": action.resumes,
            }
        case _:
            return _data_without_host(action)


def _data_without_host(action: ExpirePoints | DeletePoints | RecoverDisks) -> dict[str, object]:
    match action:
        case ExpirePoints():
            return {
                "action": "expire_points",
                "recovery_points": list(action.points),
                "requests": list(action.requests),
            }
        case DeletePoints():
            return {
                "action": "delete_points",
                "count": action.count,
                "requests": list(action.requests),
            }
        case RecoverDisks():
            return {
                "action": "recover_disks",
                "request": action.request,
                "recovery_point": action.recovery_point,
                "folder": action.folder,
            }
        case _:
            assert_never(action)


def _capture_data(action: Capture) -> dict[str, object]:
    return {
        "consistency": action.consistency.value,
        "saves_machine": action.saves_machine,
        "asks_guest": action.wish.asks_guest,
        "otherwise": action.wish.otherwise.value,
        "cause": action.cause.kind.value,
        "slot_at": _text(action.cause.slot_at),
        "is_tracked": action.is_tracked,
        "requests": list(action.requests),
    }


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None
