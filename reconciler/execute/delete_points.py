"""A whole replica goes, because a person let it go: head, manifests, and all that is recorded."""

from reconciler.errors import MachineBusyError
from reconciler.execute.boundaries import Boundary
from reconciler.execute.outcome import Outcome
from reconciler.execute.points_in_use import points_in_use
from reconciler.execute.workbench import Tools
from reconciler.logs import Event, get_logger
from reconciler.model.names import VolumeId
from reconciler.plan.actions import DeletePoints

_log = get_logger()


def run(action: DeletePoints, tools: Tools) -> Outcome:
    """The head goes first, so that nothing is built on what goes next.

    No host is asked; safe to kill and to repeat. What is left on the host is removed by a later
    pass, if the machine is ever seen again.

    Raises:
        MachineBusyError: A recovery reads one of the points.
    """
    if points_in_use(tools, action.source):
        raise MachineBusyError(
            f"a recovery reads a point of {action.subject.label}",
            hint="wait for its end, then ask again: reconciler request delete-points",
        )
    catalogue = tools.catalogue
    count = 0
    for volume in _volumes(action, tools):
        repository = tools.repository(volume)
        repository.remove_head(action.source)
        points = repository.manifests(action.source)
        repository.drop(action.source, points)
        count += len(points)
    tools.reached(Boundary.MANIFESTS_DELETED)
    catalogue.delete_replica(action.source)
    _log.warning(Event.POINTS_DELETED, points=count)
    return Outcome(details={"points": count})


def _volumes(action: DeletePoints, tools: Tools) -> set[VolumeId]:
    catalogue = tools.catalogue
    volumes = {point.volume for point in catalogue.recovery_points(action.source)}
    placed = catalogue.replicas()[action.source].volume
    return volumes | ({placed} if placed else set())
