"""What may start now."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.errors import Retry
from reconciler.model.machine import NaturalKey, Role
from reconciler.model.names import (
    DataSourceId,
    GroupName,
    HostName,
    PoolName,
    RecoveryPointId,
    VmId,
)
from reconciler.model.protection import Cause, CauseKind, Consistency
from reconciler.plan.actions import (
    Action,
    ExpirePoints,
    ExpressFullBackup,
    RemoveLeftovers,
    Subject,
)
from reconciler.plan.rooms import DiskVolume, Headroom, Need, Room
from reconciler.schedule.admission import (
    Limits,
    Setback,
    Situation,
    Work,
    admit,
    wait_after,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
Backup = Callable[..., ExpressFullBackup]


def subject(name: str, host: str, group: str = "finance") -> Subject:
    key = NaturalKey(VmId(name), Role.PRIMARY)
    return Subject(key, name, HostName(host), GroupName(group))


def backup(
    name: str, host: str = "hv1", minutes_ago: int = 0, requests: tuple[str, ...] = ()
) -> ExpressFullBackup:
    return ExpressFullBackup(
        subject(name, host),
        "due",
        DataSourceId(name),
        Consistency.CRASH,
        Cause(CauseKind.SLOT, NOW - timedelta(minutes=minutes_ago)),
        RecoveryPointId("base"),
        is_tracked=True,
        requests=requests,
    )


def expiry(name: str, host: str = "hv1", requests: tuple[str, ...] = ()) -> ExpirePoints:
    points = (RecoveryPointId("old"),)
    return ExpirePoints(subject(name, host), "old", DataSourceId(name), points, requests)


def clean_up(name: str, host: str = "hv1", *, resumes: bool = True) -> RemoveLeftovers:
    source = DataSourceId(name)
    return RemoveLeftovers(subject(name, host), "left", source, is_tracked=True, resumes=resumes)


def failed(*found: Action, ago: timedelta = timedelta(0)) -> dict[NaturalKey, Setback]:
    return {a.subject.key: Setback(9, NOW - ago, Retry.LATER.value) for a in found}


def kinds(works: tuple[Work, ...]) -> list[list[type]]:
    return [[type(action) for action in work.actions] for work in works]


def names(works: tuple[Work, ...]) -> list[str]:
    return [work.actions[0].subject.name for work in works]


def started(actions: list[Action], situation: Situation) -> list[str]:
    return names(admit(actions, situation).admitted)


def test_actions_of_one_machine_begin_together_and_in_order() -> None:
    actions: list[Action] = [backup("a"), backup("b"), expiry("a")]

    works = admit(actions, Situation(NOW, Limits())).admitted

    assert kinds(works) == [
        [ExpressFullBackup, ExpirePoints],
        [ExpressFullBackup],
    ]


def test_a_host_is_not_given_more_than_its_limit() -> None:
    actions: list[Action] = [*(backup(name) for name in "abc"), backup("d", "hv2")]

    admission = admit(actions, Situation(NOW, Limits(per_host=2)))

    assert names(admission.admitted) == ["a", "b", "d"]
    assert [held.reason for held in admission.held] == ["2 jobs are at work on hv1"]


def test_what_is_at_work_counts_and_is_not_begun_again() -> None:
    at_work = (Work((backup("a"),), None), Work((backup("b"),), None))
    actions: list[Action] = [backup(name) for name in "abc"]

    admission = admit(actions, Situation(NOW, Limits(per_host=2), at_work))

    assert admission.admitted == ()
    assert names(tuple(held.work for held in admission.held)) == ["c"]


def test_a_pool_is_not_given_more_than_its_limit() -> None:
    actions: list[Action] = [backup(name, f"hv-{name}") for name in "abc"]
    pools = {GroupName("finance"): PoolName("main")}

    admission = admit(actions, Situation(NOW, Limits(per_pool=2), pools=pools))

    assert names(admission.admitted) == ["a", "b"]
    assert [held.reason for held in admission.held] == ["2 jobs write to pool main"]


def test_expiry_alone_burdens_no_host() -> None:
    at_work = (Work((backup("a"),), None),)

    assert started([expiry("b")], Situation(NOW, Limits(per_host=1), at_work)) == ["b"]


def test_what_was_asked_for_comes_first_and_then_what_is_due_longest() -> None:
    actions: list[Action] = [
        backup("young", minutes_ago=1),
        backup("old", minutes_ago=60),
        backup("asked", requests=("r",)),
    ]

    assert started(actions, Situation(NOW, Limits(per_host=2))) == ["asked", "old"]


def test_healing_comes_before_what_is_due() -> None:
    actions: list[Action] = [backup("due", minutes_ago=90), clean_up("heal", resumes=False)]

    assert started(actions, Situation(NOW, Limits(per_host=1))) == ["heal"]


def test_a_machine_that_failed_waits_and_says_until_when() -> None:
    action = backup("a")
    setbacks = {action.subject.key: Setback(1, NOW - timedelta(seconds=59), Retry.LATER.value)}

    admission = admit([action], Situation(NOW, Limits(), setbacks=setbacks))

    assert admission.admitted == ()
    assert admission.held[0].reason == (
        "it failed once; the next try is at 2026-11-24T12:00:01+00:00"
    )


def test_a_machine_that_failed_is_tried_again_after_its_wait() -> None:
    action = backup("a")
    setbacks = {action.subject.key: Setback(1, NOW - timedelta(seconds=60), Retry.LATER.value)}

    assert started([action], Situation(NOW, Limits(), setbacks=setbacks)) == ["a"]


def test_a_person_need_not_wait_for_the_next_try() -> None:
    action = backup("a", requests=("r",))
    setbacks = {action.subject.key: Setback(9, NOW, Retry.LATER.value)}

    assert started([action], Situation(NOW, Limits(), setbacks=setbacks)) == ["a"]


def test_a_failure_from_the_future_holds_nothing_up() -> None:
    action = backup("a")
    setbacks = {action.subject.key: Setback(3, NOW + timedelta(days=30), Retry.LATER.value)}

    assert started([action], Situation(NOW, Limits(), setbacks=setbacks)) == ["a"]


@pytest.mark.parametrize(
    ("count", "retry", "expected"),
    [
        (1, Retry.SOON, timedelta(seconds=15)),
        (1, Retry.LATER, timedelta(minutes=1)),
        (2, Retry.LATER, timedelta(minutes=2)),
        (4, Retry.LATER, timedelta(minutes=8)),
        (1, Retry.OPERATOR, timedelta(minutes=4)),
        (7, Retry.LATER, timedelta(hours=1)),
        (100_000, Retry.LATER, timedelta(hours=1)),
    ],
)
def test_the_wait_doubles_up_to_the_longest(count: int, retry: Retry, expected: timedelta) -> None:
    assert wait_after(Setback(count, NOW, retry.value), Limits()) == expected


# --- a machine that we left saved


def test_a_machine_that_we_left_saved_is_resumed_first_of_all() -> None:
    actions: list[Action] = [backup("asked", requests=("r",)), clean_up("saved")]

    assert started(actions, Situation(NOW, Limits(per_host=2))) == ["saved", "asked"]
    assert started(actions, Situation(NOW, Limits(per_host=1))) == ["saved"]


def test_a_machine_that_we_left_saved_waits_for_no_limit_but_its_backup_does() -> None:
    at_work = (Work((backup("a"),), PoolName("main")), Work((backup("b"),), PoolName("main")))
    pools = {GroupName("finance"): PoolName("main")}
    actions: list[Action] = [clean_up("saved"), backup("saved"), clean_up("left", resumes=False)]

    for limits in (Limits(per_host=2), Limits(per_pool=2)):
        admission = admit(actions, Situation(NOW, limits, at_work, pools=pools))

        assert kinds(admission.admitted) == [[RemoveLeftovers]]
        assert names(admission.admitted) == ["saved"]
        assert kinds(tuple(held.work for held in admission.held)) == [
            [ExpressFullBackup],
            [RemoveLeftovers],
        ]


def test_a_machine_that_we_left_saved_waits_for_no_next_try_but_its_backup_does() -> None:
    actions: list[Action] = [clean_up("saved"), backup("saved"), expiry("saved")]
    admission = admit(actions, Situation(NOW, Limits(), setbacks=failed(*actions)))

    assert kinds(admission.admitted) == [[RemoveLeftovers]]
    (held,) = admission.held
    assert kinds((held.work,)) == [[ExpressFullBackup, ExpirePoints]]
    assert held.reason.startswith("it failed 9 times in a row")


def test_with_room_a_machine_that_we_left_saved_is_backed_up_too() -> None:
    actions: list[Action] = [clean_up("saved"), backup("saved")]
    admission = admit(actions, Situation(NOW, Limits()))

    assert kinds(admission.admitted) == [[RemoveLeftovers, ExpressFullBackup]]
    assert admission.held == ()


def test_to_resume_a_machine_counts_towards_the_limits() -> None:
    actions: list[Action] = [clean_up("saved"), backup("due")]

    assert started(actions, Situation(NOW, Limits(per_host=1))) == ["saved"]


def test_other_leftovers_wait_for_the_next_try() -> None:
    actions: list[Action] = [clean_up("left", resumes=False), backup("left")]

    assert started(actions, Situation(NOW, Limits(), setbacks=failed(*actions))) == []


# --- an expiry that a person asked for


def test_leave_to_expire_does_not_hurry_a_backup_before_it_that_fails() -> None:
    actions: list[Action] = [backup("a"), expiry("a", requests=("r",))]
    situation = Situation(NOW, Limits(), setbacks=failed(*actions))
    admission = admit([*actions, backup("b")], situation)

    assert names(admission.admitted) == ["b"]
    assert kinds(tuple(held.work for held in admission.held)) == [[ExpressFullBackup, ExpirePoints]]
    assert not Work(tuple(actions), None).is_requested


def test_what_was_asked_for_begins_though_the_backup_behind_it_waits_for_its_next_try() -> None:
    actions: list[Action] = [expiry("a", requests=("r",)), backup("a"), expiry("a")]
    at_work = (Work((backup("b"),), None),)
    situation = Situation(NOW, Limits(per_host=1), at_work, failed(*actions))
    admission = admit(actions, situation)

    assert kinds(admission.admitted) == [[ExpirePoints]]
    assert kinds(tuple(held.work for held in admission.held)) == [[ExpressFullBackup, ExpirePoints]]


def test_with_a_backup_that_was_asked_for_all_of_the_machine_begins() -> None:
    actions: list[Action] = [
        clean_up("a", resumes=False),
        backup("a", requests=("r",)),
        expiry("a"),
    ]
    situation = Situation(NOW, Limits(), setbacks=failed(*actions))

    assert kinds(admit(actions, situation).admitted) == [
        [RemoveLeftovers, ExpressFullBackup, ExpirePoints]
    ]


def roomy(free: int | None, **needs: int) -> Headroom:
    """One volume that all machines have disks on."""
    volume = DiskVolume("fin", "csv", "CSV")
    keys = {name: NaturalKey(VmId(name), Role.PRIMARY) for name in needs}
    room = Room(volume, free, tuple(Need(keys[name], name, need) for name, need in needs.items()))
    claims = {keys[name]: {volume: need} for name, need in needs.items()}
    return Headroom({volume: room}, claims)


def test_machines_of_one_volume_begin_together_only_where_it_has_room() -> None:
    actions: list[Action] = [backup(name, f"hv-{name}") for name in "abc"]

    admission = admit(actions, Situation(NOW, Limits(), headroom=roomy(5, a=3, b=3, c=2)))

    assert names(admission.admitted) == ["a"]
    (first, second) = (held.reason for held in admission.held)
    assert first.startswith("what grows on CSV of fin while it is backed up may need 3 bytes")
    assert second == "another machine waits for room on CSV of fin"
    assert started(actions, Situation(NOW, Limits(), headroom=roomy(8, a=3, b=3, c=2))) == [*"abc"]
    assert started(actions, Situation(NOW, Limits(), headroom=roomy(None, a=3, b=3, c=2))) == [
        *"abc"
    ]


def test_what_is_at_work_takes_its_room_until_it_ends() -> None:
    headroom = roomy(5, a=3, b=3)
    actions: list[Action] = [backup("a", "hv1"), backup("b", "hv2")]
    (at_work,) = admit(actions, Situation(NOW, Limits(), headroom=headroom)).admitted

    assert started(actions, Situation(NOW, Limits(), (at_work,), headroom=headroom)) == []
    assert started(actions[1:], Situation(NOW, Limits(), headroom=headroom)) == ["b"]


def test_one_that_would_not_even_fit_alone_lets_others_pass() -> None:
    actions: list[Action] = [backup("a", minutes_ago=9), backup("b"), expiry("a")]

    assert started(actions, Situation(NOW, Limits(), headroom=roomy(2, a=3, b=2))) == ["b"]


def test_what_captures_nothing_needs_no_room() -> None:
    actions: list[Action] = [expiry("a"), clean_up("b"), backup("b")]

    admission = admit(actions, Situation(NOW, Limits(), headroom=roomy(0, a=3, b=3)))

    assert kinds(admission.admitted) == [[RemoveLeftovers], [ExpirePoints]]
    assert kinds(tuple(held.work for held in admission.held)) == [[ExpressFullBackup]]
