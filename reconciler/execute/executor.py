"""Job → facts still true? → step → result. The border where expected failures become values."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import assert_never

from reconciler.errors import ItemNotFoundError, MachineBusyError, ReconcilerError
from reconciler.execute import (
    create_replica,
    express_full_backup,
    recover_disks,
    remove_leftovers,
)
from reconciler.execute.heartbeat import heartbeat
from reconciler.execute.meter import Meter
from reconciler.execute.outcome import Outcome, Result, Verdict
from reconciler.execute.workbench import PolicyStamp, Tools, Workbench
from reconciler.logs import Event, bound, get_logger
from reconciler.model.names import PlanId
from reconciler.model.protection import DataSource
from reconciler.plan.actions import (
    Action,
    CreateReplica,
    ExpressFullBackup,
    RecoverDisks,
    RemoveLeftovers,
)
from reconciler.ports import HostSession
from reconciler.record.owner import is_alive
from reconciler.record.work import Job, JobOrder, JobOutcome

_log = get_logger()

_KINDS: dict[type[Action], str] = {
    CreateReplica: "create_replica",
    ExpressFullBackup: "express_full_backup",
    RemoveLeftovers: "remove_leftovers",
    RecoverDisks: "recover_disks",
}


@dataclass(frozen=True, slots=True)
class Executor:
    """Carries out actions of one plan."""

    tools: Tools
    plan: PlanId
    policy: PolicyStamp
    tell_every_s: float

    def execute(self, action: Action, host: HostSession | None) -> Result:
        """One action, from its job row to its end; an expected failure is a result, too.

        `host` is the session for the calling thread; a recovery to a folder needs none.
        """
        subject = action.subject
        with bound(
            policy_digest=self.policy.digest,
            plan=self.plan,
            vm=subject.name,
            host=subject.host,
            protection_group=subject.group or "",
        ):
            try:
                return self._carry_out(action, host)
            except ReconcilerError as error:
                _log.error(
                    Event.JOB_FAILED,
                    error_code=error.code,
                    reason=error.message,
                    hint=error.hint,
                    retry=error.retry.value,
                )
                return failure(action, error)

    def _carry_out(self, action: Action, host: HostSession | None) -> Result:
        source = self._source(action)
        job = self._claim(action, source)
        meter = Meter()
        with bound(job=job.id):
            _log.info(Event.JOB_STARTED, kind=job.kind, reason=action.reason)
            with heartbeat(self.tools, job, meter, tell_every_s=self.tell_every_s):
                if host is None:
                    outcome = self._without_host(action, job, meter)
                else:
                    bench = Workbench(self.tools, host, source, job, self.policy, meter)
                    outcome = self._on_host(action, bench)
            self._finish(job, JobOutcome(is_success=True, facts=_facts(outcome)))
            verdict = Verdict.VOID if outcome.is_void else Verdict.DONE
            _log.info(Event.JOB_FINISHED, verdict=verdict.value)
            return Result(action, verdict, outcome, job.id)

    def _without_host(self, action: Action, job: Job, meter: Meter) -> Outcome:
        assert isinstance(action, RecoverDisks)  # noqa: S101 (every other action has a host)
        with self._ended_on_failure(job), self._request_answered(action.request):
            return recover_disks.run(action, self.tools, meter)

    def _on_host(self, action: Action, bench: Workbench) -> Outcome:
        with self._ended_on_failure(bench.job):
            match action:
                case CreateReplica():
                    return create_replica.run(action, bench)
                case ExpressFullBackup():
                    return express_full_backup.run(action, bench)
                case RemoveLeftovers():
                    return remove_leftovers.run(action, bench)
                case RecoverDisks():
                    return self._without_host(action, bench.job, bench.meter)
                case _:
                    assert_never(action)

    @contextmanager
    def _request_answered(self, request: str) -> Iterator[None]:
        """What was asked for ends with what it came to."""
        requests = self.tools.catalogue.requests
        try:
            yield
        except BaseException as error:
            text = error.message if isinstance(error, ReconcilerError) else "interrupted"
            requests.finish(request, {"message": text}, self.tools.lease_clock(), is_done=False)
            raise
        requests.finish(request, {}, self.tools.lease_clock(), is_done=True)

    @contextmanager
    def _ended_on_failure(self, job: Job) -> Iterator[None]:
        """A failure ends its job, unless something sealed waits for an heir to finish it."""
        try:
            yield
        except ReconcilerError as error:
            self._end_failed(job, error.code, error.message, error.hint)
            raise
        except Exception as error:
            text = f"unexpected: {error.__class__.__name__}"
            self._end_failed(job, "unexpected", text, "the log has the traceback")
            raise

    def _claim(self, action: Action, source: DataSource) -> Job:
        """A job row in our hands: a dead one's, when there is one to heal, else a new one.

        Raises:
            MachineBusyError: Another job of the machine is live.
        """
        jobs, now = self.tools.catalogue.jobs, self.tools.lease_clock()
        job: Job | None
        if isinstance(action, RemoveLeftovers) and action.jobs:
            dead = [j for j in jobs.interrupted(now, is_alive) if j.id in action.jobs]
            job = jobs.take_over(dead[0], self.tools.owner, now) if dead else None
        else:
            # a recovery reads only, so it neither waits for a backup nor holds one up
            exclusive = None if isinstance(action, RecoverDisks) else source.id
            order = JobOrder(_KINDS[type(action)], exclusive, action.subject.host, self.plan)
            job = jobs.claim(jobs.create(order, now).id, self.tools.owner, now)
        if job is None:
            raise MachineBusyError(
                f"another process works on {action.subject.name}", hint="the next pass looks again"
            )
        return job

    def _end_failed(self, job: Job, code: str, message: str, hint: str) -> None:
        """End a failed job, but keep one live whose sealed point its heir must finish."""
        current = self.tools.catalogue.jobs.get(job.id)
        if current.intent is not None and self._is_sealed(current):
            return
        self._finish(job, JobOutcome(is_success=False, code=code, message=message, hint=hint))

    def _is_sealed(self, job: Job) -> bool:
        assert job.intent is not None  # noqa: S101 (the caller looked)
        assert job.source is not None  # noqa: S101 (every job with an intent has one)
        repository = self.tools.repository(job.intent.volume)
        try:
            repository.manifest(job.source, job.intent.recovery_point)
        except ItemNotFoundError:
            return False
        return True

    def _finish(self, job: Job, outcome: JobOutcome) -> None:
        self.tools.catalogue.jobs.finish(job.id, job.epoch, outcome, self.tools.lease_clock())

    def _source(self, action: Action) -> DataSource:
        subject = action.subject
        known = [s for s in self.tools.catalogue.sources() if s.key == subject.key]
        if subject.group is None or isinstance(action, RecoverDisks):
            return known[0]
        return self.tools.catalogue.ensure_source(
            subject.key, subject.name, subject.host, subject.group
        )


def failure(action: Action, error: ReconcilerError) -> Result:
    """The result of an action that could not be carried out."""
    return Result(
        action,
        Verdict.FAILED,
        error_code=error.code,
        message=error.message,
        hint=error.hint,
    )


def _facts(outcome: Outcome) -> dict[str, object]:
    return {
        "bytes_read": outcome.bytes_read,
        "bytes_stored": outcome.bytes_stored,
        "bytes_written": outcome.bytes_written,
        **outcome.details,
    }
