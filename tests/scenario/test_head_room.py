"""A cluster's volume with little room: machines take turns, and one that is too busy is held."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from reconciler.app import open_app
from reconciler.execute.outcome import Verdict
from reconciler.lab.full_lab import APP_01, APP_02, APP_03, CLUSTER_LAB, CSV1
from reconciler.plan.rooms import Room
from reconciler.record.work import Job
from tests.lab_world import World, new_world

ROOMY = 1 << 39
PARTLY_DONE = 8


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two nodes, each with a machine on the first shared volume; app-03 is on the second."""
    first, second = CLUSTER_LAB.hosts
    hosts = (replace(first, machines=(APP_01,)), replace(second, machines=(APP_02, APP_03)))
    yield from new_world(tmp_path_factory, replace(CLUSTER_LAB, hosts=hosts))


def room(world: World) -> Room:
    """What the next backups may need on the first shared volume."""
    with open_app(world.settings) as app:
        plan = app.reconciler().plan()
    (found,) = (r for r in plan.headroom.rooms.values() if r.volume.path == CSV1)
    return found


def leave_free(world: World, count: int) -> None:
    done = world.cli("lab", "volume", "hvc2", CSV1, "SizeRemaining", str(count))
    assert done.returncode == 0, done.stderr


def latest_jobs(world: World, *names: str) -> list[Job]:
    with open_app(world.settings) as app:
        sources = [app.catalogue.source_by_name(name).id for name in names]
        return [app.catalogue.jobs.history(source, 1)[0] for source in sources]


def test_two_machines_that_do_not_fit_together_are_backed_up_one_after_another(
    world: World,
) -> None:
    """They are on different nodes: what counts is the volume that they share."""
    needs = {need.machine: need.need_bytes for need in room(world).needs}
    assert needs.keys() == {"app-01", "app-02"}
    leave_free(world, sum(needs.values()) - 1)

    plan, results = world.apply()

    (told,) = (f for f in plan.findings if f.code == "prerequisite.head_room")
    assert told.about == f"{CSV1} of hvcluster"
    assert "some wait until others are done" in told.message
    assert [result.verdict for result in results] == [Verdict.DONE] * 3
    first, second = sorted(latest_jobs(world, "app-01", "app-02"), key=lambda j: j.created_at)
    assert first.ended_at is not None
    assert first.ended_at <= second.created_at
    assert world.plan().actions == ()


def test_one_that_does_not_fit_alone_is_held_and_everybody_is_told(world: World) -> None:
    """What app-02 may need is known by now from what it changed in an hour."""
    leave_free(world, ROOMY)
    world.write("app-02", 1_000_000)
    world.advance(60)
    world.apply()
    world.advance(60)
    largest, other = room(world).needs
    assert (largest.machine, other.machine) == ("app-02", "app-01")
    assert largest.need_bytes >= 1_000_000 > other.need_bytes
    leave_free(world, largest.need_bytes - 1)

    applied = world.cli("apply")

    assert applied.returncode == PARTLY_DONE
    assert f"done    express full backup of {other.machine}" in applied.stdout
    assert f"express full backup of {largest.machine}" not in applied.stdout
    assert "let at least 1 bytes more become free on" in applied.stdout
    hosts = json.loads(world.cli("hosts", "--output", "json").stdout)
    (found,) = (f for f in hosts["findings"] if f["id"] == "prerequisite.head_room")
    assert (found["severity"], found["about"]) == ("error", f"{CSV1} of hvcluster")
    assert largest.machine in found["evidence"]
    assert "Move-VMStorage" in found["remedy"]
    asked = world.cli("request", "backup", largest.machine)
    assert asked.returncode == PARTLY_DONE
    assert "has too little free space" in asked.stdout + asked.stderr


def test_with_room_again_the_held_one_is_made_up_for(world: World) -> None:
    leave_free(world, ROOMY)

    applied = world.cli("apply")

    assert applied.returncode == 0, applied.stdout
    assert applied.stdout.count("done    express full backup") == 1
    assert world.plan().actions == ()
