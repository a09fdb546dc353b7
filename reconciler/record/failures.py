"""Failures in a row, counted as jobs end, inside a transaction of the caller.

Counted in the transaction that ends a job, and not found in the history afterwards: that would
cost more with each job, and say nonsense after the clock was set back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from reconciler.model.names import DataSourceId
from reconciler.record.tables import failing
from reconciler.record.work import Failures, JobOutcome

CLEANING = "remove_leftovers"
"""The kind of job that only tidies up: that it succeeds does not end a row of failed backups."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was tried for a data source, and when that was over."""

    source: DataSourceId
    kind: str
    at: datetime


def count(connection: Connection, attempt: Attempt, outcome: JobOutcome) -> None:
    """Take into account what has just succeeded or failed."""
    its_row = failing.c.data_source == attempt.source
    known = connection.execute(select(failing).where(its_row)).first()
    is_cleaning = attempt.kind == CLEANING
    if outcome.is_success:
        if known is not None and (not is_cleaning or known.kind == CLEANING):
            connection.execute(failing.delete().where(its_row))
        return
    values = {
        # else a clean-up that fails once would let the next one hide the backups that failed
        "kind": known.kind if known and is_cleaning else attempt.kind,
        "times": known.times + 1 if known else 1,
        "last_at": attempt.at,
        "code": outcome.code,
        "retry": outcome.retry,
        "message": outcome.message,
    }
    if known is None:
        connection.execute(failing.insert().values(data_source=attempt.source, **values))
    else:
        connection.execute(failing.update().where(its_row).values(**values))


def current(connection: Connection) -> Mapping[DataSourceId, Failures]:
    """Failures of all data sources that have any."""
    rows = connection.execute(select(failing).order_by(failing.c.data_source))
    return {
        DataSourceId(row.data_source): Failures(
            row.times, row.last_at, row.code, row.retry, row.message
        )
        for row in rows
    }


def forget(connection: Connection, before: datetime) -> None:
    """Forget what failed last before a moment, and was not tried since."""
    connection.execute(failing.delete().where(failing.c.last_at < before))
