"""R4.2: what grows on a volume while its machines are backed up, and whether it has room."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.model.machine import ClusterFacts, HostVolume, VirtualDisk, VirtualMachine
from reconciler.model.names import DataSourceId, JobId
from reconciler.model.observed import Activity, Observed, OnDemand, RequestKind
from reconciler.plan.actions import ExpressFullBackup, Finding, Plan, Severity
from reconciler.plan.headroom import headroom, need_bytes
from reconciler.plan.prerequisites import of_hosts, of_members
from reconciler.plan.rooms import DiskVolume

MakeVm = Callable[..., VirtualMachine]
MakeDisk = Callable[..., VirtualDisk]
MakeObserved = Callable[..., Observed]
PlanOf = Callable[..., Plan]

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
GIB = 1 << 30
NEED = 85_899_346  # 0.125 % of 64 GiB, for an hour
CSV = "C:\\ClusterStorage\\Volume1\\"


@pytest.mark.parametrize(
    ("gib", "activity", "expected"),
    [
        (64, None, NEED),
        (64, Activity(), NEED),
        # 1 TiB at 50 MiB/s is 5.83 hours
        (1024, None, 8_006_399_338),
        (64, Activity(longest_job=4 * HOUR), 4 * NEED),
        (64, Activity(longest_job=HOUR / 2), NEED),
        # 8 GiB in 16 hours: half a GiB an hour, for an hour and for three
        (64, Activity(8 * GIB, 16 * HOUR), GIB // 2),
        (64, Activity(8 * GIB, 16 * HOUR, 3 * HOUR), 3 * GIB // 2),
        (64, Activity(0, 16 * HOUR, 3 * HOUR), 0),
        # a history of minutes is none
        (64, Activity(8 * GIB, HOUR / 2), NEED),
        # no differencing disk outgrows its disk
        (64, Activity(640 * GIB, 2 * HOUR, 3 * HOUR), 64 * GIB),
        (0, Activity(8 * GIB, 16 * HOUR), 0),
    ],
)
def test_a_machine_needs_size_times_churn_times_window(
    gib: int, activity: Activity | None, expected: int
) -> None:
    assert need_bytes(gib * GIB, gib * GIB, activity) == expected


def test_what_a_machine_changes_is_shared_out_over_its_disks_by_their_size() -> None:
    busy = Activity(8 * GIB, 16 * HOUR)

    assert need_bytes(16 * GIB, 64 * GIB, busy) == GIB // 8
    assert need_bytes(48 * GIB, 64 * GIB, busy) == 3 * GIB // 8


def volume(path: str, free: int | None = 1 << 40, *, is_shared: bool = False) -> HostVolume:
    size = 0 if free is None else 1 << 42
    return HostVolume(path, size, free or 0, is_cluster_shared=is_shared)


@pytest.fixture
def on_volume(
    make_vm: MakeVm, make_disk: MakeDisk, make_observed: MakeObserved, with_host: MakeObserved
) -> MakeObserved:
    """Machines with a disk of 64 GiB each on D: of hv1, with so much free there."""

    def make(free: int | None, *names: str, **recorded: object) -> Observed:
        observed = make_observed(*(make_vm(name) for name in names), **recorded)
        return with_host(observed, "hv1", volumes=(volume("C:\\"), volume("d:\\", free)))

    return make


def told(observed: Observed) -> list[Finding]:
    return [f for f in of_hosts(observed) if "head_room" in f.code]


def test_room_for_all_at_once_is_no_news(on_volume: MakeObserved) -> None:
    assert told(on_volume(2 * NEED, "erp", "crm")) == []


def test_too_little_for_all_at_once_is_told_with_what_would_be_enough(
    on_volume: MakeObserved, make_vm: MakeVm
) -> None:
    observed = on_volume(2 * NEED - 1, "erp", "crm")

    (finding,) = told(observed)

    assert (finding.about, finding.severity) == ("d:\\ of hv1", Severity.WARNING)
    assert "163.8 MiB if 2 machines are backed up at once" in finding.message
    assert finding.hint.startswith("nothing has to be done; 1 bytes more")
    assert list(of_members(observed, [make_vm("erp").key], headroom(observed))) == []


def test_a_machine_that_does_not_fit_alone_is_held_and_the_volume_says_why(
    on_volume: MakeObserved, plan_of: PlanOf
) -> None:
    plan = plan_of(on_volume(NEED - 1, "erp", "crm"))

    assert plan.actions == ()
    (alarm,) = (f for f in plan.findings if f.severity is Severity.ERROR)
    assert (alarm.code, alarm.about) == ("prerequisite.head_room", "d:\\ of hv1")
    assert "crm 81.9 MiB" in alarm.message
    assert "erp 81.9 MiB" in alarm.message
    assert "let at least 1 bytes more become free on d:\\ of hv1" in alarm.hint
    held = [f.about for f in plan.findings if f.code == "waiting.head_room"]
    assert held == ["crm", "erp"]


def test_only_who_does_not_fit_is_held(
    on_volume: MakeObserved, plan_of: PlanOf, make_vm: MakeVm, with_replica: MakeObserved
) -> None:
    observed = on_volume(NEED, "erp", "crm", activity={source("erp"): Activity(64 * GIB, HOUR)})
    for name in ("erp", "crm"):
        observed = with_replica(observed, make_vm(name), NOON - 48 * HOUR)

    plan = plan_of(observed)

    assert [a.subject.name for a in plan.actions] == ["crm"]
    assert isinstance(plan.actions[0], ExpressFullBackup)
    (missed,) = (f for f in plan.findings if f.code == "recovery_point.missed" and f.about == "erp")
    assert "d:\\ of hv1 has too little free space" in missed.message
    assert plan.headroom.claims.keys() == {make_vm("crm").key}


def source(name: str) -> DataSourceId:
    return DataSourceId(f"source-{name}")


def test_who_asks_for_a_held_machine_is_told_why(
    on_volume: MakeObserved, plan_of: PlanOf, make_vm: MakeVm, with_replica: MakeObserved
) -> None:
    asked = OnDemand("request-1", RequestKind.BACKUP, source("erp"))
    observed = on_volume(NEED - 1, "erp", requests=(asked,))

    plan = plan_of(with_replica(observed, make_vm(), NOON))

    (refusal,) = plan.refusals
    assert "d:\\ of hv1 has too little free space" in refusal.message
    assert "become free" in refusal.hint


def test_while_a_backup_is_at_work_on_it_nobody_can_tell_what_a_volume_lacks(
    on_volume: MakeObserved, plan_of: PlanOf, make_vm: MakeVm, with_replica: MakeObserved
) -> None:
    observed = on_volume(0, "erp", "crm", running={source("erp"): JobId("job-1")})
    observed = with_replica(observed, make_vm(), NOON - 48 * HOUR)

    plan = plan_of(observed)

    assert [a.subject.name for a in plan.actions] == ["crm"]
    assert not [f for f in plan.findings if "head_room" in f.code]
    assert ("prerequisite.head_room", "d:\\ of hv1") in plan.undecided
    assert plan_of(on_volume(0, "erp")).undecided.isdisjoint(plan.undecided)


def test_what_is_not_known_holds_nothing_back_and_is_told(
    on_volume: MakeObserved, plan_of: PlanOf, make_vm: MakeVm
) -> None:
    observed = on_volume(None, "erp")

    plan = plan_of(observed)

    assert [a.subject.name for a in plan.actions] == ["erp"]
    (room,) = plan.headroom.rooms.values()
    assert (room.free_bytes, room.need_bytes) == (None, NEED)
    (finding,) = told(observed)
    assert (finding.code, finding.severity) == (
        "prerequisite.head_room_unknown",
        Severity.INFO,
    )
    assert "may need 81.9 MiB" in finding.message


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("D:\\VMs\\a.vhdx", DiskVolume("hv1", "d:\\", "")),
        ("d:\\vms\\mounted\\a.vhdx", DiskVolume("hv1", "d:\\vms\\mounted\\", "")),
        ("\\\\?\\D:\\VMs\\a.vhdx", DiskVolume("hv1", "d:\\", "")),
        ("X:\\a.vhdx", DiskVolume("hv1", "x:\\", "")),
        (f"{CSV}a.vhdx", DiskVolume("fin", CSV.lower(), "")),
        ("C:\\ClusterStorage\\Volume9\\a.vhdx", DiskVolume("fin", CSV.lower()[:-2] + "9\\", "")),
        ("\\\\files\\vms\\a\\a.vhdx", DiskVolume("", "\\\\files\\vms\\", "")),
        ("\\\\?\\UNC\\files\\vms\\a.vhdx", DiskVolume("", "\\\\files\\vms\\", "")),
    ],
)
def test_a_disk_lies_on_the_volume_with_the_longest_path(
    make_vm: MakeVm,
    make_observed: MakeObserved,
    with_host: MakeObserved,
    path: str,
    expected: DiskVolume,
) -> None:
    machine = make_vm()
    machine = replace(machine, disks=(replace(machine.disks[0], path=path),))
    there = tuple(volume(each) for each in ("C:\\", "D:\\", "D:\\VMs\\Mounted\\"))
    observed = make_observed(machine)
    observed = with_host(observed, "hv1", cluster=ClusterFacts("FIN", {}, {}), volumes=there)
    observed = with_host(observed, "hv2", cluster=ClusterFacts("fin", {}, {}))
    observed = with_host(observed, "hv2", volumes=(volume(CSV, is_shared=True),))

    assert list(headroom(observed).rooms) == [expected]


def test_a_shared_volume_is_one_for_all_nodes_and_its_smallest_reading_counts(
    make_vm: MakeVm, make_observed: MakeObserved, with_host: MakeObserved, plan_of: PlanOf
) -> None:
    def on_csv(name: str, host: str) -> VirtualMachine:
        machine = make_vm(name, host)
        return replace(machine, disks=(replace(machine.disks[0], path=f"{CSV}{name}.vhdx"),))

    observed = make_observed(on_csv("erp", "hv1"), on_csv("crm", "hv2"))
    for host, free in (("hv1", 9 * NEED), ("hv2", 8 * NEED), ("hv3", NEED - 1)):
        shared = (volume(CSV, free, is_shared=True),)
        cluster = ClusterFacts("fin", {}, {})
        observed = with_host(observed, host, cluster=cluster, volumes=shared)

    (room,) = headroom(observed).rooms.values()

    assert (room.volume.label, room.free_bytes) == (f"{CSV} of fin", NEED - 1)
    assert room.need_bytes == 2 * NEED
    # the smallest was told by a node without members, and still counts for them
    plan = plan_of(observed)
    assert plan.actions == ()
    errors = [f.code for f in plan.findings if f.severity is Severity.ERROR]
    assert errors == ["prerequisite.head_room"]


def test_a_machine_without_a_replica_takes_as_long_as_all_of_it(
    on_volume: MakeObserved, make_vm: MakeVm, with_replica: MakeObserved
) -> None:
    quick = Activity(longest_job=4 * HOUR)
    observed = on_volume(None, "erp", activity={source("erp"): quick})
    gone = with_replica(observed, make_vm(), None)
    there = with_replica(observed, make_vm(), NOON)

    assert [r.need_bytes for r in headroom(gone).rooms.values()] == [NEED]
    assert [r.need_bytes for r in headroom(there).rooms.values()] == [4 * NEED]


def test_a_host_that_is_silent_is_no_room(make_observed: MakeObserved) -> None:
    assert headroom(make_observed(silent=("hv1",))).rooms == {}
