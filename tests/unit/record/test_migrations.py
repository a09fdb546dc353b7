"""A catalogue that version 1 made goes on living."""

import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.model.names import DataSourceId, PoolName, RecoveryPointId, VolumeId
from reconciler.model.protection import InconsistentSpan, ReplicaState
from reconciler.record.catalogue import Catalogue
from reconciler.record.tables import from_microseconds
from reconciler.record.work import JobState

VERSION_1 = (Path(__file__).parent / "version_1.sql").read_text(encoding="utf-8")
CONTENT = """
insert into meta values ('server_id', 'server-1'), ('schema_version', '1');
insert into volume values ('v1', 'main', 'v1', '/v1', 'repository-1', 3);
insert into data_source values
    ('erp', 'vm-1', 'primary', 'erp', 'hv1', 'finance'),
    ('crm', 'vm-2', 'primary', 'crm', 'hv1', 'finance'),
    ('web', 'vm-3', 'primary', 'web', 'hv1', 'finance');
insert into recovery_point values
    ('erp-1', 'erp', 'v1', 1000, 'application', 'replica_creation', null, 'j', 9, 9),
    ('erp-2', 'erp', 'v1', 2000, 'application', 'slot', 2000, 'j', 9, 9),
    ('crm-2', 'crm', 'v1', 2000, 'application', 'slot', 2000, 'j', 9, 9);
insert into reference_point values ('r2', 'erp', 'current', '{"d":"rct"}');
insert into replica values
    ('erp', 'consistent', 'v1', 'erp-2', 'r2', '{"d":"rct"}'),
    ('crm', 'inconsistent', 'v1', 'crm-2', null, '{}'),
    ('web', 'missing', null, null, null, '{}');
insert into inconsistency values
    ('erp', 1500, 1600, 'long mended'),
    ('crm', 1000, 1100, 'a node was lost'),
    ('crm', 2500, null, 'a block is damaged');
insert into job values
    ('job-1', 'express_full_backup', 'erp', 'hv1', 'plan', 'running', 'hv:1:a', 1, 5, 0,
     '{"job":"job-1","volume":"v1","recovery_point":"erp-3","checkpoint_name":"n",
       "checkpoint_request":"a","conversion_request":"b","reference_points_seen":["r2"],
       "base_recovery_point":"erp-2","base_reference_point":"r2"}', null, null, 1, 1, null),
    ('job-0', 'express_full_backup', 'erp', 'hv1', 'plan', 'failed', 'hv:1:a', 1, 5, 0, null, null,
     '{"is_success":false,"code":"host","message":"m","hint":"h","facts":{}}', 0, 0, 1);
insert into request values ('q', 'recover_disks', 'erp', '{}', 'open', null, 7, null);
insert into alert values ('a', 'host.silent', 'hv1', 'no answer', 7, null);
"""
KILLED = """
import os, signal, sys
from pathlib import Path
from reconciler.record import schema
from reconciler.record.database import Database
from reconciler.record.migrations import MIGRATIONS

def upgrade_and_die(connection):
    MIGRATIONS[2](connection)
    print("upgraded", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

schema.prepare(Database(Path(sys.argv[1])), MIGRATIONS | {2: upgrade_and_die})
"""
Shape = dict[str, list[object]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that version 1 made and filled."""
    path = tmp_path / "catalogue.sqlite"
    file = sqlite3.connect(path)
    file.executescript(VERSION_1 + CONTENT)
    file.close()
    return path


def shape(path: Path) -> Shape:
    """Columns, foreign keys and indexes of every table."""
    file = sqlite3.connect(path)
    tables = [n for (n,) in file.execute("select name from sqlite_master where type = 'table'")]
    found: Shape = {}
    for table in tables:
        found[table] = file.execute(f"pragma table_info({table})").fetchall()
        keys = file.execute(f"pragma foreign_key_list({table})").fetchall()
        found[table] += sorted(key[2:] for key in keys)
        for _, name, *kind in file.execute(f"pragma index_list({table})").fetchall():
            on = file.execute(f"pragma index_info({name})").fetchall()
            found[f"{table} {on}"] = [name, *kind]
    file.close()
    return found


def version(path: Path) -> str:
    file = sqlite3.connect(path)
    (found,) = file.execute("select value from meta where key = 'schema_version'").fetchone()
    file.close()
    return str(found)


def at(microseconds: int) -> datetime:
    return from_microseconds(microseconds)


def test_an_upgraded_catalogue_is_shaped_like_a_new_one(path: Path, tmp_path: Path) -> None:
    before = shape(path)
    Catalogue.open(path).close()
    Catalogue.open(tmp_path / "new.sqlite").close()

    assert shape(path) == shape(tmp_path / "new.sqlite")
    assert shape(path) != before
    assert version(path) == "3"


def test_points_and_replicas_come_through_an_upgrade(path: Path) -> None:
    with Catalogue.open(path) as catalogue:
        replicas = catalogue.replicas()
        spans = catalogue.inconsistent_spans()
        points = catalogue.all_recovery_points()
        assert catalogue.server_id == "server-1"
        assert catalogue.volumes_to_sweep() == {}

    erp, crm, web = (replicas[DataSourceId(name)] for name in ("erp", "crm", "web"))
    assert [p.id for p in points[erp.source]] == ["erp-1", "erp-2"]
    assert (erp.state, erp.checked_at, erp.doubt) == (ReplicaState.CONSISTENT, at(1000), "")
    assert erp.head is not None
    assert (erp.head.recovery_point, erp.head.reference_point) == ("erp-2", "r2")
    assert (crm.state, crm.checked_at) == (ReplicaState.INCONSISTENT, None)
    assert crm.doubt == "a block is damaged"
    assert (web.state, web.checked_at, web.doubt) == (ReplicaState.MISSING, None, "")
    assert spans[erp.source] == (InconsistentSpan(erp.source, at(1500), at(1600), "long mended"),)


def test_what_a_replica_took_when_it_was_created_is_found_in_its_first_point(path: Path) -> None:
    with Catalogue.open(path) as catalogue:
        growth = catalogue.growth()
        (volume,) = catalogue.volumes()

    assert {source: found.created_bytes for source, found in growth.items()} == {
        DataSourceId("erp"): 9,
        DataSourceId("crm"): None,
    }
    assert volume.stored_bytes is None


def test_jobs_requests_and_alerts_come_through_an_upgrade(path: Path) -> None:
    with Catalogue.open(path) as catalogue:
        (live,) = catalogue.jobs.live()
        failed, *_ = (j for j in catalogue.jobs.history() if j.state is JobState.FAILED)
        (request,) = catalogue.requests.pending()
        (alert,) = catalogue.alerts()
        assert catalogue.jobs.failures() == {}
        assert catalogue.watches() == {}

    assert live.intent is not None
    assert live.intent.base_recovery_point == RecoveryPointId("erp-2")
    assert (live.intent.save_request, live.intent.resume_request) == (None, None)
    assert failed.outcome is not None
    assert (failed.outcome.code, failed.outcome.retry) == ("host", "")
    assert request.created_at == at(7)
    assert (alert.subject, alert.severity, alert.hint, alert.host) == ("hv1", "warning", "", "")


def test_an_upgraded_catalogue_can_be_written_to(path: Path) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    with Catalogue.open(path) as catalogue:
        assert catalogue.take_note({DataSourceId("erp"): "a node was lost"}, {}, now) == ("erp",)
        catalogue.drop_points([RecoveryPointId("erp-1")])

        assert catalogue.volumes_to_sweep() == {VolumeId("v1"): 1}
        assert catalogue.ensure_volume(PoolName("main"), "v1", "/v1").repository_id is not None


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_an_upgrade_that_was_killed_has_not_happened(path: Path) -> None:
    before = shape(path)
    child = subprocess.run(
        [sys.executable, "-c", KILLED, str(path)], capture_output=True, text=True, check=False
    )

    assert child.stdout == "upgraded\n", child.stderr
    assert child.returncode < 0
    assert (version(path), shape(path)) == ("1", before)
    with Catalogue.open(path) as catalogue:
        assert len(catalogue.sources()) == 3
    assert version(path) == "3"
