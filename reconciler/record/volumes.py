"""Volumes of the pools, their repositories and the writer numbers granted."""

from typing import Any

from sqlalchemy import Connection, Row, select

from reconciler.errors import CatalogueError
from reconciler.model.names import PoolName, VolumeId
from reconciler.record.database import Database
from reconciler.record.entries import Volume, new_id
from reconciler.record.tables import volume


class Volumes:
    """The part of the catalogue that knows volumes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def volumes(self) -> tuple[Volume, ...]:
        """All volumes, by pool and name."""
        with self._database.reading() as connection:
            rows = connection.execute(select(volume).order_by(volume.c.pool, volume.c.name))
            return tuple(map(_volume, rows))

    def ensure_volume(self, pool: PoolName, name: str, path: str) -> Volume:
        """The volume of that pool and name, made at its first sight; a new path is taken over."""
        named = (volume.c.pool == pool, volume.c.name == name)
        with self._database.writing() as connection:
            found = connection.execute(select(volume).where(*named)).first()
            if found is None:
                new = Volume(VolumeId(new_id()), pool, name, path, None, 0)
                connection.execute(
                    volume.insert().values(
                        id=new.id, pool=pool, name=name, path=path, writer_number=0
                    )
                )
                return new
            if found.path != path:
                connection.execute(volume.update().where(*named).values(path=path))
            return _one(connection, VolumeId(found.id))

    def set_repository_id(self, volume_id: VolumeId, repository_id: str) -> Volume:
        """Remember which repository lives on a volume.

        Raises:
            CatalogueError: Another one lived there.
        """
        with self._database.writing() as connection:
            known = _one(connection, volume_id)
            if known.repository_id not in {None, repository_id}:
                raise CatalogueError(
                    f"volume {known.name} of pool {known.pool} holds repository {repository_id}, "
                    f"but its replicas are in repository {known.repository_id}",
                    hint=f"another repository is mounted at {known.path}: mount the right one, "
                    "or give the new one another volume name",
                    volume=known.name,
                )
            connection.execute(
                volume.update().where(volume.c.id == volume_id).values(repository_id=repository_id)
            )
            return _one(connection, volume_id)

    def grant_writer(self, volume_id: VolumeId, number: int) -> Volume:
        """Write down that a writer number is in use; the same number again changes nothing.

        Raises:
            CatalogueError: The number is lower than one that was granted, so packs of that number
                may exist and would be overwritten.
        """
        with self._database.writing() as connection:
            known = _one(connection, volume_id)
            if number < max(known.writer_number, 1):
                raise CatalogueError(
                    f"writer number {number} of volume {known.name} is behind "
                    f"{known.writer_number}, which was granted before",
                    hint=f"an old copy of the repository may be mounted at {known.path}",
                    volume=known.name,
                )
            return _granted(connection, volume_id, number)

    def next_writer(self, volume_id: VolumeId, above: int = 0) -> int:
        """Grant a writer number nobody had: higher than all granted, and than `above`.

        `above` is what the repository itself remembers; a catalogue may be younger than it.
        """
        with self._database.writing() as connection:
            number = max(_one(connection, volume_id).writer_number, above) + 1
            return _granted(connection, volume_id, number).writer_number


def _granted(connection: Connection, volume_id: VolumeId, number: int) -> Volume:
    connection.execute(volume.update().where(volume.c.id == volume_id).values(writer_number=number))
    return _one(connection, volume_id)


def _one(connection: Connection, volume_id: VolumeId) -> Volume:
    row = connection.execute(select(volume).where(volume.c.id == volume_id)).first()
    if row is None:
        raise CatalogueError(
            f"the catalogue knows no volume {volume_id}",
            hint="compare the volumes of the storage policies",
        )
    return _volume(row)


def _volume(row: Row[*tuple[Any, ...]]) -> Volume:
    return Volume(
        VolumeId(row.id),
        PoolName(row.pool),
        row.name,
        row.path,
        row.repository_id,
        row.writer_number,
    )
