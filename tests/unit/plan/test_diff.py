"""What of a plan is counted, and what of it was reviewed."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.model.machine import Role, VirtualMachine
from reconciler.model.names import (
    DataSourceId,
    GroupName,
    HostName,
    PlanId,
    PoolName,
    RecoveryPointId,
)
from reconciler.model.protection import Cause, CauseKind, Consistency
from reconciler.plan.actions import (
    Action,
    ConsistencyCheck,
    CreateReplica,
    DeletePoints,
    Doubt,
    ExpirePoints,
    ExpressFullBackup,
    Finding,
    Plan,
    RecoverDisks,
    Refusal,
    RemoveLeftovers,
    Severity,
    Subject,
)
from reconciler.plan.diff import as_data, as_json, as_text, digest, summary

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SOURCE, POINT = DataSourceId("source-erp"), RecoveryPointId("point-erp")
FINDING = Finding("group.empty", "finance", "nothing belongs to it", "compare its members")


@pytest.fixture
def actions(make_vm: Callable[..., VirtualMachine]) -> dict[str, Action]:
    machine = make_vm()
    about = Subject(machine.key, machine.name, machine.host, GroupName("finance"))
    first, again = Cause(CauseKind.REPLICA_CREATION, None), Cause(CauseKind.SLOT, NOON)
    crash, pool = Consistency.CRASH, PoolName("main")
    return {
        "create": CreateReplica(
            about,
            "why",
            pool,
            crash,
            first,
            3 << 29,
            is_tracked=True,
            volume="main-2",
            placement="most room",
            bytes_to_provision=3 << 30,
        ),
        "backup": ExpressFullBackup(about, "why", SOURCE, crash, again, POINT, is_tracked=True),
        "check": ConsistencyCheck(about, "why", SOURCE, crash, again, POINT, is_tracked=True),
        "expire": ExpirePoints(about, "why", SOURCE, (POINT, RecoveryPointId("point-2"))),
        "delete": DeletePoints(about, "why", SOURCE, 7),
        "clean": RemoveLeftovers(about, "why", SOURCE, is_tracked=True),
        "recover": RecoverDisks(about, "why", "request-1", SOURCE, POINT, "/out"),
    }


def plan(*actions: Action, findings: tuple[Finding, ...] = ()) -> Plan:
    return Plan(PlanId("plan-1"), NOON, "server", "ab12", "c0ffee", actions, findings)


def test_nothing_to_do_is_said_in_one_line() -> None:
    assert as_text(plan()) == "Plan: nothing to do."


@pytest.mark.parametrize(
    ("count", "told"),
    [
        ({"create": 1}, "1 replica to create"),
        ({"create": 2}, "2 replicas to create"),
        ({"backup": 1}, "1 express full backup"),
        ({"backup": 12}, "12 express full backups"),
        ({"check": 1}, "1 consistency check"),
        ({"check": 2}, "2 consistency checks"),
        ({"expire": 1}, "1 expiry"),
        ({"expire": 2}, "2 expiries"),
        ({"delete": 1}, "1 deletion"),
        ({"delete": 2}, "2 deletions"),
        ({"clean": 1}, "1 clean-up"),
        ({"clean": 2}, "2 clean-ups"),
        ({"recover": 1}, "1 recovery"),
        ({"recover": 2}, "2 recoveries"),
        (
            {"recover": 1, "create": 1, "backup": 2},
            "1 replica to create, 2 express full backups, 1 recovery",
        ),
    ],
)
def test_the_summary_counts_each_kind_in_good_english(
    actions: dict[str, Action], count: dict[str, int], told: str
) -> None:
    planned = [actions[kind] for kind, times in count.items() for _ in range(times)]

    assert summary(plan(*planned)) == f"Plan: {told}."


@pytest.mark.parametrize(("count", "told"), [(1, "1 finding"), (3, "3 findings")])
def test_findings_are_counted_after_the_actions(
    actions: dict[str, Action], count: int, told: str
) -> None:
    found = (FINDING,) * count

    assert summary(plan(findings=found)) == f"Plan: {told}."
    assert summary(plan(actions["clean"], findings=found)) == f"Plan: 1 clean-up, {told}."


def test_findings_alone_have_no_gap_above_them() -> None:
    assert as_text(plan(findings=(FINDING,))).splitlines() == [
        "Findings",
        "  ! finance: nothing belongs to it (group.empty)",
        "      = hint: compare its members",
        "",
        "Plan: 1 finding.",
    ]


def test_a_first_backup_without_a_slot_has_null_for_it(actions: dict[str, Action]) -> None:
    (found,) = json.loads(as_json(plan(actions["create"])))["actions"]

    assert found["cause"] == "replica_creation"
    assert found["slot_at"] is None


def test_data_and_json_say_the_same(actions: dict[str, Action]) -> None:
    made = plan(*actions.values(), findings=(FINDING,))

    assert json.loads(as_json(made)) == as_data(made)


def test_each_action_has_a_line_of_its_own_and_a_replica_one_for_its_volume(
    actions: dict[str, Action],
) -> None:
    assert as_text(plan(*actions.values())).splitlines()[: len(actions) + 1] == [
        "  + create replica       erp on hv1  (crash, disks 1.5 GiB)   # why",
        "      = volume main/main-2, 3.0 GiB to provision   # most room",
        "  > express full backup  erp on hv1  (crash)   # why",
        "  = consistency check    erp on hv1  (crash)   # why",
        "  x expire               erp on hv1  (2 points)   # why",
        "  x delete points        erp on hv1  (all 7)   # why",
        "  - clean up             erp on hv1   # why",
        "  < recover disks        erp to /out   # why",
    ]


def test_a_machine_that_is_saved_for_its_capture_says_so(actions: dict[str, Action]) -> None:
    action = actions["backup"]
    assert isinstance(action, ExpressFullBackup)
    saved = replace(action, consistency=Consistency.OFFLINE, saves_machine=True)

    assert "(offline: it is saved and resumed)" in as_text(plan(saved))


def test_a_replica_machine_is_told_from_its_primary(actions: dict[str, Action]) -> None:
    action = actions["backup"]
    key = replace(action.subject.key, role=Role.REPLICA)
    copy = replace(action, subject=replace(action.subject, key=key))

    assert "  > express full backup  erp/replica on hv1  (crash)" in as_text(plan(copy))


def test_what_is_only_good_to_know_is_marked_otherwise() -> None:
    shown = as_text(plan(findings=(FINDING, replace(FINDING, severity=Severity.INFO))))

    marks = [line.split()[0] for line in shown.splitlines() if "nothing belongs to it" in line]
    assert marks == ["!", "i"]


def test_what_nobody_has_to_read_is_in_the_data_only() -> None:
    made = plan(findings=(replace(FINDING, code="volume.deduplicated"),))

    assert as_text(made) == "Plan: nothing to do."
    assert "volume.deduplicated" in as_json(made)


def test_requests_that_cannot_be_done_are_told_with_the_remedy(
    actions: dict[str, Action],
) -> None:
    refused = (Refusal("request-2", "erp: no group claims it", "add it to a group"),)
    told = [
        "Refused requests",
        "  ! erp: no group claims it",
        "      = hint: add it to a group",
        "",
    ]

    alone = replace(plan(), refusals=refused)
    assert as_text(alone).splitlines() == [*told, "Plan: 1 request refused."]
    beside = replace(plan(actions["clean"], findings=(FINDING,)), refusals=refused * 2)
    assert as_text(beside).splitlines()[-1] == "Plan: 1 clean-up, 1 finding, 2 requests refused."


def test_data_tells_requests_doubts_refusals_and_unknown_hosts(
    actions: dict[str, Action],
) -> None:
    expire = actions["expire"]
    assert isinstance(expire, ExpirePoints)
    asked = replace(expire, requests=("request-1",))
    made = replace(
        plan(asked),
        doubts=(Doubt(SOURCE, "erp", "its node was lost"),),
        refusals=(Refusal("request-2", "it cannot be", "ask otherwise"),),
        unknown=frozenset({HostName("hv3"), HostName("hv2")}),
    )
    data = json.loads(as_json(made))

    assert data["format"] == "1.3"
    assert data["actions"][0]["requests"] == ["request-1"]
    assert data["actions"][0]["recovery_points"] == ["point-erp", "point-2"]
    assert data["doubts"] == [{"source": SOURCE, "vm": "erp", "reason": "its node was lost"}]
    assert data["refusals"] == [
        {"request": "request-2", "message": "it cannot be", "hint": "ask otherwise"}
    ]
    assert data["unknown_hosts"] == ["hv2", "hv3"]


def test_a_plan_made_again_for_the_same_has_the_same_digest(actions: dict[str, Action]) -> None:
    made = plan(*actions.values())
    again = replace(made, id=PlanId("plan-2"), made_for=NOON + timedelta(hours=1))

    assert digest(again) == digest(made)
    assert digest(replace(made, findings=(FINDING,))) == digest(made)


def test_another_policy_action_or_order_is_another_digest(actions: dict[str, Action]) -> None:
    made = plan(*actions.values())
    others = [
        replace(made, policy_digest="ab13"),
        replace(made, actions=made.actions[:-1]),
        replace(made, actions=made.actions[::-1]),
        replace(made, doubts=(Doubt(SOURCE, "erp", "its node was lost"),)),
        *(replace(made, actions=(replace(a, reason="other"),)) for a in made.actions),
    ]

    assert len({digest(each) for each in (made, *others)}) == len(others) + 1


def test_names_outside_ascii_are_shown_as_they_are(actions: dict[str, Action]) -> None:
    action = actions["clean"]
    renamed = plan(replace(action, subject=replace(action.subject, name="Büro-ÄÖ")))

    assert '"vm": "Büro-ÄÖ"' in as_json(renamed)
    assert "Büro-ÄÖ on hv1" in as_text(renamed)


@pytest.mark.parametrize("name", ["two\nlines", "\x1b[2Jclear", "right\u202eleft"])
def test_a_name_from_a_host_cannot_steer_a_terminal(actions: dict[str, Action], name: str) -> None:
    action = actions["clean"]
    shown = as_text(plan(replace(action, subject=replace(action.subject, name=name))))

    assert name not in shown
