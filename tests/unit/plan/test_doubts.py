"""Which replicas are in doubt after a host was lost or restarted, and which are not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.model.machine import (
    ClusterFacts,
    HostEvent,
    HostVolume,
    VirtualDisk,
    VirtualMachine,
)
from reconciler.model.names import HostName
from reconciler.model.observed import Observed, Watch
from reconciler.model.protection import ReplicaState
from reconciler.plan.actions import ConsistencyCheck, Plan
from reconciler.plan.doubts import take_note
from reconciler.policy.protection_group import ProtectionGroup

MakeVm = Callable[..., VirtualMachine]
MakeObserved = Callable[..., Observed]
PlanOf = Callable[..., Plan]

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
HV1, HV2 = HostName("hv1"), HostName("hv2")
CSV = "C:\\ClusterStorage\\Volume1\\"


def lost(node: str = "hv2", record: int = 8, at: datetime = NOON - HOUR) -> HostEvent:
    return HostEvent(record, "Microsoft-Windows-FailoverClustering", 1135, at, node)


def told(provider: str, event: int, node: str, at: datetime) -> HostEvent:
    return HostEvent(3, provider, event, at, node)


def doubted(observed: Observed) -> list[str]:
    return [doubt.machine for doubt in take_note(observed).doubts]


@pytest.fixture
def cluster(
    make_vm: MakeVm,
    make_observed: MakeObserved,
    with_replica: MakeObserved,
    with_host: MakeObserved,
) -> MakeObserved:
    """Two nodes: erp and crm ran on hv2 and are on hv1 now, web has always been on hv1.

    Both were seen before; `events` are what hv1 tells.
    """

    def make(
        *events: HostEvent, silent: tuple[str, ...] = (), checked_ago: timedelta = 9 * HOUR
    ) -> Observed:
        names = ("erp", "crm", "web")
        observed = make_observed(*(make_vm(name) for name in names), silent=silent)
        for name in names:
            ran_on = "hv1" if name == "web" else "hv2"
            observed = with_replica(observed, make_vm(name, ran_on), checked_at=NOON - checked_ago)
        if not silent:
            observed = with_host(observed, "hv2")
        watch = Watch(NOON, 7)
        observed = replace(observed, watches={HV1: watch, HV2: watch})
        return with_host(observed, "hv1", events=events)

    return make


@pytest.mark.parametrize("silent", [(), ("hv2",), ("HV2",)])
def test_what_ran_on_a_lost_node_is_in_doubt_and_nothing_else(
    cluster: MakeObserved, make_vm: MakeVm, with_replica: MakeObserved, silent: tuple[str, ...]
) -> None:
    observed = cluster(lost(), silent=silent)
    if silent == ("HV2",):
        for name in ("erp", "crm"):
            observed = with_replica(observed, make_vm(name, "HV2"), checked_at=NOON - 9 * HOUR)

    assert doubted(observed) == ["crm", "erp"]
    (doubt, _) = take_note(observed).doubts
    assert doubt.reason == "the node hv2 that it ran on was lost at 2026-11-24T11:00+00:00"


def test_a_node_is_known_by_what_it_calls_itself(
    cluster: MakeObserved, with_host: MakeObserved
) -> None:
    observed = with_host(cluster(lost("fin-node-2")), "hv2", computer_name="FIN-NODE-2")

    assert doubted(observed) == ["crm", "erp"]
    assert doubted(with_host(cluster(lost("hv2")), "hv2", computer_name="FIN-NODE-2")) == []


@pytest.mark.parametrize(
    "event",
    [
        lost(record=7),
        replace(lost(), id=1136),
        replace(lost(), provider="EventLog"),
        lost("hv3"),
    ],
)
def test_old_events_others_and_those_of_strangers_raise_no_doubt(
    cluster: MakeObserved, event: HostEvent
) -> None:
    assert doubted(cluster(event)) == []


@pytest.mark.parametrize(
    ("provider", "number", "minutes", "is_planned"),
    [
        ("User32", 1074, 15, True),
        ("EventLog", 6006, 0, True),
        ("EventLog", 6006, -5, True),
        ("User32", 1074, 16, False),
        ("User32", 1074, -6, False),
        ("EventLog", 6008, 1, False),
        ("Microsoft-Windows-Kernel-Power", 41, 1, False),
    ],
)
@pytest.mark.parametrize("teller", ["hv1", "hv2"])
def test_a_planned_shutdown_raises_no_doubt(
    cluster: MakeObserved,
    with_host: MakeObserved,
    provider: str,
    number: int,
    minutes: int,
    teller: str,
    *,
    is_planned: bool,
) -> None:
    stop = told(provider, number, "HV2", NOON - HOUR - minutes * MINUTE)
    if teller == "hv1":
        observed = cluster(stop, lost())
    else:
        observed = with_host(cluster(lost()), "hv2", events=(stop,))

    assert doubted(observed) == ([] if is_planned else ["crm", "erp"])


def test_the_shutdown_of_another_node_excuses_nothing(cluster: MakeObserved) -> None:
    stop = told("User32", 1074, "hv1", NOON - HOUR - MINUTE)

    assert doubted(cluster(stop, lost())) == ["crm", "erp"]


@pytest.mark.parametrize("silent", [(), ("hv2",)])
def test_a_shutdown_that_was_planned_is_remembered_until_its_loss_is_told(
    cluster: MakeObserved, with_host: MakeObserved, silent: tuple[str, ...]
) -> None:
    stop = told("User32", 1074, "hv2", NOON - HOUR - MINUTE)
    first = with_host(cluster(), "hv2", events=(replace(stop, record_id=9),))
    noted = take_note(first).watches
    later = cluster(lost(), silent=silent)
    if silent:  # then it is known by what the policies call it
        sources = {s.id: replace(s, host=HV2) for s in later.sources.values()}
        later = replace(later, sources=sources)

    assert noted == {HV2: Watch(NOON, 9, stop.at)}
    assert doubted(later)
    assert doubted(replace(later, watches={**later.watches, **noted})) == []


@pytest.mark.parametrize(
    ("announced", "is_planned"), [(15 * MINUTE, True), (16 * MINUTE, False), (-6 * MINUTE, False)]
)
def test_a_shutdown_that_is_remembered_excuses_only_the_loss_that_follows(
    cluster: MakeObserved, announced: timedelta, *, is_planned: bool
) -> None:
    watch = Watch(NOON, 7, NOON - HOUR - announced)
    observed = replace(cluster(lost()), watches={HV1: Watch(NOON, 7), HV2: watch})

    assert doubted(observed) == ([] if is_planned else ["crm", "erp"])


def test_the_latest_shutdown_that_was_told_is_remembered_and_only_of_the_host_itself(
    cluster: MakeObserved, with_host: MakeObserved
) -> None:
    def stop(minutes: int, node: str = "HV2") -> HostEvent:
        return told("User32", 1074, node, NOON - minutes * MINUTE)

    before = Watch(NOON, 3, NOON + HOUR)  # by a clock that was ahead
    looked = replace(cluster(), watches={HV1: Watch(NOON, 0), HV2: before})

    def noted(*events: HostEvent) -> datetime | None:
        watches = {**looked.watches, **take_note(with_host(looked, "hv2", events=events)).watches}
        return watches[HV2].announced_at

    assert noted(stop(9), stop(3)) == NOON - 3 * MINUTE
    assert noted(stop(9, "hv1"), lost()) == NOON + HOUR
    first = replace(looked, watches={})
    assert take_note(with_host(first, "hv2", events=(stop(9),))).watches[HV2] == Watch(
        NOON, 3, NOON - 9 * MINUTE
    )


def test_a_host_that_is_seen_for_the_first_time_raises_no_doubt(cluster: MakeObserved) -> None:
    observed = replace(cluster(lost()), watches={})
    noted = take_note(observed)

    assert noted.doubts == ()
    assert noted.watches == {HV1: Watch(NOON, 8), HV2: Watch(NOON, 0)}


def test_a_loss_that_was_checked_since_is_not_doubted_again(cluster: MakeObserved) -> None:
    assert doubted(cluster(lost(), checked_ago=HOUR - 6 * MINUTE)) == []
    assert doubted(cluster(lost(), checked_ago=HOUR - 5 * MINUTE)) == ["crm", "erp"]


@pytest.mark.parametrize("state", list(ReplicaState))
def test_only_a_replica_with_a_point_can_be_doubted(
    cluster: MakeObserved, make_vm: MakeVm, with_replica: MakeObserved, state: ReplicaState
) -> None:
    observed = with_replica(cluster(lost()), make_vm("erp", "hv2"), NOON - 9 * HOUR, state)
    observed = with_replica(observed, make_vm("crm", "hv2"), None)

    assert doubted(observed) == ["erp"]


def test_a_source_without_a_replica_is_not_doubted(cluster: MakeObserved) -> None:
    assert doubted(replace(cluster(lost()), replicas={})) == []


def test_a_replica_that_was_never_compared_is_doubted(
    cluster: MakeObserved, make_vm: MakeVm, with_replica: MakeObserved
) -> None:
    observed = with_replica(cluster(lost()), make_vm("erp", "hv2"), checked_at=None)

    assert doubted(observed) == ["crm", "erp"]


def test_each_source_is_doubted_once(cluster: MakeObserved) -> None:
    assert doubted(cluster(lost(), lost(record=9))) == ["crm", "erp"]


# --- restarts with BitLocker on cluster shared volumes


@pytest.fixture
def restarted(
    make_vm: MakeVm,
    make_observed: MakeObserved,
    with_replica: MakeObserved,
    with_host: MakeObserved,
    make_disk: Callable[..., VirtualDisk],
) -> MakeObserved:
    """A host with erp on its cluster shared volume and crm on its own disk; it was seen before."""

    def make(after: timedelta = HOUR, **volume: object) -> Observed:
        on_csv = replace(make_disk(), path=CSV.lower() + "erp\\disk0.vhdx")
        machines = (make_vm(disks=(make_disk(1), on_csv)), make_vm("crm"))
        observed = make_observed(*machines)
        for machine in machines:
            observed = with_replica(observed, machine)
        fields = {"is_cluster_shared": True, "is_encrypted": True} | volume
        own = HostVolume("D:\\", 1, 1, is_encrypted=True)
        observed = with_host(
            observed,
            "hv1",
            volumes=(own, HostVolume(CSV, 1, 1, **fields)),  # type: ignore[arg-type]
            booted_at=NOON + after,
        )
        return replace(observed, watches={HV1: Watch(NOON, 7)})

    return make


def test_a_restart_with_bitlocker_doubts_what_lies_on_that_volume(restarted: MakeObserved) -> None:
    observed = restarted()

    assert doubted(observed) == ["erp"]
    (doubt,) = take_note(observed).doubts
    assert "hv1 restarted at 2026-11-24T13:00" in doubt.reason
    assert "BitLocker" in doubt.reason


@pytest.mark.parametrize(
    "told",
    [
        {"is_encrypted": False},
        {"is_cluster_shared": False},
        {"after": timedelta(0)},
        {"after": timedelta(seconds=1)},
        {"after": timedelta(seconds=-1)},
    ],
)
def test_no_restart_no_bitlocker_or_no_shared_volume_is_no_doubt(
    restarted: MakeObserved, told: dict[str, object]
) -> None:
    assert doubted(restarted(**told)) == []


def test_a_replica_in_doubt_already_is_doubted_anew_as_a_check_may_be_at_work_on_it(
    restarted: MakeObserved, make_vm: MakeVm, with_replica: MakeObserved
) -> None:
    observed = with_replica(restarted(), make_vm(), NOON, ReplicaState.INCONSISTENT)

    assert doubted(observed) == ["erp"]


def test_what_moved_since_the_last_look_may_have_run_on_the_host_that_restarted(
    restarted: MakeObserved, make_vm: MakeVm, with_replica: MakeObserved, with_host: MakeObserved
) -> None:
    """Both were seen on hv2 before; crm lies on no such volume."""
    observed = restarted()
    for name in ("erp", "crm"):
        observed = with_replica(observed, make_vm(name, "hv2"), NOON)
    cluster = ClusterFacts("fin", {"hv1": "Up", "hv2": "Up"}, {})
    in_cluster = with_host(with_host(observed, "hv1", cluster=cluster), "hv2", cluster=cluster)

    (doubt,) = take_note(in_cluster).doubts

    assert doubt.machine == "erp"
    assert doubt.reason.startswith("hv1 restarted at 2026-11-24T13:00")
    assert doubt.reason.endswith("it may have run there, it was seen on hv2 before")
    assert doubted(observed) == []


def test_a_restart_is_seen_though_the_clock_was_set_back(restarted: MakeObserved) -> None:
    assert doubted(restarted(-HOUR)) == ["erp"]


def test_a_restart_before_the_first_look_is_no_doubt(restarted: MakeObserved) -> None:
    assert doubted(replace(restarted(), watches={})) == []


def test_a_machine_that_moved_away_after_the_restart_is_doubted_where_it_is(
    restarted: MakeObserved, make_vm: MakeVm, with_replica: MakeObserved
) -> None:
    observed = restarted()
    elsewhere = with_replica(observed, make_vm(host="hv2"))
    unseen = with_replica(observed, make_vm("web"))

    assert doubted(elsewhere) == []
    assert doubted(unseen) == ["erp", "web"]


# --- what a plan makes of it


def test_doubts_are_acted_on_in_the_same_plan(cluster: MakeObserved, plan_of: PlanOf) -> None:
    plan = plan_of(cluster(lost()))

    checks = [(a.subject.name, a.reason) for a in plan.actions if isinstance(a, ConsistencyCheck)]
    why = "the replica may differ: the node hv2 that it ran on was lost at 2026-11-24T11:00+00:00"
    assert checks == [("crm", why), ("erp", why)]
    assert [doubt.machine for doubt in plan.doubts] == ["crm", "erp"]
    assert plan.watches == {HV1: Watch(NOON, 8)}


def test_only_by_hand_doubts_are_told_with_the_command(
    cluster: MakeObserved, plan_of: PlanOf, make_group: Callable[..., ProtectionGroup]
) -> None:
    group = make_group(consistency_check={"when_inconsistent": False})
    plan = plan_of(cluster(lost()), group)

    told = [(f.about, f.hint) for f in plan.findings if f.code == "replica.inconsistent"]
    assert [name for name, _ in told] == ["crm", "erp"]
    assert told[0][1].endswith("reconciler request consistency-check crm")
    assert len(plan.doubts) == 2


def test_what_did_not_change_is_not_noted_again(cluster: MakeObserved, plan_of: PlanOf) -> None:
    assert plan_of(cluster()).watches == {}
    assert plan_of(cluster(replace(lost(), id=6008))).watches == {HV1: Watch(NOON, 8)}


def test_a_log_that_was_cleared_is_new_whatever_its_numbers(cluster: MakeObserved) -> None:
    observed = cluster(lost(record=3))
    report = observed.inventory.reports[HV1]
    reports = {**observed.inventory.reports, HV1: replace(report, has_new_log=True)}
    cleared = replace(observed, inventory=replace(observed.inventory, reports=reports))

    assert doubted(observed) == []
    assert sorted(doubted(cleared)) == ["crm", "erp"]
    assert take_note(cleared).watches[HV1].last_event == 3


CLUSTER = ClusterFacts("FIN", {"hv1": "Up", "hv2": "Up", "hv3": "Down"}, {})


@pytest.fixture
def three(
    make_vm: MakeVm,
    make_observed: MakeObserved,
    with_replica: MakeObserved,
    with_host: MakeObserved,
) -> MakeObserved:
    """Three nodes, of which hv3 was lost and says nothing.

    erp was seen on hv1 before and is on hv2 now; web is still on hv1. `owners` is what the cluster
    says, and `seen` which of the two any node reports.
    """

    def make(
        *events: HostEvent,
        owners: dict[str, str] | None = None,
        seen: tuple[str, ...] = ("erp", "web"),
        lost_host: str = "hv3",
        checked_ago: timedelta = 9 * HOUR,
    ) -> Observed:
        now = {"erp": "hv2", "web": "hv1"}
        observed = make_observed(*(make_vm(name, now[name]) for name in seen), silent=(lost_host,))
        for name in now:
            checked = NOON - checked_ago
            observed = with_replica(observed, make_vm(name, "hv1"), checked_at=checked)
        told = {make_vm(name).id: node for name, node in (owners or {}).items()}
        for host in ("hv1", "hv2"):
            observed = with_host(observed, host, cluster=replace(CLUSTER, owners=told))
        watch = Watch(NOON, 7)
        observed = replace(observed, watches={HV1: watch, HV2: watch})
        return with_host(observed, "hv1", events=events)

    return make


def test_what_moved_since_the_last_look_may_have_run_on_the_node_that_was_lost(
    three: MakeObserved,
) -> None:
    (doubt,) = take_note(three(lost("hv3"))).doubts

    assert doubt.machine == "erp"
    assert "it is not where it was seen before, on hv1" in doubt.reason
    assert doubted(three()) == []
    assert doubted(three(lost("hv3"), checked_ago=timedelta(0))) == []


@pytest.mark.parametrize(
    ("owners", "expected"),
    [
        ({"erp": "hv3", "web": "hv1"}, ["erp"]),
        ({"erp": "hv4", "web": "hv1"}, ["erp"]),
        ({"erp": "hv1", "web": "hv1"}, []),
        ({"web": "hv3"}, ["erp", "web"]),
        ({"web": "hv1"}, ["erp"]),
    ],
)
def test_of_a_machine_that_nobody_reports_the_cluster_says_where_it_is(
    three: MakeObserved, owners: dict[str, str], expected: list[str]
) -> None:
    assert doubted(three(lost("hv3"), owners=owners, seen=())) == expected


def test_a_move_in_another_cluster_or_away_from_a_planned_shutdown_raises_no_doubt(
    three: MakeObserved, with_host: MakeObserved
) -> None:
    stop = told("User32", 1074, "hv3", NOON - HOUR - MINUTE)
    alone = with_host(three(lost("hv3")), "hv1", cluster=None)
    elsewhere = replace(CLUSTER, node_states={"hv3": "Down", "hv8": "Up"})

    assert doubted(three(stop, lost("hv3"))) == []
    assert doubted(alone) == []
    assert doubted(with_host(three(lost("hv3")), "hv1", cluster=elsewhere)) == []


@pytest.mark.parametrize("called", ["hv3", "HV3.corp.example"])
def test_a_lost_node_that_is_silent_is_known_by_its_short_name_too(
    three: MakeObserved, make_vm: MakeVm, with_replica: MakeObserved, called: str
) -> None:
    observed = three(lost("hv3"), owners={"web": "hv3"}, seen=("erp",), lost_host=called)
    on_it = with_replica(observed, make_vm("web", called), checked_at=NOON - 9 * HOUR)

    assert doubted(on_it) == ["erp", "web"]
    (_, doubt) = take_note(on_it).doubts
    assert doubt.reason.startswith("the node hv3 that it ran on was lost")


def test_a_machine_that_is_gone_from_the_node_that_had_it_may_have_run_on_the_lost_one(
    three: MakeObserved,
) -> None:
    assert doubted(three(lost("hv3"), seen=("web",))) == ["erp"]
