"""Volumes of the pools, their repositories and the writer numbers granted."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from reconciler.errors import CatalogueError
from reconciler.model.names import PoolName, VolumeId
from reconciler.record.database import Database
from reconciler.record.encoding import MOST_TEXT
from reconciler.record.entries import Volume, new_id
from reconciler.record.tables import volume

SWEEP_AGAIN: Final = timedelta(hours=1)
"""After a failure: it reads every manifest, and what is damaged rarely mends by itself."""


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
            CatalogueError: Another one lived there, or this one lives on another volume.
        """
        with self._database.writing() as connection:
            known = _one(connection, volume_id)
            if known.repository_id is None:
                _require_unclaimed(connection, known, repository_id)
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

    def volumes_to_sweep(self, now: datetime | None = None) -> Mapping[VolumeId, int]:
        """Volumes on which points were dropped since they were swept last, and how many.

        With `now`, without those that could not be swept a short while ago.
        """
        query = select(volume).where(volume.c.points_dropped > 0).order_by(volume.c.id)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        due = (row for row in rows if now is None or _is_due(row.sweep_failed_at, now))
        return {VolumeId(row.id): row.points_dropped for row in due}

    def swept(self, volume_id: VolumeId, dropped: int) -> None:
        """What was of no use after so many dropped points is gone; more may drop meanwhile."""
        left = volume.c.points_dropped - dropped
        self._note(volume_id, points_dropped=left, sweep_failed_at=None, sweep_problem="")

    def sweep_failed(self, volume_id: VolumeId, problem: str, now: datetime) -> None:
        """A volume could not be swept, and why; it is tried again after a while."""
        self._note(volume_id, sweep_failed_at=now, sweep_problem=problem[:MOST_TEXT])

    def sweep_waits(self, volume_id: VolumeId, problem: str) -> None:
        """What is of no use on a volume must stay for now, and why; the next pass tries again."""
        self._note(volume_id, sweep_failed_at=None, sweep_problem=problem[:MOST_TEXT])

    def sweep_problems(self) -> Mapping[VolumeId, str]:
        """Why volumes could not be swept when that was tried last."""
        query = select(volume.c.id, volume.c.sweep_problem).where(volume.c.sweep_problem != "")
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(volume.c.id))
            return {VolumeId(row.id): row.sweep_problem for row in rows}

    def want_sweep(self, volume_id: VolumeId) -> None:
        """A draft was given up there: its packs are of no use, and room is short."""
        self._note(volume_id, points_dropped=volume.c.points_dropped + 1)

    def measured(self, volume_id: VolumeId, stored_bytes: int) -> None:
        """Note what a volume's repository takes."""
        self._note(volume_id, stored_bytes=stored_bytes)

    def stored_more(self, volume_id: VolumeId, more_bytes: int) -> None:
        """Note that it takes more than was noted before; one that was never measured stays so."""
        self._note(volume_id, stored_bytes=volume.c.stored_bytes + more_bytes)

    def _note(self, volume_id: VolumeId, **values: Any) -> None:
        with self._database.writing() as connection:
            update = volume.update().where(volume.c.id == volume_id)
            connection.execute(update.values(**values))


def _is_due(failed_at: datetime | None, now: datetime) -> bool:
    """Whether another try is due; a failure from the future was stamped by a wrong clock."""
    return failed_at is None or not now - SWEEP_AGAIN < failed_at <= now


def _require_unclaimed(connection: Connection, new: Volume, repository_id: str) -> None:
    """Two volumes of one repository would write to it past each other.

    Raises:
        CatalogueError: The repository belongs to a volume already.
    """
    query = select(volume).where(volume.c.repository_id == repository_id)
    row = connection.execute(query).first()
    if row is None:
        return
    known = _volume(row)
    raise CatalogueError(
        f"the repository at {new.path}, volume {new.name} of pool {new.pool}, is that of volume "
        f"{known.name} of pool {known.pool}",
        hint=f"if it was renamed, call it volume {known.name} of pool {known.pool} again: its "
        "replicas belong to that name; if it is to be another one, give it a folder of its own",
        volume=new.name,
    )


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
        row.stored_bytes,
    )
