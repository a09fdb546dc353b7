"""The loop's own rules, without hosts: what wakes it, whose clock it trusts, when it sweeps."""

from collections.abc import Iterator
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.app import App, open_app
from reconciler.execute.outcome import Result, Verdict
from reconciler.model.machine import NaturalKey, Role
from reconciler.model.names import DataSourceId, HostName, PlanId, RecoveryPointId, VmId
from reconciler.plan.actions import ExpirePoints, Subject
from reconciler.record.entries import PassRecord
from reconciler.run import JUMP, Loop, Pace
from reconciler.schedule.wakeups import Wakeups
from reconciler.settings import ClockChoice, Settings

GROUP = """
schema: reconciler/v1
kind: ProtectionGroup
name: everything
members: [{name: "*"}]
pool: main
retention: 30d
recovery_points: {times: ["12:00"]}
zone: UTC
---
schema: reconciler/v1
kind: StoragePool
name: main
volumes: [{name: main-1, path: VOLUME}]
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    policies = tmp_path / "policies"
    policies.mkdir()
    text = GROUP.lstrip().replace("VOLUME", str(tmp_path / "volume"))
    (policies / "all.yaml").write_text(text)
    return Settings(policies, tmp_path / "state", tmp_path / "lab", ClockChoice.SYSTEM)


@pytest.fixture
def app(settings: Settings) -> Iterator[App]:
    with open_app(settings) as app:
        yield app


class Counting(Wakeups):
    """Counts what would wake the loop."""

    def __init__(self) -> None:
        super().__init__(600)
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


def result(verdict: Verdict) -> Result:
    subject = Subject(NaturalKey(VmId("vm"), Role.PRIMARY), "erp", HostName("hv1"), None)
    action = ExpirePoints(subject, "old", DataSourceId("s"), (RecoveryPointId("p"),))
    return Result(action, verdict)


@pytest.mark.parametrize(
    ("verdict", "times"), [(Verdict.DONE, 1), (Verdict.FAILED, 0), (Verdict.VOID, 0)]
)
def test_only_what_was_done_wakes_the_loop(app: App, verdict: Verdict, times: int) -> None:
    wakeups = Counting()
    loop = app.loop(wakeups, Pace())
    future: Future[list[Result]] = Future()
    future.add_done_callback(loop.job_ended)
    future.set_result([result(verdict)])

    assert wakeups.woken == times


def findings(loop: Loop) -> set[str]:
    return {f.code for f in loop.reconciler.look(loop.watch_clock()).plan.findings}


def test_a_clock_that_jumps_pauses_expiry(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = app.loop(Counting(), Pace())
    assert "expiry.paused" not in findings(loop)
    now = loop.reconciler.tools.clock()
    monkeypatch.setattr(
        "reconciler.run.monotonic", lambda: now.timestamp() - 2 * JUMP.total_seconds() - 1e9
    )

    assert "expiry.paused" in findings(loop)


@pytest.mark.parametrize("gap", [timedelta(days=-1), timedelta(days=40)])
def test_a_clock_that_does_not_fit_the_last_pass_pauses_expiry(
    app: App, settings: Settings, gap: timedelta
) -> None:
    ended_at = app.reconciler().tools.lease_clock() - gap
    app.catalogue.record_pass(PassRecord(ended_at, ended_at, PlanId("p"), "d", "system", 0, 0, 0))

    assert "expiry.paused" in {f.code for f in app.reconciler().plan().findings}


def test_a_file_that_breaks_falls_back_to_what_was_in_force_last(
    app: App, settings: Settings
) -> None:
    path = settings.policies / "all.yaml"
    other = settings.policies / "other.yaml"
    good = path.read_text()
    app.policies()
    app.keep_policies()
    other.write_text("kind: nonsense\n")
    path.write_text(good.replace("retention: 30d", "retention: 90d"))
    app.policies()
    app.keep_policies()
    path.write_text(good.replace("retention: 30d", "retention: forever"))

    (group,) = app.policies().policies.groups

    assert group.retention == timedelta(days=90)


def test_the_clock_of_the_lab_is_refused_every_time(settings: Settings) -> None:
    host = (
        "schema: reconciler/v1\nkind: HyperVHost\nname: hv1\naddress: hv1.example.com\n"
        "authentication: kerberos\n"
    )
    (settings.policies / "hosts.yaml").write_text(host)
    lab = Settings(settings.policies, settings.state, settings.lab, ClockChoice.LAB)
    with open_app(lab) as app:
        for _ in range(3):
            with pytest.raises(Exception, match="the lab's clock was chosen"):
                app.policies()
