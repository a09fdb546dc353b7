"""The loop: passes for ever, jobs beside them, and an orderly end.

A pass is short: observe → plan → admit → start. Jobs run on threads and outlive the pass that
started them; the next one sees them in the catalogue like anybody else would. What wakes the loop
is only a hint, and everything is compared anew each time, so a hint that is lost costs one tick.
"""

import contextvars
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event
from time import monotonic
from typing import Any, Final

from reconciler.errors import JobStoppedError, ReconcilerError
from reconciler.execute.executor import Executor
from reconciler.execute.outcome import Result, Verdict
from reconciler.execute.sweep import sweep
from reconciler.execute.workers import carry_out_machine
from reconciler.logs import Event as Happened
from reconciler.logs import bound, get_logger
from reconciler.loop import Look, Reconciler
from reconciler.model.machine import NaturalKey
from reconciler.model.names import GroupName, PoolName
from reconciler.policy.policy_set import PolicySet
from reconciler.schedule.admission import Held, Limits, Setback, Situation, Work, admit
from reconciler.schedule.wakeups import Wakeups

MOST_THREADS: Final = 32
JUMP: Final = timedelta(minutes=5)
"""A clock that moved this much otherwise than time passed is not trusted to let points expire."""
KEPT: Final = timedelta(days=90)
"""Ended jobs, requests and alerts are remembered for this long."""
TRUSTED_AFTER_S: Final = 3600.0
"""A clock that went as time passes for so long is trusted again."""
_TIDY_EVERY_S: Final = 3600.0

_log = get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """How the loop behaves.

    Units: seconds.
    """

    every_s: float = 15.0
    grace_s: float = 60.0
    """How long jobs at work may go on when the loop is asked to end."""
    limits: Limits = Limits()  # noqa: RUF009 (frozen)


@dataclass
class Loop:
    """One leader at work, until `stop`."""

    reconciler: Reconciler
    keep_policies: Callable[[], None]
    wakeups: Wakeups
    pace: Pace
    trusts_clock: bool
    """Compare the clock with monotonic time; the lab's clock is moved by hand."""
    _stopping: Event = field(default_factory=Event)
    _hurry: Event = field(default_factory=Event)
    _at_work: dict[Future[list[Result]], tuple[Work, Executor]] = field(default_factory=dict)
    _held: dict[NaturalKey, str] = field(default_factory=dict)
    _offset_s: float | None = None
    _expiry_paused: str = ""
    _jumped_at: float = 0.0
    _sweeping: Future[None] | None = None
    _tidied_at: float = 0.0

    def run(self) -> None:
        """Pass after pass, until stopped; then wait for what is at work."""
        _log.info(Happened.RUN_STARTED, every_s=self.pace.every_s)
        pool = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="worker")
        try:
            while not self._stopping.is_set():
                self._pass(pool)
                self.wakeups.wait()
        finally:
            self._end(pool)
        _log.info(Happened.RUN_STOPPED)

    def stop(self) -> None:
        """Begin nothing more; called again, stop what is at work as well. From signal handlers."""
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()
        self.wakeups.wake()

    def _pass(self, pool: ThreadPoolExecutor) -> None:
        """One look at everything. Whatever goes wrong, the next pass tries again."""
        try:
            self._reap()
            started_at = self.reconciler.tools.lease_clock()
            look = self.reconciler.look(self.watch_clock(), is_routine=True)
            with bound(plan=look.plan.id):
                self.keep_policies()
                self.reconciler.take_note(look)
                self._sweep(pool)
                begun = self._start(pool, look)
                self.reconciler.record(look.plan, started_at, begun)
            self._tidy()
        except ReconcilerError as error:
            _log.error(
                Happened.PASS_FAILED, error_code=error.code, reason=error.message, hint=error.hint
            )
        except Exception:  # noqa: BLE001 (a fault of ours must not end what protects everything else)
            _log.exception(Happened.PASS_FAILED)

    def _start(self, pool: ThreadPoolExecutor, look: Look) -> int:
        at_work = tuple(work for work, _ in self._at_work.values())
        situation = Situation(
            self.reconciler.tools.lease_clock(),
            self.pace.limits,
            at_work,
            self._setbacks(look),
            _pools(look.wanted),
            look.plan.headroom,
        )
        actions = look.plan.actions
        admission = admit(actions, situation)
        self._tell_held(admission.held)
        executor = self.reconciler.executor(look.plan)
        for work in admission.admitted:
            run = contextvars.copy_context().run
            future = pool.submit(run, carry_out_machine, executor, work.actions, self._stopping)
            self._at_work[future] = (work, executor)
            future.add_done_callback(self.job_ended)
        return len(admission.admitted)

    def job_ended(self, future: Future[list[Result]]) -> None:
        """What was done may make something else due; after a failure the next tick is soon enough.

        Otherwise what fails at once would be tried again at once, for ever.
        """
        if future.cancelled() or future.exception() is not None:
            return
        if any(result.verdict is Verdict.DONE for result in future.result()):
            self.wakeups.wake()

    def _setbacks(self, look: Look) -> Mapping[NaturalKey, Setback]:
        failures = self.reconciler.tools.catalogue.jobs.failures()
        sources = look.observed.sources
        return {
            sources[source].key: Setback(found.count, found.last_at, found.retry)
            for source, found in failures.items()
            if source in sources
        }

    def _tell_held(self, held: Sequence[Held]) -> None:
        """Each reason once, not at every pass."""
        now = {each.work.key: each.reason for each in held}
        for each in held:
            if self._held.get(each.work.key) != each.reason:
                subject = each.work.actions[0].subject
                _log.info(
                    Happened.JOB_HELD, vm=subject.label, host=subject.host, reason=each.reason
                )
        self._held = now

    def _reap(self) -> None:
        """Let go of what has ended; its failures are in the catalogue."""
        for future in [f for f in self._at_work if f.done()]:
            del self._at_work[future]
            if (error := future.exception()) is not None:
                _log.error(Happened.PASS_FAILED, exc_info=error)
        if self._sweeping is not None and self._sweeping.done():
            if (error := self._sweeping.exception()) is not None:
                _log.error(Happened.PASS_FAILED, exc_info=error)
            self._sweeping = None

    def _sweep(self, pool: ThreadPoolExecutor) -> None:
        """Begin to delete what is of no use, beside the passes and beside jobs."""
        tools = self.reconciler.tools
        if self._sweeping is None and tools.catalogue.volumes_to_sweep(tools.lease_clock()):
            run = contextvars.copy_context().run
            self._sweeping = pool.submit(run, sweep, tools, self._require_going)

    def _require_going(self) -> None:
        if self._hurry.is_set():
            raise JobStoppedError("the loop ends", hint="the next one goes on")

    def watch_clock(self) -> str:
        """Why expiry by age must not follow the clock now: one that jumped would expire all."""
        if not self.trusts_clock:
            return ""
        offset = self.reconciler.tools.clock().timestamp() - monotonic()
        before, self._offset_s = self._offset_s, offset
        if before is not None and abs(offset - before) >= JUMP.total_seconds():
            jump_s = round(offset - before)
            self._jumped_at = monotonic()
            self._expiry_paused = f"the clock jumped by {jump_s:+d} s"
            _log.warning(Happened.CLOCK_JUMPED, seconds=jump_s)
        elif monotonic() - self._jumped_at > TRUSTED_AFTER_S:
            self._expiry_paused = ""
        return self._expiry_paused

    def _tidy(self) -> None:
        if monotonic() - self._tidied_at < _TIDY_EVERY_S and self._tidied_at:
            return
        self._tidied_at = monotonic()
        tools = self.reconciler.tools
        tools.catalogue.forget_old(tools.lease_clock() - KEPT)

    def _end(self, pool: ThreadPoolExecutor) -> None:
        """Jobs may go on for the grace; then they are stopped at their next piece, and undone."""
        if self._at_work:
            _log.info(Happened.RUN_STOPPING, jobs=len(self._at_work), grace_s=self.pace.grace_s)
        until = monotonic() + self.pace.grace_s
        going: set[Future[Any]] = {*self._at_work}
        if self._sweeping is not None:
            going.add(self._sweeping)
        while monotonic() < until and not self._hurry.is_set():
            if not wait(going, timeout=0.5).not_done:
                break
        self._hurry.set()
        for _, executor in self._at_work.values():
            executor.stop("the loop ends")
        pool.shutdown(cancel_futures=True)


def _pools(wanted: PolicySet) -> Mapping[GroupName, PoolName]:
    return {GroupName(group.name): PoolName(group.pool) for group in wanted.groups}
