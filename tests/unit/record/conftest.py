import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.model.machine import NaturalKey, Role
from reconciler.model.names import (
    DataSourceId,
    DiskId,
    GroupName,
    HostName,
    JobId,
    PlanId,
    PoolName,
    RctId,
    RecoveryPointId,
    ReferencePointId,
    VmId,
    VolumeId,
)
from reconciler.model.protection import (
    Cause,
    CauseKind,
    Consistency,
    DataSource,
    Head,
    RecoveryPoint,
)
from reconciler.record.catalogue import Catalogue
from reconciler.record.database import Database
from reconciler.record.work import Job, JobOrder

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOON


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    with Catalogue.open(tmp_path / "catalogue.sqlite") as opened:
        yield opened


@pytest.fixture
def database(tmp_path: Path, catalogue: Catalogue) -> Iterator[Database]:
    """The catalogue's file, past its rules."""
    del catalogue
    opened = Database(tmp_path / "catalogue.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def locked(tmp_path: Path, catalogue: Catalogue) -> Callable[[], AbstractContextManager[None]]:
    """While it lasts another program holds the file, and whoever would write cannot."""
    del catalogue

    @contextmanager
    def lock() -> Iterator[None]:
        other = sqlite3.connect(tmp_path / "catalogue.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")
            other.close()

    return lock


@pytest.fixture
def source(catalogue: Catalogue) -> DataSource:
    key = NaturalKey(VmId("11111111-1111-1111-1111-111111111111"), Role.PRIMARY)
    return catalogue.ensure_source(key, "erp", HostName("hv1"), GroupName("finance"))


@pytest.fixture
def volume_id(catalogue: Catalogue) -> VolumeId:
    return catalogue.ensure_volume(PoolName("main"), "v1", "/backup/v1").id


@pytest.fixture
def running(catalogue: Catalogue, source: DataSource, now: datetime) -> Job:
    order = JobOrder("express_full_backup", source.id, source.host, PlanId("plan-1"))
    job = catalogue.jobs.claim(catalogue.jobs.create(order, now).id, "hv:1:a", now)
    assert job is not None
    return job


@pytest.fixture
def make_point(source: DataSource, volume_id: VolumeId) -> Callable[..., RecoveryPoint]:
    def make(
        name: str,
        minutes: int = 0,
        owner: DataSourceId | None = None,
        cause: CauseKind = CauseKind.SLOT,
        job: str = "job-of-point",
    ) -> RecoveryPoint:
        return RecoveryPoint(
            id=RecoveryPointId(name),
            source=owner or source.id,
            volume=volume_id,
            captured_at=NOON + timedelta(minutes=minutes, microseconds=1),
            consistency=Consistency.APPLICATION,
            cause=Cause(cause, NOON),
            job=JobId(job),
            bytes_read=5 << 40,
            bytes_stored=7,
        )

    return make


@pytest.fixture
def make_head(source: DataSource) -> Callable[..., Head]:
    def make(point: str, reference: str | None = None, owner: DataSourceId | None = None) -> Head:
        made = None if reference is None else ReferencePointId(reference)
        ids = {DiskId("disk-1"): RctId(f"rct:{point}")} if reference else {}
        return Head(owner or source.id, RecoveryPointId(point), made, ids)

    return make
