"""Conditions: what needs attention, once each."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from reconciler.model.machine import VirtualMachine
from reconciler.model.names import DataSourceId, GroupName, HostName, PlanId
from reconciler.model.protection import DataSource
from reconciler.plan.actions import Finding, Plan, Severity
from reconciler.plan.alerts import Condition, conditions, failure

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HV1 = HostName("hv1")


def plan(*findings: Finding) -> Plan:
    return Plan(PlanId("plan-1"), NOON, "server", "ab12", "c0ffee", (), findings)


def test_warnings_and_errors_need_attention_and_information_does_not() -> None:
    found = conditions(
        plan(
            Finding("a.b", "erp", "it is so", "do this", Severity.ERROR, HV1),
            Finding("c.d", "finance", "it is not so", "do that"),
            Finding("e.f", "crm", "it is good to know", "rest", Severity.INFO),
        )
    )

    assert found == (
        Condition("a.b", "erp", Severity.ERROR, "it is so", "do this", HV1),
        Condition("c.d", "finance", Severity.WARNING, "it is not so", "do that"),
    )


def test_one_kind_and_subject_is_one_condition_that_tells_all() -> None:
    found = conditions(
        plan(
            Finding("disk.pass_through", "erp", "one", "do this"),
            Finding("disk.pass_through", "crm", "two", "do this"),
            Finding("disk.pass_through", "erp", "three", "do that"),
        )
    )

    assert [(c.subject, c.message, c.hint) for c in found] == [
        ("erp", "one; three", "do this"),
        ("crm", "two", "do this"),
    ]


@pytest.mark.parametrize(
    ("code", "heals"), [("recovery_point.missed", True), ("blocked.machine", False)]
)
def test_a_missed_promise_ends_with_the_next_point(code: str, *, heals: bool) -> None:
    (found,) = conditions(plan(Finding(code, "erp", "it is so", "do this")))

    assert found.heals_by_capture is heals


@pytest.mark.parametrize(
    ("count", "severity", "told"),
    [
        (1, Severity.WARNING, "its latest job failed: no answer (host.unreachable)"),
        (2, Severity.WARNING, "its latest 2 jobs failed: no answer (host.unreachable)"),
        (3, Severity.ERROR, "its latest 3 jobs failed: no answer (host.unreachable)"),
    ],
)
def test_a_machine_whose_jobs_fail_is_at_risk_and_then_worse(
    make_vm: Callable[..., VirtualMachine], count: int, severity: Severity, told: str
) -> None:
    source = DataSource(DataSourceId("s"), make_vm().key, "erp", HV1, GroupName("finance"))
    found = failure(source, count, "host.unreachable", "no answer")

    assert (found.kind, found.subject, found.host) == ("job.failed", "erp", HV1)
    assert (found.severity, found.message) == (severity, told)
    assert found.hint.endswith("reconciler request backup erp")
    assert found.heals_by_capture


@pytest.mark.parametrize("code", ["repository.block_damaged", "repository.block_missing"])
def test_a_replica_that_lost_blocks_is_not_sent_to_another_backup(
    make_vm: Callable[..., VirtualMachine], code: str
) -> None:
    source = DataSource(DataSourceId("s"), make_vm().key, "erp", HV1, GroupName("finance"))

    assert failure(source, 1, code, "gone").hint.endswith(
        "reconciler request consistency-check erp"
    )
