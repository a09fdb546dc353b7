"""The sentence: policy → observe → plan → schedule → execute → record.

A recovery to a folder does not wait for the lead: it reads what is sealed and writes elsewhere, so
nothing the leader decides can clash with it, and the job row keeps two processes from doing the
same request. Whoever needs a machine back at 3 a.m. should not wait for a backup to end.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4
from zoneinfo import ZoneInfo

from reconciler.execute.executor import Executor
from reconciler.execute.outcome import Result, Verdict
from reconciler.execute.sweep import sweep
from reconciler.execute.workbench import PolicyStamp, Tools
from reconciler.execute.workers import carry_out
from reconciler.logs import Event, bound, get_logger
from reconciler.model.machine import Inventory, NaturalKey
from reconciler.model.names import GroupName, HostName, PlanId
from reconciler.model.observed import Observed, VolumeFacts
from reconciler.observe.inventory import Lookout
from reconciler.observe.observer import RECOVER_DISKS, observe
from reconciler.owner import is_alive, life_of
from reconciler.plan.actions import DeletePoints, Finding, Plan, RecoverDisks, Severity
from reconciler.plan.alerts import Condition, conditions, failure
from reconciler.plan.planner import Occasion, make_plan, recovery_plan
from reconciler.plan.recovery import newest_at, parse_at
from reconciler.plan.requests import limited_to
from reconciler.plan.sightings import certain
from reconciler.policy.parse import ParsedSet
from reconciler.policy.policy_set import PolicySet
from reconciler.record.entries import Alert, PassRecord

CLOCK_SLACK: Final = timedelta(minutes=5)
LONGEST_PAUSE: Final = timedelta(days=30)
"""After a longer silence of ours nothing expires in the first pass: the clock may be wrong."""

_log = get_logger()


@dataclass(frozen=True, slots=True)
class Look:
    """What a plan was made of."""

    plan: Plan
    observed: Observed
    wanted: PolicySet


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Compares what is wanted with what is, and closes the gap."""

    policies: Callable[[], ParsedSet]
    zone_of: Callable[[str], ZoneInfo]
    """The zone of a protection group."""
    tools: Tools
    lookout: Lookout
    clock_name: str
    tell_every_s: float
    look_at_volumes: Callable[[PolicySet], tuple[VolumeFacts, ...]]

    def plan(self) -> Plan:
        """Decide what is due now, and change nothing."""
        return self.look().plan

    def look(self, expiry_paused: str = "", *, is_routine: bool = False) -> Look:
        """Observe and plan; change nothing. `expiry_paused` says why no point may expire now."""
        parsed, catalogue, now = self.policies(), self.tools.catalogue, self.tools.clock()
        wanted = parsed.policies
        hosts = tuple(HostName(host.name) for host in wanted.hosts)
        after = {host: watch.last_event for host, watch in catalogue.watches().items()}
        inventory = self.lookout.look(hosts, after)
        observed = observe(
            inventory, catalogue, self.tools.lease_clock(), old_before=_old_before(wanted, now)
        )
        # after the jobs: what one of them has put on a volume meanwhile is seen there
        growth = {} if is_routine else catalogue.growth()
        observed = replace(observed, volumes=self.look_at_volumes(wanted), growth=growth)
        occasion = Occasion(
            PlanId(str(uuid4())),
            now,
            self.clock_name,
            has_hole=parsed.has_hole,
            broken=tuple(_broken_files(parsed)),
            expiry_paused=expiry_paused or self._odd_clock(),
        )
        plan = make_plan(wanted, observed, occasion)
        self._tell(plan, is_routine=is_routine)
        return Look(plan, observed, wanted)

    def take_note(self, look: Look) -> None:
        """Write down what a plan rests on, before any of its actions begins.

        Doubts come first: they rest on where machines were seen before.
        """
        plan, catalogue = look.plan, self.tools.catalogue
        now = self.tools.lease_clock()
        doubts = {doubt.source: doubt.reason for doubt in plan.doubts}
        names = {doubt.source: doubt.machine for doubt in plan.doubts}
        for source in catalogue.take_note(doubts, plan.watches, self.tools.clock()):
            _log.warning(Event.REPLICA_DOUBTED, vm=names[source], reason=doubts[source])
        catalogue.see(_sightings(look.observed))
        for refusal in plan.refusals:
            told = {"message": refusal.message, "hint": refusal.hint}
            if catalogue.requests.finish(refusal.request, told, now, is_done=False):
                _log.warning(Event.REQUEST_CLOSED, request=refusal.request, reason=refusal.message)
        self._close_what_nobody_follows()
        self.sync_alerts(plan)

    def sync_alerts(self, plan: Plan, results: Sequence[Result] = ()) -> None:
        """Open and resolve alerts, so that they are what is true now."""
        whole = [r.action for r in results if _is_whole(r)]
        healed = {action.subject.label for action in whole}
        gone = {a.subject.label for a in whole if isinstance(a, DeletePoints)}
        current = [
            condition
            for condition in conditions(plan)
            if condition.subject not in gone
            and not (condition.heals_by_capture and condition.subject in healed)
        ]
        current += [*self._failures(plan), *self._not_swept()]
        catalogue = self.tools.catalogue
        stay = [a for a in self._undecided(plan) if a.subject not in gone]
        changes = catalogue.sync_alerts([*current, *stay], plan.unknown, self.tools.clock())
        for alert in changes.opened:
            tell = _log.error if alert.severity == Severity.ERROR.value else _log.warning
            tell(
                Event.ALERT_OPENED,
                alert=alert.kind,
                subject=alert.subject,
                reason=alert.message,
                hint=alert.hint,
            )
        for alert in changes.resolved:
            _log.info(Event.ALERT_RESOLVED, alert=alert.kind, subject=alert.subject)

    def request_disks(self, machine: str, at: str | None, folder: str) -> Plan:
        """Ask for the disks of a machine, and plan only that; no host is asked.

        Raises:
            ItemNotFoundError: No such machine, or no recovery point that old.
        """
        catalogue = self.tools.catalogue
        source = catalogue.source_by_name(machine)
        moment = parse_at(at, self.zone_of(source.group)) if at is not None else None
        point = newest_at(catalogue.recovery_points(source.id), moment, source.machine_name)
        parameters = {
            "recovery_point": point.id,
            "folder": folder,
            "owner": self.tools.owner,
        }
        now = self.tools.lease_clock()
        request = catalogue.requests.open(RECOVER_DISKS, source.id, parameters, now)
        observed = observe(Inventory(), catalogue, now)
        plan = recovery_plan(observed, request.id, Occasion(PlanId(str(uuid4())), now, "system"))
        self._tell(plan)
        return plan

    def answer(self, requests: frozenset[str]) -> list[Result]:
        """One pass for what a person asked, and nothing else."""
        look = self.look()
        self.take_note(look)
        results = list(self.carry_out(limited_to(look.plan, requests)))
        self.sync_alerts(look.plan, results)
        return results

    def executor(self, plan: Plan) -> Executor:
        """What carries out actions of a plan."""
        stamp = PolicyStamp(plan.policy_digest, plan.policy_commit)
        return Executor(self.tools, plan.id, stamp, self.tell_every_s, plan.neighbours)

    def carry_out(self, plan: Plan) -> Iterator[Result]:
        """Do what was planned; results come as they are ready. Safe to kill and to repeat."""
        started_at = self.tools.lease_clock()
        results: list[Result] = []
        with bound(plan=plan.id):
            _log.info(Event.PASS_STARTED, clock=plan.clock, actions=len(plan.actions))
            for result in carry_out(self.executor(plan), plan.actions, plan.headroom):
                results.append(result)
                yield result
            # a recovery does not hold the lead, so packs may be those of a draft of the leader's
            if not any(isinstance(action, RecoverDisks) for action in plan.actions):
                sweep(self.tools)
            self.record(plan, started_at, sum(r.job is not None for r in results))
            _log.info(
                Event.PASS_FINISHED,
                clock=plan.clock,
                results=dict(Counter(result.verdict.value for result in results)),
            )

    def record(self, plan: Plan, started_at: datetime, jobs_started: int) -> None:
        """Write down a pass."""
        self.tools.catalogue.record_pass(
            PassRecord(
                started_at=started_at,
                ended_at=self.tools.lease_clock(),
                plan=plan.id,
                policy_digest=plan.policy_digest,
                clock=plan.clock,
                actions=len(plan.actions),
                findings=len(plan.findings),
                jobs_started=jobs_started,
            )
        )

    def _not_swept(self) -> Iterator[Condition]:
        """Volumes whose stored bytes do not fall although points are gone."""
        catalogue = self.tools.catalogue
        problems = catalogue.sweep_problems()
        for volume in catalogue.volumes() if problems else ():
            if (problem := problems.get(volume.id)) is not None:
                yield Condition(
                    "volume.not_swept",
                    f"{volume.pool}/{volume.name}",
                    Severity.WARNING,
                    f"packs that nothing refers to could not be deleted: {problem}",
                    "nothing is lost, but no room becomes free; it is tried again every hour",
                )

    def _odd_clock(self) -> str:
        """Why the clock cannot be trusted to let points expire, compared with the last pass."""
        last = next(iter(self.tools.catalogue.passes(1)), None)
        if last is None:
            return ""
        passed = self.tools.lease_clock() - last.ended_at
        if passed < -CLOCK_SLACK:
            return f"the last pass ended at {last.ended_at:%Y-%m-%d %H:%M} UTC, later than now"
        if passed > LONGEST_PAUSE:
            return f"the last pass was {passed.days} days ago, or the clock is wrong"
        return ""

    def _undecided(self, plan: Plan) -> Iterator[Alert]:
        """Open alerts that may still be true: nobody who answers can tell."""
        if plan.undecided:
            open_now = self.tools.catalogue.alerts()
            yield from (a for a in open_now if (a.kind, a.subject) in plan.undecided)

    def _failures(self, plan: Plan) -> Iterator[Condition]:
        """Members whose latest job failed."""
        catalogue = self.tools.catalogue
        failures = catalogue.jobs.failures()
        if not failures:
            return
        for source in catalogue.sources():
            found = failures.get(source.id)
            if found is not None and source.id in plan.members:
                yield failure(source, found.count, found.code, found.message)

    def _close_what_nobody_follows(self) -> None:
        """Recoveries whose process died: the person is told by what is missing, and asks again."""
        catalogue, now = self.tools.catalogue, self.tools.lease_clock()
        for job in catalogue.jobs.interrupted(now, life_of):
            if job.source is None:
                catalogue.jobs.abandon(job, now)
        for request in catalogue.requests.pending():
            if request.kind != RECOVER_DISKS:
                continue
            if not is_alive(str(request.parameters.get("owner", ""))):
                catalogue.requests.finish(
                    request.id, {"message": "its process ended"}, now, is_done=False
                )

    def _tell(self, plan: Plan, *, is_routine: bool = False) -> None:
        """Of the many plans of a loop those without an action are no news."""
        with bound(plan=plan.id, policy_digest=plan.policy_digest):
            tell = _log.debug if is_routine and not plan.actions else _log.info
            tell(
                Event.PLAN_MADE,
                clock=plan.clock,
                policy_commit=plan.policy_commit,
                actions=len(plan.actions),
                findings=len(plan.findings),
            )


def _old_before(wanted: PolicySet, now: datetime) -> Mapping[GroupName, datetime]:
    """Before when a point is older than its group keeps it."""
    return {GroupName(group.name): now - group.retention for group in wanted.groups}


def _broken_files(parsed: ParsedSet) -> Iterator[Finding]:
    for path in sorted({*parsed.broken, *parsed.stand_ins, *parsed.holes}):
        yield Finding(
            "policy.broken",
            path,
            f"the file cannot be used as it is; {parsed.in_force_for(path)}",
            "see what is wrong: reconciler check",
            Severity.ERROR,
        )


def _sightings(observed: Observed) -> dict[NaturalKey, tuple[str, HostName]]:
    """Where each machine is, if that is certain."""
    return {key: (machine.name, machine.host) for key, machine in certain(observed).items()}


def _is_whole(result: Result) -> bool:
    return result.verdict in {Verdict.DONE, Verdict.VOID}
