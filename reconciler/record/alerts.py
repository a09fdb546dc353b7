"""Alerts by level: each look at all conditions opens what is new and resolves what is gone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Row, select

from reconciler.model.names import HostName
from reconciler.record.database import Database
from reconciler.record.encoding import MOST_TEXT
from reconciler.record.entries import Alert, AlertChanges, new_id
from reconciler.record.tables import alert

MOST_LISTED = 1000
_GRAVITY: Final = {"error": 0, "warning": 1, "info": 2}

_Key = tuple[str, str]
_AlertRow = Row[*tuple[Any, ...]]


class Condition(Protocol):
    """Something that needs attention now; kind and subject say which it is."""

    @property
    def kind(self) -> str:
        """What it is, stable."""
        ...

    @property
    def subject(self) -> str:
        """What it is about."""
        ...

    @property
    def severity(self) -> str:
        """How much it matters: error, warning or info."""
        ...

    @property
    def message(self) -> str:
        """What is the matter."""
        ...

    @property
    def hint(self) -> str:
        """What to do next."""
        ...

    @property
    def host(self) -> str | None:
        """Where its subject is."""
        ...


@dataclass(frozen=True, slots=True)
class _Difference:
    """What is true now against what is open."""

    new: Mapping[_Key, Mapping[str, str]]
    changed: Mapping[str, Mapping[str, str]]
    """By the id of the open alert."""
    gone: tuple[_AlertRow, ...]

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.gone)


class Alerts:
    """The part of the catalogue that knows alerts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sync_alerts(
        self, open_now: Iterable[Condition], unknown_hosts: frozenset[HostName], now: datetime
    ) -> AlertChanges:
        """Make the open alerts what is true now; those about what is on unknown hosts stay.

        Of several conditions with one kind and subject the gravest is told, else the first.
        """
        wanted = _wanted(open_now)
        with self._database.reading() as connection:
            if not _difference(connection, wanted, unknown_hosts):
                return AlertChanges()  # most calls: nothing to write, so nothing to wait for
        with self._database.writing() as connection:
            difference = _difference(connection, wanted, unknown_hosts)
            return _write(connection, difference, now)

    def alerts(self) -> tuple[Alert, ...]:
        """Open alerts, the gravest first and of these the oldest."""
        with self._database.reading() as connection:
            found = [_alert(row) for row in _open(connection)]
        return tuple(sorted(found, key=lambda each: _gravity(each.severity)))

    def resolved_alerts(self, limit: int = 100) -> tuple[Alert, ...]:
        """Alerts that were resolved, the latest first.

        Shape: at most `limit` and never more than MOST_LISTED.
        """
        query = (
            select(alert)
            .where(alert.c.resolved_at.is_not(None))
            .order_by(alert.c.resolved_at.desc(), alert.c.opened_at.desc(), alert.c.id)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query.limit(min(limit, MOST_LISTED)))
            return tuple(map(_alert, rows))

    def drop_alerts_resolved_before(self, moment: datetime) -> int:
        """Forget alerts that were resolved long ago; how many."""
        with self._database.writing() as connection:
            return connection.execute(alert.delete().where(alert.c.resolved_at < moment)).rowcount


def _wanted(open_now: Iterable[Condition]) -> Mapping[_Key, Mapping[str, str]]:
    found: dict[_Key, Condition] = {}
    for condition in sorted(open_now, key=lambda each: _gravity(each.severity)):
        found.setdefault((condition.kind, condition.subject), condition)
    return {key: _told(condition) for key, condition in found.items()}


def _told(condition: Condition) -> Mapping[str, str]:
    return {
        "severity": str(condition.severity),
        "message": condition.message[:MOST_TEXT],
        "hint": condition.hint[:MOST_TEXT],
        "host": condition.host or "",
    }


def _gravity(severity: str) -> int:
    return _GRAVITY.get(str(severity), len(_GRAVITY))


def _open(connection: Connection) -> tuple[_AlertRow, ...]:
    query = select(alert).where(alert.c.resolved_at.is_(None))
    return tuple(connection.execute(query.order_by(alert.c.opened_at, alert.c.id)))


def _difference(
    connection: Connection,
    wanted: Mapping[_Key, Mapping[str, str]],
    unknown_hosts: frozenset[HostName],
) -> _Difference:
    is_open = {(row.kind, row.subject): row for row in _open(connection)}
    return _Difference(
        new={key: told for key, told in wanted.items() if key not in is_open},
        changed={
            row.id: wanted[key]
            for key, row in is_open.items()
            if key in wanted and any(getattr(row, n) != v for n, v in wanted[key].items())
        },
        gone=tuple(
            row
            for key, row in is_open.items()
            if key not in wanted and row.host not in unknown_hosts
        ),
    )


def _write(connection: Connection, difference: _Difference, now: datetime) -> AlertChanges:
    for alert_id, told in difference.changed.items():
        connection.execute(alert.update().where(alert.c.id == alert_id).values(**told))
    for row in difference.gone:
        connection.execute(alert.update().where(alert.c.id == row.id).values(resolved_at=now))
    for (kind, subject), told in difference.new.items():
        values = {"id": new_id(), "kind": kind, "subject": subject, "opened_at": now}
        connection.execute(alert.insert().values(**values, **told))
    return AlertChanges(
        opened=tuple(
            Alert(kind, subject, opened_at=now, resolved_at=None, **told)
            for (kind, subject), told in difference.new.items()
        ),
        resolved=tuple(_alert(row, now) for row in difference.gone),
    )


def _alert(row: _AlertRow, resolved_at: datetime | None = None) -> Alert:
    return Alert(
        kind=row.kind,
        subject=row.subject,
        severity=row.severity,
        message=row.message,
        hint=row.hint,
        opened_at=row.opened_at,
        resolved_at=resolved_at or row.resolved_at,
        host=row.host,
    )
