"""The catalogue's tables."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Named,
    String,
    Table,
    Text,
    TypedColumns,
    TypeDecorator,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlalchemy.types import TypeEngine

SCHEMA_VERSION = 3

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(moment: datetime) -> int:
    """Units: microseconds since 1970-01-01 UTC, exact.

    Raises:
        ValueError: The moment has no offset, so nobody can say when it is.
    """
    if moment.tzinfo is None:
        raise ValueError(f"a time without an offset: {moment.isoformat()}")
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(count: int) -> datetime:
    """Inverse of `to_microseconds`, in UTC."""
    return _EPOCH + count * _MICROSECOND


class Instant(TypeDecorator[datetime]):
    """An aware datetime, stored as whole microseconds UTC: floats and texts lose or sort badly."""

    impl: TypeEngine[Any] | type[TypeEngine[Any]] = BigInteger
    cache_ok: bool | None = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Python to SQL."""
        del dialect
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """SQL to Python."""
        del dialect
        return None if value is None else from_microseconds(value)


metadata = MetaData()


class _Meta(TypedColumns):
    key: Named[str] = Column(String, primary_key=True)
    value: Named[str]


class _Volume(TypedColumns):
    id: Named[str] = Column(String, primary_key=True)
    pool: Named[str]
    name: Named[str]
    path: Named[str]
    repository_id: Named[str | None]
    writer_number: Named[int] = Column(BigInteger)
    points_dropped: Named[int] = Column(BigInteger, server_default="0")
    sweep_failed_at: Named[datetime | None] = Column(Instant)
    sweep_problem: Named[str] = Column(Text, server_default="")
    stored_bytes: Named[int | None] = Column(BigInteger)


class _DataSource(TypedColumns):
    id: Named[str] = Column(String, primary_key=True)
    vm_id: Named[str]
    role: Named[str]
    machine_name: Named[str]
    host: Named[str]
    protection_group: Named[str]


class _Disk(TypedColumns):
    id: Named[str] = Column(String, primary_key=True)
    data_source: Named[str] = Column(ForeignKey("data_source.id"), index=True)
    virtual_disk_id: Named[str]
    controller_type: Named[str | None]
    controller_number: Named[int | None]
    location: Named[int | None]


class _RecoveryPoint(TypedColumns):
    id: Named[str] = Column(String, primary_key=True)
    data_source: Named[str] = Column(ForeignKey("data_source.id"))
    volume: Named[str] = Column(ForeignKey("volume.id"))
    captured_at: Named[datetime] = Column(Instant)
    consistency: Named[str]
    cause: Named[str]
    slot_at: Named[datetime | None] = Column(Instant)
    job: Named[str]
    bytes_read: Named[int] = Column(BigInteger)
    bytes_stored: Named[int] = Column(BigInteger)
    damage: Named[str | None] = Column(Text)


class _ReferencePoint(TypedColumns):
    id: Named[str] = Column(String, primary_key=True)
    data_source: Named[str] = Column(ForeignKey("data_source.id"), index=True)
    state: Named[str]
    rct_ids: Named[str] = Column(Text)


class _Replica(TypedColumns):
    data_source: Named[str] = Column(ForeignKey("data_source.id"), primary_key=True)
    state: Named[str]
    volume: Named[str | None] = Column(ForeignKey("volume.id"))
    head_recovery_point: Named[str | None] = Column(ForeignKey("recovery_point.id"))
    head_reference_point: Named[str | None] = Column(ForeignKey("reference_point.id"))
    head_rct_ids: Named[str] = Column(Text)
    checked_at: Named[datetime | None] = Column(Instant)
    doubt: Named[str] = Column(Text, server_default="")
    doubted_during: Named[str | None]
    created_bytes: Named[int | None] = Column(BigInteger)


class _Inconsistency(TypedColumns):
    data_source: Named[str] = Column(ForeignKey("data_source.id"), primary_key=True)
    began_at: Named[datetime] = Column(Instant, primary_key=True)
    ended_at: Named[datetime | None] = Column(Instant)
    reason: Named[str]


class _Job(TypedColumns):
    id: Named[str] = Column(String, primary_key=True)
    kind: Named[str]
    data_source: Named[str | None] = Column(ForeignKey("data_source.id"))
    host: Named[str | None]
    plan: Named[str]
    state: Named[str]
    owner: Named[str | None]
    epoch: Named[int] = Column(BigInteger)
    beat_at: Named[datetime | None] = Column(Instant)
    not_before: Named[datetime] = Column(Instant)
    intent: Named[str | None] = Column(Text)
    progress: Named[str | None] = Column(Text)
    outcome: Named[str | None] = Column(Text)
    created_at: Named[datetime] = Column(Instant)
    started_at: Named[datetime | None] = Column(Instant)
    ended_at: Named[datetime | None] = Column(Instant)


class _Failing(TypedColumns):
    data_source: Named[str] = Column(ForeignKey("data_source.id"), primary_key=True)
    kind: Named[str]
    times: Named[int] = Column(BigInteger)
    last_at: Named[datetime] = Column(Instant)
    code: Named[str]
    retry: Named[str]
    message: Named[str] = Column(Text)


class _Request(TypedColumns):
    id: Named[str] = Column(String, primary_key=True)
    kind: Named[str]
    data_source: Named[str | None] = Column(ForeignKey("data_source.id"))
    parameters: Named[str] = Column(Text)
    state: Named[str] = Column(String, index=True)
    result: Named[str | None] = Column(Text)
    created_at: Named[datetime] = Column(Instant, index=True)
    ended_at: Named[datetime | None] = Column(Instant)


class _Alert(TypedColumns):
    id: Named[str] = Column(String, primary_key=True)
    kind: Named[str]
    subject: Named[str]
    message: Named[str]
    opened_at: Named[datetime] = Column(Instant)
    resolved_at: Named[datetime | None] = Column(Instant, index=True)
    severity: Named[str] = Column(String, server_default="warning")
    hint: Named[str] = Column(Text, server_default="")
    host: Named[str] = Column(String, server_default="")


class _HostWatch(TypedColumns):
    host: Named[str] = Column(String, primary_key=True)
    booted_at: Named[datetime] = Column(Instant)
    last_event: Named[int] = Column(BigInteger)
    announced_at: Named[datetime | None] = Column(Instant)


class _Pass(TypedColumns):
    id: Named[str] = Column(String, primary_key=True)
    started_at: Named[datetime] = Column(Instant, index=True)
    ended_at: Named[datetime] = Column(Instant)
    plan: Named[str]
    policy_digest: Named[str]
    clock: Named[str]
    actions: Named[int]
    findings: Named[int]
    jobs_started: Named[int]


class _PolicyFile(TypedColumns):
    path: Named[str] = Column(String, primary_key=True)
    sha256: Named[str]
    content: Named[bytes] = Column(LargeBinary)
    kept_at: Named[datetime] = Column(Instant)


meta = Table("meta", metadata, _Meta)
volume = Table("volume", metadata, _Volume, UniqueConstraint("pool", "name"))
data_source = Table("data_source", metadata, _DataSource, UniqueConstraint("vm_id", "role"))
disk = Table("disk", metadata, _Disk)
recovery_point = Table("recovery_point", metadata, _RecoveryPoint)
Index("recovery_point_by_source", recovery_point.c.data_source, recovery_point.c.captured_at)
reference_point = Table("reference_point", metadata, _ReferencePoint)
replica = Table("replica", metadata, _Replica)
inconsistency = Table("inconsistency", metadata, _Inconsistency)
job = Table("job", metadata, _Job, CheckConstraint("epoch >= 0", name="epoch_counts_up"))
IS_LIVE = job.c.state.in_([literal_column("'ready'"), literal_column("'running'")])
"""In literals, because with bound values SQLite would not use the index of the few live jobs."""
Index(
    "one_live_job_a_source",
    job.c.data_source,
    unique=True,
    sqlite_where=IS_LIVE,
    postgresql_where=IS_LIVE,
)
Index("job_by_age", job.c.created_at)
Index("job_by_end", job.c.ended_at)
failing = Table("failing", metadata, _Failing)
request = Table("request", metadata, _Request)
alert = Table("alert", metadata, _Alert)
_OPEN = text("resolved_at is null")
Index(
    "one_open_alert_a_subject",
    alert.c.kind,
    alert.c.subject,
    unique=True,
    sqlite_where=_OPEN,
    postgresql_where=_OPEN,
)
host_watch = Table("host_watch", metadata, _HostWatch)
passes = Table("pass", metadata, _Pass)
policy_file = Table("policy_file", metadata, _PolicyFile)
