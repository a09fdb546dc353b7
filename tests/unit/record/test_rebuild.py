"""Who the server is after its catalogue was lost, and whose points are whose."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.repository import Repository
from reconciler.errors import CatalogueError
from reconciler.model.machine import (
    ControllerSlot,
    DiskFormat,
    DiskGeometry,
    NaturalKey,
    Role,
)
from reconciler.model.names import (
    DataSourceId,
    DiskId,
    GroupName,
    HostName,
    JobId,
    PoolName,
    RctId,
    RecoveryPointId,
    ReferencePointId,
    ServerId,
    VmId,
)
from reconciler.model.protection import (
    Cause,
    CauseKind,
    Consistency,
    DiskDescription,
    Head,
    PointDescription,
    ReplicaState,
)
from reconciler.record.catalogue import Catalogue
from reconciler.record.catalogue_file import put_in_place, server_of
from reconciler.record.rebuild import NEW, Identity, Rebuilt, rebuild

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
GEOMETRY = DiskGeometry(1 << 20, 512, 4096, DiskFormat.VHDX, 1 << 20)


class Written:
    """A repository that servers wrote to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "volume").mkdir(parents=True)
        self.store = FolderStore(folder / "volume")
        Repository.create(self.store)
        self._open: dict[str, Repository] = {}

    def by(self, server: str) -> Repository:
        """The repository as a server has it open, with a writer number of its own."""
        if server not in self._open:
            writer = Repository.claim_writer(self.store, server=server)
            cache = self.folder / f"cache-{server}"
            self._open[server] = Repository.open(self.store, cache=cache, writer=writer)
        return self._open[server]

    def point(
        self,
        server: str,
        source: str,
        minutes: int,
        vm: str = "",
        disks: tuple[tuple[str, int], ...] = (),
        cause: CauseKind = CauseKind.SLOT,
    ) -> RecoveryPointId:
        """Seal one, with disks by id and location."""
        point = PointDescription(
            id=RecoveryPointId(f"{source}-{minutes}"),
            source=DataSourceId(source),
            key=NaturalKey(VmId(vm or f"vm-{source}"), Role.PRIMARY),
            machine_name=f"{source} at {minutes}",
            host=HostName("hv1"),
            group=GroupName("finance"),
            cause=Cause(cause, NOON),
            consistency=Consistency.APPLICATION,
            captured_at=NOON + timedelta(minutes=minutes),
            job=JobId("job"),
            policy_digest="",
            policy_commit="",
            base=None,
        )
        with self.by(server).draft() as draft:
            for disk, location in disks or ((f"disk of {source}", 0),):
                slot = ControllerSlot("SCSI", 0, location)
                draft.disk(DiskDescription(DiskId(disk), slot, f"id of {disk}", GEOMETRY), None)
            draft.flush()
            draft.seal(point)
        return point.id

    def head(self, server: str, source: str, point: RecoveryPointId) -> None:
        rct = {DiskId(f"disk of {source}"): RctId("rct")}
        reference = ReferencePointId(f"reference of {point}")
        self.by(server).set_head(Head(DataSourceId(source), point, reference, rct))


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path)


@pytest.fixture
def rebuilt_from(catalogue: Catalogue) -> Callable[..., Rebuilt]:
    def build(*repositories: Written, wanted: str = "", known: str = "") -> Rebuilt:
        opened = {}
        for number, each in enumerate(repositories):
            volume = catalogue.ensure_volume(PoolName("main"), f"v{number}", str(each.folder))
            opened[volume.id] = Repository.open(each.store, cache=each.folder, writer=None)
        return rebuild(catalogue, opened, Identity(wanted, ServerId(known) or None), NOON)

    return build


def test_the_one_server_that_wrote_is_found_with_its_writer_number(
    written: Written, rebuilt_from: Callable[..., Rebuilt], catalogue: Catalogue
) -> None:
    written.by("")
    written.head("ours", "erp", written.point("ours", "erp", 0))

    rebuilt = rebuilt_from(written, known="a fresh catalogue made by mistake")

    assert rebuilt.server == catalogue.server_id == "ours"
    assert [v.writer_number for v in catalogue.volumes()] == [2]


def test_of_several_servers_one_has_to_be_named_and_gets_only_its_own_points(
    written: Written, rebuilt_from: Callable[..., Rebuilt], catalogue: Catalogue
) -> None:
    written.head("ours", "erp", written.point("ours", "erp", 0))
    written.head("theirs", "crm", written.point("theirs", "crm", 0))

    with pytest.raises(CatalogueError, match=r"2 servers wrote.*ours, theirs"):
        rebuilt_from(written)
    with pytest.raises(CatalogueError, match="no server nobody wrote"):
        rebuilt_from(written, wanted="nobody")
    rebuilt = rebuilt_from(written, wanted="theirs")

    assert [source.id for source in catalogue.sources()] == ["crm"]
    assert [v.writer_number for v in catalogue.volumes()] == [2]
    assert rebuilt.is_whole
    assert rebuilt.volumes[0].others == 1


def test_a_new_server_takes_over_all_points_and_no_writer_number(
    written: Written, rebuilt_from: Callable[..., Rebuilt], catalogue: Catalogue
) -> None:
    written.head("ours", "erp", written.point("ours", "erp", 0))
    written.head("theirs", "crm", written.point("theirs", "crm", 0))

    rebuilt = rebuilt_from(written, wanted=NEW)

    assert rebuilt.server not in {"ours", "theirs", NEW}
    assert {source.id for source in catalogue.sources()} == {"erp", "crm"}
    assert [v.writer_number for v in catalogue.volumes()] == [0]


def test_repositories_that_name_no_server_are_the_old_catalogues(
    written: Written, rebuilt_from: Callable[..., Rebuilt], catalogue: Catalogue
) -> None:
    written.head("", "erp", written.point("", "erp", 0))

    rebuilt_from(written, known="as it was")

    assert catalogue.server_id == "as it was"
    assert [source.id for source in catalogue.sources()] == ["erp"]
    assert [v.writer_number for v in catalogue.volumes()] == [0]  # nothing proves it ours


def test_labels_are_the_newest_and_a_disk_keeps_its_place_until_another_takes_it(
    written: Written, rebuilt_from: Callable[..., Rebuilt], catalogue: Catalogue
) -> None:
    written.point("ours", "erp", 1, disks=(("disk-a", 0), ("disk-b", 1), ("disk-c", 2)))
    newest = written.point("ours", "erp", 2, disks=(("disk-a", 0), ("disk-d", 1)))
    written.head("ours", "erp", newest)

    rebuilt_from(written)

    (source,) = catalogue.sources()
    assert source.machine_name == "erp at 2"
    known = {d.id: d.slot and d.slot.location for d in catalogue.disks(source.id)}
    assert known == {"disk-a": 0, "disk-b": None, "disk-c": 2, "disk-d": 1}


def test_a_point_that_was_sealed_after_the_head_does_not_become_it(
    written: Written, rebuilt_from: Callable[..., Rebuilt], catalogue: Catalogue
) -> None:
    checked = written.point("ours", "erp", 1, cause=CauseKind.REPLICA_CREATION)
    written.head("ours", "erp", checked)
    written.point("ours", "erp", 2)

    rebuilt_from(written)

    replica = catalogue.replicas()[DataSourceId("erp")]
    assert replica.state is ReplicaState.CONSISTENT
    assert replica.head is not None
    assert replica.head.recovery_point == checked
    assert replica.head.reference_point == f"reference of {checked}"
    assert replica.checked_at == NOON + timedelta(minutes=1)
    assert len(catalogue.recovery_points(DataSourceId("erp"))) == 2


def test_a_replica_whose_head_is_lost_is_compared_and_its_stray_reference_point_removed(
    written: Written, rebuilt_from: Callable[..., Rebuilt], catalogue: Catalogue
) -> None:
    left = written.point("ours", "erp", 1)
    gone = written.point("ours", "erp", 2)
    written.head("ours", "erp", gone)
    (written.folder / "volume" / "manifests" / "erp" / gone).unlink()
    written.point("ours", "crm", 1)  # has no head at all

    rebuilt_from(written)

    erp, crm = (catalogue.replicas()[DataSourceId(name)] for name in ("erp", "crm"))
    assert erp.head == Head(DataSourceId("erp"), left, None, {})
    assert {erp.state, crm.state} == {ReplicaState.INCONSISTENT}
    assert "newest recovery point is gone" in erp.doubt
    assert "head cannot be read" in crm.doubt
    assert [r.id for r in catalogue.superseded_reference_points()] == [f"reference of {gone}"]
    assert set(catalogue.inconsistent_spans()) == {"erp", "crm"}


def test_of_two_replicas_of_one_machine_the_newer_counts_and_the_other_is_told(
    tmp_path: Path, rebuilt_from: Callable[..., Rebuilt], catalogue: Catalogue
) -> None:
    old, new = Written(tmp_path / "old"), Written(tmp_path / "new")
    old.head("ours", "erp-old", old.point("ours", "erp-old", 0, vm="vm"))
    new.head("ours", "erp-new", new.point("ours", "erp-new", 1, vm="vm"))

    rebuilt = rebuilt_from(old, new)

    assert [source.id for source in catalogue.sources()] == ["erp-new"]
    assert not rebuilt.is_whole
    (told,) = rebuilt.volumes[0].unreadable
    assert "erp-old" in told.what
    assert "erp-new" in told.message


def test_the_old_file_is_kept_aside_and_its_log_does_not_reach_the_new_one(
    tmp_path: Path,
) -> None:
    path, scratch = tmp_path / "state.sqlite", tmp_path / "scratch.sqlite"
    with Catalogue.open(path) as old, Catalogue.open(scratch) as new:
        before, after = old.server_id, new.server_id
    Path(f"{path}-wal").write_bytes(b"of the old one")

    first = put_in_place(scratch, path, NOON)
    Catalogue.open(scratch).close()
    second = put_in_place(scratch, path, NOON)

    assert first is not None
    assert second not in {None, first}
    assert Path(f"{first}-wal").read_bytes() == b"of the old one"
    Path(f"{first}-wal").unlink()
    assert server_of(first) == before
    assert second is not None
    assert server_of(second) == after
    assert not scratch.exists()


def test_a_file_that_is_no_catalogue_names_no_server(tmp_path: Path) -> None:
    path = tmp_path / "broken.sqlite"
    path.write_bytes(b"no database" * 1000)

    assert server_of(path) is None
    assert server_of(tmp_path / "nothing.sqlite") is None
