"""What goes wrong on a lab host does so where it would in reality, until it is cleared."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler import agent_contract as contract
from reconciler.errors import ItemNotFoundError, PrerequisiteError, SettingsError
from reconciler.lab.create import create_lab
from reconciler.lab.definition import FIN_SQL01, HostDefinition, LabDefinition
from reconciler.lab.full_lab import ERP_01_REPLICA
from reconciler.lab.host import LabHost
from reconciler.lab.wire.body import AgentError
from reconciler.lab.wire.disturbances import Disturbance
from tests.lab_calls import (
    assert_disks_equal_shadows,
    call,
    changed_since,
    checkpoint,
    copy_lab,
    do,
    machines,
    reference_point,
)

VM = FIN_SQL01.vm_id
NAME = FIN_SQL01.name
REPLICA = ERP_01_REPLICA.label
INVALID_STATE = 32_775


@pytest.fixture(scope="module")
def pristine_replica(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("replica")
    create_lab(folder, LabDefinition((HostDefinition("hv2", (ERP_01_REPLICA,)),)))
    return folder


@pytest.fixture
def replica_lab(pristine_replica: Path, tmp_path: Path) -> Path:
    return copy_lab(pristine_replica, tmp_path / "replica")


def try_checkpoint(host: LabHost, vm_id: str = VM) -> Mapping[str, Any]:
    arguments = {"ConsistencyLevel": "Crash", "ElementName": "ours"}
    return do(host, contract.START_CHECKPOINT, vm_id, **arguments)


def kinds(host: LabHost) -> list[object]:
    return [fault["kind"] for fault in host.faults.all()]


def test_a_checkpoint_fails_as_often_as_was_said(hv1: LabHost) -> None:
    hv1.faults.set("checkpoint-exception", NAME, 2)

    ends = [try_checkpoint(hv1)["State"] for _ in range(3)]

    assert ends == ["Exception", "Exception", "Completed"]
    assert kinds(hv1) == []


def test_a_failed_checkpoint_leaves_nothing(hv1: LabHost) -> None:
    before = machines(hv1)[NAME]["HardDrives"]
    hv1.faults.set("checkpoint-exception", NAME)

    ended = try_checkpoint(hv1)

    assert (ended["ErrorCode"], ended["CheckpointId"]) == (32_768, None)
    assert machines(hv1)[NAME]["HardDrives"] == before
    hv1.faults.clear()
    assert try_checkpoint(hv1)["State"] == "Completed"


def test_faults_survive_the_host(lab: Path) -> None:
    with LabHost(lab, "hv1") as host:
        host.faults.set("checkpoint-exception", NAME, 3)
        host.faults.set("host-down")
        try_checkpoint(host)
    with LabHost(lab, "hv1") as again:
        assert again.faults.all() == [
            {"host": "hv1", "vm": None, "kind": "host-down", "left": None},
            {"host": "hv1", "vm": NAME, "kind": "checkpoint-exception", "left": 2},
        ]
        assert again.faults.is_down


def test_what_is_set_again_counts_anew(hv1: LabHost) -> None:
    hv1.faults.set("resume-fails", NAME)
    hv1.faults.set("resume-fails", NAME, 1)

    assert [fault["left"] for fault in hv1.faults.all()] == [1]


def test_only_what_is_named_is_cleared(hv1: LabHost) -> None:
    for kind in ("no-answer", "volume-full"):
        hv1.faults.set(kind)
    for kind in ("merge-stuck", "resume-fails"):
        hv1.faults.set(kind, NAME)

    assert hv1.faults.clear("merge-stuck", NAME) == 1
    assert kinds(hv1) == ["no-answer", "volume-full", "resume-fails"]
    assert hv1.faults.clear("no-answer") == 1
    assert hv1.faults.clear(vm=NAME) == 1
    assert kinds(hv1) == ["volume-full"]
    assert hv1.faults.clear() == 1
    assert hv1.faults.clear() == 0


@pytest.mark.parametrize(
    ("kind", "vm", "count"),
    [
        ("no-such-fault", None, None),
        ("host-down", NAME, None),
        ("merge-stuck", None, None),
        ("merge-stuck", NAME, 2),
        ("resume-fails", NAME, 0),
        ("node-lost", None, None),
    ],
)
def test_odd_faults_are_refused(hv1: LabHost, kind: str, vm: str | None, count: int | None) -> None:
    with pytest.raises(SettingsError):
        hv1.faults.set(kind, vm, count)

    assert kinds(hv1) == []


def test_a_fault_of_an_unknown_machine_is_refused(hv1: LabHost) -> None:
    with pytest.raises(ItemNotFoundError):
        hv1.faults.set("merge-stuck", "nobody")


def test_a_merge_that_sticks_holds_the_next_checkpoint_up(hv1: LabHost) -> None:
    hv1.faults.set("merge-stuck", NAME)
    reference_point(hv1, VM)
    hv1.guest_write(NAME, 200_000)
    hv1.settle()

    assert machines(hv1)[NAME]["OperationalStatus"] == ["Ok", "MergingDisks"]
    with pytest.raises(AgentError, match="merging") as caught:
        try_checkpoint(hv1)
    assert caught.value.error_id == "MachineBusy"

    hv1.faults.clear("merge-stuck", NAME)
    hv1.settle()
    drives = machines(hv1)[NAME]["HardDrives"]
    assert machines(hv1)[NAME]["OperationalStatus"] == ["Ok"]
    assert [drive["Path"] for drive in drives] == [disk.path for disk in FIN_SQL01.disks]
    assert checkpoint(hv1, VM)


def test_a_merge_that_sticks_still_does_so_after_a_restart(lab: Path) -> None:
    with LabHost(lab, "hv1") as host:
        host.faults.set("merge-stuck", NAME)
        reference_point(host, VM)
    with LabHost(lab, "hv1") as again:
        again.settle()
        assert "MergingDisks" in machines(again)[NAME]["OperationalStatus"]
        again.faults.clear()
        again.settle()
        assert "MergingDisks" not in machines(again)[NAME]["OperationalStatus"]
    assert_disks_equal_shadows(lab, "hv1")


def test_a_machine_that_cannot_be_resumed_stays_saved(hv1: LabHost) -> None:
    hv1.faults.set("resume-fails", NAME, 1)
    do(hv1, contract.START_STATE_CHANGE, VM, TargetState="Saved")

    failed = do(hv1, contract.START_STATE_CHANGE, VM, TargetState="Running")
    saved = machines(hv1)[NAME]["State"]
    resumed = do(hv1, contract.START_STATE_CHANGE, VM, TargetState="Running")

    assert (failed["State"], failed["ErrorCode"], saved) == ("Exception", 32_768, "Saved")
    assert resumed["State"] == "Completed"
    assert machines(hv1)[NAME]["State"] == "Running"


def test_ids_mean_nothing_after_a_tracking_reset(hv1: LabHost) -> None:
    point = reference_point(hv1, VM)
    hv1.faults.set("tracking-reset", NAME)

    with pytest.raises(AgentError) as caught:
        changed_since(hv1, point)
    assert caught.value.error_id == "TrackingUnknown"
    assert kinds(hv1) == []
    known = changed_since(hv1, reference_point(hv1, VM))
    assert sum(part.length for part in known) < 1 << 20


def test_a_full_volume_fails_checkpoints_and_pauses_who_writes(hv1: LabHost) -> None:
    hv1.faults.set("volume-full")

    ended = try_checkpoint(hv1)
    with pytest.raises(PrerequisiteError, match="paused"):
        hv1.guest_write(NAME, 100_000)
    shown = machines(hv1)[NAME]

    assert (ended["State"], ended["ErrorCode"]) == ("Exception", 0x8007_0070)
    assert (shown["State"], shown["OperationalStatus"]) == ("PausedCritical", ["CriticalIoError"])
    assert {v["SizeRemaining"] for v in call(hv1, contract.GET_VOLUME)} == {0}
    with pytest.raises(PrerequisiteError, match="PausedCritical"):
        hv1.guest_write(NAME, 100_000)

    hv1.faults.clear("volume-full")
    shown = machines(hv1)[NAME]
    assert (shown["State"], shown["OperationalStatus"]) == ("Running", ["Ok"])
    assert all(v["SizeRemaining"] for v in call(hv1, contract.GET_VOLUME))
    assert hv1.guest_write(NAME, 100_000)
    assert checkpoint(hv1, VM)


def test_a_machine_that_did_not_write_goes_on_on_a_full_volume(hv1: LabHost) -> None:
    hv1.faults.set("volume-full")

    assert machines(hv1)[NAME]["State"] == "Running"


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("replica-resyncing", {"ReplicationState": "Resynchronizing", "Jobs": [107]}),
        ("replica-critical", {"ReplicationState": "Error", "ReplicationHealth": "Critical"}),
        ("replica-applying-hrl", {"ReplicationState": "Replicating", "Jobs": [108]}),
        ("replica-hrl-failed", {"ReplicationState": "Replicating", "ReplicationHealth": "Warning"}),
        ("replica-in-failover", {"ReplicationState": "RecoveryInProgress", "Jobs": [97]}),
        ("replica-initial", {"ReplicationState": "InitialReplicationInProgress"}),
    ],
)
def test_a_replica_in_trouble_shows_it_and_takes_no_checkpoint(
    replica_lab: Path, kind: str, told: dict[str, object]
) -> None:
    with LabHost(replica_lab, "hv2") as host:
        (before,) = call(host, contract.GET_MACHINE)
        host.faults.set(kind, REPLICA)

        (shown,) = call(host, contract.GET_MACHINE)
        jobs = {"Jobs": [job["JobType"] for job in shown["Jobs"]]}
        ended = try_checkpoint(host, ERP_01_REPLICA.vm_id)

        assert {name: {**shown, **jobs}[name] for name in told} == told
        is_behind = shown["LastAppliedLogTime"] < shown["LastReplicationTime"]
        assert is_behind == (kind == "replica-hrl-failed")
        assert (ended["State"], ended["ErrorCode"]) == ("Exception", INVALID_STATE)

        host.faults.clear(kind, REPLICA)
        assert call(host, contract.GET_MACHINE) == [before]
        assert try_checkpoint(host, ERP_01_REPLICA.vm_id)["State"] == "Completed"


def test_a_primary_has_no_faults_of_a_replica(hv1: LabHost) -> None:
    with pytest.raises(PrerequisiteError, match="no replica"):
        hv1.faults.set("replica-critical", NAME)


def test_disturbances_strike_as_often_as_was_said(hv1: LabHost) -> None:
    assert not hv1.faults.strikes(Disturbance.RESET)
    hv1.faults.set("connection-reset", count=2)
    hv1.faults.set("wrong-password")

    assert not hv1.faults.strikes(Disturbance.SILENCE)
    assert [hv1.faults.strikes(Disturbance.RESET) for _ in range(3)] == [True, True, False]
    assert [hv1.faults.strikes(Disturbance.REFUSED_LOGIN) for _ in range(3)] == [True] * 3
    assert kinds(hv1) == ["wrong-password"]


def test_who_serves_a_host_hears_of_each_change(hv1: LabHost) -> None:
    heard: list[bool] = []
    hv1.faults.changed = lambda: heard.append(hv1.faults.is_down)

    hv1.faults.set("host-down")
    hv1.faults.clear("host-down")

    assert heard == [True, False]


def test_a_fault_goes_with_its_machine_to_another_node(cluster: Path) -> None:
    with LabHost(cluster, "hvc1") as one, LabHost(cluster, "hvc2") as two:
        one.faults.set("checkpoint-exception", "app-01")

        one.migrations.migrate("app-01", "hvc2", 0)
        two.sync()

        assert one.faults.all() == []
        assert [fault["vm"] for fault in two.faults.all()] == ["app-01"]
        assert try_checkpoint(two, machines(two)["app-01"]["VMId"])["State"] == "Exception"
