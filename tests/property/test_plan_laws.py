"""Laws of the planner, over small random worlds.

A world has up to three hosts, of which some are silent, and machines on none, one or two of them;
groups that overlap; and a catalogue that knows some machines, with jobs dead and alive, old points
and open requests. What an action does is a pure function here, so that a plan can be carried out
and made again.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar, assert_never

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.labels import labels_of
from reconciler.model.machine import (
    Checkpoint,
    ClusterFacts,
    HostEvent,
    HostReport,
    HostVolume,
    Inventory,
    NaturalKey,
    ReferencePoint,
    Replication,
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
    VmId,
    VolumeId,
)
from reconciler.model.observed import (
    Observed,
    OnDemand,
    RecoveryRequest,
    RequestKind,
    UnfinishedJob,
    Watch,
    checkpoint_name,
    job_of,
)
from reconciler.model.protection import (
    Cause,
    CauseKind,
    Consistency,
    DataSource,
    Head,
    InconsistentSpan,
    RecoveryPoint,
    Replica,
    ReplicaState,
)
from reconciler.plan.actions import (
    Action,
    Capture,
    ConsistencyCheck,
    CreateReplica,
    DeletePoints,
    ExpirePoints,
    ExpressFullBackup,
    Plan,
    RecoverDisks,
    RemoveLeftovers,
)
from reconciler.plan.planner import Occasion, make_plan
from reconciler.plan.requests import answered
from reconciler.policy.policy_set import PolicySet
from reconciler.policy.protection_group import ProtectionGroup
from reconciler.policy.selectors import Candidate

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
DAY = timedelta(days=1)
AGES = st.sampled_from([timedelta(hours=h) for h in (9600, 24, 1, 0, -24)])
PROMISES: st.SearchStrategy[dict[str, object]] = st.sampled_from(
    [
        {},
        {"retention": "10d"},
        {"keep_at_least": 3, "consistency": {"otherwise": "refuse"}},
        {"consistency_check": {"when_inconsistent": False}},
        {"consistency_check": {"when_inconsistent": False, "schedule": {"times": ["00:00"]}}},
        {"initial_replication": {"quiet_time": {"start": "22:00", "end": "04:00"}}},
        {"consistency_check": {"schedule": {"times": ["09:00"]}}, "retention": "2d"},
    ]
)
SYNCHRONIZED: st.SearchStrategy[dict[str, object]] = st.sampled_from(
    [{}, {"synchronization": "1h"}, {"zone": "Asia/Kathmandu"}]
)
CAPTURES = (CreateReplica, ExpressFullBackup, ConsistencyCheck)
HOST_NAMES = st.sampled_from(HOSTS)
NODES = st.sampled_from([host.upper() for host in HOSTS])
ODDITIES: list[dict[str, object]] = [
    {"faults": ("it is odd",)},
    {"integration_services": ()},
    {"state": "Saved"},
    {"state": "Paused"},
    {"operational_status": ("ExportingVirtualMachine",)},
    {"replication": Replication("Resynchronizing", "Normal")},
]
CSV = "D:\\VMs\\"


def mostly(usual: T, *others: T) -> st.SearchStrategy[T]:
    """The usual half of the time, so that a world is odd in few respects at once."""
    return st.sampled_from([*(usual,) * max(1, len(others)), *others])


@dataclass(frozen=True)
class World:
    """What is wanted and what is observed."""

    wanted: PolicySet
    observed: Observed
    has_hole: bool = False
    expiry_paused: str = ""

    def plan(self) -> Plan:
        occasion = Occasion(
            PlanId("plan"), NOON, "server", self.has_hole, expiry_paused=self.expiry_paused
        )
        return make_plan(self.wanted, self.observed, occasion)

    def after(self, actions: Iterable[Action]) -> "World":
        """Once the plan is taken note of, and some of its actions are carried out."""
        observed = noted(self.plan(), self.observed)
        for action in actions:
            observed = done(action, observed)
        return replace(self, observed=observed)

    def sightings(self, key: NaturalKey) -> list[VirtualMachine]:
        reports = self.observed.inventory.reports.values()
        return [m for report in reports for m in report.machines if m.key == key]

    def groups_of(self, key: NaturalKey) -> list[ProtectionGroup]:
        seen = self.sightings(key)
        return [
            group for group in self.wanted.groups if any(group.claims(candidate(m)) for m in seen)
        ]


def candidate(machine: VirtualMachine) -> Candidate:
    labels = labels_of(machine.notes)
    return Candidate(machine.host, "", machine.name, machine.id, machine.key.role, labels)


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
def worlds(draw: st.DrawFn, make: Make, *, is_clustered: bool = False) -> World:
    """Any world; see the head of this module. In a cluster, nodes name owners of machines."""
    names = draw(mostly(["finance"], [], ["finance", "sales"], ["finance", "it", "sales"]))
    groups = [
        make.group(
            name,
            members=draw(st.lists(SELECTORS, min_size=1, max_size=2)),
            times=draw(st.sampled_from([["18:00"], ["00:00", "12:00"]])),
            **draw(SYNCHRONIZED),
            **draw(PROMISES),
        )
        for name in names
    ]
    silent = draw(mostly([], ["hv1"], ["hv2"], ["hv2", "hv3"]))
    answering = [host for host in HOSTS if host not in silent]
    roles = st.sampled_from([Role.PRIMARY, Role.PRIMARY, Role.REPLICA])
    oddities: st.SearchStrategy[dict[str, object]] = mostly({}, *ODDITIES)
    machines = [make.vm(name, "hv1", draw(roles), **draw(oddities)) for name in NAMES]
    seen = [
        replace(machine, host=HostName(host))
        for machine in machines
        for host in draw(st.permutations(answering))[: draw(mostly(1, 0, 2))]
    ]
    observed = make.observed(*seen, silent=silent)
    recorded = draw(catalogues(machines, [group.retention for group in groups]))
    known = {source.key for source in recorded.sources.values()}
    owners = draw(st.dictionaries(st.sampled_from([m.id for m in machines]), NODES))
    reports = {
        host: draw(told(report, known, owners if is_clustered else None))
        for host, report in observed.inventory.reports.items()
    }
    inventory = Inventory(reports, observed.inventory.silent)
    return World(
        PolicySet(tuple(groups)),
        replace(recorded, inventory=inventory, volumes=observed.volumes),
        draw(st.booleans()),
        draw(mostly("", "the clock jumped")),
    )


@st.composite
def catalogues(
    draw: st.DrawFn, machines: Iterable[VirtualMachine], retentions: list[timedelta]
) -> Observed:
    """What is recorded of some machines."""
    watch = Watch(NOON, 1)
    found = Observed(SERVER, watches={HostName(h): watch for h in draw(st.sets(HOST_NAMES))})
    for machine in machines:
        if draw(mostly("known", "unknown")) == "unknown":
            continue
        source = DataSourceId(f"source-{machine.name}")
        last_host = HostName(draw(HOST_NAMES))
        entry = DataSource(source, machine.key, machine.name, last_host, GroupName("finance"))
        replica = draw(replicas(source))
        dead = UnfinishedJob(JobId(f"dead-{machine.name}"), source, NOON, draw(st.booleans()))
        kinds = draw(st.lists(st.sampled_from(RequestKind), max_size=2, unique=True))
        requests = tuple(OnDemand(f"{kind} {source}", kind, source) for kind in kinds)
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
            requests=found.requests + requests,
        )
        if replica is not None and replica.head is not None and retentions:
            found = draw(aged(found, source, min(retentions)))
    return found


@st.composite
def aged(draw: st.DrawFn, found: Observed, source: DataSourceId, kept: timedelta) -> Observed:
    """The same catalogue with old points of a source, a few of them or many."""
    count = draw(mostly(0, 1, 3, 25))
    ages = sorted(draw(st.lists(st.integers(1, 90), min_size=count, max_size=count)), reverse=True)
    points = [old_point(source, f"{n} of {source}", NOON - age * DAY) for n, age in enumerate(ages)]
    began, length = draw(st.integers(0, 60)), draw(mostly(0, 5, 30))
    span = InconsistentSpan(source, NOON - began * DAY, NOON - (began - length) * DAY, "why")
    read = [RecoveryRequest(f"read {p.id}", source, p.id, "/out") for p in points]
    return replace(
        found,
        recoveries=(*found.recoveries, *draw(mostly([], read[:1], read[-1:]))),
        old_points={
            **found.old_points,
            source: tuple(p for p in points if p.captured_at < NOON - kept),
        },
        point_counts={**found.point_counts, source: count + 1},
        inconsistent_spans={**found.inconsistent_spans, source: (span,)},
    )


def old_point(source: DataSourceId, name: str, at: datetime) -> RecoveryPoint:
    return RecoveryPoint(
        RecoveryPointId(name),
        source,
        VolumeId("v"),
        at,
        Consistency.CRASH,
        Cause(CauseKind.SLOT, at),
        JobId("job"),
        bytes_read=0,
        bytes_stored=0,
    )


@st.composite
def replicas(draw: st.DrawFn, source: DataSourceId) -> Replica | None:
    """A replica with or without a head, or none."""
    state = draw(mostly(ReplicaState.CONSISTENT, *ReplicaState, None))
    if state is None:
        return None
    if draw(mostly("sealed", "begun")) == "begun":
        return Replica(source, state, None, None, None)
    checked_at = draw(mostly(NOON - 9600 * DAY / 24, None, NOON - DAY, NOON))
    head = head_of(source)
    return Replica(source, state, VolumeId("v"), head, NOON - draw(AGES), checked_at)


@st.composite
def told(
    draw: st.DrawFn,
    report: HostReport,
    known: set[NaturalKey],
    owners: Mapping[VmId, str] | None,
) -> HostReport:
    """The same report with what lies about, a lost node, a restart, and perhaps a cluster."""
    lost = HostEvent(2, "Microsoft-Windows-FailoverClustering", 1135, NOON - DAY, draw(NODES))
    booted_at = draw(mostly(NOON, NOON + DAY))
    littered_report: HostReport = draw(littered(report, known))
    return replace(
        littered_report,
        facts=replace(report.facts, booted_at=booted_at),
        events=draw(mostly((), (lost,))),
        volumes=(HostVolume(CSV, 1, 1, is_cluster_shared=True, is_encrypted=True),),
        cluster=None if owners is None else ClusterFacts("fin", {}, owners),
    )


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


def head_of(source: DataSourceId, name: str = "first") -> Head:
    point = RecoveryPointId(f"{name} point of {source}")
    return Head(source, point, ReferencePointId("current"), {DiskId("disk"): RctId("rct")})


def noted(plan: Plan, observed: Observed) -> Observed:
    """The world once a plan is taken note of, before its first action."""
    replicas = dict(observed.replicas)
    for doubt in plan.doubts:
        if replicas[doubt.source].state is ReplicaState.CONSISTENT:
            replicas[doubt.source] = replace(
                replicas[doubt.source], state=ReplicaState.INCONSISTENT, doubt=doubt.reason
            )
    closed = {refusal.request for refusal in plan.refusals}
    return replace(
        observed,
        replicas=replicas,
        watches={**observed.watches, **plan.watches},
        requests=tuple(r for r in observed.requests if r.id not in closed),
    )


def done(action: Action, observed: Observed) -> Observed:
    """The world once an action was carried out, at the moment it was planned for."""
    ended = set(answered(action))
    observed = replace(observed, requests=tuple(r for r in observed.requests if r.id not in ended))
    match action:
        case CreateReplica() | ExpressFullBackup() | ConsistencyCheck():
            return with_point(action, observed)
        case RemoveLeftovers():
            return cleaned(action, observed)
        case ExpirePoints():
            return without_points(action, observed)
        case DeletePoints():
            return forgotten(action, observed)
        case RecoverDisks():
            return observed
        case _:
            assert_never(action)


def with_point(action: Capture, observed: Observed) -> Observed:
    subject = action.subject
    known = observed.source_of(subject.key)
    source = known.id if known else DataSourceId(f"source-{subject.name}")
    group = GroupName(subject.group or "")
    entry = DataSource(source, subject.key, subject.name, subject.host, group)
    before = observed.replicas.get(source)
    is_whole = not isinstance(action, ExpressFullBackup)
    checked_at = NOON if is_whole or before is None else before.checked_at
    head = head_of(source, "second")
    sealed = Replica(source, ReplicaState.CONSISTENT, VolumeId("v"), head, NOON, checked_at)
    old = list(observed.old_points.get(source, ()))
    if before and before.head and before.latest_captured_at:
        old.append(old_point(source, before.head.recovery_point, before.latest_captured_at))
    old = sorted((p for p in old if p.captured_at < NOON - DAY), key=lambda p: p.captured_at)
    return replace(
        observed,
        sources={**observed.sources, source: entry},
        replicas={**observed.replicas, source: sealed},
        old_points={**observed.old_points, source: tuple(old)},
        point_counts={
            **observed.point_counts,
            source: observed.point_counts.get(source, 0) + 1,
        },
    )


def without_points(action: ExpirePoints, observed: Observed) -> Observed:
    source = action.source
    head = observed.replicas[source].head
    assert head is not None
    assert head.recovery_point not in action.points
    left = tuple(p for p in observed.old_points[source] if p.id not in action.points)
    assert len(left) == len(observed.old_points[source]) - len(action.points)
    count = observed.point_counts[source] - len(action.points)
    return replace(
        observed,
        old_points={**observed.old_points, source: left},
        point_counts={**observed.point_counts, source: count},
    )


def forgotten(action: DeletePoints, observed: Observed) -> Observed:
    def others(known: Mapping[DataSourceId, T]) -> dict[DataSourceId, T]:
        return {source: value for source, value in known.items() if source != action.source}

    return replace(
        observed,
        replicas=others(observed.replicas),
        old_points=others(observed.old_points),
        point_counts=others(observed.point_counts),
        inconsistent_spans=others(observed.inconsistent_spans),
    )


def cleaned(action: RemoveLeftovers, observed: Observed) -> Observed:
    vm_id, host = action.subject.key.vm_id, action.subject.host
    report = observed.inventory.reports[host]
    machines = tuple(
        replace(m, state="Running") if action.resumes and m.key == action.subject.key else m
        for m in report.machines
    )
    swept = replace(
        report,
        machines=machines,
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
    world = data.draw(worlds(make, is_clustered=data.draw(st.booleans())))
    again = world.after(world.plan().actions).plan()

    assert again.actions == ()
    assert again.doubts == ()
    assert again.watches == {}
    assert again.refusals == ()


@given(st.data())
def test_a_part_of_a_plan_that_was_carried_out_leaves_the_rest_to_do(
    make: Make, data: st.DataObject
) -> None:
    world = data.draw(worlds(make, is_clustered=data.draw(st.booleans())))
    actions = world.plan().actions
    cleaned_up = [a.subject.key for a in actions if isinstance(a, RemoveLeftovers)]
    assert len(set(cleaned_up)) == len(cleaned_up)
    count = data.draw(st.integers(0, len(actions)))

    assert world.after(actions[:count]).plan().actions == actions[count:]


@given(st.data())
def test_no_head_expires_and_the_floor_stays(make: Make, data: st.DataObject) -> None:
    world = data.draw(worlds(make))
    actions = world.plan().actions
    # that no head is dropped is looked at where points are dropped
    left = world.after(actions).observed.point_counts
    for action in actions:
        if isinstance(action, ExpirePoints):
            (group,) = world.groups_of(action.subject.key)
            assert left[action.source] >= group.keep_at_least
            assert list(action.points) == list(dict.fromkeys(action.points))


@given(st.data())
def test_points_of_a_machine_that_left_the_policies_stay_unless_a_person_says_so(
    make: Make, data: st.DataObject
) -> None:
    world = data.draw(worlds(make))
    asked = {r.source for r in world.observed.requests if r.kind is RequestKind.DELETE_POINTS}
    for action in world.plan().actions:
        if isinstance(action, ExpirePoints):
            assert len(world.groups_of(action.subject.key)) == 1
        if isinstance(action, DeletePoints):
            assert action.source in asked
            assert not world.groups_of(action.subject.key)


@given(st.data())
def test_with_a_hole_in_the_policies_or_an_untrusted_clock_nothing_expires(
    make: Make, data: st.DataObject
) -> None:
    world = data.draw(worlds(make))
    hole = replace(world, has_hole=True).plan().actions
    paused = replace(world, expiry_paused="the clock jumped").plan().actions

    assert not any(isinstance(action, ExpirePoints | DeletePoints) for action in hole)
    assert not any(isinstance(action, ExpirePoints) for action in paused)


@given(st.data())
def test_every_request_is_answered_refused_or_waits_for_a_job(
    make: Make, data: st.DataObject
) -> None:
    world = data.draw(worlds(make, is_clustered=data.draw(st.booleans())))
    plan = world.plan()
    done_or_refused = [request for action in plan.actions for request in answered(action)]
    done_or_refused += [refusal.request for refusal in plan.refusals]
    waiting = [r.id for r in world.observed.requests if r.source in world.observed.running]

    assert sorted(done_or_refused + waiting) == sorted(r.id for r in world.observed.requests)


@given(st.data())
def test_a_silent_host_is_told_and_nothing_is_done_or_missed_because_of_it(
    make: Make, data: st.DataObject
) -> None:
    world = data.draw(worlds(make))
    silent = set(world.observed.inventory.silent)
    plan = world.plan()
    unknown = {s.label for s in world.observed.sources.values() if s.host in silent}
    missed = {f.about for f in plan.findings if f.code == "machine.not_reported"}

    on_hosts = [a for a in plan.actions if not isinstance(a, DeletePoints)]
    assert not {action.subject.host for action in on_hosts} & silent
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

        assert not told & {s.label for s in sources if s.host == host}


@given(st.data())
def test_only_a_machine_with_one_claim_one_sighting_and_no_fault_is_backed_up(
    make: Make, data: st.DataObject
) -> None:
    world = data.draw(worlds(make))
    plan = world.plan()
    for action in plan.actions:
        if isinstance(action, CAPTURES):
            (machine,) = world.sightings(action.subject.key)
            (group,) = world.groups_of(action.subject.key)
            assert (machine.host, group.name) == (action.subject.host, action.subject.group)
            assert not machine.faults
    twice = {"blocked.claimed_twice", "blocked.seen_twice"}
    blocked = sorted(f.about for f in plan.findings if f.code in twice)
    keys = {m.key for r in world.observed.inventory.reports.values() for m in r.machines}
    expected = [
        world.sightings(key)[0].label
        for key in keys
        if (groups := world.groups_of(key)) and len(groups) + len(world.sightings(key)) > 2
    ]
    assert blocked == sorted(expected)


@given(st.data())
def test_a_machine_that_is_claimed_or_seen_twice_is_not_touched_but_to_run_on(
    make: Make, data: st.DataObject
) -> None:
    world = data.draw(worlds(make))
    for action in world.plan().actions:
        if isinstance(action, DeletePoints):
            continue
        assert len(world.sightings(action.subject.key)) == 1
        resumes = isinstance(action, RemoveLeftovers) and action.resumes
        assert resumes or len(world.groups_of(action.subject.key)) <= 1


@given(st.data())
def test_a_machine_has_at_most_one_backup_and_none_while_a_job_is_at_work(
    make: Make, data: st.DataObject
) -> None:
    world = data.draw(worlds(make))
    plan = world.plan()
    backed_up = [a.subject.key for a in plan.actions if isinstance(a, CAPTURES)]
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

    assert all(
        action.subject.group is not None or (isinstance(action, RemoveLeftovers) and action.resumes)
        for action in plan.actions
    )
    assert set(plan.actions) <= set(replace(world, has_hole=False).plan().actions)


@given(st.data())
def test_clean_up_comes_before_captures_and_those_before_what_expires(
    make: Make, data: st.DataObject
) -> None:
    ranks: list[type | tuple[type, ...]]
    ranks = [RemoveLeftovers, CAPTURES, ExpirePoints, DeletePoints]
    actions = data.draw(worlds(make)).plan().actions
    others = [a for a in actions if not (isinstance(a, ExpirePoints) and a.requests)]
    order = [next(n for n, kind in enumerate(ranks) if isinstance(a, kind)) for a in others]

    assert order == sorted(order)


@given(st.data())
def test_what_a_person_lets_expire_waits_for_no_backup_but_what_a_new_point_sets_free(
    make: Make, data: st.DataObject
) -> None:
    world = data.draw(worlds(make))
    captured: set[NaturalKey] = set()
    for action in world.plan().actions:
        if isinstance(action, CAPTURES):
            captured.add(action.subject.key)
        elif isinstance(action, ExpirePoints) and action.requests:
            # the old head, and one that was needed for the floor
            assert action.subject.key not in captured or len(action.points) <= 2


@given(st.data())
def test_no_point_expires_that_an_open_recovery_reads(make: Make, data: st.DataObject) -> None:
    world = data.draw(worlds(make))
    read = {each.recovery_point for each in world.observed.recoveries}
    expiring = {p for a in world.plan().actions if isinstance(a, ExpirePoints) for p in a.points}

    assert not read & expiring


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
