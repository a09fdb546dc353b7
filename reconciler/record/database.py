"""One SQLite file, used by several threads."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from reconciler.errors import CatalogueError

BUSY_S = 30
"""How long a write waits for another process; the lead makes that rare and short."""
_PAUSE_S = 0.05
_TRIES = int(BUSY_S / _PAUSE_S)
_CONNECTIONS = 8
_MORE_CONNECTIONS = 56
_BEGIN = "catalogue_begin"


class Database:
    """Transactions on the catalogue's file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = _engine(path)
        self._writer = self._engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
        # SQLite's own waiting polls with growing pauses and is not fair; threads queue here instead
        self._one_writer = Lock()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent look at everything.

        Raises:
            CatalogueError: The file cannot be used.
        """
        with self._translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction that holds the write lock from its beginning; never nest two.

        Raises:
            CatalogueError: The file cannot be used; nothing was written.
        """
        with self._translated(), self._one_writer, self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections that are not in use."""
        self._engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as error:
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise CatalogueError(
                f"the catalogue {self._path} cannot be used: {reason}",
                hint=_hint(reason),
                path=str(self._path),
            ) from error


def _hint(reason: str) -> str:
    if "locked" in reason:
        return "another program holds the file; find it with: lsof, and try again"
    if "full" in reason or "disk I/O" in reason:
        return "make room on the file's disk and check its health, then try again"
    if "not a database" in reason or "malformed" in reason:
        return "restore it from a copy; the repository still holds every recovery point"
    return "check that the folder exists and that this account may write there"


def _engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        pool_size=_CONNECTIONS,
        max_overflow=_MORE_CONNECTIONS,
        hide_parameters=True,
        connect_args={"timeout": BUSY_S},
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    """Set up one connection.

    Source: SQLAlchemy, "SQLite Transactions and the sqlite3 driver": only without the driver's own
    BEGIN are reads repeatable and is DDL part of its transaction.
    """
    connection.isolation_level = None
    cursor = connection.cursor()
    _use_write_ahead_log(cursor)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _use_write_ahead_log(cursor: sqlite3.Cursor) -> None:
    """Once in the life of a file. SQLite does not wait when two do it at once, so we do."""
    pause = Event()
    for _ in range(_TRIES):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            pause.wait(_PAUSE_S)
        else:
            return
    raise sqlite3.OperationalError("database is locked")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))
