"""Passes, alerts and the last good bytes of policy files."""

import hashlib
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select

from reconciler.errors import CatalogueError
from reconciler.model.names import PlanId
from reconciler.record.database import Database
from reconciler.record.entries import Alert, PassRecord, PolicyFile, new_id
from reconciler.record.tables import alert, passes, policy_file

MOST_PASSES = 10_000
"""Passes kept: a week of one a minute."""
MOST_POLICY_BYTES = 8 << 20


class Journal:
    """The part of the catalogue that knows passes, alerts and policy files."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record_pass(self, record: PassRecord) -> None:
        """Write down one pass, and forget the oldest beyond MOST_PASSES."""
        fields = {name: getattr(record, name) for name in PassRecord.__slots__}
        kept = (
            select(passes.c.started_at)
            .order_by(passes.c.started_at.desc())
            .offset(MOST_PASSES)
            .limit(1)
        )
        with self._database.writing() as connection:
            connection.execute(passes.insert().values(id=new_id(), **fields))
            oldest = connection.scalar(kept)
            if oldest is not None:
                connection.execute(passes.delete().where(passes.c.started_at <= oldest))

    def passes(self, limit: int = 20) -> tuple[PassRecord, ...]:
        """The latest passes, newest first."""
        query = select(passes).order_by(passes.c.started_at.desc(), passes.c.id).limit(limit)
        with self._database.reading() as connection:
            return tuple(map(_pass, connection.execute(query)))

    def open_alert(self, kind: str, subject: str, message: str, now: datetime) -> bool:
        """Open an alert, or bring its message up to date; True when it is new."""
        its_open = (*_is(kind, subject), alert.c.resolved_at.is_(None))
        with self._database.writing() as connection:
            update = alert.update().where(*its_open).values(message=message)
            if connection.execute(update).rowcount:
                return False
            connection.execute(
                alert.insert().values(
                    id=new_id(), kind=kind, subject=subject, message=message, opened_at=now
                )
            )
            return True

    def resolve_alert(self, kind: str, subject: str, now: datetime) -> bool:
        """Close an alert; False when it was not open."""
        its_open = (*_is(kind, subject), alert.c.resolved_at.is_(None))
        with self._database.writing() as connection:
            update = alert.update().where(*its_open).values(resolved_at=now)
            return connection.execute(update).rowcount == 1

    def alerts(self) -> tuple[Alert, ...]:
        """Open alerts, oldest first."""
        query = select(alert).where(alert.c.resolved_at.is_(None))
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(alert.c.opened_at, alert.c.id))
            return tuple(
                Alert(row.kind, row.subject, row.message, row.opened_at, row.resolved_at)
                for row in rows
            )

    def keep_policy_file(self, path: str, content: bytes, now: datetime) -> PolicyFile:
        """Remember the bytes of a policy file that is good.

        Raises:
            CatalogueError: The file is too large to be kept.
        """
        if len(content) > MOST_POLICY_BYTES:
            raise CatalogueError(
                f"policy file {path} has {len(content)} bytes, the most is {MOST_POLICY_BYTES}",
                hint="split it into several files",
            )
        new = PolicyFile(path, hashlib.sha256(content).hexdigest(), content, now)
        values = {"sha256": new.sha256, "content": content, "kept_at": now}
        its_row = policy_file.c.path == path
        with self._database.writing() as connection:
            if not connection.execute(
                policy_file.update().where(its_row).values(**values)
            ).rowcount:
                connection.execute(policy_file.insert().values(path=path, **values))
        return new

    def policy_file(self, path: str) -> PolicyFile | None:
        """The last good bytes of a policy file; None when it never was good."""
        with self._database.reading() as connection:
            query = select(policy_file).where(policy_file.c.path == path)
            row = connection.execute(query).first()
            return None if row is None else _policy_file(row)

    def policy_files(self) -> tuple[PolicyFile, ...]:
        """The last good bytes of all policy files, by path."""
        with self._database.reading() as connection:
            query = select(policy_file).order_by(policy_file.c.path)
            return tuple(map(_policy_file, connection.execute(query)))

    def forget_policy_file(self, path: str) -> None:
        """Forget a policy file that was deleted on purpose."""
        with self._database.writing() as connection:
            connection.execute(policy_file.delete().where(policy_file.c.path == path))


def _is(kind: str, subject: str) -> tuple[Any, Any]:
    return alert.c.kind == kind, alert.c.subject == subject


def _pass(row: Row[*tuple[Any, ...]]) -> PassRecord:
    return PassRecord(
        started_at=row.started_at,
        ended_at=row.ended_at,
        plan=PlanId(row.plan),
        policy_digest=row.policy_digest,
        clock=row.clock,
        actions=row.actions,
        findings=row.findings,
        jobs_started=row.jobs_started,
    )


def _policy_file(row: Row[*tuple[Any, ...]]) -> PolicyFile:
    found = PolicyFile(row.path, row.sha256, row.content, row.kept_at)
    if hashlib.sha256(found.content).hexdigest() != found.sha256:
        raise CatalogueError(
            f"the last good version of policy file {found.path} in the catalogue is damaged",
            hint="repair the policy file in its folder; a good file replaces what is kept",
        )
    return found
