"""The catalogue: one object that the rest of the house holds."""

from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from reconciler.model.names import ServerId
from reconciler.record import schema
from reconciler.record.activity import Activities
from reconciler.record.adoption import Adoption
from reconciler.record.alerts import Alerts
from reconciler.record.database import Database
from reconciler.record.doubts import Doubts
from reconciler.record.jobs import Jobs
from reconciler.record.journal import Journal
from reconciler.record.recovery_points import RecoveryPoints
from reconciler.record.replicas import Replicas
from reconciler.record.requests import Requests
from reconciler.record.sources import Sources
from reconciler.record.volumes import Volumes


class Catalogue(
    Volumes, Sources, Replicas, Adoption, RecoveryPoints, Activities, Doubts, Alerts, Journal
):
    """Everything that is remembered. Any thread may call anything.

    Every call may raise CatalogueError; a call that raised has written nothing.
    """

    def __init__(self, database: Database, server_id: ServerId) -> None:
        super().__init__(database)
        self.server_id = server_id
        self.jobs = Jobs(database)
        self.requests = Requests(database)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a catalogue's file; a new one gets an id of its own for this server.

        Raises:
            SchemaTooNewError: A newer version wrote it.
            CatalogueError: The file cannot be used.
        """
        database = Database(path)
        try:
            return cls(database, schema.prepare(database))
        except BaseException:
            database.close()
            raise

    def become(self, server_id: ServerId) -> None:
        """Go on as a server whose catalogue was lost: its name marks what it left on hosts."""
        schema.set_server(self._database, server_id)
        self.server_id = server_id

    def forget_old(self, before: datetime) -> None:
        """Forget jobs, requests and alerts that ended before a moment, and what they left."""
        self.jobs.drop_ended_before(before)
        self.requests.drop_ended_before(before)
        self.drop_alerts_resolved_before(before)
        self.drop_spans_ended_before(before)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
