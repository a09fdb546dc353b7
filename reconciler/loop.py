"""The sentence: policy → observe → plan → execute → record.

A recovery to a folder does not wait for the lead: it reads what is sealed and writes elsewhere, so
nothing the leader decides can clash with it, and the job row keeps two processes from doing the
same request. Whoever needs a machine back at 3 a.m. should not wait for a backup to end.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from uuid import uuid4
from zoneinfo import ZoneInfo

from reconciler.execute.executor import Executor
from reconciler.execute.outcome import Result
from reconciler.execute.workbench import PolicyStamp, Tools
from reconciler.execute.workers import carry_out
from reconciler.logs import Event, bound, get_logger
from reconciler.model.machine import Inventory
from reconciler.model.names import HostName, PlanId
from reconciler.observe.inventory import take_inventory
from reconciler.observe.observer import RECOVER_DISKS, observe
from reconciler.plan.actions import Plan
from reconciler.plan.planner import Occasion, make_plan, recovery_plan
from reconciler.plan.recovery import newest_at, parse_at
from reconciler.policy.parse import ParsedSet
from reconciler.record.entries import PassRecord
from reconciler.record.owner import is_alive

_log = get_logger()


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Compares what is wanted with what is, and closes the gap."""

    policies: Callable[[], ParsedSet]
    zone_of: Callable[[str], ZoneInfo]
    """The zone of a protection group."""
    tools: Tools
    clock_name: str
    tell_every_s: float

    def plan(self) -> Plan:
        """Decide what is due now, and change nothing."""
        wanted = self.policies()
        hosts = tuple(HostName(host.name) for host in wanted.policies.hosts)
        inventory = take_inventory(hosts, self.tools.open_host)
        observed = observe(inventory, self.tools.catalogue, self.tools.lease_clock())
        occasion = Occasion(
            PlanId(str(uuid4())), self.tools.clock(), self.clock_name, wanted.has_hole
        )
        plan = make_plan(wanted.policies, observed, occasion)
        self._tell(plan)
        return plan

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

    def carry_out(self, plan: Plan) -> Iterator[Result]:
        """Do what was planned; results come as they are ready. Safe to kill and to repeat."""
        stamp = PolicyStamp(plan.policy_digest, plan.policy_commit)
        executor = Executor(self.tools, plan.id, stamp, self.tell_every_s)
        started_at = self.tools.lease_clock()
        self._close_what_nobody_follows()
        results: list[Result] = []
        with bound(plan=plan.id):
            _log.info(Event.PASS_STARTED, clock=plan.clock, actions=len(plan.actions))
            for result in carry_out(executor, plan.actions):
                results.append(result)
                yield result
            self._record(
                plan,
                PassRecord(
                    started_at=started_at,
                    ended_at=self.tools.lease_clock(),
                    plan=plan.id,
                    policy_digest=plan.policy_digest,
                    clock=plan.clock,
                    actions=len(plan.actions),
                    findings=len(plan.findings),
                    jobs_started=sum(r.job is not None for r in results),
                ),
                results,
            )

    def _close_what_nobody_follows(self) -> None:
        """Recoveries whose process died: the person is told by what is missing, and asks again."""
        catalogue, now = self.tools.catalogue, self.tools.lease_clock()
        for job in catalogue.jobs.interrupted(now, is_alive):
            if job.source is None:
                catalogue.jobs.abandon(job, now)
        for request in catalogue.requests.pending():
            if request.kind != RECOVER_DISKS:
                continue
            if not is_alive(str(request.parameters.get("owner", ""))):
                catalogue.requests.finish(
                    request.id, {"message": "its process ended"}, now, is_done=False
                )

    def _record(self, plan: Plan, record: PassRecord, results: Sequence[Result]) -> None:
        self.tools.catalogue.record_pass(record)
        _log.info(
            Event.PASS_FINISHED,
            clock=plan.clock,
            results=dict(Counter(result.verdict.value for result in results)),
        )

    def _tell(self, plan: Plan) -> None:
        with bound(plan=plan.id, policy_digest=plan.policy_digest):
            _log.info(
                Event.PLAN_MADE,
                clock=plan.clock,
                policy_commit=plan.policy_commit,
                actions=len(plan.actions),
                findings=len(plan.findings),
            )
