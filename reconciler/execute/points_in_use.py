"""Recovery points that somebody is reading, and that must not be deleted meanwhile."""

from reconciler.execute.workbench import Tools
from reconciler.model.names import DataSourceId, RecoveryPointId


def points_in_use(tools: Tools, source: DataSourceId) -> set[RecoveryPointId]:
    """Points of a data source that an open request for a recovery names."""
    return {
        RecoveryPointId(str(request.parameters["recovery_point"]))
        for request in tools.catalogue.requests.pending()
        if request.source == source and "recovery_point" in request.parameters
    }
