"""Expiry: recovery points that are older than their group keeps them go; the newest never does."""

from reconciler.execute.boundaries import Boundary
from reconciler.execute.outcome import Outcome
from reconciler.execute.points_in_use import points_in_use
from reconciler.execute.workbench import Tools
from reconciler.logs import Event, get_logger
from reconciler.model.names import RecoveryPointId, VolumeId
from reconciler.plan.actions import ExpirePoints

_log = get_logger()


def run(action: ExpirePoints, tools: Tools) -> Outcome:
    """Delete their manifests, then forget them. No host is asked; safe to kill and to repeat.

    One that has become the head, or that a recovery is reading, stays.
    """
    catalogue = tools.catalogue
    head = catalogue.replicas()[action.source].head
    kept = points_in_use(tools, action.source) | ({head.recovery_point} if head else set())
    by_volume: dict[VolumeId, list[RecoveryPointId]] = {}
    for point in catalogue.recovery_points(action.source):
        if point.id in action.points and point.id not in kept:
            by_volume.setdefault(point.volume, []).append(point.id)
    count = sum(map(len, by_volume.values()))
    for volume, points in by_volume.items():
        tools.repository(volume).drop(action.source, points)
        tools.reached(Boundary.MANIFESTS_DELETED)
        catalogue.drop_points(points)
    if count:
        _log.info(Event.POINTS_EXPIRED, points=count)
    return Outcome(is_void=not count, details={"points": count})
