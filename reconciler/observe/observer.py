"""Inventory and catalogue → Observed."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from reconciler.model.machine import Inventory
from reconciler.model.names import GroupName, RecoveryPointId
from reconciler.model.observed import (
    Observed,
    OnDemand,
    RecoveryRequest,
    RequestKind,
    Saving,
    UnfinishedJob,
)
from reconciler.owner import life_of
from reconciler.record.catalogue import Catalogue
from reconciler.record.entries import Request
from reconciler.record.work import Job

RECOVER_DISKS = "recover_disks"
_KINDS = frozenset(kind.value for kind in RequestKind)


def observe(
    inventory: Inventory,
    catalogue: Catalogue,
    now: datetime,
    *,
    old_before: Mapping[GroupName, datetime] | None = None,
) -> Observed:
    """One consistent look. `now` is the clock of the leases.

    Points older than `old_before` are looked up for the groups that it names. Jobs come first: a
    point that one of them makes meanwhile is then seen beside the job, and never planned once more.
    """
    unfinished = catalogue.jobs.interrupted(now, life_of)
    dead = {job.id for job in unfinished}
    live = {job.source: job for job in catalogue.jobs.live() if job.source and job.id not in dead}
    pending = catalogue.requests.pending()
    return Observed(
        server=catalogue.server_id,
        inventory=inventory,
        sources={source.id: source for source in catalogue.sources()},
        replicas=catalogue.replicas(),
        running={source: job.id for source, job in live.items()},
        saving={source: _saving(job) for source, job in live.items() if _has_saved(job)},
        unfinished=tuple(_unfinished(unfinished)),
        superseded={r.id: r.source for r in catalogue.superseded_reference_points()},
        recoveries=tuple(_recoveries(pending)),
        requests=tuple(_on_demand(pending)),
        old_points=catalogue.old_points(old_before) if old_before else {},
        point_counts=catalogue.point_counts(),
        damaged_points=catalogue.damaged_counts(),
        inconsistent_spans=catalogue.inconsistent_spans(),
        watches=catalogue.watches(),
        activity=catalogue.activity(),
    )


def _unfinished(jobs: Iterable[Job]) -> Iterator[UnfinishedJob]:
    for job in jobs:
        if job.source is not None:
            yield UnfinishedJob(job.id, job.source, job.created_at, _has_saved(job))


def _has_saved(job: Job) -> bool:
    """Whether its machine may be saved: it says so before, and takes it back when it runs on."""
    return job.intent is not None and job.intent.save_request is not None


def _saving(job: Job) -> Saving:
    copies = job.progress is not None and job.progress.done_bytes > 0
    return Saving(job.id, is_overdue=copies)


def _recoveries(pending: Iterable[Request]) -> Iterator[RecoveryRequest]:
    for request in pending:
        if request.kind == RECOVER_DISKS and request.source is not None:
            yield RecoveryRequest(
                request.id,
                request.source,
                RecoveryPointId(str(request.parameters["recovery_point"])),
                str(request.parameters["folder"]),
            )


def _on_demand(pending: Iterable[Request]) -> Iterator[OnDemand]:
    for request in pending:
        if request.kind in _KINDS and request.source is not None:
            folder = str(request.parameters.get("folder", ""))
            yield OnDemand(request.id, RequestKind(request.kind), request.source, folder)
