"""What each pass asks for must not cost more with every job and point that there ever was."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine, event, text

from reconciler.model.names import GroupName, PlanId
from reconciler.model.protection import DataSource
from reconciler.record.catalogue import Catalogue
from reconciler.record.database import Database
from reconciler.record.work import Job, JobOrder

GROW = {"job", "recovery_point", "alert", "request", "inconsistency"}
FEW = ("one_live_job_a_source", "one_open_alert_a_subject", "ix_request_state")
"""Indexes of what is live or open."""


@pytest.fixture
def asked() -> Iterator[list[tuple[str, object]]]:
    """Every statement, with its values."""
    found: list[tuple[str, object]] = []

    def note(_c: object, _k: object, statement: str, values: object, *_: object) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "UPDATE", "DELETE")):
            found.append((statement, values))

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


def begin_next(catalogue: Catalogue, job: Job) -> Job:
    catalogue.jobs.abandon(job, job.created_at)
    order = JobOrder("backup", job.source, None, PlanId("p"))
    return catalogue.jobs.begin(order, "hv:1:a", job.created_at)


ASK: dict[str, Callable[[Catalogue, Job], object]] = {
    "live": lambda c, _: c.jobs.live(),
    "failures": lambda c, _: c.jobs.failures(),
    "abandon": lambda c, j: c.jobs.abandon(c.jobs.get(j.id), j.created_at),
    "begin": begin_next,
    "pending": lambda c, _: c.requests.pending(),
    "once": lambda c, j: c.requests.open_once("backup", j.source, {}, j.created_at),
    "alerts": lambda c, _: c.alerts(),
    "sync": lambda c, j: c.sync_alerts((), frozenset(), j.created_at),
    "old": lambda c, j: c.old_points({GroupName("finance"): j.created_at}),
    "activity": lambda c, _: c.activity(),
    "replicas": lambda c, _: c.replicas(),
    "note": lambda c, j: c.take_note({j.source: "lost"} if j.source else {}, {}, j.created_at),
    "forget jobs": lambda c, j: c.jobs.drop_ended_before(j.created_at),
    "forget alerts": lambda c, j: c.drop_alerts_resolved_before(j.created_at),
}


@pytest.mark.parametrize("name", ASK)
def test_a_question_of_a_pass_is_answered_by_an_index(
    name: str,
    catalogue: Catalogue,
    source: DataSource,
    running: Job,
    database: Database,
    asked: list[tuple[str, object]],
) -> None:
    del source
    ASK[name](catalogue, running)
    statements = list(asked)

    assert statements
    for statement, values in statements:
        with database.reading() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)  # type: ignore[arg-type]
            steps = [str(row[3]) for row in plan]
        walks = [step for step in steps if step.split()[0] == "SCAN" and step.split()[1] in GROW]
        assert [step for step in walks if not any(few in step for few in FEW)] == [], statement


def test_the_walk_that_this_looks_for_is_seen(database: Database) -> None:
    with database.reading() as connection:
        plan = connection.execute(text("EXPLAIN QUERY PLAN select * from job where state = 'x'"))
        assert [str(row[3]).split()[:2] for row in plan] == [["SCAN", "job"]]
