"""Points that are beyond their retention go, their packs with them, and nothing else does."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.app import open_app
from reconciler.execute.boundaries import Boundary
from reconciler.execute.executor import Executor
from reconciler.execute.outcome import Result, Verdict
from reconciler.execute.sweep import sweep
from reconciler.execute.workbench import PolicyStamp
from reconciler.lab.definition import WEB_01, HostDefinition, LabDefinition
from reconciler.lab.full_lab import OLD_01
from reconciler.model.names import PlanId, RecoveryPointId
from reconciler.model.observed import RequestKind
from reconciler.model.protection import ReplicaState
from reconciler.plan.actions import Action, DeletePoints, ExpirePoints, ExpressFullBackup, Subject
from reconciler.ports import HostSession
from reconciler.record.entries import RequestState
from tests.lab_world import World, new_world
from tests.scenario.test_killed import killed_at

VM = "web-01"
RETENTION_MINUTES = 31 * 24 * 60


def no_host() -> HostSession:
    raise AssertionError("no host is needed to delete points")


def with_points(world: World, state: str) -> World:
    """A reconciler with three points, an hour apart; the third has changed all that the second had.

    So packs of the second are nobody's once it is gone. Seeds, because chance would be no proof.
    """
    fresh = world.another(state)
    for seed, total_bytes in (("first", 1), ("second", 1), ("large", 3_000_000)):
        fresh.door(VM).ask("write", vm=VM, total_bytes=total_bytes, seed=seed)
        fresh.advance(60)
        fresh.apply()
    assert len(fresh.points(VM)) == 3
    return fresh


def stored(world: World) -> int:
    folder = world.folder / world.state / "volume" / "packs"
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def manifests(world: World) -> list[str]:
    folder: Path = world.folder / world.state / "volume" / "manifests"
    return sorted(file.name for file in folder.rglob("*") if file.is_file())


def carried_out(world: World, *actions: Action) -> list[Result]:
    """Actions that no plan made, without any host."""
    with open_app(world.settings) as app:
        executor = Executor(app.reconciler().tools, PlanId("by hand"), PolicyStamp("", ""), 60.0)
        return [executor.execute(action, no_host) for action in actions]


def subject(world: World) -> Subject:
    with open_app(world.settings) as app:
        source = app.catalogue.source_by_name(VM)
    return Subject(source.key, source.machine_name, source.host, source.group)


def expiring(world: World, *points: RecoveryPointId) -> ExpirePoints:
    with open_app(world.settings) as app:
        source = app.catalogue.source_by_name(VM)
    return ExpirePoints(subject(world), "old", source.id, points)


def assert_whole(world: World, shadow: Path, count: int) -> None:
    """Catalogue and repository agree, and the newest point reads back."""
    points = world.points(VM)
    assert len(points) == count
    assert manifests(world) == sorted(p.id for p in points)
    assert world.differing(VM, points[-1], shadow) == []
    assert world.plan().actions == ()


@pytest.fixture(scope="module")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One host with one machine of one disk that is quickly rewritten."""
    machine = replace(WEB_01, disks=OLD_01.disks)
    yield from new_world(tmp_path_factory, LabDefinition((HostDefinition("hv2", (machine,)),)))


@pytest.fixture(scope="module")
def world(small_world: World) -> World:
    return with_points(small_world, "expiring")


def test_old_points_go_with_their_packs_behind_the_backup_of_the_same_pass(world: World) -> None:
    before = world.points(VM)
    world.advance(RETENTION_MINUTES)
    world.write(VM)
    shadow = world.shadow("expired")

    plan, results = world.apply()

    assert [type(a) for a in plan.actions] == [ExpressFullBackup, ExpirePoints]
    assert [r.verdict for r in results] == [Verdict.DONE, Verdict.DONE]
    assert results[0].outcome.details["missed_slots"] == plan.actions[0].missed_slots > 0  # type: ignore[union-attr]
    assert results[0].outcome.details["since"] == before[-1].captured_at.isoformat()
    assert results[1].outcome.details == {"points": 3}
    assert_whole(world, shadow, 1)


def test_points_that_changed_blocks_held_alone_give_their_bytes_back(small_world: World) -> None:
    world = with_points(small_world, "shrinking")
    shadow = world.shadow("shrinking")
    first, second, head = (point.id for point in world.points(VM))
    before = stored(world)

    (result,) = carried_out(world, expiring(world, first, second, head))
    with open_app(world.settings) as app:
        tools = app.reconciler().tools
        assert len(app.catalogue.volumes_to_sweep()) == 1
        sweep(tools)
        assert app.catalogue.volumes_to_sweep() == {}
        sweep(tools)

    assert result.outcome.details == {"points": 2}
    assert [point.id for point in world.points(VM)] == [head]  # the head never goes
    assert stored(world) < before
    assert_whole(world, shadow, 1)


def test_nothing_is_swept_beside_a_draft_or_by_a_recovery(small_world: World) -> None:
    world = with_points(small_world, "beside")
    first, second, _ = (point.id for point in world.points(VM))
    carried_out(world, expiring(world, first, second))
    before = stored(world)
    with open_app(world.settings) as app:
        tools = app.reconciler().tools
        (volume,) = app.catalogue.volumes_to_sweep()
        with app.repository(volume).draft():
            sweep(tools)
            assert app.catalogue.volumes_to_sweep() == {volume: 2}
            assert "is being made" in app.catalogue.sweep_problems()[volume]
        reconciler = app.reconciler()
        folder = world.folder / "beside-recovered"
        list(reconciler.carry_out(reconciler.request_disks(VM, None, str(folder))))
        assert stored(world) == before
        list(reconciler.carry_out(reconciler.plan()))
        assert app.catalogue.volumes_to_sweep() == {}
        assert app.catalogue.sweep_problems() == {}
    assert stored(world) < before


@pytest.mark.parametrize("boundary", [Boundary.MANIFESTS_DELETED, Boundary.PACK_DELETED])
def test_a_kill_while_points_expire_is_healed_by_the_next_pass(
    small_world: World, boundary: Boundary
) -> None:
    world = with_points(small_world, f"killed-{boundary.value}")
    world.advance(RETENTION_MINUTES)
    world.write(VM)
    shadow = world.shadow(f"killed-{boundary.value}")
    killed_at(world, boundary)

    _, results = world.apply()

    assert {r.verdict for r in results} <= {Verdict.DONE, Verdict.VOID}
    assert_whole(world, shadow, 1)
    world.write(VM)
    world.advance(60)
    shadow = world.shadow(f"after-{boundary.value}")
    world.apply()
    assert_whole(world, shadow, 2)


def test_a_point_that_a_recovery_is_reading_stays(small_world: World) -> None:
    world = with_points(small_world, "reading")
    first, second, _ = (point.id for point in world.points(VM))
    action = expiring(world, first, second)
    parameters = {"recovery_point": first, "folder": "anywhere", "owner": "a process"}
    with open_app(world.settings) as app:
        now = app.reconciler().tools.lease_clock()
        app.catalogue.requests.open("recover_disks", action.source, parameters, now)

    (expired,) = carried_out(world, action)
    (deleted,) = carried_out(world, DeletePoints(subject(world), "asked", action.source, 3))

    assert expired.outcome.details == {"points": 1}
    assert deleted.error_code == "prerequisite.machine_busy"
    assert first in manifests(world)
    assert second not in manifests(world)


def test_a_replica_is_let_go_without_its_host_and_can_be_made_anew(small_world: World) -> None:
    world = with_points(small_world, "letting-go")
    with open_app(world.settings) as app:
        source = app.catalogue.source_by_name(VM)
        now = app.reconciler().tools.lease_clock()
        request = app.catalogue.requests.open("delete_points", source.id, {}, now).id
    action = DeletePoints(subject(world), "asked", source.id, 3, (request,))

    results = carried_out(world, action, action)

    assert [r.outcome.details for r in results] == [{"points": 3}, {"points": 0}]
    assert manifests(world) == []
    with open_app(world.settings) as app:
        assert app.catalogue.requests.get(request).state is RequestState.DONE
        assert app.catalogue.replicas()[source.id].state is ReplicaState.MISSING
        sweep(app.reconciler().tools)
        assert stored(world) == 0
    _, first = world.apply()  # what is left on the host is removed, and a new replica is made
    assert {r.verdict for r in first} == {Verdict.DONE}
    assert len(world.points(VM)) == 1
    with open_app(world.settings) as app:
        assert len(app.catalogue.reference_points()) == 1


def test_a_deletion_that_was_killed_is_carried_out_though_its_host_is_silent(
    small_world: World,
) -> None:
    world = with_points(small_world, "killed-deleting")
    with open_app(world.settings) as app:
        source = app.catalogue.source_by_name(VM)
        tools = app.reconciler().tools
        now = tools.lease_clock()
        app.catalogue.requests.open(RequestKind.DELETE_POINTS.value, source.id, {}, now)
    policy = world.policies / "all.yaml"
    policy.write_text(policy.read_text().replace("  - host: hv2", "  - name: nobody-*"))
    try:
        killed_at(world, Boundary.MANIFESTS_DELETED)
        assert manifests(world) == []

        (again,) = carried_out(world, DeletePoints(subject(world), "asked", source.id, 3))
    finally:
        world.write_policies()

    assert again.verdict is Verdict.DONE
    with open_app(world.settings) as app:
        assert app.catalogue.recovery_points(source.id) == ()
        assert app.catalogue.jobs.live() == ()


def test_no_replica_is_deleted_under_a_machine_that_may_still_be_saved(
    small_world: World,
) -> None:
    world = with_points(small_world, "maybe-saved")
    with open_app(world.settings) as app:
        source = app.catalogue.source_by_name(VM)
    killed_job(world)

    (result,) = carried_out(world, DeletePoints(subject(world), "asked", source.id, 3))

    assert result.error_code == "prerequisite.machine_busy"
    assert len(manifests(world)) == 3


def killed_job(world: World) -> None:
    """A job that says it was about to save the machine, and whose process is gone."""
    world.advance(60)
    killed_at(world, Boundary.INTENT_WRITTEN)
    with open_app(world.settings) as app:
        (job,) = app.catalogue.jobs.live()
        assert job.intent is not None
        asked = job.intent.checkpoint_request
        intent = replace(job.intent, save_request=asked, resume_request=asked)
        assert app.catalogue.jobs.set_intent(job.id, job.epoch, intent)
