import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from reconciler.errors import MachineBusyError
from reconciler.model.machine import NaturalKey, Role
from reconciler.model.names import DataSourceId, GroupName, HostName, JobId, PlanId, VmId
from reconciler.record.catalogue import Catalogue
from reconciler.record.work import Job, JobOrder, JobOutcome

OWNERS = st.sampled_from(["one", "two"])
INDEX = st.integers(0, 1)
LEASE_S = 90


class TwoOwners(RuleBasedStateMachine):
    """Two owners do what they like in any order, on two data sources.

    `held` is what each believes: all claims it ever won and was never told to have lost.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.catalogue = Catalogue.open(Path(self.folder.name) / "catalogue.sqlite")
        self.now = datetime(2026, 3, 1, tzinfo=UTC)
        self.held: dict[str, list[Job]] = {"one": [], "two": []}
        self.seen: list[Job] = []
        self.ordered = 0
        self.sources = [self.source(n) for n in "12"]

    def source(self, digit: str) -> DataSourceId:
        key = NaturalKey(VmId(digit * 8), Role.PRIMARY)
        return self.catalogue.ensure_source(key, digit, HostName("h"), GroupName("g")).id

    def teardown(self) -> None:
        self.catalogue.close()
        self.folder.cleanup()

    @rule(index=INDEX)
    def create(self, index: int) -> None:
        source = self.sources[index]
        was_live = any(job.source == source for job in self.catalogue.jobs.live())
        # a random id would order the history differently at each replay of an example
        self.ordered += 1
        job_id = JobId(f"job-{self.ordered:04}")
        try:
            order = JobOrder("backup", source, None, PlanId("p"), id=job_id)
            self.catalogue.jobs.create(order, self.now)
        except MachineBusyError:
            assert was_live
        else:
            assert not was_live

    @rule(owner=OWNERS, data=st.data())
    def claim(self, owner: str, data: st.DataObject) -> None:
        jobs = self.catalogue.jobs.history()
        if not jobs:
            return
        job = data.draw(st.sampled_from(jobs))
        won = self.catalogue.jobs.claim(job.id, owner, self.now)
        if won:
            self.held[owner].append(won)

    @rule(seconds=st.integers(1, 120))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(owner=OWNERS, data=st.data())
    def beat(self, owner: str, data: st.DataObject) -> None:
        if self.held[owner]:
            job = data.draw(st.sampled_from(self.held[owner]))
            if not self.catalogue.jobs.beat(job.id, job.epoch, self.now):
                self.held[owner].remove(job)

    @rule(owner=OWNERS, data=st.data())
    def finish(self, owner: str, data: st.DataObject) -> None:
        if self.held[owner]:
            job = data.draw(st.sampled_from(self.held[owner]))
            outcome = JobOutcome(is_success=data.draw(st.booleans()))
            self.catalogue.jobs.finish(job.id, job.epoch, outcome, self.now)
            self.held[owner].remove(job)

    @rule()
    def look_for_the_dead(self) -> None:
        """Remember them: what was seen may be acted on much later."""
        found = self.catalogue.jobs.interrupted(self.now, lambda _: True, LEASE_S)
        assert all(self.now - (job.beat_at or self.now) > timedelta(seconds=90) for job in found)
        self.seen.extend(found)

    @precondition(lambda self: self.seen)
    @rule(owner=OWNERS, data=st.data())
    def take_over(self, owner: str, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.seen))
        won = self.catalogue.jobs.take_over(job, owner, self.now)
        if won:
            self.held[owner].append(won)

    @precondition(lambda self: self.seen)
    @rule(data=st.data())
    def abandon(self, data: st.DataObject) -> None:
        self.catalogue.jobs.abandon(data.draw(st.sampled_from(self.seen)), self.now)

    @invariant()
    def nobody_shares(self) -> None:
        live = self.catalogue.jobs.live()
        sources = [job.source for job in live]
        assert len(set(sources)) == len(sources), "two live jobs of one source"
        current = {(job.id, job.epoch) for job in live if job.beat_at is not None}
        holders = [
            (job.id, owner)
            for owner, jobs in self.held.items()
            for job in jobs
            if (job.id, job.epoch) in current
        ]
        assert len({job for job, _ in holders}) == len(holders), "a job with two holders"


TwoOwners.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
test_two_owners_never_hold_one_job_and_no_source_has_two = TwoOwners.TestCase
