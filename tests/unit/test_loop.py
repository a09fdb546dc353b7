"""Which alerts stay, open or end by what a plan says and what it cannot say."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.app import App, open_app
from reconciler.model.machine import NaturalKey, Role
from reconciler.model.names import DataSourceId, GroupName, HostName, PlanId, PoolName, VmId
from reconciler.plan.actions import Finding, Plan
from reconciler.record.work import JobOrder, JobOutcome
from reconciler.settings import ClockChoice, Settings

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HV1, HV2 = HostName("hv1"), HostName("hv2")
GONE = Finding("machine.not_reported", "erp", "no host reports it", "recover it", host=HV1)
PLAN = Plan(PlanId("plan-1"), NOON, "server", "ab12", "c0ffee")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    (tmp_path / "policies").mkdir()
    with open_app(
        Settings(tmp_path / "policies", tmp_path / "state", tmp_path / "lab", ClockChoice.SYSTEM)
    ) as app:
        yield app


def told(app: App, plan: Plan) -> list[str]:
    app.reconciler().sync_alerts(plan)
    return [alert.kind for alert in app.catalogue.alerts()]


def test_what_nobody_can_tell_while_a_host_is_silent_stays_as_it_is(app: App) -> None:
    silent = frozenset({HV2})
    undecided = frozenset({(GONE.code, GONE.about)})

    assert told(app, replace(PLAN, unknown=silent, undecided=undecided)) == []
    assert told(app, replace(PLAN, findings=(GONE,))) == ["machine.not_reported"]
    assert told(app, replace(PLAN, unknown=silent, undecided=undecided)) == ["machine.not_reported"]
    assert app.catalogue.resolved_alerts() == ()
    assert told(app, replace(PLAN, unknown=silent)) == []


def test_only_of_a_member_it_is_told_that_its_jobs_fail(app: App) -> None:
    key = NaturalKey(VmId("11111111-1111-1111-1111-111111111111"), Role.PRIMARY)
    source: DataSourceId = app.catalogue.ensure_source(key, "erp", HV1, GroupName("finance")).id
    order = JobOrder("express_full_backup", source, HV1, PlanId("plan-1"))
    job = app.catalogue.jobs.begin(order, "hv:1:a", NOON)
    failed = JobOutcome(is_success=False, code="host.unreachable", message="no answer")
    assert app.catalogue.jobs.finish(job.id, job.epoch, failed, NOON)

    assert told(app, PLAN) == []
    assert told(app, replace(PLAN, members=frozenset({source}))) == ["job.failed"]
    assert told(app, PLAN) == []


def test_a_volume_that_cannot_be_swept_is_an_alert_until_it_can(app: App) -> None:
    volume = app.catalogue.ensure_volume(PoolName("main"), "main-1", "/backup")
    app.catalogue.sweep_failed(volume.id, "a manifest is damaged", NOON)

    assert told(app, PLAN) == ["volume.not_swept"]
    app.catalogue.swept(volume.id, 0)
    assert told(app, PLAN) == []
