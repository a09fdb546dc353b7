"""What operators asked for: rows that the next pass plans like anything else."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from reconciler.errors import CatalogueError
from reconciler.model.names import DataSourceId
from reconciler.record.database import Database
from reconciler.record.encoding import json_text, mapping
from reconciler.record.entries import Request, RequestState, new_id
from reconciler.record.tables import request

MOST_LISTED = 1000
_OPEN = request.c.state == RequestState.OPEN.value


class Requests:
    """The part of the catalogue that knows requests."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(
        self,
        kind: str,
        source: DataSourceId | None,
        parameters: Mapping[str, object],
        now: datetime,
    ) -> Request:
        """Ask for something."""
        text = json_text(parameters, f"a request for {kind}")
        with self._database.writing() as connection:
            return _insert(connection, kind, source, text, now)

    def open_once(
        self,
        kind: str,
        source: DataSourceId | None,
        parameters: Mapping[str, object],
        now: datetime,
    ) -> Request:
        """Ask for something, or give back what is open already of that kind and source."""
        text = json_text(parameters, f"a request for {kind}")
        same = (request.c.kind == kind, request.c.data_source == source, _OPEN)
        with self._database.writing() as connection:
            query = select(request).where(*same).order_by(request.c.created_at, request.c.id)
            if (row := connection.execute(query).first()) is not None:
                return _request(row)
            return _insert(connection, kind, source, text, now)

    def finish(
        self, request_id: str, result: Mapping[str, object], now: datetime, *, is_done: bool
    ) -> bool:
        """End a request, done or failed; False when it has ended already."""
        state = RequestState.DONE if is_done else RequestState.FAILED
        values = {"state": state.value, "result": json_text(result, "the result of a request")}
        update = request.update().where(request.c.id == request_id, _OPEN)
        with self._database.writing() as connection:
            return connection.execute(update.values(ended_at=now, **values)).rowcount == 1

    def get(self, request_id: str) -> Request:
        """One request.

        Raises:
            CatalogueError: There is none of that id.
        """
        with self._database.reading() as connection:
            return _one(connection, request_id)

    def pending(self) -> tuple[Request, ...]:
        """Requests that are open, oldest first."""
        query = select(request).where(_OPEN)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(request.c.created_at, request.c.id))
            return tuple(map(_request, rows))

    def history(self, limit: int = 100) -> tuple[Request, ...]:
        """The latest requests, newest first.

        Shape: at most `limit` and never more than MOST_LISTED.
        """
        query = select(request).order_by(request.c.created_at.desc(), request.c.id.desc())
        with self._database.reading() as connection:
            rows = connection.execute(query.limit(min(limit, MOST_LISTED)))
            return tuple(map(_request, rows))

    def drop_ended_before(self, moment: datetime) -> int:
        """Forget requests that ended long ago; how many."""
        with self._database.writing() as connection:
            old = request.delete().where(request.c.ended_at < moment)
            return connection.execute(old).rowcount


def _insert(
    connection: Connection, kind: str, source: DataSourceId | None, parameters: str, now: datetime
) -> Request:
    request_id = new_id()
    connection.execute(
        request.insert().values(
            id=request_id,
            kind=kind,
            data_source=source,
            parameters=parameters,
            state=RequestState.OPEN.value,
            created_at=now,
        )
    )
    return _one(connection, request_id)


def _one(connection: Connection, request_id: str) -> Request:
    row = connection.execute(select(request).where(request.c.id == request_id)).first()
    if row is None:
        raise CatalogueError(
            f"the catalogue knows no request {request_id}",
            hint="ask again; it may have been answered and forgotten",
        )
    return _request(row)


def _request(row: Row[*tuple[Any, ...]]) -> Request:
    return Request(
        id=row.id,
        kind=row.kind,
        source=row.data_source and DataSourceId(row.data_source),
        parameters=mapping(row.parameters, f"request {row.id}"),
        state=RequestState(row.state),
        result=row.result and mapping(row.result, f"request {row.id}"),
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
