"""The log of a pass: JSON lines, ids that tie things together, and no secret anywhere."""

import json
from typing import Any

import pytest

from reconciler.lab import processes
from reconciler.logs import Event
from tests.lab_world import World

Lines = list[dict[str, Any]]


@pytest.fixture(scope="module")
def log(small_world: World) -> Lines:
    """The log of an apply that made a replica, at the level that shows the most."""
    done = small_world.cli("--log-level", "debug", "--log-format", "json", "apply")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]


def of(log: Lines, event: Event) -> dict[str, Any]:
    (line,) = (line for line in log if line["event"] == event.value)
    return line


def test_every_line_of_ours_is_an_event_of_the_list_with_a_time_and_a_level(log: Lines) -> None:
    ours = [line for line in log if line["logger"].startswith("reconciler.")]

    assert ours
    assert {line["event"] for line in ours} <= {event.value for event in Event}
    assert all(line["timestamp"].endswith("Z") and line["level"] for line in ours)


def test_policy_plan_job_machine_and_recovery_point_are_tied_together(log: Lines) -> None:
    loaded, made = of(log, Event.POLICIES_LOADED), of(log, Event.PLAN_MADE)
    created = of(log, Event.REPLICA_CREATED)
    finished = of(log, Event.JOB_FINISHED)

    assert created["policy_digest"] == made["policy_digest"] == loaded["policy_digest"]
    assert created["plan"] == made["plan"] == of(log, Event.PASS_FINISHED)["plan"]
    assert created["job"] == of(log, Event.CHECKPOINT_TAKEN)["job"] == finished["job"]
    assert created["recovery_point"] == of(log, Event.CHECKPOINT_TAKEN)["recovery_point"]
    assert {created["vm"], created["host"], created["protection_group"]} == {
        "web-01",
        "hv2",
        "group-hv2",
    }


def test_every_pass_says_which_clock_it_went_by(log: Lines) -> None:
    assert of(log, Event.PASS_STARTED)["clock"] == "lab"
    assert of(log, Event.PASS_FINISHED)["clock"] == "lab"


def test_the_password_is_nowhere_in_what_a_pass_leaves(small_world: World, log: Lines) -> None:
    secret = (small_world.lab / processes.PASSWORD_FILE).read_text().strip()
    plan = small_world.cli("--log-level", "debug", "plan", "--output", "json")
    kept = small_world.folder / small_world.state
    files = [path for path in kept.rglob("*") if path.is_file()]

    assert secret not in json.dumps(log)
    assert secret not in plan.stdout + plan.stderr
    assert files
    assert [path for path in files if secret.encode() in path.read_bytes()] == []


def test_a_line_for_a_terminal_is_no_json(small_world: World) -> None:
    done = small_world.cli("--log-format", "console", "plan", NO_COLOR="1")

    assert Event.PLAN_MADE.value in done.stderr
    assert "\x1b" not in done.stderr
    assert not done.stderr.lstrip().startswith("{")
