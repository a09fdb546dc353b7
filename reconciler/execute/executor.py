"""Job → facts still true? → step → result. The border where failures become values."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import assert_never

from reconciler.errors import MachineBusyError, ReconcilerError
from reconciler.execute import (
    create_replica,
    express_full_backup,
    recover_disks,
    remove_leftovers,
)
from reconciler.execute.capture import is_sealed
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

OpenHost = Callable[[], HostSession]
"""The session for the calling thread; opened at the first call."""

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
    _at_work: dict[int, Meter] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def execute(self, action: Action, open_host: OpenHost) -> Result:
        """One action, from its job row to its end. Never raises but for the end of the process."""
        subject = action.subject
        with bound(
            policy_digest=self.policy.digest,
            plan=self.plan,
            vm=subject.name,
            host=subject.host,
            protection_group=subject.group or "",
        ):
            try:
                source = self._source(action)
                job = self._begin(action, source)
            except Exception as error:  # noqa: BLE001 (one machine's oddity must not stop others)
                return self._failed(action, None, error)
            with bound(job=job.id):
                _log.info(Event.JOB_STARTED, kind=job.kind, reason=action.reason)
                try:
                    return self._carry_out(action, source, job, open_host)
                except Exception as error:  # noqa: BLE001 (as above)
                    self._end_failed(job, source, error)
                    return self._failed(action, job, error)

    def stop(self, reason: str) -> None:
        """Ask every job at work to end at the next piece it reads."""
        with self._lock:
            for meter in self._at_work.values():
                meter.stop(reason)

    def _carry_out(
        self, action: Action, source: DataSource, job: Job, open_host: OpenHost
    ) -> Result:
        with self._metered() as meter:
            with heartbeat(self.tools, job, meter, tell_every_s=self.tell_every_s):
                if isinstance(action, RecoverDisks):
                    with self._request_answered(action.request):
                        outcome = recover_disks.run(action, self.tools, meter)
                else:
                    bench = Workbench(self.tools, open_host(), source, job, self.policy, meter)
                    outcome = _step(action, bench)
            self._end(job, outcome)
        verdict = Verdict.VOID if outcome.is_void else Verdict.DONE
        _log.info(Event.JOB_FINISHED, verdict=verdict.value, **_facts(outcome))
        return Result(action, verdict, outcome, job.id)

    @contextmanager
    def _metered(self) -> Iterator[Meter]:
        meter = Meter()
        with self._lock:
            self._at_work[id(meter)] = meter
        try:
            yield meter
        finally:
            with self._lock:
                del self._at_work[id(meter)]

    @contextmanager
    def _request_answered(self, request: str) -> Iterator[None]:
        """What was asked for ends with what it came to."""
        requests, clock = self.tools.catalogue.requests, self.tools.lease_clock
        try:
            yield
        except BaseException as error:
            text = error.message if isinstance(error, ReconcilerError) else type(error).__name__
            requests.finish(request, {"message": text}, clock(), is_done=False)
            raise
        requests.finish(request, {}, clock(), is_done=True)

    def _begin(self, action: Action, source: DataSource) -> Job:
        """A job row in our hands: a dead one's, when there is one to heal, else a new one.

        Raises:
            MachineBusyError: Another job of the machine is live.
        """
        jobs, now = self.tools.catalogue.jobs, self.tools.lease_clock()
        if not isinstance(action, RemoveLeftovers) or not action.jobs:
            # a recovery reads only, so it neither waits for a backup nor holds one up
            exclusive = None if isinstance(action, RecoverDisks) else source.id
            order = JobOrder(_KINDS[type(action)], exclusive, action.subject.host, self.plan)
            return jobs.begin(order, self.tools.owner, now)
        for dead in jobs.interrupted(now, is_alive):
            if dead.id in action.jobs and (job := jobs.take_over(dead, self.tools.owner, now)):
                return job
        raise MachineBusyError(
            f"another process works on {action.subject.name}", hint="the next pass looks again"
        )

    def _end(self, job: Job, outcome: Outcome) -> None:
        text = "its recovery point was not sealed" if outcome.is_undone else ""
        self._finish(
            job,
            JobOutcome(
                is_success=not outcome.is_undone,
                code="job.abandoned" if outcome.is_undone else "",
                message=text,
                facts=_facts(outcome),
            ),
        )

    def _end_failed(self, job: Job, source: DataSource, error: Exception) -> None:
        """End a failed job, but keep one live whose sealed point its heir must finish."""
        with suppress(ReconcilerError):  # the first error is the one to tell
            current = self.tools.catalogue.jobs.get(job.id)
            intent = current.intent
            if intent and is_sealed(self.tools.repository(intent.volume), source, intent):
                return
            code, message, hint = _told(error)
            self._finish(job, JobOutcome(is_success=False, code=code, message=message, hint=hint))

    def _finish(self, job: Job, outcome: JobOutcome) -> None:
        now = self.tools.lease_clock()
        if not self.tools.catalogue.jobs.finish(job.id, job.epoch, outcome, now):
            _log.warning(Event.JOB_UNCONFIRMED, reason="another process holds the job by now")

    def _failed(self, action: Action, job: Job | None, error: Exception) -> Result:
        code, message, hint = _told(error)
        is_ours = not isinstance(error, ReconcilerError)
        _log.error(
            Event.JOB_FAILED,
            error_code=code,
            reason=message,
            hint=hint,
            retry=error.retry.value if isinstance(error, ReconcilerError) else "",
            exc_info=error if is_ours else None,
        )
        return Result(
            action,
            Verdict.FAILED,
            job=job.id if job else None,
            error_code=code,
            message=message,
            hint=hint,
        )

    def _source(self, action: Action) -> DataSource:
        subject = action.subject
        catalogue = self.tools.catalogue
        if subject.group is None or isinstance(action, RecoverDisks):
            return next(s for s in catalogue.sources() if s.key == subject.key)
        return catalogue.ensure_source(subject.key, subject.name, subject.host, subject.group)


def skipped(action: Action, failed: Result) -> Result:
    """The result of an action that was not tried, because one before it failed."""
    with bound(vm=action.subject.name, host=action.subject.host):
        _log.warning(Event.JOB_SKIPPED, kind=_KINDS[type(action)], reason=failed.message)
    return Result(
        action,
        Verdict.SKIPPED,
        error_code=failed.error_code,
        message=f"not tried: {failed.message}",
        hint=failed.hint,
    )


def _step(action: CreateReplica | ExpressFullBackup | RemoveLeftovers, bench: Workbench) -> Outcome:
    match action:
        case CreateReplica():
            return create_replica.run(action, bench)
        case ExpressFullBackup():
            return express_full_backup.run(action, bench)
        case RemoveLeftovers():
            return remove_leftovers.run(action, bench)
        case _:
            assert_never(action)


def _told(error: Exception) -> tuple[str, str, str]:
    """Code, message and hint of a failure."""
    if isinstance(error, ReconcilerError):
        return error.code, error.message, error.hint
    return "unexpected", f"unexpected {type(error).__name__}", "please report it, with the log"


def _facts(outcome: Outcome) -> dict[str, object]:
    return {
        "bytes_read": outcome.bytes_read,
        "bytes_stored": outcome.bytes_stored,
        "bytes_written": outcome.bytes_written,
        **outcome.details,
    }
