"""Data sources and their disks: ids of ours, made once."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from reconciler.errors import CatalogueError, ItemNotFoundError
from reconciler.model.machine import ControllerSlot, NaturalKey, Role
from reconciler.model.names import DataSourceId, DiskId, GroupName, HostName, VmId
from reconciler.model.protection import DataSource
from reconciler.record.database import Database
from reconciler.record.disk_matching import SeenDisk, match_disks
from reconciler.record.entries import KnownDisk, new_id
from reconciler.record.tables import data_source, disk


class Sources:
    """The part of the catalogue that knows data sources and disks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ensure_source(
        self, key: NaturalKey, machine_name: str, host: HostName, group: GroupName
    ) -> DataSource:
        """The data source of that key, made at its first sight; names are labels and follow."""
        with self._database.reading() as connection:
            known = _by_key(connection, key)
        if known and (known.machine_name, known.host, known.group) == (machine_name, host, group):
            return known  # most calls: nothing to write, so nothing to wait for
        with self._database.writing() as connection:
            known = _by_key(connection, key)
            source_id = known.id if known else DataSourceId(new_id())
            source = DataSource(source_id, key, machine_name, host, group)
            _write_source(connection, source, is_new=known is None)
            return source

    def adopt_source(self, source: DataSource) -> DataSource:
        """A data source that a manifest tells of, with the id it had; labels of ours win.

        Raises:
            CatalogueError: Its key or its id belongs to another one here.
        """
        with self._database.writing() as connection:
            known = _by_key(connection, source.key)
            if known is None and _by_id(connection, source.id) is None:
                _write_source(connection, source, is_new=True)
                return source
            if known is None or known.id != source.id:
                raise CatalogueError(
                    f"{source.machine_name} has the id {source.id} in the repository and another "
                    "one in the catalogue",
                    hint="rebuild into an empty catalogue",
                )
            return known

    def see(self, sightings: Mapping[NaturalKey, tuple[str, HostName]]) -> None:
        """Name and host of known data sources as they are seen now; unknown ones are left out."""
        moved = {
            source.id: sightings[source.key]
            for source in self.sources()
            if source.key in sightings
            and sightings[source.key] != (source.machine_name, source.host)
        }
        if not moved:
            return  # most calls: nothing to write, so nothing to wait for
        with self._database.writing() as connection:
            for source_id, (name, host) in moved.items():
                update = data_source.update().where(data_source.c.id == source_id)
                connection.execute(update.values(machine_name=name, host=host))

    def sources(self) -> tuple[DataSource, ...]:
        """All data sources, by machine name."""
        with self._database.reading() as connection:
            return _all(connection)

    def source_by_name(self, text: str) -> DataSource:
        """The data source that an operator means: a machine's name, or an id of ours or Hyper-V's.

        Raises:
            ItemNotFoundError: None is called so, or several are.
        """
        found = self.sources()
        called = [s for s in found if text in {s.id, s.label, str(s.key)}]
        exact = called or [s for s in found if text in {s.machine_name, s.key.vm_id}]
        matches = exact or [s for s in found if s.machine_name.casefold() == text.casefold()]
        if len(matches) == 1:
            return matches[0]
        if not matches:
            raise ItemNotFoundError(
                f"nothing protected is called {text}",
                hint="list what is: reconciler show",
            )
        ids = ", ".join(f"{s.id} ({s.host}, {s.key.role.value})" for s in matches[:10])
        raise ItemNotFoundError(
            f"{len(matches)} data sources are called {text}", hint=f"give the id instead: {ids}"
        )

    def ensure_disks(
        self, source: DataSourceId, seen: Sequence[SeenDisk]
    ) -> Mapping[ControllerSlot, DiskId]:
        """Our ids of all disks of one checkpoint, made at their first sight.

        All at once, because copies of a template can only be told apart beside each other.
        """
        with self._database.writing() as connection:
            known = _disks(connection, source)
            matched = match_disks(known, seen)
            taken = {d.slot for d in seen}
            for old in known:
                if old.slot in taken and old.id not in matched.values():
                    connection.execute(_put(old.id, old.virtual_disk_id, None))
            known_ids = {d.id for d in known}
            result = {d.slot: matched.get(d.slot, DiskId(new_id())) for d in seen}
            for now in seen:
                if result[now.slot] not in known_ids:
                    connection.execute(
                        disk.insert().values(
                            id=result[now.slot], data_source=source, virtual_disk_id=""
                        )
                    )
                connection.execute(_put(result[now.slot], now.virtual_disk_id, now.slot))
            return result

    def adopt_disks(self, source: DataSourceId, disks: Sequence[KnownDisk]) -> None:
        """Disks that a manifest tells of, with the ids they had; ids known here are left alone."""
        with self._database.writing() as connection:
            known = {d.id for d in _disks(connection, source)}
            for this in disks:
                if this.id not in known:
                    connection.execute(
                        disk.insert().values(id=this.id, data_source=source, virtual_disk_id="")
                    )
                    connection.execute(_put(this.id, this.virtual_disk_id, this.slot))

    def disks(self, source: DataSourceId) -> tuple[KnownDisk, ...]:
        """All disks a data source ever had."""
        with self._database.reading() as connection:
            return _disks(connection, source)


def _put(disk_id: DiskId, virtual_disk_id: str, slot: ControllerSlot | None) -> Any:
    return (
        disk.update()
        .where(disk.c.id == disk_id)
        .values(
            virtual_disk_id=virtual_disk_id,
            controller_type=slot.controller_type if slot else None,
            controller_number=slot.controller_number if slot else None,
            location=slot.location if slot else None,
        )
    )


def _write_source(connection: Connection, source: DataSource, *, is_new: bool) -> None:
    labels = {
        "machine_name": source.machine_name,
        "host": source.host,
        "protection_group": source.group,
    }
    if is_new:
        key = {"id": source.id, "vm_id": source.key.vm_id, "role": source.key.role.value}
        connection.execute(data_source.insert().values(**key, **labels))
    else:
        connection.execute(
            data_source.update().where(data_source.c.id == source.id).values(**labels)
        )


def _by_key(connection: Connection, key: NaturalKey) -> DataSource | None:
    row = connection.execute(
        select(data_source).where(
            data_source.c.vm_id == key.vm_id, data_source.c.role == key.role.value
        )
    ).first()
    return None if row is None else _source(row)


def _by_id(connection: Connection, source: DataSourceId) -> DataSource | None:
    row = connection.execute(select(data_source).where(data_source.c.id == source)).first()
    return None if row is None else _source(row)


def _all(connection: Connection) -> tuple[DataSource, ...]:
    rows = connection.execute(
        select(data_source).order_by(data_source.c.machine_name, data_source.c.id)
    )
    return tuple(map(_source, rows))


def _source(row: Row[*tuple[Any, ...]]) -> DataSource:
    return DataSource(
        DataSourceId(row.id),
        NaturalKey(VmId(row.vm_id), Role(row.role)),
        row.machine_name,
        HostName(row.host),
        GroupName(row.protection_group),
    )


def _disks(connection: Connection, source: DataSourceId) -> tuple[KnownDisk, ...]:
    rows = connection.execute(select(disk).where(disk.c.data_source == source).order_by(disk.c.id))
    return tuple(map(_disk, rows))


def _disk(row: Row[*tuple[Any, ...]]) -> KnownDisk:
    slot = (
        None
        if row.controller_type is None
        else ControllerSlot(row.controller_type, row.controller_number, row.location)
    )
    return KnownDisk(DiskId(row.id), row.virtual_disk_id, slot)
