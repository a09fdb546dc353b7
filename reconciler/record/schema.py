"""Bring a catalogue's file to the schema of this version."""

from collections.abc import Mapping

from sqlalchemy import Connection, inspect, select

from reconciler.errors import CatalogueError, SchemaTooNewError
from reconciler.model.names import ServerId
from reconciler.record import tables
from reconciler.record.database import Database
from reconciler.record.entries import new_id
from reconciler.record.migrations import MIGRATIONS, Migration

_SERVER = "server_id"
_VERSION = "schema_version"


def prepare(database: Database, migrations: Mapping[int, Migration] = MIGRATIONS) -> ServerId:
    """Make the tables or bring them up to date, all or nothing.

    Raises:
        SchemaTooNewError: A newer version wrote this catalogue; it was left as it was.
        CatalogueError: The file holds something else, or cannot be used.
    """
    with database.writing() as connection:
        names = inspect(connection).get_table_names()
        if not names:
            _create(connection)
        elif tables.meta.name not in names:
            raise CatalogueError(
                "the file is a database, but not a catalogue of ours",
                hint="give another state folder in the settings",
            )
        _upgrade(connection, migrations)
        return ServerId(_meta(connection, _SERVER))


def server_of(database: Database) -> ServerId:
    """The id of the server whose catalogue it is; of any version.

    Raises:
        CatalogueError: It is none, or cannot be read.
    """
    with database.reading() as connection:
        return ServerId(_meta(connection, _SERVER))


def set_server(database: Database, server_id: ServerId) -> None:
    """Give the catalogue the id of another server."""
    with database.writing() as connection:
        its_row = tables.meta.c.key == _SERVER
        connection.execute(tables.meta.update().where(its_row).values(value=server_id))


def _create(connection: Connection) -> None:
    tables.metadata.create_all(connection)
    values = {_SERVER: new_id(), _VERSION: str(tables.SCHEMA_VERSION)}
    connection.execute(
        tables.meta.insert(), [{"key": key, "value": value} for key, value in values.items()]
    )


def _upgrade(connection: Connection, migrations: Mapping[int, Migration]) -> None:
    version = _version(connection)
    if version > tables.SCHEMA_VERSION:
        raise SchemaTooNewError(
            f"the catalogue has schema {version}, this version knows {tables.SCHEMA_VERSION}",
            hint="install the version that wrote it, or a newer one",
        )
    for step in range(version, tables.SCHEMA_VERSION):
        if step not in migrations:
            raise CatalogueError(
                f"no way leads from schema {step} to {step + 1}",
                hint="upgrade with an older version first",
            )
        migrations[step](connection)
    if version != tables.SCHEMA_VERSION:
        connection.execute(
            tables.meta.update()
            .where(tables.meta.c.key == _VERSION)
            .values(value=str(tables.SCHEMA_VERSION))
        )


def _version(connection: Connection) -> int:
    text = _meta(connection, _VERSION)
    if not text.isdecimal() or int(text) < 1:
        raise CatalogueError(
            f"the catalogue's schema version is {text!r}",
            hint="restore it from a copy; the repository still holds every recovery point",
        )
    return int(text)


def _meta(connection: Connection, key: str) -> str:
    value = connection.scalar(select(tables.meta.c.value).where(tables.meta.c.key == key))
    if value is None:
        raise CatalogueError(
            f"the catalogue has no {key}",
            hint="restore it from a copy; the repository still holds every recovery point",
        )
    return value
