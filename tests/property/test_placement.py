"""Laws of placement, over small random pools, groups and machines."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.machine import VirtualMachine
from reconciler.model.names import GroupName, PlanId, PoolName, VolumeId
from reconciler.model.observed import Observed, VolumeFacts, VolumeState
from reconciler.plan.actions import CreateReplica, Plan
from reconciler.plan.planner import Occasion, make_plan
from reconciler.plan.volumes import Volumes
from reconciler.policy.policy_set import PolicySet
from reconciler.policy.protection_group import ProtectionGroup
from reconciler.policy.storage import StoragePool

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
GIB = 1 << 30
GROUPS = ("alpha", "beta", "gamma")
MACHINES = tuple("abcdef")


@dataclass(frozen=True)
class Case:
    """What is planned."""

    wanted: PolicySet
    observed: Observed

    def plan(self) -> Plan:
        return make_plan(self.wanted, self.observed, Occasion(PlanId("plan"), NOON, "server"))

    @property
    def placements(self) -> list[tuple[str, GroupName | None, str]]:
        """Machine, group and volume of each replica that is created."""
        creations = [a for a in self.plan().actions if isinstance(a, CreateReplica)]
        return [(a.subject.name, a.subject.group, a.volume) for a in creations]


@pytest.fixture(scope="session")
def cases(
    make_vm: Callable[..., VirtualMachine],
    make_observed: Callable[..., Observed],
    make_group: Callable[..., ProtectionGroup],
    with_replica: Callable[..., Observed],
) -> st.SearchStrategy[Case]:
    @st.composite
    def draw_case(draw: st.DrawFn) -> Case:
        names = [f"v{n}" for n in range(draw(st.integers(1, 4)))]
        volumes = tuple(
            VolumeFacts(
                PoolName("main"),
                name,
                VolumeId(name),
                f"/{name}",
                draw(st.sampled_from([*[VolumeState.USABLE] * 4, *VolumeState])),
                total_bytes=4000 * GIB,
                free_bytes=draw(st.integers(0, 2000)) * GIB,
                stored_bytes=draw(st.integers(0, 500)) * GIB,
            )
            for name in names
        )
        quotas = st.sampled_from([{}, {"quota": "300GiB"}, {"reserve": "100GiB"}])
        declared = [{"name": name, "path": f"/{name}", **draw(quotas)} for name in names]
        pool = StoragePool.model_validate(
            {"schema": "reconciler/v1", "kind": "StoragePool", "name": "main", "volumes": declared}
        )
        owners = {machine: draw(st.sampled_from(GROUPS)) for machine in MACHINES}
        groups = tuple(
            make_group(
                name,
                members=[{"name": m} for m, owner in owners.items() if owner == name]
                or [{"name": "none"}],
                co_location=draw(st.booleans()),
                **draw(st.sampled_from([{}, {}, {"volume": draw(st.sampled_from(names))}])),
            )
            for name in GROUPS
        )
        observed = make_observed(*map(make_vm, MACHINES), volumes=volumes)
        for machine in draw(st.sets(st.sampled_from(MACHINES), max_size=3)):
            volume = VolumeId(draw(st.sampled_from(names)))
            observed = with_replica(observed, make_vm(machine), NOON, volume=volume)
        known = {
            source.id: replace(source, group=GroupName(owners[source.machine_name]))
            for source in observed.sources.values()
        }
        return Case(PolicySet(groups, pools=(pool,)), replace(observed, sources=known))

    return draw_case()


@given(st.data())
def test_nothing_goes_to_a_volume_that_cannot_take_it(
    cases: st.SearchStrategy[Case], data: st.DataObject
) -> None:
    case = data.draw(cases)
    usable = {v.facts.name for v in Volumes(case.wanted, case.observed).all if v.trouble is None}

    assert {volume for _, _, volume in case.placements} <= usable


@given(st.data())
def test_no_new_replica_joins_a_group_that_is_kept_apart_or_leaves_its_own(
    cases: st.SearchStrategy[Case], data: st.DataObject
) -> None:
    case = data.draw(cases)
    alone = {g.name for g in case.wanted.groups if not g.co_location}
    there: dict[str, set[str]] = {}
    for source in case.observed.sources.values():
        there.setdefault(str(case.observed.replicas[source.id].volume), set()).add(source.group)
    for _, group, placed in case.placements:
        volume = str(placed)
        others = there.get(volume, set()) - {str(group)}
        assert not others & alone
        assert not others or group not in alone
        there.setdefault(volume, set()).add(str(group))


@given(st.data())
def test_each_machine_has_a_replica_a_place_for_it_or_the_reason_why_not(
    cases: st.SearchStrategy[Case], data: st.DataObject
) -> None:
    case = data.draw(cases)
    plan = case.plan()
    created = {a.subject.name for a in plan.actions if isinstance(a, CreateReplica)}
    refused = {f.about for f in plan.findings if f.code == "blocked.no_volume"}
    there = {source.machine_name for source in case.observed.sources.values()}

    assert sorted([*created, *refused, *there]) == sorted(MACHINES)


@given(st.data())
def test_a_choice_of_the_operator_is_kept_and_the_same_look_gives_the_same_plan(
    cases: st.SearchStrategy[Case], data: st.DataObject
) -> None:
    case = data.draw(cases)
    chosen = {g.name: g.volume for g in case.wanted.groups}

    for _, group, volume in case.placements:
        assert chosen[str(group)] in {None, volume}
    assert case.placements == case.placements


@given(st.data())
def test_without_wishes_the_first_replica_goes_where_there_is_most_room(
    cases: st.SearchStrategy[Case], data: st.DataObject
) -> None:
    case = data.draw(cases)
    groups = tuple(
        g.model_copy(update={"co_location": True, "volume": None}) for g in case.wanted.groups
    )
    free = replace(case, wanted=replace(case.wanted, groups=groups))
    rooms = {
        v.facts.name: v.room_bytes
        for v in Volumes(free.wanted, free.observed).all
        if v.trouble is None
    }
    for _, _, volume in free.placements[:1]:
        assert rooms[volume] == max(room for room in rooms.values() if room is not None)
