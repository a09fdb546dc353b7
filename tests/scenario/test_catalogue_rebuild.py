"""A catalogue that is lost comes back from the repositories, and nothing is copied again."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from reconciler.app import open_app
from reconciler.cli.exit_codes import ExitCode
from reconciler.execute.boundaries import Boundary
from reconciler.execute.outcome import Verdict
from reconciler.model.names import DataSourceId
from reconciler.model.protection import RecoveryPoint, Replica
from reconciler.plan.actions import ConsistencyCheck, ExpressFullBackup, Plan, RemoveLeftovers
from reconciler.plan.diff import digest
from reconciler.record.entries import KnownDisk
from reconciler.record.lead import Lead
from tests.lab_world import World
from tests.scenario.test_killed import killed_at

FEW_BYTES = 16 << 20


@pytest.fixture(scope="module")
def world(two_hosts: World) -> World:
    """Two machines with two points each."""
    rebuilt = two_hosts.another("rebuilt")
    rebuilt.apply()
    rebuilt.write("web-01")
    rebuilt.write("fin-sql01")
    rebuilt.advance(60)
    rebuilt.apply()
    return rebuilt


class Remembered:
    """All that has to come back."""

    def __init__(self, world: World) -> None:
        with open_app(world.settings) as app:
            catalogue = app.catalogue
            self.server = catalogue.server_id
            self.sources = catalogue.sources()
            self.replicas: Mapping[DataSourceId, Replica] = catalogue.replicas()
            self.points: Mapping[DataSourceId, tuple[RecoveryPoint, ...]] = (
                catalogue.all_recovery_points()
            )
            self.disks: Mapping[DataSourceId, tuple[KnownDisk, ...]] = {
                source.id: catalogue.disks(source.id) for source in self.sources
            }
            self.references = catalogue.reference_points()
            self.volumes = [
                (v.pool, v.name, v.path, v.repository_id, v.writer_number)
                for v in catalogue.volumes()
            ]
            self.ids = {v.id: v.name for v in catalogue.volumes()}

    def told(self) -> object:
        """Without ids of volumes, which are the catalogue's own."""
        return (
            self.server,
            self.sources,
            {
                s: (r.state, r.head, r.latest_captured_at, r.checked_at)
                for s, r in self.replicas.items()
            },
            {
                s: [
                    (
                        p.id,
                        p.captured_at,
                        p.consistency,
                        p.cause,
                        p.job,
                        p.bytes_read,
                        p.bytes_stored,
                        self.ids[p.volume],
                    )
                    for p in points
                ]
                for s, points in self.points.items()
            },
            self.disks,
            self.references,
            self.volumes,
        )


def lose(world: World) -> None:
    """The whole state folder but its volume: catalogue, index, lock."""
    state = world.folder / world.state
    for path in state.iterdir():
        if path.name != "volume":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_show_without_a_catalogue_names_the_command_that_makes_one(world: World) -> None:
    shown = world.another_catalogue("lost").cli("show")

    assert shown.returncode == ExitCode.OK
    assert "reconciler catalogue rebuild" in shown.stdout


def test_all_of_it_comes_back_and_the_next_backup_is_incremental(world: World) -> None:
    before, plan = Remembered(world), world.plan()
    assert plan.actions == ()
    lose(world)

    done = world.cli("catalogue", "rebuild")

    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    assert "rebuilt: 2 machines, 4 recovery points" in done.stdout
    assert Remembered(world).told() == before.told()
    assert digest(world.plan()) == digest(plan)
    world.write("fin-sql01")
    world.advance(60)
    shadow = world.shadow("after-rebuild")
    planned, results = world.apply()
    assert {type(action) for action in planned.actions} == {ExpressFullBackup}
    assert {r.verdict for r in results} == {Verdict.DONE}
    assert sum(r.outcome.bytes_read for r in results) < FEW_BYTES
    assert world.differing("fin-sql01", world.points("fin-sql01")[-1], shadow) == []
    recovered = world.cli("recover", "disks", "web-01", "--to", "after-loss")
    assert recovered.returncode == ExitCode.OK, recovered.stderr
    assert world.cli("show").stdout.count("consistent") >= len(before.sources)


def test_what_a_dead_job_left_on_the_host_is_still_ours(world: World) -> None:
    world.advance(60)
    killed_at(world, Boundary.CHECKPOINT_TAKEN)
    left = sum(len(world.report(host).checkpoints) for host in world.addresses)
    assert left > 0
    lose(world)

    assert world.cli("catalogue", "rebuild").returncode == ExitCode.OK

    plan, results = world.apply()
    assert any(isinstance(action, RemoveLeftovers) for action in plan.actions)
    assert {r.verdict for r in results} == {Verdict.DONE}
    assert [c for host in world.addresses for c in world.report(host).checkpoints] == []
    assert world.plan().actions == ()


def codes(plan: Plan) -> set[str]:
    return {finding.code for finding in plan.findings}


def test_an_existing_catalogue_is_replaced_only_when_asked_and_kept_aside(world: World) -> None:
    before = Remembered(world).told()
    assert "volume.not_known" not in codes(world.plan())
    lose(world)
    assert "volume.not_known" in codes(world.plan())  # which makes a new catalogue

    refused = world.cli("catalogue", "rebuild")
    replaced = world.cli("catalogue", "rebuild", "--replace")

    assert refused.returncode == ExitCode.FAILED
    assert "--replace" in refused.stderr
    assert replaced.returncode == ExitCode.OK, replaced.stderr
    (aside,) = (world.folder / world.state).glob("catalogue.sqlite.before-*")
    assert aside.stat().st_size > 0
    assert Remembered(world).told() == before
    aside.unlink()


def test_it_is_never_made_while_another_reconciler_is_at_work(world: World) -> None:
    with open_app(world.settings) as app, Lead.take(world.settings.state, app.clock()()):
        done = world.cli("catalogue", "rebuild", "--replace")

    assert done.returncode == ExitCode.BUSY
    assert "another reconciler leads" in done.stderr


def test_a_damaged_manifest_is_told_and_the_rest_comes_back(world: World) -> None:
    newest = world.points("web-01")[-1]
    oldest = world.points("fin-sql01")[0]
    for point in (newest, oldest):
        manifest = _manifest(world, point)
        _overwrite(manifest, b"X" + manifest.read_bytes()[1:])
    count = sum(map(len, Remembered(world).points.values()))
    lose(world)

    done = world.cli("catalogue", "rebuild")

    assert done.returncode == ExitCode.PARTLY_DONE
    assert f"recovery point {oldest.id}" in done.stdout
    assert sum(map(len, Remembered(world).points.values())) == count - 2
    # what changes are counted from may be younger than the point that is left: compare all of it
    actions = world.plan().actions
    assert [type(action) for action in actions] == [RemoveLeftovers, ConsistencyCheck]
    assert {action.subject.name for action in actions} == {"web-01"}
    world.write("web-01")
    shadow = world.shadow("after-damage")
    _, results = world.apply()
    assert {r.verdict for r in results} == {Verdict.DONE}
    assert world.differing("web-01", world.points("web-01")[-1], shadow) == []
    for point in (newest, oldest):
        _manifest(world, point).unlink()


def test_a_missing_volume_is_no_reason_to_copy_its_machines_again(world: World) -> None:
    volume = world.folder / world.state / "volume"
    away = world.folder / "away"
    volume.rename(away)
    lose(world)
    try:
        missing = world.cli("catalogue", "rebuild")
        named = world.cli("catalogue", "rebuild", "--repository", str(away))
    finally:
        away.rename(volume)

    assert missing.returncode == ExitCode.FAILED
    assert "volume main-1 of pool main" in missing.stderr
    assert "--partial" in missing.stderr
    assert named.returncode == ExitCode.OK, named.stderr
    assert world.cli("catalogue", "rebuild", "--replace").returncode == ExitCode.OK
    assert world.plan().actions == ()


@pytest.mark.parametrize("version", [0, 99])
def test_every_command_says_what_to_do_with_a_repository_of_another_version(
    world: World, version: int
) -> None:
    header = world.folder / world.state / "volume" / "repository.json"
    whole = header.read_bytes()
    content = json.loads(whole.splitlines()[0]) | {"version": version}
    line = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    _overwrite(header, line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n")
    world.advance(60)
    try:
        done = {
            "apply": world.cli("apply"),
            "show": world.cli("show"),
            "recover": world.cli("recover", "disks", "web-01", "--to", f"version-{version}"),
            "rebuild": world.cli("catalogue", "rebuild", "--replace"),
        }
    finally:
        _overwrite(header, whole)

    assert {name: each.returncode for name, each in done.items()} == {
        "apply": ExitCode.PARTLY_DONE,
        "show": ExitCode.OK,
        "recover": ExitCode.FAILED,
        "rebuild": ExitCode.FAILED,
    }
    for name, each in done.items():
        told = each.stdout + each.stderr
        assert f"format version {version}" in told, name
        assert "hint: " in told, name


def _manifest(world: World, point: RecoveryPoint) -> Path:
    return world.folder / world.state / "volume" / "manifests" / point.source / point.id


def _overwrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)
