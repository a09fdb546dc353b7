"""A volume that cannot be swept is told, and not tried at every pass."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.repository import Repository
from reconciler.errors import BlockDamagedError
from reconciler.execute.sweep import sweep
from reconciler.execute.workbench import Tools
from reconciler.model.machine import NaturalKey, Role
from reconciler.model.names import (
    GroupName,
    HostName,
    JobId,
    PoolName,
    RecoveryPointId,
    VmId,
    VolumeId,
)
from reconciler.model.protection import Cause, CauseKind, Consistency, Head, RecoveryPoint
from reconciler.record.catalogue import Catalogue

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAMAGED = BlockDamagedError("a manifest is damaged", hint="look at the volume")


def with_a_dropped_point(catalogue: Catalogue, name: str) -> VolumeId:
    volume = catalogue.ensure_volume(PoolName("main"), name, name).id
    key = NaturalKey(VmId(name), Role.PRIMARY)
    source = catalogue.ensure_source(key, name, HostName("hv1"), GroupName("g")).id
    points = [RecoveryPointId(f"{name}-{n}") for n in range(2)]
    for point in points:
        catalogue.adopt_point(
            RecoveryPoint(
                id=point,
                source=source,
                volume=volume,
                captured_at=NOON,
                consistency=Consistency.CRASH,
                cause=Cause(CauseKind.SLOT, NOON),
                job=JobId("j"),
                bytes_read=0,
                bytes_stored=0,
            ),
            Head(source, point, None, {}),
        )
    catalogue.drop_points(points[:1])
    return volume


def test_a_volume_that_cannot_be_swept_holds_up_no_other_and_is_tried_again_in_an_hour(
    make_tools: Callable[..., Tools], tmp_path: Path
) -> None:
    store = FolderStore(tmp_path)
    Repository.create(store)
    writer = Repository.claim_writer(store)
    good = Repository.open(store, cache=tmp_path / "cache", writer=writer)
    asked: list[VolumeId] = []
    is_mended = False

    def repository(volume: VolumeId) -> Repository:
        asked.append(volume)
        if volume == damaged and not is_mended:
            raise DAMAGED
        return good

    tools = make_tools(repository=repository)
    catalogue = tools.catalogue
    damaged, whole = (with_a_dropped_point(catalogue, name) for name in ("damaged", "whole"))

    sweep(tools)
    assert sorted(asked) == sorted([damaged, whole])
    assert catalogue.volumes_to_sweep() == {damaged: 1}
    assert catalogue.sweep_problems() == {damaged: "a manifest is damaged"}
    sweep(tools)
    assert len(asked) == 2

    is_mended = True
    sweep(replace(tools, lease_clock=lambda: NOON + timedelta(hours=1)))
    assert asked[2:] == [damaged]
    assert catalogue.volumes_to_sweep() == {}
    assert catalogue.sweep_problems() == {}
