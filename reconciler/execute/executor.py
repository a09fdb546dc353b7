"""Job → facts still true? → step → result. The border where failures become values."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock

from reconciler.errors import (
    BlockDamagedError,
    BlockMissingError,
    MachineBusyError,
    ReconcilerError,
    ReplicaInconsistentError,
    Retry,
)
from reconciler.execute.capture import is_sealed
from reconciler.execute.followed_host import FollowedHost
from reconciler.execute.heartbeat import heartbeat
from reconciler.execute.meter import Meter
from reconciler.execute.outcome import Outcome, Result, Verdict
from reconciler.execute.owning_node import Whereabouts
from reconciler.execute.requests import answering, close_unbegun
from reconciler.execute.steps import KINDS, step
from reconciler.execute.workbench import PolicyStamp, Tools, Workbench
from reconciler.logs import Event, bound, get_logger
from reconciler.model.names import HostName, PlanId
from reconciler.model.protection import DataSource
from reconciler.owner import life_of
from reconciler.plan.actions import (
    Action,
    Capture,
    DeletePoints,
    ExpirePoints,
    RecoverDisks,
    RemoveLeftovers,
    Subject,
)
from reconciler.ports import HostSession
from reconciler.record.work import Job, JobOrder, JobOutcome

_log = get_logger()

OpenHost = Callable[[], HostSession]
"""The session for the calling thread; opened at the first call."""

_DOUBTFUL = (ReplicaInconsistentError, BlockMissingError, BlockDamagedError)
"""What says of a capture that its replica is not what it should be."""


@dataclass(frozen=True, slots=True)
class Executor:
    """Carries out actions of one plan."""

    tools: Tools
    plan: PlanId
    policy: PolicyStamp
    tell_every_s: float
    neighbours: Mapping[HostName, tuple[HostName, ...]] = field(default_factory=dict)
    """The other nodes of a host's cluster."""
    _at_work: dict[int, Meter] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def execute(self, action: Action, open_host: OpenHost) -> Result:
        """One action, from its job row to its end. Never raises but for the end of the process."""
        subject = action.subject
        with bound(
            policy_digest=self.policy.digest,
            plan=self.plan,
            vm=subject.label,
            host=subject.host,
            protection_group=subject.group or "",
        ):
            source: DataSource | None = None
            try:
                source = self._source(action)
                job = self._begin(action, source)
            except Exception as error:  # noqa: BLE001 (one machine's oddity must not stop others)
                self._end_unbegun(action, source, error)
                return self._failed(action, None, error)
            with bound(job=job.id):
                _log.info(Event.JOB_STARTED, kind=job.kind, reason=action.reason)
                try:
                    return self._carry_out(action, source, job, open_host)
                except Exception as error:  # noqa: BLE001 (as above)
                    self._end_failed(action, source, job, error)
                    return self._failed(action, job, error)

    def stop(self, reason: str) -> None:
        """Ask every job at work to end at the next piece it reads."""
        with self._lock:
            for meter in self._at_work.values():
                meter.stop(reason)

    def _carry_out(
        self, action: Action, source: DataSource, job: Job, open_host: OpenHost
    ) -> Result:
        with self._metered() as meter, ExitStack() as sessions:

            def bench() -> Workbench:
                followed = self._followed(open_host(), action.subject, meter)
                sessions.callback(followed.close)
                return Workbench(self.tools, followed, source, job, self.policy, meter)

            with (
                heartbeat(self.tools, job, meter, tell_every_s=self.tell_every_s),
                answering(action, self.tools) as outcomes,
            ):
                outcomes.append(step(action, self.tools, meter, bench))
            (outcome,) = outcomes
            self._end(job, outcome)
        verdict = Verdict.VOID if outcome.is_void else Verdict.DONE
        _log.info(Event.JOB_FINISHED, verdict=verdict.value, **_facts(outcome))
        return Result(action, verdict, outcome, job.id)

    def _followed(self, session: HostSession, machine: Subject, meter: Meter) -> FollowedHost:
        """The machine's host, also when it moves to another node of its cluster."""
        others = self.neighbours.get(machine.host, ())
        place = Whereabouts(
            machine.key.vm_id, machine.label, machine.host, others, self.tools.open_host
        )
        return FollowedHost(session, place, meter, self.tools.merge_wait_s)

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

    def _begin(self, action: Action, source: DataSource) -> Job:
        """A job row in our hands: a dead one's, when there is one to heal, else a new one.

        Raises:
            MachineBusyError: Another job of the machine is live.
        """
        jobs, now = self.tools.catalogue.jobs, self.tools.lease_clock()
        if not isinstance(action, RemoveLeftovers) or not action.jobs:
            self._abandon_harmless(action, source)
            # a recovery reads only, so it neither waits for a backup nor holds one up
            exclusive = None if isinstance(action, RecoverDisks) else source.id
            order = JobOrder(KINDS[type(action)], exclusive, action.subject.host, self.plan)
            return jobs.begin(order, self.tools.owner, now)
        for dead in jobs.interrupted(now, life_of):
            if dead.id in action.jobs and (job := jobs.take_over(dead, self.tools.owner, now)):
                return job
        raise MachineBusyError(
            f"another process works on {action.subject.label}", hint="the next pass looks again"
        )

    def _abandon_harmless(self, action: Action, source: DataSource) -> None:
        """End dead jobs of the machine that left nothing on its host: nobody has to heal them.

        A replica that is deleted needs nothing finished; only a machine that may still be saved
        has to be let run on first.
        """
        jobs, now = self.tools.catalogue.jobs, self.tools.lease_clock()
        for dead in jobs.interrupted(now, life_of):
            intent = dead.intent
            is_harmless = intent is None or (
                isinstance(action, DeletePoints) and intent.save_request is None
            )
            if dead.source == source.id and is_harmless and jobs.abandon(dead, now):
                _log.info(Event.JOB_ABANDONED, reason="its process is gone", abandoned=dead.id)

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

    def _end_unbegun(self, action: Action, source: DataSource | None, error: Exception) -> None:
        """Tell who asked, and count it, though there is no job that could tell of it."""
        with suppress(ReconcilerError):  # the first error is the one to tell
            close_unbegun(action, self.tools, error)
            if source is None or isinstance(action, RecoverDisks):
                return
            if not isinstance(error, MachineBusyError):
                now, kind = self.tools.lease_clock(), KINDS[type(action)]
                self.tools.catalogue.jobs.note_failure(source.id, kind, _failure(error), now)

    def _end_failed(self, action: Action, source: DataSource, job: Job, error: Exception) -> None:
        """End a failed job, but leave one to its heir that has to be finished."""
        with suppress(ReconcilerError):  # the first error is the one to tell
            if isinstance(action, Capture) and isinstance(error, _DOUBTFUL):
                self._doubt(source, error.message)
            if not self._needs_heir(source, job):
                self._finish(job, _failure(error))
                return
            jobs, now = self.tools.catalogue.jobs, self.tools.lease_clock()
            if not jobs.leave(job.id, job.epoch, _failure(error), now):
                self._tell_lost()

    def _needs_heir(self, source: DataSource, job: Job) -> bool:
        """Whether its point is sealed, or its machine may still be saved."""
        intent = self.tools.catalogue.jobs.get(job.id).intent
        if intent is None:
            return False
        if intent.save_request is not None:
            return True
        try:
            return is_sealed(self.tools.repository(intent.volume), source, intent)
        except ReconcilerError:
            return True  # nobody can tell now, so its heir looks

    def _doubt(self, source: DataSource, reason: str) -> None:
        """The replica cannot be trusted as it is: the next plan has it checked."""
        if self.tools.catalogue.mark_inconsistent(source.id, reason, self.tools.clock()):
            _log.warning(Event.REPLICA_DOUBTED, reason=reason)

    def _finish(self, job: Job, outcome: JobOutcome) -> None:
        now = self.tools.lease_clock()
        if not self.tools.catalogue.jobs.finish(job.id, job.epoch, outcome, now):
            self._tell_lost()

    def _tell_lost(self) -> None:
        _log.warning(Event.JOB_UNCONFIRMED, reason="another process holds the job by now")

    def _failed(self, action: Action, job: Job | None, error: Exception) -> Result:
        code, message, hint = _told(error)
        is_ours = not isinstance(error, ReconcilerError)
        _log.error(
            Event.JOB_FAILED,
            error_code=code,
            reason=message,
            hint=hint,
            retry=_retry(error),
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
        if subject.group is None or isinstance(action, RecoverDisks | ExpirePoints | DeletePoints):
            return next(s for s in catalogue.sources() if s.key == subject.key)
        return catalogue.ensure_source(subject.key, subject.name, subject.host, subject.group)


def skipped(action: Action, failed: Result) -> Result:
    """The result of an action that was not tried, because one before it failed."""
    with bound(vm=action.subject.label, host=action.subject.host):
        _log.warning(Event.JOB_SKIPPED, kind=KINDS[type(action)], reason=failed.message)
    return Result(
        action,
        Verdict.SKIPPED,
        error_code=failed.error_code,
        message=f"not tried: {failed.message}",
        hint=failed.hint,
    )


def _failure(error: Exception) -> JobOutcome:
    code, message, hint = _told(error)
    retry = _retry(error)
    return JobOutcome(is_success=False, code=code, message=message, hint=hint, retry=retry)


def _told(error: Exception) -> tuple[str, str, str]:
    """Code, message and hint of a failure."""
    if isinstance(error, ReconcilerError):
        return error.code, error.message, error.hint
    return "unexpected", f"unexpected {type(error).__name__}", "please report it, with the log"


def _retry(error: Exception) -> str:
    """What must happen before another try; a fault of ours may be gone by itself later."""
    return error.retry.value if isinstance(error, ReconcilerError) else Retry.LATER.value


def _facts(outcome: Outcome) -> dict[str, object]:
    return {
        "bytes_read": outcome.bytes_read,
        "bytes_stored": outcome.bytes_stored,
        "bytes_written": outcome.bytes_written,
        **outcome.details,
    }
