"""The catalogue's file being replaced by a new one, so that at no moment there is none."""

import os
import shutil
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from reconciler.errors import CatalogueError
from reconciler.model.names import ServerId
from reconciler.record import schema
from reconciler.record.database import Database

_COMPANIONS: Final = ("-wal", "-shm")
"""What SQLite keeps beside a file; it would take that of an old one for the new one's."""


def server_of(path: Path) -> ServerId | None:
    """The id of the server whose catalogue a file is; None when nobody can read it."""
    if not path.exists():
        return None
    database = Database(path)
    try:
        return schema.server_of(database)
    except CatalogueError:
        return None
    finally:
        database.close()


def put_in_place(new: Path, path: Path, now: datetime) -> Path | None:
    """Make a closed catalogue the one in force; where the old one is kept, if there was one.

    Raises:
        CatalogueError: The folder cannot be written.
    """
    try:
        aside = _set_aside(path, now)
        new.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise CatalogueError(
            f"the new catalogue cannot be put at {path}: {error.strerror}",
            hint="make room on that disk and check the rights of this account, then repeat",
        ) from error
    return aside


def _set_aside(path: Path, now: datetime) -> Path | None:
    if not path.exists():
        return None
    aside = _free_name(path, now)
    for companion in _COMPANIONS:
        with suppress(FileNotFoundError):
            Path(f"{path}{companion}").replace(f"{aside}{companion}")
    try:
        os.link(path, aside)
    except OSError:  # a file system without hard links
        shutil.copy2(path, aside)
    return aside


def _free_name(path: Path, now: datetime) -> Path:
    name = f"{path.name}.before-{now:%Y%m%dT%H%M%SZ}"
    taken = {each.name for each in path.parent.iterdir()}
    while name in taken:
        name += "-again"
    return path.with_name(name)


def _sync(folder: Path) -> None:
    """Make renames survive a power cut, where folders can be synced."""
    with suppress(OSError, AttributeError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
