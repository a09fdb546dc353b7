"""A replica that is carried on media, and goes on over the network."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.app import App, open_app, system_clock
from reconciler.cli.exit_codes import ExitCode
from reconciler.execute.boundaries import Boundary
from reconciler.execute.outcome import Verdict
from reconciler.lab.definition import WEB_01, HostDefinition, LabDefinition
from reconciler.lab.full_lab import OLD_01
from reconciler.model.names import GroupName, HostName
from reconciler.model.observed import Observed, RequestKind
from reconciler.model.protection import ReplicaState
from reconciler.plan.actions import ExpressFullBackup
from reconciler.plan.members import membership
from reconciler.policy.policy_set import PolicySet
from reconciler.record.entries import RequestState
from tests.lab_world import World, new_world
from tests.scenario.test_killed import heal, killed_at

VM = "web-01"


@pytest.fixture(scope="module")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One host with one machine of one disk that is quickly read, in a manual group."""
    machine = replace(WEB_01, disks=OLD_01.disks)
    yield from new_world(tmp_path_factory, LabDefinition((HostDefinition("hv2", (machine,)),)))


@pytest.fixture
def world(small_world: World, request: pytest.FixtureRequest) -> World:
    names = [item.name for item in request.session.items]
    fresh = small_world.another(f"manual-{names.index(request.node.name)}")
    file = fresh.policies / "all.yaml"
    text = file.read_text()
    manual = "initial_replication: {method: manual}\nsynchronization: 1h"
    file.write_text(text.replace("synchronization: 1h", manual))
    return fresh


@pytest.fixture
def media(world: World, tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    done = world.cli("replica", "export", VM, str(folder))
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    return folder


def test_a_machine_of_a_manual_group_waits_for_its_media(world: World) -> None:
    plan = world.plan()

    assert plan.actions == ()
    (finding,) = [f for f in plan.findings if f.code == "replica.awaits_import"]
    assert f"reconciler replica export {VM} FOLDER" in finding.hint


def test_what_was_exported_is_imported_compared_and_goes_on_by_increments(
    world: World, media: Path
) -> None:
    world.advance(60)
    world.write(VM)  # while the media are carried
    shadow = world.shadow("imported")

    done = world.cli("replica", "import", VM, str(media))

    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    (first,) = world.points(VM)
    assert world.differing(VM, first, shadow) == []
    exported = points_of(world, media)[0]
    assert 0 < first.bytes_read < exported / 4
    assert state(world) is ReplicaState.CONSISTENT
    world.advance(60)
    world.write(VM)
    later = world.shadow("later")
    plan, results = world.apply()
    assert [type(a) for a in plan.actions] == [ExpressFullBackup]
    assert [r.verdict for r in results] == [Verdict.DONE]
    second = world.points(VM)[-1]
    assert second.bytes_read < exported / 4
    assert world.differing(VM, second, later) == []
    again = world.cli("replica", "import", VM, str(media))
    assert again.returncode != ExitCode.OK
    assert "has a replica already" in again.stderr


def test_an_export_leaves_nothing_on_the_host(world: World, media: Path) -> None:
    with open_app(world.settings) as app:
        session = app.open_host(HostName("hv2"))
        try:
            (machine,) = session.report().machines
            vm_id = machine.key.vm_id
            assert session.checkpoints((vm_id,)) == ()
            left = {point.id for point in session.reference_points((vm_id,))}
        finally:
            session.close()
    with open_app(replace(world.settings, state=media / "state")) as app:
        (made,) = app.catalogue.reference_points()
    assert made.id not in left


@pytest.mark.parametrize("boundary", [Boundary.CHECKPOINT_TAKEN, Boundary.MANIFEST_SEALED])
def test_an_import_that_was_killed_is_done_by_the_next_process(
    world: World, media: Path, boundary: Boundary
) -> None:
    shadow = world.shadow(f"killed-{boundary.value}")
    parameters = {"folder": str(media)}
    with open_app(world.settings) as app:
        (member,) = membership(*looked(app)).members
        key, name = member.machine.key, member.machine.name
        group = GroupName(member.group.name)
        source = app.catalogue.ensure_source(key, name, member.machine.host, group)
        kind = RequestKind.IMPORT.value
        request = app.catalogue.requests.open_once(kind, source.id, parameters, system_clock())
    killed_at(world, boundary)

    heal(world)

    (point,) = world.points(VM)
    assert world.differing(VM, point, shadow) == []
    assert state(world) is ReplicaState.CONSISTENT
    with open_app(world.settings) as app:
        assert app.catalogue.requests.get(request.id).state is RequestState.DONE


def test_damaged_media_are_refused_and_make_no_replica(world: World, media: Path) -> None:
    for pack in (media / "repository" / "packs").rglob("*.*"):
        data = bytearray(pack.read_bytes())
        data[len(data) // 2] ^= 0x40
        pack.write_bytes(data)

    done = world.cli("replica", "import", VM, str(media))

    assert done.returncode == ExitCode.PARTLY_DONE
    assert f"the media in {media} are damaged" in done.stdout
    assert world.points(VM) == ()
    assert "replica.awaits_import" in {f.code for f in world.plan().findings}


def without_packs(media: Path) -> str:
    shutil.rmtree(media / "repository" / "packs")
    return f"the media in {media} are damaged"


def without_header(media: Path) -> str:
    (media / "repository" / "repository.json").unlink()
    return f"no export is in {media}"


def without_anything(media: Path) -> str:
    shutil.rmtree(media / "repository")
    return f"no export is in {media}"


@pytest.mark.parametrize("harm", [without_packs, without_header, without_anything])
def test_media_of_which_something_is_missing_are_told_as_such(
    world: World, media: Path, harm: Callable[[Path], str]
) -> None:
    told = harm(media)

    done = world.cli("replica", "import", VM, str(media))

    assert done.returncode == ExitCode.PARTLY_DONE
    assert told in done.stdout
    assert "consistency check" not in done.stdout
    assert "pool" not in done.stdout
    assert world.points(VM) == ()


def looked(app: App) -> tuple[PolicySet, Observed]:
    look = app.reconciler().look()
    return look.wanted, look.observed


def points_of(world: World, media: Path) -> list[int]:
    """Bytes read for each point of the media."""
    with open_app(replace(world.settings, state=media / "state")) as app:
        (source,) = app.catalogue.sources()
        return [p.bytes_read for p in app.catalogue.recovery_points(source.id)]


def state(world: World) -> ReplicaState:
    with open_app(world.settings) as app:
        (found,) = app.catalogue.replicas().values()
        return found.state
