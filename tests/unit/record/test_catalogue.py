import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from reconciler.errors import CatalogueError, SchemaTooNewError
from reconciler.model.names import PlanId, PoolName
from reconciler.model.protection import DataSource, ReplicaState
from reconciler.record import schema, tables
from reconciler.record.catalogue import Catalogue
from reconciler.record.database import Database
from reconciler.record.work import Job, JobOrder, JobOutcome

COMMITTER = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from reconciler.model.machine import NaturalKey, Role
from reconciler.model.names import *
from reconciler.model.protection import Cause, CauseKind, Consistency, Head, RecoveryPoint
from reconciler.record.catalogue import Catalogue
from reconciler.record.work import JobOrder

now = datetime(2026, 3, 1, tzinfo=UTC)
catalogue = Catalogue.open(Path(sys.argv[1]))
source = catalogue.ensure_source(NaturalKey(VmId("1"), Role.PRIMARY), "erp", "hv1", "g")
volume = catalogue.ensure_volume(PoolName("p"), "v", "/v")
job = catalogue.jobs.create(JobOrder("backup", source.id, None, PlanId("p")), now)
job = catalogue.jobs.claim(job.id, "child", now)
for n in range(100_000):
    point = RecoveryPoint(
        RecoveryPointId(f"p{n}"), source.id, volume.id, now + timedelta(seconds=n),
        Consistency.CRASH, Cause(CauseKind.SLOT, now), job.id, 1, 1,
    )
    head = Head(source.id, point.id, ReferencePointId(f"r{n}"), {DiskId("d"): RctId(f"rct{n}")})
    catalogue.commit_point(point, head, job)
    print(n, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalogue.sqlite"


def rewrite(path: Path, statement: str, *values: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement, values)
    connection.close()


def test_a_server_keeps_its_id_and_another_has_another(tmp_path: Path) -> None:
    def server_of(name: str) -> str:
        with Catalogue.open(tmp_path / name) as catalogue:
            return catalogue.server_id

    first = server_of("a")
    assert server_of("a") == first
    assert server_of("b") != first


def test_what_was_written_is_there_after_reopening(path: Path) -> None:
    with Catalogue.open(path) as catalogue:
        volume = catalogue.ensure_volume(PoolName("main"), "v1", "/v1")
    with Catalogue.open(path) as catalogue:
        assert catalogue.volumes() == (volume,)


def test_every_connection_syncs_fully_and_keeps_foreign_keys(path: Path) -> None:
    database = Database(path)
    with database.reading() as connection:
        found = {
            pragma: connection.execute(text(f"PRAGMA {pragma}")).scalar()
            for pragma in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    database.close()
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 30_000,
    }


def test_a_write_locks_from_its_beginning_and_a_read_does_not(path: Path) -> None:
    with Catalogue.open(path) as catalogue:
        other = sqlite3.connect(path, timeout=0, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert catalogue.sources() == ()
        other.execute("ROLLBACK")
        database = Database(path)
        with database.writing(), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        database.close()
        other.close()


def test_many_may_open_a_new_catalogue_at_once(path: Path) -> None:
    def open_it(_: int) -> str:
        with Catalogue.open(path) as catalogue:
            return catalogue.server_id

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(open_it, range(16)))) == 1


def test_a_catalogue_of_a_newer_version_is_left_alone(path: Path) -> None:
    Catalogue.open(path).close()
    rewrite(path, "update meta set value = '999' where key = 'schema_version'")

    with pytest.raises(SchemaTooNewError, match="999") as caught:
        Catalogue.open(path)

    assert "install" in caught.value.hint


@pytest.mark.parametrize("version", ["", "old", "0", "-1", "1.5"])
def test_a_senseless_schema_version_is_refused(path: Path, version: str) -> None:
    Catalogue.open(path).close()
    rewrite(path, "update meta set value = ? where key = 'schema_version'", version)

    with pytest.raises(CatalogueError, match="schema version"):
        Catalogue.open(path)


def test_an_older_catalogue_is_brought_up_step_by_step(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Catalogue.open(path).close()
    monkeypatch.setattr(tables, "SCHEMA_VERSION", 5)
    steps: list[int] = []
    database = Database(path)

    schema.prepare(database, {3: lambda _: steps.append(3), 4: lambda _: steps.append(4)})
    schema.prepare(database, {})

    database.close()
    assert steps == [3, 4]


def test_a_step_that_fails_leaves_the_old_catalogue(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Catalogue.open(path).close()
    monkeypatch.setattr(tables, "SCHEMA_VERSION", 4)

    def fail(connection: Connection) -> None:
        connection.execute(text("create table half_done (id integer)"))
        connection.execute(text("this is no statement"))

    database = Database(path)
    with pytest.raises(CatalogueError, match="syntax"):
        schema.prepare(database, {3: fail})
    with pytest.raises(CatalogueError, match="no way leads from schema 3 to 4"):
        schema.prepare(database, {})
    database.close()
    monkeypatch.undo()
    with Catalogue.open(path):
        tables_now = sqlite3.connect(path)
        found = tables_now.execute("select name from sqlite_master").fetchall()
        tables_now.close()
    assert ("half_done",) not in found


def test_a_database_of_something_else_is_refused(path: Path) -> None:
    rewrite(path, "create table theirs (id integer)")

    with pytest.raises(CatalogueError, match="not a catalogue of ours"):
        Catalogue.open(path)


def test_a_file_that_is_no_database_is_refused_and_kept(path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)

    with pytest.raises(CatalogueError, match="not a database") as caught:
        Catalogue.open(path)

    assert "from a copy" in caught.value.hint
    assert path.read_bytes() == b"no database at all" * 100


def test_a_folder_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="nowhere") as caught:
        Catalogue.open(tmp_path / "nowhere" / "catalogue.sqlite")

    assert "folder exists" in caught.value.hint


def test_a_failure_inside_a_write_leaves_nothing(path: Path) -> None:
    with Catalogue.open(path) as catalogue:
        database = Database(path)

        def write_and_fail() -> None:
            with database.writing() as connection:
                values = {"id": "v", "pool": "p", "name": "n", "path": "/", "writer_number": 0}
                connection.execute(tables.volume.insert().values(**values))
                raise KeyError("stop")

        with pytest.raises(KeyError):
            write_and_fail()
        database.close()
        assert catalogue.volumes() == ()


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("commits", [1, 7, 40])
def test_a_process_killed_in_the_middle_of_commits_leaves_whole_points(
    path: Path, commits: int
) -> None:
    command = [sys.executable, "-c", COMMITTER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        told = [int(child.stdout.readline()) for _ in range(commits)]
        os.kill(child.pid, signal.SIGKILL)
        told += [int(line) for line in child.stdout if line.endswith("\n")]

    with Catalogue.open(path) as catalogue:
        (source,) = catalogue.sources()
        points = catalogue.recovery_points(source.id)
        replica = catalogue.replicas()[source.id]
        references = catalogue.reference_points()
        assert [p.id for p in points] == [f"p{n}" for n in range(len(points))]
        assert len(points) in {len(told), len(told) + 1}
        assert replica.head is not None
        assert replica.state is ReplicaState.CONSISTENT
        assert replica.head.recovery_point == points[-1].id
        assert [r.id for r in references if r.is_current] == [f"r{len(points) - 1}"]
        assert len(references) == len(points)
        assert catalogue.ensure_volume(PoolName("p"), "v", "/elsewhere").path == "/elsewhere"


def test_what_ended_long_ago_is_forgotten_and_what_is_open_is_not(
    catalogue: Catalogue, source: DataSource, running: Job, now: datetime
) -> None:
    later = now + timedelta(days=1)
    ended = catalogue.requests.open("backup", source.id, {}, now)
    catalogue.requests.finish(ended.id, {}, now, is_done=True)
    is_open = catalogue.requests.open("backup", source.id, {}, now)
    failure = JobOutcome(is_success=False, code="host")
    catalogue.jobs.finish(running.id, running.epoch, failure, now)
    live = catalogue.jobs.create(JobOrder("backup", source.id, None, PlanId("p")), now)
    catalogue.sync_alerts([Silent("hv1"), Silent("hv2")], frozenset(), now)
    catalogue.sync_alerts([Silent("hv2")], frozenset(), now)

    catalogue.forget_old(now)
    assert len(catalogue.jobs.history()) == 2
    assert len(catalogue.requests.history()) == 2
    assert len(catalogue.resolved_alerts()) == 1
    assert set(catalogue.jobs.failures()) == {source.id}

    catalogue.forget_old(later)
    assert catalogue.jobs.history() == (live,)
    assert catalogue.requests.history() == (is_open,)
    assert catalogue.resolved_alerts() == ()
    assert [alert.subject for alert in catalogue.alerts()] == ["hv2"]
    assert catalogue.jobs.failures() == {}


@dataclass(frozen=True)
class Silent:
    subject: str
    kind: str = "host.silent"
    severity: str = "warning"
    message: str = "no answer"
    hint: str = "start it"
    host: str | None = None
