"""Laws of head-room: what is at work together fits together, and who fits alone gets its turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.machine import NaturalKey, Role
from reconciler.model.names import DataSourceId, GroupName, HostName, RecoveryPointId, VmId
from reconciler.model.observed import Activity
from reconciler.model.protection import Cause, CauseKind, Consistency
from reconciler.plan.actions import Action, ExpressFullBackup, Subject
from reconciler.plan.headroom import need_bytes
from reconciler.plan.rooms import Claims, DiskVolume, Headroom, Need, Room
from reconciler.schedule.admission import Limits, Situation, Work, admit

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MANY = Limits(per_host=100, per_pool=100)
VOLUMES = tuple(DiskVolume("fin", name, name) for name in ("a", "b"))
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Case:
    """What is free, and what each machine may need."""

    free: Mapping[DiskVolume, int | None]
    needs: Sequence[Claims]

    @property
    def keys(self) -> list[NaturalKey]:
        return [NaturalKey(VmId(f"vm-{n}"), Role.PRIMARY) for n in range(len(self.needs))]

    def headroom(self) -> Headroom:
        claims = dict(zip(self.keys, self.needs, strict=True))
        return Headroom({v: self._room(v) for v in VOLUMES}, claims)

    def _room(self, volume: DiskVolume) -> Room:
        pairs = zip(self.keys, self.needs, strict=True)
        needs = tuple(Need(key, "", claims[volume]) for key, claims in pairs if volume in claims)
        return Room(volume, self.free[volume], needs)

    def fits(self, works: Sequence[Work]) -> bool:
        """Whether all of these have room at once, on each volume of which anybody can tell."""
        return all(
            free is None or sum(work.claims.get(volume, 0) for work in works) <= free
            for volume, free in self.free.items()
        )

    def fits_alone(self, key: NaturalKey) -> bool:
        return self.headroom().shortage(key) is None


BYTES = st.integers(0, 8)
CASES = st.builds(
    Case,
    st.fixed_dictionaries({volume: st.none() | BYTES for volume in VOLUMES}),
    st.lists(st.dictionaries(st.sampled_from(VOLUMES), BYTES), max_size=6),
)


def backup(key: NaturalKey, minutes_ago: int) -> Action:
    return ExpressFullBackup(
        Subject(key, key.vm_id, HostName("hv1"), GroupName("finance")),
        "due",
        DataSourceId(key.vm_id),
        Consistency.CRASH,
        Cause(CauseKind.SLOT, NOON - timedelta(minutes=minutes_ago)),
        RecoveryPointId("base"),
        is_tracked=True,
    )


@given(CASES, st.lists(st.integers(0, 3), min_size=6, max_size=6), st.integers(0, 6))
def test_never_are_more_machines_at_work_together_than_fit(
    case: Case, minutes: list[int], at_work: int
) -> None:
    actions = [backup(key, minutes[n]) for n, key in enumerate(case.keys)]
    first = admit(actions[:at_work], Situation(NOON, MANY, headroom=case.headroom())).admitted
    situation = Situation(NOON, MANY, first, headroom=case.headroom())

    admission = admit(actions, situation)

    assert case.fits((*first, *admission.admitted))
    for held in admission.held:
        assert held.reason
        assert not case.fits_alone(held.work.key) or first or admission.admitted


@given(CASES)
def test_whoever_fits_alone_is_at_work_once_and_nobody_else(case: Case) -> None:
    waiting = [backup(key, 0) for key in case.keys]
    seen: list[NaturalKey] = []
    while True:
        situation = Situation(NOON, MANY, headroom=case.headroom())
        admitted = admit(waiting, situation).admitted
        if not admitted:
            break
        seen += [work.key for work in admitted]
        waiting = [a for a in waiting if a.subject.key not in seen]

    assert sorted(seen) == sorted(key for key in case.keys if case.fits_alone(key))


@given(st.data())
def test_many_small_machines_do_not_keep_a_large_one_out(data: st.DataObject) -> None:
    """One is always at work that ends after another began; the large one is due longest."""
    small = [backup(NaturalKey(VmId(f"s-{n}"), Role.PRIMARY), 0) for n in range(3)]
    large = backup(NaturalKey(VmId("large"), Role.PRIMARY), 60)
    volume = VOLUMES[0]
    claims = {action.subject.key: {volume: 1} for action in small}
    claims[large.subject.key] = {volume: 3}
    headroom = Headroom({volume: Room(volume, 3, ())}, claims)
    at_work = list(admit(small[:2], Situation(NOON, MANY, headroom=headroom)).admitted)

    for _ in range(3):
        actions = [*small, large]
        begun = admit(actions, Situation(NOON, MANY, tuple(at_work), headroom=headroom)).admitted
        at_work += begun
        if large.subject.key in {work.key for work in begun}:
            return
        at_work.pop(data.draw(st.integers(0, len(at_work) - 1)))
    raise AssertionError("the large one never began")


@given(
    st.lists(st.integers(0, 1 << 44), min_size=1, max_size=4),
    st.none()
    | st.builds(
        Activity,
        st.integers(0, 1 << 46),
        st.timedeltas(timedelta(), 400 * HOUR),
        st.timedeltas(timedelta(), 400 * HOUR),
    ),
)
def test_a_need_is_at_most_the_disk_and_grows_with_all_it_rests_on(
    sizes: list[int], activity: Activity | None
) -> None:
    total = sum(sizes)
    needs = [need_bytes(size, total, activity) for size in sizes]

    assert all(0 <= need <= size for need, size in zip(needs, sizes, strict=True))
    if activity is not None:
        longer = Activity(activity.changed_bytes + 1, activity.over, activity.longest_job + HOUR)
        if activity.longest_job:
            assert all(
                need_bytes(size, total, longer) >= need
                for size, need in zip(sizes, needs, strict=True)
            )
