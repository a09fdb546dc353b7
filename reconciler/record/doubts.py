"""Replicas that may differ from their sources, and how far the hosts' events were noted.

A doubt stays until all of the replica was compared with its source, and by a job that began after
the doubt: what a job at work captured may be older than what raised it.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from reconciler.model.names import DataSourceId, HostName
from reconciler.model.observed import Watch
from reconciler.model.protection import InconsistentSpan, ReplicaState
from reconciler.record import replica_rows
from reconciler.record.database import Database
from reconciler.record.encoding import MOST_TEXT
from reconciler.record.tables import (
    IS_LIVE,
    host_watch,
    inconsistency,
    job,
    recovery_point,
    replica,
)


class Doubts:
    """The part of the catalogue that knows doubts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def watches(self) -> Mapping[HostName, Watch]:
        """How far the events of each host were noted."""
        with self._database.reading() as connection:
            rows = connection.execute(select(host_watch))
            return {
                HostName(row.host): Watch(row.booted_at, row.last_event, row.announced_at)
                for row in rows
            }

    def take_note(
        self,
        doubts: Mapping[DataSourceId, str],
        watches: Mapping[HostName, Watch],
        now: datetime,
    ) -> tuple[DataSourceId, ...]:
        """Mark replicas inconsistent and move the watches, both or neither.

        Returns those that are doubted by this; replicas without a point and inconsistent ones are
        not. What is at work on any of them now will not settle the doubt.
        """
        if not doubts and not watches:
            return ()
        with self._database.writing() as connection:
            for host, watch in watches.items():
                _watch(connection, host, watch)
            found = []
            for source, reason in doubts.items():
                if _mark(connection, source, reason, now):
                    found.append(source)
                _keep_from_settling(connection, source)
            return tuple(found)

    def mark_inconsistent(self, source: DataSourceId, reason: str, now: datetime) -> bool:
        """Distrust a replica until it is compared; False when there is none, or it is already."""
        with self._database.writing() as connection:
            return _mark(connection, source, reason, now)

    def inconsistent_spans(self) -> Mapping[DataSourceId, tuple[InconsistentSpan, ...]]:
        """When replicas were inconsistent; the last span of one that is has no end.

        Shape: oldest first; sources without any are absent.
        """
        found: dict[DataSourceId, list[InconsistentSpan]] = {}
        with self._database.reading() as connection:
            for row in connection.execute(select(inconsistency).order_by(inconsistency.c.began_at)):
                source = DataSourceId(row.data_source)
                span = InconsistentSpan(source, row.began_at, row.ended_at, row.reason)
                found.setdefault(source, []).append(span)
        return {source: tuple(spans) for source, spans in found.items()}

    def drop_spans_ended_before(self, moment: datetime) -> int:
        """Forget spans that ended long ago and in which no point that is kept grew older."""
        kept = select(recovery_point.c.id).where(
            recovery_point.c.data_source == inconsistency.c.data_source,
            recovery_point.c.captured_at < inconsistency.c.ended_at,
        )
        old = inconsistency.delete().where(inconsistency.c.ended_at < moment, ~kept.exists())
        with self._database.writing() as connection:
            return connection.execute(old).rowcount


def settle(connection: Connection, source: DataSourceId, at: datetime) -> None:
    """End the doubt about a replica."""
    replica_rows.change(
        connection, source, state=ReplicaState.CONSISTENT.value, doubt="", doubted_during=None
    )
    its_open = (inconsistency.c.data_source == source, inconsistency.c.ended_at.is_(None))
    began_at = connection.scalar(select(inconsistency.c.began_at).where(*its_open))
    if began_at is not None:
        ended_at = max(began_at, at)
        connection.execute(inconsistency.update().where(*its_open).values(ended_at=ended_at))


def _mark(connection: Connection, source: DataSourceId, reason: str, now: datetime) -> bool:
    known, reason = replica_rows.one(connection, source), reason[:MOST_TEXT]
    if known.state != ReplicaState.CONSISTENT.value or known.head_recovery_point is None:
        return False
    replica_rows.change(connection, source, state=ReplicaState.INCONSISTENT.value, doubt=reason)
    # two at one instant are one: the time of a lab stands still
    span = (inconsistency.c.data_source == source, inconsistency.c.began_at == now)
    connection.execute(inconsistency.delete().where(*span))
    connection.execute(
        inconsistency.insert().values(data_source=source, began_at=now, reason=reason)
    )
    return True


def _watch(connection: Connection, host: HostName, watch: Watch) -> None:
    values = {
        "booted_at": watch.booted_at,
        "last_event": watch.last_event,
        "announced_at": watch.announced_at,
    }
    update = host_watch.update().where(host_watch.c.host == host).values(**values)
    if not connection.execute(update).rowcount:
        connection.execute(host_watch.insert().values(host=host, **values))


def _keep_from_settling(connection: Connection, source: DataSourceId) -> None:
    live = connection.scalar(select(job.c.id).where(job.c.data_source == source, IS_LIVE))
    doubted = (
        replica.c.data_source == source,
        replica.c.state == ReplicaState.INCONSISTENT.value,
    )
    connection.execute(replica.update().where(*doubted).values(doubted_during=live))
