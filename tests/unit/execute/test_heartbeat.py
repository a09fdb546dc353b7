"""While a job is at work its holder is known to live, and its progress is told."""

import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import structlog

from reconciler.errors import CatalogueError
from reconciler.execute import heartbeat as module
from reconciler.execute.heartbeat import heartbeat
from reconciler.execute.meter import Meter
from reconciler.execute.workbench import Tools
from reconciler.logs import bound
from reconciler.model.names import PlanId, PoolName, VolumeId
from reconciler.record.catalogue import Catalogue
from reconciler.record.work import Job, JobOrder, Progress

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATER = datetime(2026, 11, 24, 13, tzinfo=UTC)
PATIENCE_S = 10.0
"""Longest that a test waits for what happens at once."""


@dataclass
class Told:
    """Lines of the log, from whatever thread, and a sign that one came."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    came: Event = field(default_factory=Event)

    def __call__(self, _: object, name: str, line: MutableMapping[str, Any]) -> str:
        self.lines.append({"level": name, **line})
        self.came.set()
        raise structlog.DropEvent


@pytest.fixture
def told() -> Iterator[Told]:
    """What is logged; everything else of the logging is as it was afterwards."""
    before = structlog.get_config()
    listener = Told()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, listener])
    yield listener
    structlog.configure(**before)


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    with Catalogue.open(tmp_path / "catalogue.sqlite") as opened:
        yield opened


@pytest.fixture
def job(catalogue: Catalogue) -> Job:
    order = JobOrder("express_full_backup", None, None, PlanId("plan-1"))
    claimed = catalogue.jobs.claim(catalogue.jobs.create(order, NOON).id, "owner", NOON)
    assert claimed is not None
    return claimed


@pytest.fixture
def tools(catalogue: Catalogue) -> Callable[[Callable[[], datetime]], Tools]:
    def unneeded(*_: object) -> Any:
        raise AssertionError("a heartbeat needs no host and no repository")

    def make(lease_clock: Callable[[], datetime]) -> Tools:
        return Tools(
            catalogue=catalogue,
            server=catalogue.server_id,
            clock=unneeded,
            lease_clock=lease_clock,
            owner="owner",
            open_host=unneeded,
            repository=unneeded,
            repository_to_read=unneeded,
            place=lambda _pool, _volume: VolumeId(PoolName("")),
        )

    return make


def test_a_job_at_work_beats_with_its_progress(
    tools: Callable[[Callable[[], datetime]], Tools],
    catalogue: Catalogue,
    job: Job,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BEAT_EVERY_S", 0.001)
    beats: list[int] = []
    twice = Event()

    def lease_clock() -> datetime:
        beats.append(1)
        if len(beats) > 1:  # the first beat is in the catalogue once the second begins
            twice.set()
        return LATER

    with heartbeat(tools(lease_clock), job, Meter(30, 100), tell_every_s=PATIENCE_S):
        assert twice.wait(PATIENCE_S)

    seen = catalogue.jobs.get(job.id)
    assert seen.beat_at == LATER
    assert seen.progress == Progress("express_full_backup", 30, 100)
    assert told.lines


def test_progress_is_told_more_often_than_the_heart_beats(
    tools: Callable[[Callable[[], datetime]], Tools], catalogue: Catalogue, job: Job, told: Told
) -> None:
    def no_beat() -> datetime:
        raise AssertionError("it is not time for a beat")

    with (
        bound(job=job.id),
        heartbeat(tools(no_beat), job, Meter(30, 100), tell_every_s=0.001),
    ):
        assert told.came.wait(PATIENCE_S)

    line = told.lines[0]
    assert line["event"] == "job.progressed"
    assert (line["percent"], line["bytes_done"], line["bytes_expected"]) == (30, 30, 100)
    assert line["bytes_per_second"] > 0
    assert line["job"] == job.id
    assert catalogue.jobs.get(job.id).beat_at == NOON


def test_nothing_is_told_before_it_is_known_what_there_is_to_do(
    tools: Callable[[Callable[[], datetime]], Tools],
    job: Job,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BEAT_EVERY_S", 0.001)
    beaten = Event()

    def lease_clock() -> datetime:
        beaten.set()
        return LATER

    with heartbeat(tools(lease_clock), job, Meter(), tell_every_s=0.001):
        assert beaten.wait(PATIENCE_S)
    assert told.lines == []


def test_a_catalogue_that_cannot_be_written_for_once_does_not_stop_the_heart(
    tools: Callable[[Callable[[], datetime]], Tools],
    catalogue: Catalogue,
    job: Job,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BEAT_EVERY_S", 0.001)
    beats: list[int] = []
    thrice = Event()

    def lease_clock() -> datetime:
        beats.append(1)
        if len(beats) == 1:
            raise CatalogueError("it is locked", hint="wait")
        if len(beats) > 2:  # the second beat is in the catalogue once the third begins
            thrice.set()
        return LATER

    meter = Meter()
    with heartbeat(tools(lease_clock), job, meter, tell_every_s=PATIENCE_S):
        assert thrice.wait(PATIENCE_S)

    assert catalogue.jobs.get(job.id).beat_at == LATER
    assert not meter.is_lease_lost
    (line,) = told.lines
    assert (line["event"], line["level"]) == ("job.not_confirmed", "warning")
    assert (line["reason"], line["hint"]) == ("it is locked", "wait")


def test_a_worker_whose_job_was_taken_over_is_told_to_stop(
    tools: Callable[[Callable[[], datetime]], Tools],
    catalogue: Catalogue,
    job: Job,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BEAT_EVERY_S", 0.001)
    taken = catalogue.jobs.take_over(job, "heir", NOON)
    assert taken is not None

    meter = Meter()
    with heartbeat(tools(lambda: LATER), job, meter, tell_every_s=PATIENCE_S):
        assert told.came.wait(PATIENCE_S)

    assert meter.is_lease_lost
    assert told.lines[0]["level"] == "error"
    assert catalogue.jobs.get(job.id).beat_at == NOON


@pytest.mark.parametrize("error", [None, KeyError(), KeyboardInterrupt()])
def test_the_heart_stops_with_the_work_however_that_ends(
    tools: Callable[[Callable[[], datetime]], Tools], job: Job, error: BaseException | None
) -> None:
    before, hearts = set(threading.enumerate()), set[threading.Thread]()
    beating = heartbeat(tools(lambda: LATER), job, Meter(), tell_every_s=PATIENCE_S)
    with suppress(KeyError, KeyboardInterrupt), beating:
        hearts = set(threading.enumerate()) - before
        if error is not None:
            raise error

    assert len(hearts) == 1
    assert not any(heart.is_alive() for heart in hearts)
