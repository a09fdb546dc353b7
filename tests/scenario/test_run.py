"""The loop as a process: does what is due, takes policies up, ends in order, survives kill -9."""

import subprocess
from collections.abc import Iterator

import pytest

from reconciler.record.lead import leader
from tests.lab_world import World
from tests.running import Running


@pytest.fixture
def world(small_world: World, request: pytest.FixtureRequest) -> World:
    name = request.node.name
    return small_world.another(f"state-{name}")


@pytest.fixture
def running(world: World) -> Iterator[Running]:
    running = Running(world)
    try:
        yield running
    finally:
        running.kill()


def count_points(world: World) -> int:
    try:
        return len(world.points("web-01"))
    except Exception:  # noqa: BLE001 (there is no machine yet)
        return 0


def test_the_loop_makes_the_replica_and_then_what_each_slot_wants(
    world: World, running: Running
) -> None:
    assert running.said("replica.created")
    world.write("web-01")
    shadow = world.shadow("after-an-hour")
    world.advance(60)

    assert running.said("recovery_point.created")
    assert running.end() == 0

    newest = world.points("web-01")[-1]
    assert world.differing("web-01", newest, shadow) == []
    assert running.count("run.stopped") == 1


def test_a_policy_that_changes_is_taken_up_without_a_restart(
    world: World, running: Running
) -> None:
    assert running.said("replica.created")
    policy = world.policies / "all.yaml"
    text = policy.read_text()
    try:
        policy.write_text(text.replace("retention: 30d", "retention: 30 days"))
        assert running.said("policies.rejected")
        assert running.said("alert.opened", alert="policy.broken")
        policy.write_text(text.replace("retention: 30d", "retention: 31d"))

        assert running.said("alert.resolved", alert="policy.broken")
        digests = {line.get("policy_digest") for line in running.lines if "policy_digest" in line}
        assert len(digests) > 1
    finally:
        policy.write_text(text)
    assert running.end() == 0


def test_a_second_loop_on_the_same_catalogue_is_refused(world: World, running: Running) -> None:
    assert running.said("lead.taken")

    second = world.cli("run", "--once")

    assert second.returncode == 7
    assert "another reconciler leads" in second.stderr
    assert running.end() == 0


def test_kill_9_loses_and_doubles_nothing(world: World, running: Running) -> None:
    assert running.said("job.started")
    running.kill()
    after = Running(world)
    try:
        assert after.until(lambda: count_points(world) == 1)
        world.advance(60)
        assert after.until(lambda: count_points(world) == 2)
        assert after.end() == 0
    finally:
        after.kill()

    report = world.report("hv2")
    ours = [c for c in report.checkpoints if c.name.startswith("reconciler")]
    assert ours == []
    slots = [point.cause.slot_at for point in world.points("web-01")]
    assert len(set(slots)) == len(slots) == 2


def test_a_request_is_done_by_the_loop_that_leads(world: World, running: Running) -> None:
    assert running.said("replica.created")

    asked = world.cli("request", "backup", "web-01")

    assert asked.returncode == 0, asked.stderr
    assert "done    backup" in asked.stdout
    assert [p.cause.kind.value for p in world.points("web-01")] == ["replica_creation", "request"]
    assert running.end() == 0


def test_without_a_loop_a_request_makes_its_own_pass(world: World) -> None:
    world.apply()
    assert leader(world.folder / world.state) is None

    asked = world.cli("request", "consistency-check", "group-hv2")

    assert asked.returncode == 0, asked.stderr
    assert [p.cause.kind.value for p in world.points("web-01")] == [
        "replica_creation",
        "consistency_check",
    ]


def test_a_job_at_work_may_finish_when_the_loop_is_asked_to_end(
    world: World, running: Running
) -> None:
    assert running.said("job.started")

    assert running.end() == 0

    assert count_points(world) == 1
    assert running.count("run.stopping") == 1


def test_once_makes_one_pass_and_ends(world: World) -> None:
    done = world.cli("run", "--once")

    assert done.returncode == 0, done.stderr
    assert count_points(world) == 1
    again: subprocess.CompletedProcess[str] = world.cli("run", "--once")
    assert again.returncode == 0
    assert count_points(world) == 1
