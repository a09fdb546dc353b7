"""Laws of the planner, over small random worlds.

A world has up to three hosts, of which some are silent, and machines on none, one or two of them;
groups that overlap; and a catalogue that knows some machines, with jobs dead and alive. What an
action does is a pure function here, so that a plan can be carried out and made again.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar, assert_never

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.machine import (
    Checkpoint,
    HostReport,
    Inventory,
    NaturalKey,
    ReferencePoint,
    Role,
    VirtualMachine,
)
from reconciler.model.names import (
    CheckpointId,
    DataSourceId,
    DiskId,
    GroupName,
    HostName,
    JobId,
    PlanId,
    RctId,
    RecoveryPointId,
    ReferencePointId,
    ServerId,
    VolumeId,
)
from reconciler.model.observed import Observed, UnfinishedJob, checkpoint_name, job_of
from reconciler.model.protection import DataSource, Head, Replica, ReplicaState
from reconciler.plan.actions import (
    Action,
    CreateReplica,
    ExpressFullBackup,
    Plan,
    RecoverDisks,
    RemoveLeftovers,
)
from reconciler.plan.planner import Occasion, make_plan
from reconciler.policy.policy_set import PolicySet
from reconciler.policy.protection_group import ProtectionGroup

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
T = TypeVar("T")
SERVER = ServerId("5e12ae00")
HOSTS = ("hv1", "hv2", "hv3")
NAMES = ("crm", "erp", "web")
SELECTORS = st.sampled_from(
    [
        {"name": "*"},
        {"name": "erp"},
        {"name": "?rm"},
        {"host": "hv1"},
        {"host": "hv2", "name": "w*"},
    ]
)
AGES = st.sampled_from([timedelta(hours=h) for h in (9600, 24, 1, 0, -24)])


def mostly(usual: T, *others: T) -> st.SearchStrategy[T]:
    """The usual half of the time, so that a world is odd in few respects at once."""
    return st.sampled_from([*(usual,) * max(1, len(others)), *others])


@dataclass(frozen=True)
class World:
    """What is wanted and what is observed."""

    wanted: PolicySet
    observed: Observed
    has_hole: bool = False

    def plan(self) -> Plan:
        return make_plan(
            self.wanted, self.observed, Occasion(PlanId("plan"), NOON, "server", self.has_hole)
        )

    def sightings(self, key: NaturalKey) -> list[VirtualMachine]:
        reports = self.observed.inventory.reports.values()
        return [m for report in reports for m in report.machines if m.key == key]

    def groups_of(self, key: NaturalKey) -> list[ProtectionGroup]:
        seen = self.sightings(key)
        return [
            group
            for group in self.wanted.groups
            if any(group.claims(m.host, m.name, m.id) for m in seen)
        ]


@dataclass(frozen=True)
class Make:
    """The builders of tests/conftest.py at hand."""

    vm: Callable[..., VirtualMachine]
    group: Callable[..., ProtectionGroup]
    observed: Callable[..., Observed]


@pytest.fixture(scope="session")
def make(
    make_vm: Callable[..., VirtualMachine],
    make_group: Callable[..., ProtectionGroup],
    make_observed: Callable[..., Observed],
) -> Make:
    return Make(make_vm, make_group, make_observed)


@st.composite
def worlds(draw: st.DrawFn, make: Make) -> World:
    """Any world; see the head of this module."""
    names = draw(mostly(["finance"], [], ["finance", "sales"], ["finance", "it", "sales"]))
    groups = [
        make.group(
            name,
            members=draw(st.lists(SELECTORS, min_size=1, max_size=2)),
            times=draw(st.sampled_from([["18:00"], ["00:00", "12:00"]])),
            **draw(st.sampled_from([{}, {"synchronization": "1h"}, {"zone": "Asia/Kathmandu"}])),
        )
        for name in names
    ]
    silent = draw(mostly([], ["hv1"], ["hv2"], ["hv2", "hv3"]))
    answering = [host for host in HOSTS if host not in silent]
    roles = st.sampled_from([Role.PRIMARY, Role.PRIMARY, Role.REPLICA])
    faults = mostly((), ("it is odd",))
    machines = [make.vm(name, "hv1", draw(roles), faults=draw(faults)) for name in NAMES]
    seen = [
        replace(machine, host=HostName(host))
        for machine in machines
        for host in draw(st.permutations(answering))[: draw(mostly(1, 0, 2))]
    ]
    observed = make.observed(*seen, silent=silent)
    recorded = draw(catalogues(machines))
    known = {source.key for source in recorded.sources.values()}
    return World(
        PolicySet(tuple(groups)),
        replace(
            observed,
            sources=recorded.sources,
            replicas=recorded.replicas,
            running=recorded.running,
            unfinished=recorded.unfinished,
            superseded=recorded.superseded,
            inventory=replace(
                observed.inventory,
                reports={
                    host: draw(littered(report, known))
                    for host, report in observed.inventory.reports.items()
                },
            ),
        ),
        draw(st.booleans()),
    )


@st.composite
def catalogues(draw: st.DrawFn, machines: Iterable[VirtualMachine]) -> Observed:
    """What is recorded of some machines."""
    found = Observed(SERVER)
    for machine in machines:
        if draw(mostly("known", "unknown")) == "unknown":
            continue
        source = DataSourceId(f"source-{machine.name}")
        last_host = HostName(draw(st.sampled_from(HOSTS)))
        entry = DataSource(source, machine.key, machine.name, last_host, GroupName("finance"))
        replica = draw(replicas(source))
        dead = UnfinishedJob(JobId(f"dead-{machine.name}"), source, NOON)
        found = replace(
            found,
            sources={**found.sources, source: entry},
            replicas={**found.replicas, **({source: replica} if replica else {})},
            running={**found.running, **draw(mostly({}, {source: JobId("live")}))},
            unfinished=found.unfinished + draw(mostly((), (dead,))),
            superseded={
                **found.superseded,
                **draw(mostly({}, {ReferencePointId(f"old {machine.name}"): source})),
            },
        )
    return found


@st.composite
def replicas(draw: st.DrawFn, source: DataSourceId) -> Replica | None:
    """A replica with or without a head, or none."""
    state = draw(mostly(ReplicaState.CONSISTENT, *ReplicaState, None))
    if state is None:
        return None
    if draw(mostly("sealed", "begun")) == "begun":
        return Replica(source, state, None, None, None)
    return Replica(source, state, VolumeId("v"), head_of(source), NOON - draw(AGES))


@st.composite
def littered(draw: st.DrawFn, report: HostReport, known: set[NaturalKey]) -> HostReport:
    """The same report with checkpoints and reference points, others' and ours.

    Ours are of machines that the catalogue knows: it is told before anything is made on a host.
    """
    theirs = ["reconciler other x", "Backup", "reconciler"]
    checkpoints: list[Checkpoint] = []
    points: list[ReferencePoint] = []
    for machine in report.machines:
        ours = [checkpoint_name(SERVER, JobId("x"))] if machine.key in known else []
        names = draw(mostly([], ours, theirs, [*theirs[:1], *ours, *theirs[1:]]))
        checkpoints.extend(
            Checkpoint(CheckpointId(f"{name} of {machine.name}"), machine.id, name, NOON, ())
            for name in names
        )
        owners = draw(mostly([], [machine.name], NAMES))
        points.extend(
            ReferencePoint(ReferencePointId(f"old {owner}"), machine.id, ()) for owner in owners
        )
    return replace(report, checkpoints=tuple(checkpoints), reference_points=tuple(points))


def head_of(source: DataSourceId) -> Head:
    point = RecoveryPointId(f"point of {source}")
    return Head(source, point, ReferencePointId("current"), {DiskId("disk"): RctId("rct")})


def done(action: Action, observed: Observed) -> Observed:
    """The world once an action was carried out, at the moment it was planned for."""
    match action:
        case CreateReplica() | ExpressFullBackup():
            return with_point(action, observed)
        case RemoveLeftovers():
            return cleaned(action, observed)
        case RecoverDisks():
            return observed
        case _:
            assert_never(action)


def with_point(action: CreateReplica | ExpressFullBackup, observed: Observed) -> Observed:
    subject = action.subject
    known = observed.source_of(subject.key)
    source = known.id if known else DataSourceId(f"source-{subject.name}")
    group = GroupName(subject.group or "")
    entry = DataSource(source, subject.key, subject.name, subject.host, group)
    sealed = Replica(source, ReplicaState.CONSISTENT, VolumeId("v"), head_of(source), NOON)
    return replace(
        observed,
        sources={**observed.sources, source: entry},
        replicas={**observed.replicas, source: sealed},
    )


def cleaned(action: RemoveLeftovers, observed: Observed) -> Observed:
    vm_id, host = action.subject.key.vm_id, action.subject.host
    report = observed.inventory.reports[host]
    swept = replace(
        report,
        checkpoints=tuple(
            c for c in report.checkpoints if c.vm_id != vm_id or c.id not in action.checkpoints
        ),
        reference_points=tuple(
            r
            for r in report.reference_points
            if r.vm_id != vm_id or r.id not in action.reference_points
        ),
    )
    return replace(
        observed,
        inventory=Inventory({**observed.inventory.reports, host: swept}, observed.inventory.silent),
        unfinished=tuple(j for j in observed.unfinished if j.id not in action.jobs),
        superseded={
            point: source
            for point, source in observed.superseded.items()
            if point not in action.reference_points
        },
    )


@given(st.data())
@settings(max_examples=200)
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(make: Make, data: st.DataObject) -> None:
    world = data.draw(worlds(make))
    observed = world.observed
    for action in world.plan().actions:
        observed = done(action, observed)

    assert replace(world, observed=observed).plan().actions == ()


@given(st.data())
def test_a_part_of_a_plan_that_was_carried_out_leaves_the_rest_to_do(
    make: Make, data: st.DataObject
) -> None:
    world = data.draw(worlds(make))
    actions = world.plan().actions
    cleaned_up = [a.subject.key for a in actions if isinstance(a, RemoveLeftovers)]
    assert len(set(cleaned_up)) == len(cleaned_up)
    count = data.draw(st.integers(0, len(actions)))
    observed = world.observed
    for action in actions[:count]:
        observed = done(action, observed)

    assert replace(world, observed=observed).plan().actions == actions[count:]


@given(st.data())
def test_a_silent_host_is_told_and_nothing_is_done_or_missed_because_of_it(
    make: Make, data: st.DataObject
) -> None:
    world = data.draw(worlds(make))
    silent = set(world.observed.inventory.silent)
    plan = world.plan()
    unknown = {s.machine_name for s in world.observed.sources.values() if s.host in silent}
    missed = {f.about for f in plan.findings if f.code == "machine.not_reported"}

    assert not {action.subject.host for action in plan.actions} & silent
    assert not missed & unknown
    assert {f.about for f in plan.findings if f.code == "host.unreachable"} == silent


@given(st.data())
def test_a_host_that_falls_silent_adds_no_finding_of_a_missing_machine(
    make: Make, data: st.DataObject
) -> None:
    world = data.draw(worlds(make))
    inventory = world.observed.inventory
    for host in inventory.reports:
        others = {h: r for h, r in inventory.reports.items() if h != host}
        quiet = make.observed(silent=[*inventory.silent, host]).inventory.silent
        dark = replace(world, observed=replace(world.observed, inventory=Inventory(others, quiet)))
        told = {f.about for f in dark.plan().findings if f.code == "machine.not_reported"}
        sources = world.observed.sources.values()

        assert not told & {s.machine_name for s in sources if s.host == host}


@given(st.data())
def test_only_a_machine_with_one_claim_one_sighting_and_no_fault_is_backed_up(
    make: Make, data: st.DataObject
) -> None:
    world = data.draw(worlds(make))
    plan = world.plan()
    for action in plan.actions:
        if not isinstance(action, RemoveLeftovers):
            (machine,) = world.sightings(action.subject.key)
            (group,) = world.groups_of(action.subject.key)
            assert (machine.host, group.name) == (action.subject.host, action.subject.group)
            assert not machine.faults
    twice = {"blocked.claimed_twice", "blocked.seen_twice"}
    blocked = sorted(f.about for f in plan.findings if f.code in twice)
    keys = {m.key for r in world.observed.inventory.reports.values() for m in r.machines}
    expected = [
        world.sightings(key)[0].name
        for key in keys
        if (groups := world.groups_of(key)) and len(groups) + len(world.sightings(key)) > 2
    ]
    assert blocked == sorted(expected)


@given(st.data())
def test_a_machine_that_is_claimed_or_seen_twice_is_not_cleaned(
    make: Make, data: st.DataObject
) -> None:
    world = data.draw(worlds(make))
    for action in world.plan().actions:
        assert len(world.sightings(action.subject.key)) == 1
        assert len(world.groups_of(action.subject.key)) <= 1


@given(st.data())
def test_a_machine_has_at_most_one_backup_and_none_while_a_job_is_at_work(
    make: Make, data: st.DataObject
) -> None:
    world = data.draw(worlds(make))
    plan = world.plan()
    backed_up = [a.subject.key for a in plan.actions if not isinstance(a, RemoveLeftovers)]
    busy = {world.observed.sources[source].key for source in world.observed.running}

    assert len(set(backed_up)) == len(backed_up)
    assert not {action.subject.key for action in plan.actions} & busy


@given(st.data())
def test_only_what_is_provably_ours_is_removed(make: Make, data: st.DataObject) -> None:
    world = data.draw(worlds(make))
    observed = world.observed
    for action in world.plan().actions:
        if isinstance(action, RemoveLeftovers):
            report = observed.inventory.reports[action.subject.host]
            vm_id = action.subject.key.vm_id
            source = observed.source_of(action.subject.key)
            assert source is not None
            assert action.source == source.id
            ours = {c.id: c for c in report.checkpoints if c.vm_id == vm_id}
            assert all(job_of(SERVER, ours[c].name) for c in action.checkpoints)
            there = {r.id for r in report.reference_points if r.vm_id == vm_id}
            assert set(action.reference_points) <= there
            assert all(observed.superseded[r] == source.id for r in action.reference_points)
            assert "current" not in action.reference_points
            dead = {j.id for j in observed.unfinished if j.source == source.id}
            assert set(action.jobs) <= dead
            assert action.jobs or action.checkpoints or action.reference_points


@given(st.data())
def test_while_a_policy_is_broken_only_claimed_machines_are_touched(
    make: Make, data: st.DataObject
) -> None:
    world = replace(data.draw(worlds(make)), has_hole=True)
    plan = world.plan()

    assert all(action.subject.group is not None for action in plan.actions)
    assert set(plan.actions) <= set(replace(world, has_hole=False).plan().actions)


@given(st.data())
def test_clean_up_comes_before_all_backups(make: Make, data: st.DataObject) -> None:
    order = [isinstance(a, RemoveLeftovers) for a in data.draw(worlds(make)).plan().actions]

    assert order == sorted(order, reverse=True)


@given(st.data())
def test_the_order_in_which_hosts_answered_does_not_change_a_plan(
    make: Make, data: st.DataObject
) -> None:
    world = data.draw(worlds(make))
    inventory = world.observed.inventory
    hosts = data.draw(st.permutations(list(inventory.reports)))
    turned = Inventory({host: inventory.reports[host] for host in hosts}, inventory.silent)
    again = replace(world, observed=replace(world.observed, inventory=turned))

    assert again.plan() == world.plan()
