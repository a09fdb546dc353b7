"""One consistent look at hosts and catalogue: everything a plan may rest on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.model.machine import Inventory, NaturalKey
from reconciler.model.names import (
    DataSourceId,
    HostName,
    JobId,
    RecoveryPointId,
    ReferencePointId,
    ServerId,
)
from reconciler.model.protection import DataSource, Replica

CHECKPOINT_PREFIX = "reconciler"


def checkpoint_name(server: ServerId, job: JobId) -> str:
    """The name by which a checkpoint on a host is known to be ours, and whose."""
    return f"{CHECKPOINT_PREFIX} {server} {job}"


def job_of(server: ServerId, name: str) -> JobId | None:
    """The job that made a checkpoint of this name; None when it is not this server's."""
    match name.split(" "):
        case [prefix, owner, job] if prefix == CHECKPOINT_PREFIX and owner == server:
            return JobId(job)
        case _:
            return None


@dataclass(frozen=True, slots=True)
class UnfinishedJob:
    """A job whose owner is gone, and what it may have left behind."""

    id: JobId
    source: DataSourceId
    started_at: datetime


@dataclass(frozen=True, slots=True)
class RecoveryRequest:
    """A person asked for the disks of a recovery point."""

    id: str
    source: DataSourceId
    recovery_point: RecoveryPointId
    folder: str


@dataclass(frozen=True, slots=True)
class Observed:
    """Hosts and catalogue at one moment."""

    server: ServerId
    inventory: Inventory = field(default_factory=Inventory)
    sources: Mapping[DataSourceId, DataSource] = field(default_factory=dict)
    replicas: Mapping[DataSourceId, Replica] = field(default_factory=dict)
    running: Mapping[DataSourceId, JobId] = field(default_factory=dict)
    """Jobs that are at work now, in this process or in another that lives."""
    unfinished: tuple[UnfinishedJob, ...] = ()
    superseded: Mapping[ReferencePointId, DataSourceId] = field(default_factory=dict)
    """Reference points of ours that a newer one has replaced."""
    recoveries: tuple[RecoveryRequest, ...] = ()

    def source_of(self, key: NaturalKey) -> DataSource | None:
        """What we hold of a machine."""
        return next((s for s in self.sources.values() if s.key == key), None)

    def is_silent(self, host: HostName) -> bool:
        """Whether the host gave no usable answer."""
        return host in self.inventory.silent
