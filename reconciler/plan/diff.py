"""A plan as text for people and as JSON for machines."""

import json
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import assert_never

from reconciler.plan.actions import (
    Action,
    CreateReplica,
    ExpressFullBackup,
    Finding,
    Plan,
    RecoverDisks,
    RemoveLeftovers,
)

FORMAT = "1.0"
"""Minor versions only add; readers refuse another major version."""


def as_data(plan: Plan) -> dict[str, object]:
    """The plan as plain data, in a stable order; no secrets can be in it."""
    actions = [_action_data(action) for action in plan.actions]
    return {
        "format": FORMAT,
        "plan": plan.id,
        "made_for": _text(plan.made_for),
        "clock": plan.clock,
        "policy_digest": plan.policy_digest,
        "policy_commit": plan.policy_commit,
        "digest": digest(plan),
        "actions": actions,
        "findings": [
            {
                "code": f.code,
                "about": f.about,
                "severity": f.severity.value,
                "message": f.message,
                "hint": f.hint,
            }
            for f in plan.findings
        ],
    }


def digest(plan: Plan) -> str:
    """What was reviewed: the policies and every action, without the plan's own id and time."""
    reviewed = {"policies": plan.policy_digest, "actions": [_action_data(a) for a in plan.actions]}
    text = json.dumps(reviewed, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def as_json(plan: Plan) -> str:
    """The plan as indented JSON."""
    return json.dumps(as_data(plan), indent=2, ensure_ascii=False)


def as_text(plan: Plan) -> str:
    """The plan for a person: each line with its reason, then what will not be done."""
    lines = [_line(action) for action in plan.actions]
    if plan.findings:
        lines += ["", "Findings"] if lines else ["Findings"]
        lines += [line for finding in plan.findings for line in _finding_lines(finding)]
    return "\n".join([*map(printable, lines), *([""] if lines else []), summary(plan)])


def printable(text: str) -> str:
    """A line that cannot steer a terminal: names come from hosts and guests."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def summary(plan: Plan) -> str:
    """One line that counts."""
    counts = {
        "replica to create": sum(isinstance(a, CreateReplica) for a in plan.actions),
        "express full backup": sum(isinstance(a, ExpressFullBackup) for a in plan.actions),
        "clean-up": sum(isinstance(a, RemoveLeftovers) for a in plan.actions),
        "recovery": sum(isinstance(a, RecoverDisks) for a in plan.actions),
    }
    plurals = {"replica to create": "replicas to create", "recovery": "recoveries"}
    told = [
        f"{n} {what if n == 1 else plurals.get(what, what + 's')}"
        for what, n in counts.items()
        if n
    ]
    findings = len(plan.findings)
    told += [f"{findings} finding{'s' * (findings != 1)}"] if findings else []
    return f"Plan: {', '.join(told)}." if told else "Plan: nothing to do."


def _line(action: Action) -> str:
    subject = action.subject
    where = f"{subject.name} on {subject.host}"
    match action:
        case CreateReplica():
            size = action.bytes_expected / (1 << 30)
            what = f"+ create replica       {where}  ({action.consistency}, disks {size:.1f} GiB)"
        case ExpressFullBackup():
            what = f"> express full backup  {where}  ({action.consistency})"
        case RemoveLeftovers():
            what = f"- clean up             {where}"
        case RecoverDisks():
            what = f"< recover disks        {subject.name} to {action.folder}"
        case _:
            assert_never(action)
    return f"  {what}   # {action.reason}"


def _finding_lines(finding: Finding) -> Iterator[str]:
    yield f"  ! {finding.about}: {finding.message} ({finding.code})"
    yield f"      = hint: {finding.hint}"


def _action_data(action: Action) -> dict[str, object]:
    subject = action.subject
    data: dict[str, object] = {
        "vm": subject.name,
        "vm_id": subject.key.vm_id,
        "role": subject.key.role.value,
        "host": subject.host,
        "protection_group": subject.group,
        "reason": action.reason,
    }
    match action:
        case CreateReplica():
            data |= {
                "action": "create_replica",
                "pool": action.pool,
                "consistency": action.consistency.value,
                "cause": action.cause.kind.value,
                "slot_at": _text(action.cause.slot_at),
                "bytes_expected": action.bytes_expected,
                "is_tracked": action.is_tracked,
            }
        case ExpressFullBackup():
            data |= {
                "action": "express_full_backup",
                "consistency": action.consistency.value,
                "cause": action.cause.kind.value,
                "slot_at": _text(action.cause.slot_at),
                "based_on": action.based_on,
                "is_tracked": action.is_tracked,
            }
        case RemoveLeftovers():
            data |= {
                "action": "remove_leftovers",
                "is_tracked": action.is_tracked,
                "jobs": list(action.jobs),
                "checkpoints": list(action.checkpoints),
                "reference_points": list(action.reference_points),
            }
        case RecoverDisks():
            data |= {
                "action": "recover_disks",
                "request": action.request,
                "recovery_point": action.recovery_point,
                "folder": action.folder,
            }
        case _:
            assert_never(action)
    return data


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None
