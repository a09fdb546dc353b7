"""The wide lab: what its hosts show of each kind of machine, and what they refuse."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from reconciler import agent_contract as contract
from reconciler.errors import ItemNotFoundError, PrerequisiteError, SettingsError, TargetExistsError
from reconciler.lab.control import host_names
from reconciler.lab.create import create_lab, delete_lab
from reconciler.lab.definition import VSS
from reconciler.lab.full_lab import (
    DEV_01,
    ERP_01,
    ERP_01_REPLICA,
    FULL_LAB,
    OLD_01,
    R2_01,
    RAW_01,
    SMB_01,
)
from reconciler.lab.host import LabHost
from reconciler.lab.kinds import make_lab
from reconciler.lab.wire.body import AgentError
from reconciler.model.ranges import ByteRange
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

NOT_SUPPORTED = 32_770


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("full")
    make_lab(folder, "full")
    return folder


@pytest.fixture
def full(pristine: Path, tmp_path: Path) -> Path:
    return copy_lab(pristine, tmp_path / "full")


@pytest.fixture
def hosts(full: Path) -> Iterator[dict[str, LabHost]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(LabHost(full, name)) for name in host_names(full)}


def volumes(host: LabHost) -> dict[str, bool]:
    """Deduplication by path."""
    return {v["Path"]: v["DedupEnabled"] for v in call(host, contract.GET_VOLUME)}


def files_of(folder: Path, name: str) -> list[str]:
    return sorted(path.name for path in folder.rglob(f"{name}*.*vhdx"))


def test_every_disk_of_the_wide_lab_equals_its_shadow(full: Path) -> None:
    for name in host_names(full):
        assert_disks_equal_shadows(full, name)


def test_the_wide_lab_has_every_kind_of_host(hosts: dict[str, LabHost]) -> None:
    shown = {name: call(host, contract.GET_HOST)[0] for name, host in hosts.items()}

    assert {name: (h["OSBuild"], h["ClusterName"]) for name, h in shown.items()} == {
        "hv1": (20_348, ""),
        "hv2": (17_763, ""),
        "hv3": (9_600, ""),
        "hvc1": (20_348, "hvcluster"),
        "hvc2": (20_348, "hvcluster"),
    }


def test_a_lab_of_another_kind_is_refused_and_the_same_one_is_kept(pristine: Path) -> None:
    make_lab(pristine, "full")
    with pytest.raises(SettingsError, match="another lab"):
        make_lab(pristine, "two-hosts")
    with pytest.raises(SettingsError, match="no lab is called"):
        make_lab(pristine, "wide")
    with pytest.raises(TargetExistsError):
        create_lab(pristine, FULL_LAB)


def test_a_deleted_lab_leaves_nothing_but_what_is_not_its_own(full: Path) -> None:
    (full / "mine.txt").write_text("kept")

    delete_lab(full)

    assert [path.name for path in full.iterdir()] == ["mine.txt"]


def test_a_primary_and_its_replica_share_one_machine_id(hosts: dict[str, LabHost]) -> None:
    primary, replica = machines(hosts["hv1"])["erp-01"], machines(hosts["hv2"])["erp-01"]

    assert primary["VMId"] == replica["VMId"]
    assert (primary["ReplicationMode"], replica["ReplicationMode"]) == ("Primary", "Replica")
    for shown in (primary, replica):
        assert shown["ReplicationState"] == "Replicating"
        assert shown["ReplicationHealth"] == "Normal"
        assert shown["LastReplicationTime"] == shown["LastAppliedLogTime"]
    assert (primary["State"], replica["State"]) == ("Running", "Off")
    ids = [shown["HardDrives"][0]["DiskIdentifier"] for shown in (primary, replica)]
    assert ids == [ERP_01.disks[0].virtual_disk_id] * 2


def test_a_replica_gets_new_bytes_by_its_log_only(full: Path, hosts: dict[str, LabHost]) -> None:
    hv2 = hosts["hv2"]
    point = reference_point(hv2, ERP_01_REPLICA.vm_id)
    before = machines(hv2)["erp-01"]["LastReplicationTime"]
    with pytest.raises(PrerequisiteError, match="it is Off"):
        hv2.guest_write("erp-01-replica", 4096)
    with pytest.raises(PrerequisiteError, match="no replica"):
        hosts["hv1"].apply_replica_log("erp-01", 4096)

    hv2.apply_replica_log("erp-01-replica", 100_000)

    assert machines(hv2)["erp-01"]["LastReplicationTime"] > before
    assert changed_since(hv2, point)
    assert_disks_equal_shadows(full, "hv2")


def test_jobs_of_a_machine_are_shown_as_they_are_set(hosts: dict[str, LabHost]) -> None:
    hosts["hv2"].set_property("erp-01-replica", "Jobs", "108:Running,94:Starting")

    assert machines(hosts["hv2"])["erp-01"]["Jobs"] == [
        {"JobType": 108, "JobState": "Running"},
        {"JobType": 94, "JobState": "Starting"},
    ]
    hosts["hv2"].set_property("erp-01-replica", "Jobs", "")
    assert machines(hosts["hv2"])["erp-01"]["Jobs"] == []
    with pytest.raises(SettingsError, match="no job"):
        hosts["hv2"].set_property("erp-01-replica", "Jobs", "hrl")
    with pytest.raises(ItemNotFoundError):
        hosts["hv2"].set_property("erp-01-replica", "Jobs.0.JobType", "1")


def test_new_properties_can_be_set(hosts: dict[str, LabHost]) -> None:
    hosts["hv2"].set_property("erp-01-replica", "ReplicationState", "Resynchronizing")
    hosts["hv2"].set_property("erp-01-replica", "LastAppliedLogTime", "null")
    hosts["hv2"].set_property("erp-01-replica", "IntegrationServices.VSS.Enabled", "false")
    hosts["hv2"].set_property("erp-01-replica", "SnapshotCount", "3")

    shown = machines(hosts["hv2"])["erp-01"]
    assert shown["ReplicationState"] == "Resynchronizing"
    assert shown["LastAppliedLogTime"] is None
    assert shown["SnapshotCount"] == 3
    services = {s["ComponentId"]: s["Enabled"] for s in shown["IntegrationServices"]}
    assert services[VSS] is False


def test_a_guest_without_integration_services_takes_part_in_no_checkpoint(
    hosts: dict[str, LabHost],
) -> None:
    shown = machines(hosts["hv1"])["old-01"]
    status = {s["ComponentId"]: s["PrimaryOperationalStatus"] for s in shown["IntegrationServices"]}
    level = {"ConsistencyLevel": "Application", "ElementName": "ours"}

    assert status[VSS] == "NoContact"
    ended = do(hosts["hv1"], contract.START_CHECKPOINT, OLD_01.vm_id, **level)
    assert ended["State"] == "Exception"
    checkpoint(hosts["hv1"], OLD_01.vm_id, "Crash")


def test_a_host_without_change_tracking_makes_no_reference_point(
    hosts: dict[str, LabHost],
) -> None:
    hv3 = hosts["hv3"]
    made = checkpoint(hv3, R2_01.vm_id)
    (point,) = call(hv3, contract.GET_CHECKPOINT)

    ended = do(hv3, contract.START_CONVERSION, R2_01.vm_id, CheckpointId=made)

    assert (ended["State"], ended["ErrorCode"]) == ("Exception", NOT_SUPPORTED)
    assert call(hv3, contract.GET_REFERENCE_POINT) == []
    assert [p["CheckpointId"] for p in call(hv3, contract.GET_CHECKPOINT)] == [made]
    look = {"LimitId": "rctX:1", "Offset": 0, "Length": 1 << 20}
    with pytest.raises(AgentError) as caught:
        call(hv3, contract.GET_DISK_CHANGE, Path=point["HardDrives"][0]["Path"], **look)
    assert caught.value.error_id == "TrackingUnknown"
    removed = do(hv3, contract.START_CHECKPOINT_REMOVAL, R2_01.vm_id, CheckpointId=made)
    assert removed["State"] == "Completed"


def test_a_host_without_production_checkpoints_refuses_them(hosts: dict[str, LabHost]) -> None:
    level = {"ConsistencyLevel": "Application", "ElementName": "ours"}

    ended = do(hosts["hv3"], contract.START_CHECKPOINT, R2_01.vm_id, **level)

    assert (ended["State"], ended["ErrorCode"]) == ("Exception", NOT_SUPPORTED)


def test_our_checkpoints_merge_back_to_the_users_and_no_further(
    full: Path, hosts: dict[str, LabHost]
) -> None:
    hv1 = hosts["hv1"]
    chain = files_of(full / "hv1/files", "dev-01")
    (drive,) = machines(hv1)["dev-01"]["HardDrives"]
    assert machines(hv1)["dev-01"]["SnapshotCount"] == 1
    assert (len(chain), drive["VhdType"]) == (2, "Differencing")

    point = reference_point(hv1, DEV_01.vm_id)
    hv1.guest_write("dev-01", 200_000)
    assert changed_since(hv1, point)
    hv1.settle()

    assert files_of(full / "hv1/files", "dev-01") == chain
    assert machines(hv1)["dev-01"]["HardDrives"][0]["Path"] == drive["Path"]
    assert machines(hv1)["dev-01"]["SnapshotCount"] == 1
    assert_disks_equal_shadows(full, "hv1")


def test_a_user_checkpoint_survives_a_restart(full: Path) -> None:
    chain = files_of(full / "hv1/files", "dev-01")
    with LabHost(full, "hv1") as hv1:
        hv1.settle()

    assert files_of(full / "hv1/files", "dev-01") == chain


def test_a_pass_through_disk_is_shown_and_no_part_of_a_checkpoint(
    full: Path, hosts: dict[str, LabHost]
) -> None:
    hv1 = hosts["hv1"]
    virtual, raw = machines(hv1)["raw-01"]["HardDrives"]
    checkpoint(hv1, RAW_01.vm_id)
    hv1.guest_write("raw-01", 100_000)

    assert (raw["DiskNumber"], raw["Path"]) == (3, "")
    assert virtual["DiskNumber"] is None
    (point,) = call(hv1, contract.GET_CHECKPOINT)
    assert [d["ControllerLocation"] for d in point["HardDrives"]] == [0]
    assert {f.disk_number for f in hv1.known_files("raw-01")} == {0}
    copies = [path.name for path in hv1.copy_shadows(full / "copies")]
    assert [name for name in copies if name.startswith("raw-01")] == ["raw-01-disk0.raw"]


def test_volumes_are_the_drives_with_disks_and_those_that_are_named(
    hosts: dict[str, LabHost],
) -> None:
    assert volumes(hosts["hv1"]) == {"C:\\": False}
    assert volumes(hosts["hv2"]) == {"D:\\": False, "E:\\": True}
    assert volumes(hosts["hvc1"]) == {
        "C:\\ClusterStorage\\Volume1\\": False,
        "C:\\ClusterStorage\\Volume2\\": False,
    }


def test_properties_of_a_volume_are_set_and_odd_ones_refused(hosts: dict[str, LabHost]) -> None:
    hv1 = hosts["hv1"]
    for name, value in (
        ("SizeRemaining", "4096"),
        ("Size", "8192"),
        ("DedupEnabled", "true"),
        ("ProtectionStatus", "On"),
    ):
        hv1.set_volume("C:", name, value)

    (shown,) = call(hv1, contract.GET_VOLUME)
    assert shown == {
        "Path": "C:\\",
        "Size": 8192,
        "SizeRemaining": 4096,
        "IsClusterShared": False,
        "DedupEnabled": True,
        "ProtectionStatus": "On",
    }
    for name, value in (("Size", "-1"), ("DedupEnabled", "1"), ("ProtectionStatus", "on")):
        with pytest.raises(SettingsError):
            hv1.set_volume("C:", name, value)
    with pytest.raises(ItemNotFoundError, match="Letter"):
        hv1.set_volume("C:", "Letter", "D")
    with pytest.raises(ItemNotFoundError, match="no volume Z"):
        hv1.set_volume("Z:", "Size", "1")


def test_a_deduplicated_volume_reads_like_any(hosts: dict[str, LabHost]) -> None:
    (drive,) = machines(hosts["hv2"])["arc-01"]["HardDrives"]
    ranges = contract.pack_ranges([ByteRange(0, 8)])

    (read,) = call(hosts["hv2"], contract.READ_FILE, Path=drive["Path"], Ranges=ranges)

    assert drive["Path"].startswith("E:\\")
    assert read["Data"] == b"vhdxfile"


def test_files_of_a_file_server_are_not_read_through_the_host(
    full: Path, hosts: dict[str, LabHost]
) -> None:
    hv2 = hosts["hv2"]
    checkpoint(hv2, SMB_01.vm_id)
    hv2.guest_write("smb-01", 100_000)
    (drive,) = machines(hv2)["smb-01"]["HardDrives"]
    ranges = contract.pack_ranges([ByteRange(0, 8)])

    for path in (drive["Path"], SMB_01.disks[0].path):
        for function in (contract.READ_FILE, contract.GET_BLOCK_HASH):
            with pytest.raises(AgentError) as caught:
                call(hv2, function, Path=path, Ranges=ranges)
            assert caught.value.error_id == "PathNotAllowed"
    assert len(files_of(full / "files1/vms", "smb-01")) == 2
    assert_disks_equal_shadows(full, "hv2")
