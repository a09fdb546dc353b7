"""What a head goes on to count from when no new reference point could be made."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.manifest import Manifest
from reconciler.blocks.repository import Repository
from reconciler.execute.conclude import conclude
from reconciler.execute.workbench import PolicyStamp, Tools, Workbench
from reconciler.model.machine import ControllerSlot, DiskFormat, DiskGeometry, NaturalKey, Role
from reconciler.model.names import (
    DiskId,
    GroupName,
    HostName,
    PlanId,
    PoolName,
    RctId,
    RecoveryPointId,
    ReferencePointId,
    RequestId,
    VmId,
)
from reconciler.model.protection import (
    Cause,
    CauseKind,
    Consistency,
    DiskDescription,
    Head,
    PointDescription,
    RecoveryPoint,
)
from reconciler.record.work import Intent, JobOrder

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEY = NaturalKey(VmId("vm"), Role.PRIMARY)
SIZE = 1 << 20
KEPT, REPLACED, GONE, NEW = (DiskId(name) for name in ("kept", "replaced", "gone", "new"))
OLD = ReferencePointId("r1")


@dataclass
class Host:
    """A host that makes no reference point."""

    def converted(self, *_: object) -> None: ...

    def checkpoints(self, *_: object) -> tuple[()]:
        return ()

    def reference_points(self, *_: object) -> tuple[()]:
        return ()


class Case:
    """A replica of one point, and a job that has sealed the next one."""

    def __init__(self, tools: Tools, folder: Path) -> None:
        store = FolderStore(folder)
        Repository.create(store)
        writer = Repository.claim_writer(store)
        self.repository = Repository.open(store, cache=folder / "cache", writer=writer)
        catalogue = tools.catalogue
        self.volume = catalogue.ensure_volume(PoolName("main"), "v1", str(folder)).id
        self.source = catalogue.ensure_source(KEY, "erp", HostName("hv1"), GroupName("g"))
        order = JobOrder("express_full_backup", self.source.id, HostName("hv1"), PlanId("p"))
        job = catalogue.jobs.begin(order, tools.owner, NOON)
        host: Any = Host()
        tools = replace(tools, repository=lambda _: self.repository)
        self.bench = Workbench(tools, host, self.source, job, PolicyStamp("d", ""))

    def sealed(self, name: str, disks: dict[DiskId, str]) -> Manifest:
        draft = self.repository.draft()
        geometry = DiskGeometry(SIZE, 512, 4096, DiskFormat.VHDX, 1 << 20)
        for number, (disk, virtual_disk) in enumerate(disks.items()):
            slot = ControllerSlot("SCSI", 0, number)
            draft.disk(DiskDescription(disk, slot, virtual_disk, geometry), None)
        draft.flush()
        return draft.seal(
            PointDescription(
                id=RecoveryPointId(name),
                source=self.source.id,
                key=KEY,
                machine_name="erp",
                host=HostName("hv1"),
                group=GroupName("g"),
                cause=Cause(CauseKind.SLOT, NOON),
                consistency=Consistency.CRASH,
                captured_at=NOON,
                job=self.bench.job.id,
                policy_digest="d",
                policy_commit="",
                base=None,
            )
        )

    def begin(self, manifest: Manifest, rct_ids: dict[DiskId, RctId]) -> None:
        point = manifest.point
        head = Head(self.source.id, point.id, OLD, rct_ids)
        self.repository.set_head(head)
        self.bench.catalogue.adopt_point(
            RecoveryPoint(
                id=point.id,
                source=self.source.id,
                volume=self.volume,
                captured_at=NOON,
                consistency=point.consistency,
                cause=point.cause,
                job=point.job,
                bytes_read=0,
                bytes_stored=0,
            ),
            head,
        )

    def conclude(self, manifest: Manifest) -> Head:
        intent = Intent(
            job=self.bench.job.id,
            volume=self.volume,
            recovery_point=manifest.point.id,
            checkpoint_name="n",
            checkpoint_request=RequestId("a"),
            conversion_request=RequestId("b"),
            reference_points_seen=(OLD,),
            base_recovery_point=RecoveryPointId("p1"),
            base_reference_point=OLD,
        )
        conclude(self.bench, intent, manifest, is_tracked=True)
        head = self.repository.head(self.source.id)
        assert head is not None
        assert self.bench.catalogue.replicas()[self.source.id].head == head
        return head


def test_the_tracking_id_of_a_disk_that_was_replaced_is_not_kept(
    make_tools: Callable[..., Tools], tmp_path: Path
) -> None:
    case = Case(make_tools(), tmp_path)
    first = case.sealed("p1", {KEPT: "v-1", REPLACED: "v-2", GONE: "v-3"})
    case.begin(first, {disk: RctId(f"rct:{disk}") for disk in (KEPT, REPLACED, GONE)})
    second = case.sealed("p2", {KEPT: "v-1", REPLACED: "v-2-other", NEW: "v-4"})

    head = case.conclude(second)

    assert head == Head(case.source.id, second.point.id, OLD, {KEPT: RctId("rct:kept")})
    assert case.conclude(second) == head  # its heir may repeat it
