"""Jobs: who does what, who holds it, and what became of it.

A job is held through its epoch. Claiming and taking over raise it; beat, finish, intent and every
commit name the epoch they were given and do nothing once it is no longer the job's.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select

from reconciler.errors import CatalogueError, MachineBusyError
from reconciler.model.names import DataSourceId, HostName, JobId, PlanId
from reconciler.owner import Life
from reconciler.record import encoding, failures
from reconciler.record.database import Database
from reconciler.record.failures import Attempt
from reconciler.record.silence import Silence
from reconciler.record.tables import IS_LIVE, job
from reconciler.record.work import Failures, Intent, Job, JobOrder, JobOutcome, JobState, Progress

LEASE_S = 90
"""Silence after which a holder counts as dead. A beat every 15 s may be late five times."""
MOST_LISTED = 1000


class Jobs:
    """The part of the catalogue that knows jobs."""

    def __init__(self, database: Database, silence: Silence | None = None) -> None:
        self._database = database
        self._silence = silence or Silence()

    def create(self, order: JobOrder, now: datetime) -> Job:
        """Write down a job that may be claimed.

        Raises:
            MachineBusyError: The data source has a live job already; nothing was written.
        """
        return self._insert(order, now, {"state": JobState.READY.value, "epoch": 0})

    def begin(self, order: JobOrder, owner: str, now: datetime) -> Job:
        """Write down a job that its holder begins at once; there is no moment in between.

        Raises:
            MachineBusyError: The data source has a live job already; nothing was written.
        """
        running = {"state": JobState.RUNNING.value, "epoch": 1, "owner": owner}
        return self._insert(order, now, {**running, "started_at": now, "beat_at": now})

    def claim(self, job_id: JobId, owner: str, now: datetime) -> Job | None:
        """Begin a job; None when another was faster, or it is not its time yet."""
        ready = (job.c.state == JobState.READY.value, job.c.not_before <= now)
        values = {"state": JobState.RUNNING.value, "owner": owner, "started_at": now}
        return self._advance(job_id, ready, {**values, "beat_at": now})

    def take_over(self, seen: Job, owner: str, now: datetime) -> Job | None:
        """Hold a job whose holder is dead, to heal what it left; None when the holder came back.

        `seen` is what `interrupted` gave. From here on whatever the old holder writes is refused.
        """
        values = {"state": JobState.RUNNING.value, "owner": owner, "beat_at": now}
        return self._advance(seen.id, _unchanged(seen), values)

    def abandon(self, seen: Job, now: datetime) -> bool:
        """End a job that nobody will finish; False when its holder came back meanwhile."""
        values = {"state": JobState.ABANDONED.value, "ended_at": now}
        return self._advance(seen.id, _unchanged(seen), values) is not None

    def beat(
        self, job_id: JobId, epoch: int, now: datetime, progress: Progress | None = None
    ) -> bool:
        """Say that the holder lives; False when the lease is lost: stop writing at once."""
        values: dict[str, Any] = {"beat_at": now}
        if progress is not None:
            values["progress"] = encoding.progress_text(progress)
        return self._as_holder(job_id, epoch, values)

    def set_intent(self, job_id: JobId, epoch: int, intent: Intent) -> bool:
        """Write down what is about to be done; False when the lease is lost: do not do it."""
        return self._as_holder(job_id, epoch, {"intent": encoding.intent_text(intent)})

    def finish(self, job_id: JobId, epoch: int, outcome: JobOutcome, now: datetime) -> bool:
        """End a job; False when the lease is lost and its end is another's to write."""
        state = JobState.SUCCEEDED if outcome.is_success else JobState.FAILED
        text = encoding.outcome_text(outcome)
        values = {"state": state.value, "outcome": text, "ended_at": now}
        with self._database.writing() as connection:
            if not _change_held(connection, job_id, epoch, values):
                return False
            _count(connection, job_id, outcome, now)
            return True

    def leave(self, job_id: JobId, epoch: int, outcome: JobOutcome, now: datetime) -> bool:
        """Fail at a job that stays live: an heir has to finish it, and may take it over at once.

        False when the lease is lost, and it has an heir already. A beat that is still under way
        changes nothing any more.
        """
        values = {"owner": None, "beat_at": None, "epoch": epoch + 1}
        with self._database.writing() as connection:
            if not _change_held(connection, job_id, epoch, values):
                return False
            _count(connection, job_id, outcome, now)
            return True

    def note_failure(
        self, source: DataSourceId, kind: str, outcome: JobOutcome, now: datetime
    ) -> None:
        """Count a failure that came before there was a job."""
        with self._database.writing() as connection:
            failures.count(connection, Attempt(source, kind, now), outcome)

    def failures(self) -> Mapping[DataSourceId, Failures]:
        """Data sources whose latest jobs failed.

        Jobs without a data source and abandoned ones count neither way.
        """
        with self._database.reading() as connection:
            return failures.current(connection)

    def interrupted(
        self, now: datetime, life_of: Callable[[str], Life], lease_s: int = LEASE_S
    ) -> tuple[Job, ...]:
        """Running jobs whose holder is dead, or silent for longer than its lease.

        Also ready ones that nobody has claimed for that long: whoever made them is gone. Of a
        holder that is known to live, a clock that jumped says nothing: it is silent only when its
        beat was seen to stand still for the lease.
        """
        last = now - timedelta(seconds=lease_s)
        live = self.live()
        silent_s = self._silence.of(live)

        def is_dead(each: Job) -> bool:
            if each.state is JobState.READY:
                return max(each.created_at, each.not_before) < last
            life = life_of(each.owner or "")
            if each.beat_at is None or life is Life.DEAD:
                return True
            is_silent = life is not Life.ALIVE or silent_s[each.id] > lease_s
            return each.beat_at < last and is_silent

        return tuple(each for each in live if is_dead(each))

    def live(self) -> tuple[Job, ...]:
        """Jobs that are ready or running, oldest first."""
        with self._database.reading() as connection:
            # ordered here: SQLite would walk all of history in order, to save sorting the few
            found = map(_job, connection.execute(select(job).where(IS_LIVE)))
            return tuple(sorted(found, key=lambda each: (each.created_at, each.id)))

    def get(self, job_id: JobId) -> Job:
        """One job.

        Raises:
            CatalogueError: There is none of that id.
        """
        with self._database.reading() as connection:
            return _one(connection, job_id)

    def history(self, source: DataSourceId | None = None, limit: int = 100) -> tuple[Job, ...]:
        """The latest jobs, newest first, of one data source or of all.

        Shape: at most `limit` and never more than MOST_LISTED.
        """
        query = select(job).order_by(job.c.created_at.desc(), job.c.id.desc())
        if source is not None:
            query = query.where(job.c.data_source == source)
        with self._database.reading() as connection:
            rows = connection.execute(query.limit(min(limit, MOST_LISTED)))
            return tuple(map(_job, rows))

    def drop_ended_before(self, moment: datetime) -> int:
        """Forget jobs that ended long ago; how many."""
        with self._database.writing() as connection:
            failures.forget(connection, moment)
            old = job.delete().where(job.c.ended_at < moment)
            return connection.execute(old).rowcount

    def _insert(self, order: JobOrder, now: datetime, values: dict[str, Any]) -> Job:
        with self._database.writing() as connection:
            if order.source is not None and (live := _live_job(connection, order.source)):
                raise MachineBusyError(
                    f"{live.kind} of data source {order.source} is {live.state.value} "
                    f"as job {live.id}",
                    hint="wait for it; the next pass looks again",
                    job=live.id,
                )
            connection.execute(
                job.insert().values(
                    id=order.id,
                    kind=order.kind,
                    data_source=order.source,
                    host=order.host,
                    plan=order.plan,
                    not_before=order.not_before or now,
                    intent=order.intent and encoding.intent_text(order.intent),
                    created_at=now,
                    **values,
                )
            )
            return _one(connection, order.id)

    def _advance(
        self, job_id: JobId, when: tuple[ColumnElement[bool], ...], values: dict[str, Any]
    ) -> Job | None:
        update = job.update().where(job.c.id == job_id, *when)
        with self._database.writing() as connection:
            changed = connection.execute(update.values(epoch=job.c.epoch + 1, **values)).rowcount
            return _one(connection, job_id) if changed else None

    def _as_holder(self, job_id: JobId, epoch: int, values: dict[str, Any]) -> bool:
        with self._database.writing() as connection:
            return _change_held(connection, job_id, epoch, values)


def _change_held(connection: Connection, job_id: JobId, epoch: int, values: dict[str, Any]) -> bool:
    held = (job.c.epoch == epoch, job.c.state == JobState.RUNNING.value)
    update = job.update().where(job.c.id == job_id, *held).values(**values)
    return connection.execute(update).rowcount == 1


def _count(connection: Connection, job_id: JobId, outcome: JobOutcome, now: datetime) -> None:
    ended = _one(connection, job_id)
    if ended.source is not None:
        failures.count(connection, Attempt(ended.source, ended.kind, now), outcome)


def _unchanged(seen: Job) -> tuple[ColumnElement[bool], ...]:
    """Nobody claimed, beat or ended it since it was looked at."""
    beat = job.c.beat_at.is_(None) if seen.beat_at is None else job.c.beat_at == seen.beat_at
    return (
        job.c.epoch == seen.epoch,
        job.c.state == seen.state.value,
        IS_LIVE,
        beat,
    )


def _live_job(connection: Connection, source: DataSourceId) -> Job | None:
    query = select(job).where(job.c.data_source == source, IS_LIVE)
    row = connection.execute(query).first()
    return None if row is None else _job(row)


def _one(connection: Connection, job_id: JobId) -> Job:
    row = connection.execute(select(job).where(job.c.id == job_id)).first()
    if row is None:
        raise CatalogueError(
            f"the catalogue knows no job {job_id}",
            hint="it may be old and forgotten; see the log of its pass",
        )
    return _job(row)


def _job(row: Row[*tuple[Any, ...]]) -> Job:
    return Job(
        id=JobId(row.id),
        kind=row.kind,
        source=row.data_source and DataSourceId(row.data_source),
        host=row.host and HostName(row.host),
        plan=PlanId(row.plan),
        state=JobState(row.state),
        owner=row.owner,
        epoch=row.epoch,
        beat_at=row.beat_at,
        not_before=row.not_before,
        intent=row.intent and encoding.intent(row.intent),
        progress=row.progress and encoding.progress(row.progress),
        outcome=row.outcome and encoding.outcome(row.outcome),
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )
