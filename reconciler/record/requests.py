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
_PENDING = (RequestState.OPEN.value, RequestState.RUNNING.value)


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
            request_id = new_id()
            connection.execute(
                request.insert().values(
                    id=request_id,
                    kind=kind,
                    data_source=source,
                    parameters=text,
                    state=RequestState.OPEN.value,
                    created_at=now,
                )
            )
            return _one(connection, request_id)

    def start(self, request_id: str) -> bool:
        """Begin a request; False when it is not open any more."""
        return self._move(request_id, (RequestState.OPEN.value,), state=RequestState.RUNNING.value)

    def reopen(self, request_id: str) -> bool:
        """Give a request back that was begun and interrupted; False when it has ended."""
        return self._move(request_id, _PENDING, state=RequestState.OPEN.value)

    def finish(
        self, request_id: str, result: Mapping[str, object], now: datetime, *, is_done: bool
    ) -> bool:
        """End a request, done or failed; False when it has ended already."""
        state = RequestState.DONE if is_done else RequestState.FAILED
        text = json_text(result, "the result of a request")
        return self._move(request_id, _PENDING, state=state.value, result=text, ended_at=now)

    def get(self, request_id: str) -> Request:
        """One request.

        Raises:
            CatalogueError: There is none of that id.
        """
        with self._database.reading() as connection:
            return _one(connection, request_id)

    def pending(self) -> tuple[Request, ...]:
        """Requests that are open or running, oldest first."""
        query = select(request).where(request.c.state.in_(_PENDING))
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

    def _move(self, request_id: str, states: tuple[str, ...], **values: object) -> bool:
        where = (request.c.id == request_id, request.c.state.in_(states))
        with self._database.writing() as connection:
            update = request.update().where(*where).values(**values)
            return connection.execute(update).rowcount == 1


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
