"""Inventory and catalogue → Observed."""

from datetime import datetime

from reconciler.model.machine import Inventory
from reconciler.model.names import DataSourceId, JobId, RecoveryPointId
from reconciler.model.observed import Observed, RecoveryRequest, UnfinishedJob
from reconciler.record.catalogue import Catalogue
from reconciler.record.owner import is_alive

RECOVER_DISKS = "recover_disks"


def observe(inventory: Inventory, catalogue: Catalogue, now: datetime) -> Observed:
    """One consistent look. `now` is the clock of the leases."""
    unfinished = catalogue.jobs.interrupted(now, is_alive)
    dead = {job.id for job in unfinished}
    running: dict[DataSourceId, JobId] = {
        job.source: job.id for job in catalogue.jobs.live() if job.source and job.id not in dead
    }
    return Observed(
        server=catalogue.server_id,
        inventory=inventory,
        sources={source.id: source for source in catalogue.sources()},
        replicas=catalogue.replicas(),
        running=running,
        unfinished=tuple(
            UnfinishedJob(job.id, job.source, job.created_at) for job in unfinished if job.source
        ),
        superseded={r.id: r.source for r in catalogue.superseded_reference_points()},
        recoveries=_recoveries(catalogue),
    )


def _recoveries(catalogue: Catalogue) -> tuple[RecoveryRequest, ...]:
    return tuple(
        RecoveryRequest(
            request.id,
            request.source,
            RecoveryPointId(str(request.parameters["recovery_point"])),
            str(request.parameters["folder"]),
        )
        for request in catalogue.requests.pending()
        if request.kind == RECOVER_DISKS and request.source is not None
    )
