"""Two nodes that share volumes: who has which machine, before, while and after it moves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler import agent_contract as contract
from reconciler.errors import HostUnreachableError, MachineBusyError, SettingsError
from reconciler.lab.cluster import Cluster
from reconciler.lab.full_lab import APP_01, APP_02, APP_03
from reconciler.lab.guests import plan_writes
from reconciler.lab.host import LabHost
from reconciler.lab.power import note_loss
from reconciler.lab.state import HostState, MachineState, PendingWrite, new_id
from reconciler.lab.wire.body import AgentError
from reconciler.model.ranges import ByteRange
from tests.lab_calls import (
    assert_disks_equal_shadows,
    call,
    changed_since,
    checkpoint,
    event_ids,
    machines,
    reference_point,
)

VM = APP_01.vm_id
PLANNED = "PlannedVirtualMachine"


@pytest.fixture
def hvc1(cluster: Path) -> Iterator[LabHost]:
    with LabHost(cluster, "hvc1") as host:
        yield host


@pytest.fixture
def hvc2(cluster: Path) -> Iterator[LabHost]:
    with LabHost(cluster, "hvc2") as host:
        yield host


def state_of(lab: Path, host: str) -> HostState:
    return HostState.parse((lab / host / "state.json").read_bytes())


def places_of(machine: MachineState, seed: str, total_bytes: int) -> list[ByteRange]:
    """What a guest will write with this seed."""
    planned = plan_writes(machine, seed, total_bytes)
    return [place for write in planned for place in write.file.places(write.part)]


def is_within(place: ByteRange, extents: tuple[ByteRange, ...]) -> bool:
    return any(e.start <= place.start and place.end <= e.end for e in extents)


def owners(host: LabHost) -> dict[str, str]:
    (shown,) = call(host, contract.GET_CLUSTER)
    return {group["VMId"]: group["OwnerNode"] for group in shown["Groups"]}


def test_both_nodes_tell_the_same_of_their_cluster(hvc1: LabHost, hvc2: LabHost) -> None:
    (shown,) = call(hvc1, contract.GET_CLUSTER)

    assert call(hvc2, contract.GET_CLUSTER) == [shown]
    assert shown["Name"] == "hvcluster"
    assert shown["Nodes"] == [{"Name": "HVC1", "State": "Up"}, {"Name": "HVC2", "State": "Up"}]
    assert owners(hvc1) == {VM: "HVC1", APP_02.vm_id: "HVC1", APP_03.vm_id: "HVC2"}
    assert {group["State"] for group in shown["Groups"]} == {"Online"}
    (host,) = call(hvc1, contract.GET_HOST)
    assert (host["ComputerName"], host["ClusterName"]) == ("HVC1", "hvcluster")
    assert machines(hvc1)["app-01"]["IsClustered"] is True


def test_a_stand_alone_host_is_on_no_cluster(hv1: LabHost) -> None:
    assert call(hv1, contract.GET_CLUSTER) == []
    (host,) = call(hv1, contract.GET_HOST)
    assert host["ClusterName"] == ""


def test_a_group_is_offline_on_every_node_once_its_machine_is_off(
    hvc1: LabHost, hvc2: LabHost
) -> None:
    hvc1.set_property("app-02", "State", "Off")
    hvc1.sync()

    (shown,) = call(hvc2, contract.GET_CLUSTER)
    assert {g["State"] for g in shown["Groups"] if g["VMId"] == APP_02.vm_id} == {"Offline"}


def test_shared_volumes_are_shown_and_set_on_every_node(hvc1: LabHost, hvc2: LabHost) -> None:
    hvc1.set_volume("c:\\clusterstorage\\volume2", "ProtectionStatus", "On")

    shown = call(hvc2, contract.GET_VOLUME)
    assert [(v["Path"], v["IsClusterShared"], v["ProtectionStatus"]) for v in shown] == [
        ("C:\\ClusterStorage\\Volume1\\", True, "Off"),
        ("C:\\ClusterStorage\\Volume2\\", True, "On"),
    ]


def test_while_a_machine_migrates_the_target_has_its_planned_half(
    hvc1: LabHost, hvc2: LabHost
) -> None:
    hvc1.migrations.begin("app-01", "hvc2")

    source, target = machines(hvc1)["app-01"], machines(hvc2)["app-01"]
    assert source["VirtualMachineType"] == "RealizedVirtualMachine"
    assert source["OperationalStatus"] == ["Ok", "MigratingVirtualMachine"]
    assert target["VirtualMachineType"] == PLANNED
    assert source["VMId"] == target["VMId"]
    (asked,) = call(hvc2, contract.GET_MACHINE, VMId=[VM])
    assert asked["VirtualMachineType"] == PLANNED
    assert owners(hvc2)[VM] == "HVC1"


def test_nothing_begins_on_a_machine_that_migrates(hvc1: LabHost, hvc2: LabHost) -> None:
    hvc1.migrations.begin("app-01", "hvc2")

    arguments = {"RequestId": new_id(), "VMId": VM, "ConsistencyLevel": "Crash"}
    for host, error in ((hvc1, "MachineBusy"), (hvc2, "VMNotFound")):
        with pytest.raises(AgentError) as caught:
            host.invoke(contract.START_CHECKPOINT, arguments | {"ElementName": "ours"})
        assert caught.value.error_id == error
    with pytest.raises(MachineBusyError):
        hvc1.migrations.begin("app-01", "hvc2")


def test_a_machine_does_not_migrate_while_an_operation_runs_on_it(
    hvc1: LabHost, hvc2: LabHost
) -> None:
    arguments = {"RequestId": new_id(), "VMId": VM, "ConsistencyLevel": "Crash"}
    hvc1.invoke(contract.START_CHECKPOINT, arguments | {"ElementName": "ours"})

    with pytest.raises(MachineBusyError, match="app-01 cannot migrate"):
        hvc1.migrations.migrate("app-01", "hvc2")

    assert "app-01" not in hvc2.machine_names()


def test_a_machine_goes_only_to_another_node_that_is_there(hvc1: LabHost) -> None:
    for target in ("hvc1", "hv9"):
        with pytest.raises(SettingsError, match="cannot migrate"):
            hvc1.migrations.migrate("app-01", target)
    with pytest.raises(HostUnreachableError, match="hvc2 does not answer"):
        hvc1.migrations.migrate("app-01", "hvc2")


def test_a_machine_arrives_with_all_that_is_its_own(
    cluster: Path, hvc1: LabHost, hvc2: LabHost
) -> None:
    point = reference_point(hvc1, VM)
    made = checkpoint(hvc1, VM)
    machine = state_of(cluster, "hvc1").machines[VM]
    hvc1.guest_write("app-01", 200_000, "before")
    hvc1.migrations.migrate("app-01", "hvc2")
    hvc2.sync()
    hvc2.guest_write("app-01", 200_000, "after")

    assert "app-01" not in machines(hvc1)
    assert machines(hvc2)["app-01"]["VirtualMachineType"] == "RealizedVirtualMachine"
    assert owners(hvc1)[VM] == "HVC2"
    assert [p["CheckpointId"] for p in call(hvc2, contract.GET_CHECKPOINT)] == [made]
    assert call(hvc1, contract.GET_CHECKPOINT) == []
    extents = changed_since(hvc2, point)
    for seed in ("before", "after"):
        assert all(is_within(p, extents) for p in places_of(machine, seed, 200_000))
    assert_disks_equal_shadows(cluster, "hvc2")
    names = [path.name for path in hvc2.copy_shadows(cluster / "copies")]
    assert sorted(names) == ["app-01-disk0.raw", "app-03-disk0.raw"]


def test_what_a_guest_writes_while_it_migrates_arrives(
    cluster: Path, hvc1: LabHost, hvc2: LabHost
) -> None:
    point = reference_point(hvc1, VM)
    machine = state_of(cluster, "hvc1").machines[VM]
    hvc1.migrations.begin("app-01", "hvc2")
    hvc1.guest_write("app-01", 200_000, "meanwhile")
    hvc1.settle()

    extents = changed_since(hvc2, point)
    assert all(is_within(p, extents) for p in places_of(machine, "meanwhile", 200_000))
    assert_disks_equal_shadows(cluster, "hvc2")


def test_files_of_a_machine_are_read_where_it_is(hvc1: LabHost, hvc2: LabHost) -> None:
    ranges = contract.pack_ranges([ByteRange(0, 512)])
    arguments = {"Path": APP_01.disks[0].path, "Ranges": ranges}
    (before,) = call(hvc1, contract.READ_FILE, **arguments)
    hvc1.migrations.migrate("app-01", "hvc2")

    assert call(hvc2, contract.READ_FILE, **arguments) == [before]
    with pytest.raises(AgentError):
        call(hvc1, contract.READ_FILE, **arguments)


def test_a_merge_that_was_due_is_done_by_the_new_owner(
    cluster: Path, hvc1: LabHost, hvc2: LabHost
) -> None:
    made = checkpoint(hvc1, VM)
    hvc1.guest_write("app-01", 200_000)
    removal = {"RequestId": new_id(), "VMId": VM, "CheckpointId": made}
    hvc1.migrations.migrate("app-01", "hvc2")

    hvc2.invoke(contract.START_CHECKPOINT_REMOVAL, removal)
    hvc2.settle()

    (drive,) = machines(hvc2)["app-01"]["HardDrives"]
    assert drive["Path"] == APP_01.disks[0].path
    assert list((cluster / "hvcluster").rglob("*.avhdx")) == []
    assert_disks_equal_shadows(cluster, "hvc2")


def test_a_machine_stays_when_its_target_goes_away(cluster: Path, hvc1: LabHost) -> None:
    with LabHost(cluster, "hvc2"):
        hvc1.migrations.begin("app-01", "hvc2")
    hvc1.settle()

    assert machines(hvc1)["app-01"]["OperationalStatus"] == ["Ok"]
    with LabHost(cluster, "hvc2") as hvc2:
        assert set(machines(hvc2)) == {"app-03"}


def test_a_migration_that_was_cut_off_leaves_the_machine_on_its_source(cluster: Path) -> None:
    with LabHost(cluster, "hvc2") as hvc2:
        with LabHost(cluster, "hvc1") as hvc1:
            hvc1.migrations.begin("app-01", "hvc2")
        with LabHost(cluster, "hvc1") as hvc1:
            assert machines(hvc1)["app-01"]["OperationalStatus"] == ["Ok"]
            assert set(machines(hvc2)) == {"app-03"}


def test_a_lost_node_is_told_of_and_its_machines_come_up_on_the_survivor(
    cluster: Path, hvc2: LabHost
) -> None:
    with LabHost(cluster, "hvc1") as hvc1:
        point = reference_point(hvc1, VM)
        machine = state_of(cluster, "hvc1").machines[VM]
        hvc1.guest_write("app-01", 200_000, "before")
    note_loss(cluster / "hvc1")
    hvc2.replace_node("hvc1")
    hvc2.replace_node("hvc1")
    hvc2.guest_write("app-01", 200_000, "after")

    assert event_ids(hvc2) == [(1135, "HVC1")]
    (shown,) = call(hvc2, contract.GET_CLUSTER)
    assert {node["Name"]: node["State"] for node in shown["Nodes"]} == {
        "HVC1": "Down",
        "HVC2": "Up",
    }
    assert set(owners(hvc2).values()) == {"HVC2"}
    assert {m["State"] for m in machines(hvc2).values()} == {"Running"}
    extents = changed_since(hvc2, point)
    for seed in ("before", "after"):
        assert all(is_within(p, extents) for p in places_of(machine, seed, 200_000))
    assert_disks_equal_shadows(cluster, "hvc2")


def test_a_lost_node_comes_back_empty_and_says_that_it_was_cut_off(
    cluster: Path, hvc2: LabHost
) -> None:
    request = new_id()
    with LabHost(cluster, "hvc1") as hvc1:
        (before,) = call(hvc1, contract.GET_HOST)
        arguments = {"VMId": VM, "ConsistencyLevel": "Crash", "ElementName": "ours"}
        hvc1.invoke(contract.START_CHECKPOINT, {"RequestId": request, **arguments})
    note_loss(cluster / "hvc1")
    hvc2.replace_node("hvc1")

    with LabHost(cluster, "hvc1") as hvc1:
        (after,) = call(hvc1, contract.GET_HOST)
        assert machines(hvc1) == {}
        assert event_ids(hvc1) == [(41, "HVC1"), (6008, "HVC1")]
        assert after["LastBootUpTime"] > before["LastBootUpTime"]
        assert Cluster(cluster / "hvcluster").read().nodes["hvc1"] == "Up"
        hvc1.settle()
        (ended,) = call(hvc1, contract.GET_OPERATION, RequestId=request, WaitSeconds=0)
        assert ended["State"] == "Exception"
    assert call(hvc2, contract.GET_CHECKPOINT) == []


def test_a_write_that_the_loss_cut_off_is_done_by_the_survivor(
    cluster: Path, hvc2: LabHost
) -> None:
    with LabHost(cluster, "hvc1") as hvc1:
        book = hvc1.node._book  # noqa: SLF001 (only a kill would leave such a note)
        machine = book.machine(VM)
        hvc1.guest_write("app-01", 100_000, "cut off")
        before = dict(machine.disks[0].hashes)
        book.state.pending = PendingWrite(vm_id=VM, seed="another", total_bytes=100_000)
        book.save()
    hvc2.replace_node("hvc1")

    after = state_of(cluster, "hvc2").machines[VM].disks[0].hashes
    assert after != before
    assert_disks_equal_shadows(cluster, "hvc2")


def test_a_node_that_runs_is_not_replaced(hvc1: LabHost, hvc2: LabHost) -> None:
    with pytest.raises(SettingsError, match="another process"):
        hvc2.replace_node("hvc1")
    with pytest.raises(SettingsError, match="no other node"):
        hvc2.replace_node("hvc2")

    assert event_ids(hvc2) == []
    assert "app-01" in machines(hvc1)


def test_a_planned_stop_drains_the_node_and_nobody_calls_it_lost(
    cluster: Path, hvc2: LabHost
) -> None:
    with LabHost(cluster, "hvc1") as hvc1:
        hvc1.shut_down()
        assert event_ids(hvc1) == [(1074, "HVC1"), (6006, "HVC1")]
        assert machines(hvc1) == {}

    assert set(machines(hvc2)) == {"app-01", "app-02", "app-03"}
    assert event_ids(hvc2) == []
    assert Cluster(cluster / "hvcluster").read().nodes == {"hvc1": "Down", "hvc2": "Up"}
    with LabHost(cluster, "hvc1") as hvc1:
        assert [number for number, _ in event_ids(hvc1)] == [1074, 6006]


def test_a_planned_stop_waits_for_no_operation(hvc1: LabHost, hvc2: LabHost) -> None:
    arguments = {"RequestId": new_id(), "VMId": APP_02.vm_id, "ConsistencyLevel": "Crash"}
    hvc1.invoke(contract.START_CHECKPOINT, arguments | {"ElementName": "ours"})

    with pytest.raises(MachineBusyError, match="app-02"):
        hvc1.shut_down()

    assert event_ids(hvc1) == []
    assert set(machines(hvc1)) | set(machines(hvc2)) == {"app-01", "app-02", "app-03"}


def test_a_node_that_finds_no_other_keeps_its_machines_over_a_restart(cluster: Path) -> None:
    with LabHost(cluster, "hvc2") as hvc2:
        hvc2.shut_down()
    with LabHost(cluster, "hvc1") as hvc1:
        hvc1.shut_down()
    with LabHost(cluster, "hvc1") as hvc1:
        assert set(machines(hvc1)) == {"app-01", "app-02"}
    with LabHost(cluster, "hvc2") as hvc2:
        assert set(machines(hvc2)) == {"app-03"}


def test_a_machine_that_is_deleted_leaves_the_cluster_and_its_volume(
    cluster: Path, hvc1: LabHost
) -> None:
    hvc1.delete_machine("app-01")

    assert VM not in owners(hvc1)
    assert [p.name for p in (cluster / "hvcluster/files").rglob("app-01*") if p.is_file()] == []
    assert (cluster / "hvcluster/files/C/ClusterStorage/Volume1/app-02/app-02.vhdx").exists()
