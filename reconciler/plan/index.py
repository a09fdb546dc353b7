"""What is observed, by what it is looked up with: a plan must not search for each machine.

Data sources are found by `Observed.source_of`.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from reconciler.model.machine import Checkpoint, ReferencePoint
from reconciler.model.names import DataSourceId, HostName, VmId
from reconciler.model.observed import Observed, OnDemand, UnfinishedJob

Place = tuple[HostName, VmId]
"""A machine on a host, whatever its role."""

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Index:
    """One look, indexed; of equal keys the first in the look comes first."""

    observed: Observed
    requests: Mapping[DataSourceId, tuple[OnDemand, ...]]
    unfinished: Mapping[DataSourceId, tuple[UnfinishedJob, ...]]
    checkpoints: Mapping[Place, tuple[Checkpoint, ...]]
    reference_points: Mapping[Place, tuple[ReferencePoint, ...]]


def index(observed: Observed) -> Index:
    """Index a look at hosts and catalogue."""
    reports = observed.inventory.reports.items()
    return Index(
        observed,
        _grouped((request.source, request) for request in observed.requests),
        _grouped((job.source, job) for job in observed.unfinished),
        _grouped(((host, c.vm_id), c) for host, report in reports for c in report.checkpoints),
        _grouped(((host, r.vm_id), r) for host, report in reports for r in report.reference_points),
    )


def _grouped(pairs: Iterable[tuple[_K, _V]]) -> dict[_K, tuple[_V, ...]]:
    found: dict[_K, list[_V]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in found.items()}
