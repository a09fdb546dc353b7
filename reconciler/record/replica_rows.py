"""Rows of replicas, inside a transaction of the caller."""

from typing import Any

from sqlalchemy import Connection, Row, select

from reconciler.model.names import DataSourceId
from reconciler.model.protection import ReplicaState
from reconciler.record.tables import replica


def one(connection: Connection, source: DataSourceId) -> Row[*tuple[Any, ...]]:
    """The row of a data source, made when it is missing."""
    query = select(replica).where(replica.c.data_source == source)
    found = connection.execute(query).first()
    if found is None:
        connection.execute(
            replica.insert().values(
                data_source=source, state=ReplicaState.MISSING.value, head_rct_ids="{}"
            )
        )
        return connection.execute(query).one()
    return found


def change(connection: Connection, source: DataSourceId, **values: object) -> None:
    """Change the row of a data source."""
    connection.execute(replica.update().where(replica.c.data_source == source).values(**values))
