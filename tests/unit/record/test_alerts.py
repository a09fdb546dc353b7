from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.model.names import HostName
from reconciler.record.catalogue import Catalogue
from reconciler.record.entries import Alert, AlertChanges

Locked = Callable[[], AbstractContextManager[None]]
MINUTE = timedelta(minutes=1)
NONE: frozenset[HostName] = frozenset()


@dataclass(frozen=True)
class Condition:
    """What a plan gives, in little."""

    subject: str
    message: str = "no answer"
    severity: str = "warning"
    kind: str = "host.silent"
    hint: str = "start it"
    host: str | None = None


HV1, HV2 = Condition("hv1"), Condition("hv2")


def alert(condition: Condition, opened_at: datetime, resolved_at: datetime | None = None) -> Alert:
    return Alert(
        condition.kind,
        condition.subject,
        condition.severity,
        condition.message,
        condition.hint,
        opened_at,
        resolved_at,
        condition.host or "",
    )


def test_an_alert_is_open_once_until_its_condition_is_gone(
    catalogue: Catalogue, now: datetime
) -> None:
    first = catalogue.sync_alerts([HV1], NONE, now)
    second = catalogue.sync_alerts([HV1, HV2], NONE, now + MINUTE)
    third = catalogue.sync_alerts([HV2], NONE, now + 2 * MINUTE)

    assert first == AlertChanges(opened=(alert(HV1, now),))
    assert second == AlertChanges(opened=(alert(HV2, now + MINUTE),))
    assert third == AlertChanges(resolved=(alert(HV1, now, now + 2 * MINUTE),))
    assert catalogue.alerts() == (alert(HV2, now + MINUTE),)
    assert catalogue.resolved_alerts() == third.resolved


def test_a_condition_that_comes_back_opens_another_alert(
    catalogue: Catalogue, now: datetime
) -> None:
    for n, conditions in enumerate(([HV1], [], [HV1], [])):
        catalogue.sync_alerts(conditions, NONE, now + n * MINUTE)

    assert catalogue.alerts() == ()
    assert [each.opened_at for each in catalogue.resolved_alerts()] == [now + 2 * MINUTE, now]
    assert len(catalogue.resolved_alerts(limit=1)) == 1


def test_what_is_told_of_a_condition_follows_it_and_its_age_does_not(
    catalogue: Catalogue, now: datetime
) -> None:
    catalogue.sync_alerts([HV1], NONE, now)
    worse = Condition("hv1", "no answer for a day", "error", hint="call", host="hv1")

    assert catalogue.sync_alerts([worse], NONE, now + MINUTE) == AlertChanges()
    assert catalogue.alerts() == (alert(worse, now),)


def test_alerts_about_what_nobody_saw_stay(catalogue: Catalogue, now: datetime) -> None:
    on_hv1 = Condition("erp", kind="recovery_point.missed", host="hv1")
    on_hv2 = Condition("crm", kind="recovery_point.missed", host="hv2")
    nowhere = Condition("finance.yaml", kind="policy.broken")
    catalogue.sync_alerts([on_hv1, on_hv2, nowhere], NONE, now)
    changes = catalogue.sync_alerts([], frozenset({HostName("hv1")}), now + MINUTE)

    assert {each.subject for each in changes.resolved} == {"crm", "finance.yaml"}
    assert catalogue.alerts() == (alert(on_hv1, now),)


def test_the_gravest_come_first_and_of_these_the_oldest(
    catalogue: Catalogue, now: datetime
) -> None:
    conditions: list[Condition] = []
    for n, severity in enumerate(("info", "warning", "error", "warning", "error", "unheard of")):
        conditions.append(Condition(f"hv{n}", severity=severity))
        catalogue.sync_alerts(conditions, NONE, now + n * MINUTE)

    assert [each.subject for each in catalogue.alerts()] == [
        "hv2",
        "hv4",
        "hv1",
        "hv3",
        "hv0",
        "hv5",
    ]


def test_of_conditions_that_are_one_the_gravest_is_told(
    catalogue: Catalogue, now: datetime
) -> None:
    mild, grave = Condition("hv1", "mild"), Condition("hv1", "grave", "error")

    assert catalogue.sync_alerts([mild, grave], NONE, now).opened == (alert(grave, now),)
    assert catalogue.sync_alerts([grave, mild], NONE, now) == AlertChanges()


def test_a_message_out_of_all_proportion_is_cut_and_stays_as_it_is(
    catalogue: Catalogue, now: datetime
) -> None:
    huge = Condition("hv1", "x" * 5_000_000)
    catalogue.sync_alerts([huge], NONE, now)
    (before,) = catalogue.alerts()
    catalogue.sync_alerts([huge], NONE, now + MINUTE)

    assert len(before.message) == 4000
    assert catalogue.alerts() == (before,)


def test_nothing_is_written_when_nothing_changed(
    catalogue: Catalogue, now: datetime, locked: Locked
) -> None:
    catalogue.sync_alerts([HV1], NONE, now)

    with locked():
        assert catalogue.sync_alerts([HV1], NONE, now + MINUTE) == AlertChanges()


def test_alerts_that_were_resolved_long_ago_are_forgotten(
    catalogue: Catalogue, now: datetime
) -> None:
    for n, conditions in enumerate(([HV1, HV2], [HV2], [])):
        catalogue.sync_alerts(conditions, NONE, now + n * MINUTE)

    assert catalogue.drop_alerts_resolved_before(now + 2 * MINUTE) == 1
    assert [each.subject for each in catalogue.resolved_alerts()] == ["hv2"]
