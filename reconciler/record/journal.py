"""Passes and the last good bytes of policy files."""

import hashlib
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Row, select

from reconciler.errors import CatalogueError
from reconciler.logs import Event, get_logger
from reconciler.model.names import PlanId
from reconciler.record.database import Database
from reconciler.record.entries import PassRecord, PolicyFile, new_id
from reconciler.record.tables import passes, policy_file

_log = get_logger()

MOST_PASSES = 10_000
"""Passes kept: a week of one a minute."""
MOST_POLICY_BYTES = 8 << 20


class Journal:
    """The part of the catalogue that knows passes and policy files."""

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
        """The last good bytes of a policy file; None when it never was good, or is damaged here."""
        return next((file for file in self.policy_files() if file.path == path), None)

    def policy_files(self) -> tuple[PolicyFile, ...]:
        """The last good bytes of all policy files, by path; what is damaged here is left out."""
        with self._database.reading() as connection:
            query = select(policy_file).order_by(policy_file.c.path)
            found = map(_policy_file, connection.execute(query))
            return tuple(file for file in found if file is not None)

    def forget_policy_file(self, path: str) -> None:
        """Forget a policy file that was deleted on purpose."""
        with self._database.writing() as connection:
            connection.execute(policy_file.delete().where(policy_file.c.path == path))


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


def _policy_file(row: Row[*tuple[Any, ...]]) -> PolicyFile | None:
    if hashlib.sha256(row.content).hexdigest() != row.sha256:
        _tell_damaged(row.path, row.sha256)
        return None
    return PolicyFile(row.path, row.sha256, row.content, row.kept_at)


@cache
def _tell_damaged(path: str, sha256: str) -> None:
    """Once, and not at every pass until a good file replaces it."""
    del sha256
    _log.error(
        Event.POLICIES_REJECTED,
        file=path,
        reason="the last good version of the policy file in the catalogue is damaged",
        hint="see that the file in the policy folder is good: it replaces what is kept",
    )
