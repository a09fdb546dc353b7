import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from reconciler.errors import MachineBusyError
from reconciler.model.machine import NaturalKey, Role
from reconciler.model.names import DataSourceId, GroupName, HostName, JobId, PlanId, VmId
from reconciler.owner import Life
from reconciler.record.catalogue import Catalogue
from reconciler.record.work import Job, JobOrder, JobOutcome

OWNERS = st.sampled_from(["one", "two"])
INDEX = st.integers(0, 1)
SECONDS = st.sampled_from([0, 1, 45, 91])
LEASE = timedelta(seconds=90)


@dataclass
class Truth:
    """Who holds a job, told without the catalogue: `holder` is the claim that was won last."""

    source: DataSourceId
    made_at: datetime
    holder: Job | None = None
    beat_at: datetime | None = None
    is_live: bool = True

    @property
    def is_left(self) -> bool:
        return self.holder is not None and self.beat_at is None

    def is_held_by(self, claim: Job) -> bool:
        return self.is_live and self.holder is claim

    def is_as_seen(self, seen: Job) -> bool:
        epoch = self.holder.epoch if self.holder else 0
        return self.is_live and (epoch, self.beat_at) == (seen.epoch, seen.beat_at)


class TwoOwners(RuleBasedStateMachine):
    """Two owners do what they like in any order, on two data sources.

    An owner that was replaced never learns it: it goes on with every claim it ever won.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.catalogue = Catalogue.open(Path(self.folder.name) / "catalogue.sqlite")
        self.now = datetime(2026, 3, 1, tzinfo=UTC)
        self.truth: dict[JobId, Truth] = {}
        self.won: list[Job] = []
        self.seen: list[Job] = []
        self.failures: dict[DataSourceId, tuple[int, datetime]] = {}
        self.sources = [self.source(n) for n in "12"]

    def source(self, digit: str) -> DataSourceId:
        key = NaturalKey(VmId(digit * 8), Role.PRIMARY)
        return self.catalogue.ensure_source(key, digit, HostName("h"), GroupName("g")).id

    def teardown(self) -> None:
        self.catalogue.close()
        self.folder.cleanup()

    def win(self, claim: Job | None, *, is_due: bool) -> None:
        assert (claim is not None) == is_due
        if claim is not None:
            truth = self.truth[claim.id]
            assert claim.epoch > (truth.holder.epoch if truth.holder else 0)
            truth.holder, truth.beat_at = claim, self.now
            self.won.append(claim)

    @rule(index=INDEX)
    def create(self, index: int) -> None:
        source = self.sources[index]
        is_busy = any(t.is_live and t.source == source for t in self.truth.values())
        # a random id would order things differently at each replay of an example
        job_id = JobId(f"job-{len(self.truth):04}")
        order = JobOrder("backup", source, None, PlanId("p"), id=job_id)
        try:
            self.catalogue.jobs.create(order, self.now)
        except MachineBusyError:
            assert is_busy
        else:
            assert not is_busy
            self.truth[job_id] = Truth(source, self.now)

    @precondition(lambda self: self.truth)
    @rule(owner=OWNERS, data=st.data())
    def claim(self, owner: str, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.truth)))
        truth = self.truth[job_id]
        is_waiting = truth.is_live and truth.holder is None
        self.win(self.catalogue.jobs.claim(job_id, owner, self.now), is_due=is_waiting)

    @precondition(lambda self: self.won)
    @rule(seconds=SECONDS, data=st.data())
    def beat(self, seconds: int, data: st.DataObject) -> None:
        self.now += timedelta(seconds=seconds)
        claim = data.draw(st.sampled_from(self.won))
        truth = self.truth[claim.id]
        is_held = self.catalogue.jobs.beat(claim.id, claim.epoch, self.now)
        assert is_held == truth.is_held_by(claim)
        if is_held:
            truth.beat_at = self.now

    @precondition(lambda self: self.won)
    @rule(is_success=st.booleans(), data=st.data())
    def finish(self, is_success: bool, data: st.DataObject) -> None:  # noqa: FBT001
        claim = data.draw(st.sampled_from(self.won))
        truth = self.truth[claim.id]
        outcome = JobOutcome(is_success=is_success)
        is_ended = self.catalogue.jobs.finish(claim.id, claim.epoch, outcome, self.now)
        assert is_ended == truth.is_held_by(claim)
        truth.is_live = truth.is_live and not is_ended
        if is_ended and is_success:
            self.failures.pop(truth.source, None)
        elif is_ended:
            count, _ = self.failures.get(truth.source, (0, self.now))
            self.failures[truth.source] = (count + 1, self.now)

    @precondition(lambda self: self.won)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.won))
        truth = self.truth[claim.id]
        outcome = JobOutcome(is_success=False)
        is_held = truth.is_held_by(claim)
        assert self.catalogue.jobs.leave(claim.id, claim.epoch, outcome, self.now) == is_held
        if is_held:
            truth.holder, truth.beat_at = replace(claim, owner=None, epoch=claim.epoch + 1), None
            count, _ = self.failures.get(truth.source, (0, self.now))
            self.failures[truth.source] = (count + 1, self.now)

    @precondition(lambda self: self.won)
    @rule(seconds=SECONDS)
    def look_for_the_silent(self, seconds: int) -> None:
        """What is seen here may be acted on much later."""
        self.now += timedelta(seconds=seconds)
        found = self.catalogue.jobs.interrupted(self.now, lambda _: Life.UNKNOWN)
        silent = {
            job_id
            for job_id, t in self.truth.items()
            if t.is_live and (t.is_left or self.now - (t.beat_at or t.made_at) > LEASE)
        }
        assert {job.id for job in found} == silent
        self.seen.extend(found)

    @precondition(lambda self: self.seen)
    @rule(owner=OWNERS, data=st.data())
    def take_over(self, owner: str, data: st.DataObject) -> None:
        seen = data.draw(st.sampled_from(self.seen))
        is_unchanged = self.truth[seen.id].is_as_seen(seen)
        self.win(self.catalogue.jobs.take_over(seen, owner, self.now), is_due=is_unchanged)

    @precondition(lambda self: self.seen)
    @rule(data=st.data())
    def abandon(self, data: st.DataObject) -> None:
        seen = data.draw(st.sampled_from(self.seen))
        truth = self.truth[seen.id]
        is_unchanged = truth.is_as_seen(seen)
        assert self.catalogue.jobs.abandon(seen, self.now) == is_unchanged
        truth.is_live = truth.is_live and not is_unchanged

    @invariant()
    def the_catalogue_tells_the_truth(self) -> None:
        live = self.catalogue.jobs.live()
        assert {job.id for job in live} == {i for i, t in self.truth.items() if t.is_live}
        assert len({job.source for job in live}) == len(live), "two live jobs of one source"
        for job in live:
            holder = self.truth[job.id].holder
            assert job.owner == (holder.owner if holder else None)

    @invariant()
    def failures_in_a_row_are_counted_once_each(self) -> None:
        found = self.catalogue.jobs.failures()
        assert {source: (f.count, f.last_at) for source, f in found.items()} == self.failures


TwoOwners.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
test_two_owners_never_hold_one_job_and_no_source_has_two = TwoOwners.TestCase
