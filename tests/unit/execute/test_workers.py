"""Machines side by side where there are threads and room for them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Condition
from typing import Any, cast

import pytest

from reconciler.execute.executor import Executor
from reconciler.execute.outcome import Result, Verdict
from reconciler.execute.workers import THREADS, carry_out
from reconciler.model.machine import NaturalKey, Role
from reconciler.model.names import DataSourceId, GroupName, HostName, RecoveryPointId, VmId
from reconciler.model.protection import Cause, CauseKind, Consistency
from reconciler.plan.actions import Action, ExpirePoints, ExpressFullBackup, Subject
from reconciler.plan.rooms import DiskVolume, Headroom, Need, Room

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
CSV = DiskVolume("fin", "csv", "CSV")
LONG_S = 20.0


@dataclass
class Jobs:
    """An executor whose jobs end when as many are at work as were expected, or can be."""

    expected: int
    most: int = 0
    at_work: list[str] = field(default_factory=list)
    began: list[str] = field(default_factory=list)
    stopped: str = ""
    _change: Condition = field(default_factory=Condition)

    def execute(self, action: Action, open_host: Callable[[], object]) -> Result:
        del open_host
        with self._change:
            self.at_work.append(action.subject.name)
            self.began.append(action.subject.name)
            self.most = max(self.most, len(self.at_work))
            self._change.notify_all()
            self._change.wait_for(lambda: self.most >= self.expected, LONG_S)
            self.at_work.remove(action.subject.name)
        return Result(action, Verdict.DONE)

    def stop(self, reason: str) -> None:
        self.stopped = reason

    def results(self, actions: list[Action], headroom: Headroom | None = None) -> Iterator[Result]:
        return carry_out(cast("Executor", cast("Any", self)), actions, headroom)


def subject(name: str) -> Subject:
    key = NaturalKey(VmId(name), Role.PRIMARY)
    return Subject(key, name, HostName("hv1"), GroupName("finance"))


def backup(name: str) -> Action:
    return ExpressFullBackup(
        subject(name),
        "due",
        DataSourceId(name),
        Consistency.CRASH,
        Cause(CauseKind.SLOT, NOON),
        RecoveryPointId("base"),
        is_tracked=True,
    )


def roomy(free: int, **needs: int) -> Headroom:
    keys = {name: subject(name).key for name in needs}
    room = Room(CSV, free, tuple(Need(keys[name], name, need) for name, need in needs.items()))
    return Headroom({CSV: room}, {keys[name]: {CSV: need} for name, need in needs.items()})


def test_all_are_done_with_no_more_at_once_than_there_are_threads() -> None:
    jobs = Jobs(expected=THREADS)
    names = [f"vm{n}" for n in range(3 * THREADS)]

    results = list(jobs.results([backup(name) for name in names]))

    assert sorted(r.action.subject.name for r in results) == sorted(names)
    assert jobs.most == THREADS


def test_what_does_not_fit_together_is_done_one_after_another() -> None:
    jobs = Jobs(expected=1)

    results = list(jobs.results([backup(n) for n in "abc"], roomy(5, a=3, b=3, c=4)))

    assert [r.verdict for r in results] == [Verdict.DONE] * 3
    assert (jobs.most, jobs.began) == (1, ["a", "b", "c"])


def test_what_fits_together_is_done_together_and_others_do_not_wait_for_it() -> None:
    jobs = Jobs(expected=2)

    results = list(jobs.results([backup(n) for n in "abc"], roomy(5, a=3, b=3, c=2)))

    assert len(results) == 3
    assert (jobs.most, sorted(jobs.began[:2])) == (2, ["a", "c"])


def test_what_fits_not_even_alone_is_skipped_with_the_reason_and_the_rest_is_done() -> None:
    jobs = Jobs(expected=1)
    old = ExpirePoints(subject("c"), "old", DataSourceId("c"), (RecoveryPointId("p"),))

    results = list(jobs.results([backup("a"), backup("b"), old], roomy(5, a=6, b=3, c=9)))

    verdicts = {r.action.subject.name: r.verdict for r in results}
    assert verdicts == {"a": Verdict.SKIPPED, "b": Verdict.DONE, "c": Verdict.DONE}
    (skipped,) = (r for r in results if r.verdict is Verdict.SKIPPED)
    assert skipped.error_code == "waiting.head_room"
    assert "on CSV of fin while it is backed up may need 6 bytes" in skipped.message


def test_who_leaves_early_begins_nothing_more() -> None:
    jobs = Jobs(expected=1)
    results = jobs.results([backup(n) for n in "abc"], roomy(1, a=1, b=1, c=1))

    next(results)
    cast("Any", results).close()

    assert jobs.stopped == "it was interrupted"
    assert len(jobs.began) <= 2


@pytest.mark.parametrize("actions", [[], [backup("a")]])
def test_without_head_room_nothing_is_held(actions: list[Action]) -> None:
    assert [r.verdict for r in Jobs(expected=1).results(actions)] == [Verdict.DONE] * len(actions)
