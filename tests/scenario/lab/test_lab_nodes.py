"""Nodes of a cluster as processes: lost, stopped and started from outside, seen over the wire."""

import json
from collections.abc import Iterator

import pytest

from reconciler.lab import processes
from reconciler.lab.control import ControlClient
from tests.lab_world import World

ALL = {"app-01", "app-02", "app-03"}


@pytest.fixture
def world(two_nodes: World) -> Iterator[World]:
    """Both nodes up, with app-01 and app-02 on hvc1."""
    two_nodes.up()
    for name, home in (("app-01", "hvc1"), ("app-02", "hvc1"), ("app-03", "hvc2")):
        if name not in machines(two_nodes, home):
            assert two_nodes.cli("lab", "migrate", name, "--to", home).returncode == 0
    yield two_nodes
    two_nodes.up()


def machines(world: World, host: str) -> set[str]:
    return set(ControlClient(world.lab, host).ask("ping")["machines"])


def seen(world: World, host: str) -> set[str]:
    """The machines that the product is told of, over the wire."""
    return {machine.name for machine in world.report(host).machines}


def done(world: World, *words: str) -> str:
    ended = world.cli("lab", *words)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_product_finds_a_migrated_machine_on_its_new_node(world: World) -> None:
    assert seen(world, "hvc1") == {"app-01", "app-02"}

    assert done(world, "migrate", "app-01", "--to", "hvc2") == "app-01 is on hvc2\n"

    assert seen(world, "hvc1") == {"app-02"}
    assert seen(world, "hvc2") == {"app-01", "app-03"}


def test_the_planned_half_of_a_migration_is_no_machine(world: World) -> None:
    done(world, "migrate", "app-01", "--to", "hvc2", "--seconds", "600", "--no-wait")

    (moving,) = (m for m in world.report("hvc1").machines if m.name == "app-01")
    assert "MigratingVirtualMachine" in moving.operational_status
    assert seen(world, "hvc2") == {"app-03"}
    ControlClient(world.lab, "hvc1").ask("settle")
    assert seen(world, "hvc2") == {"app-01", "app-03"}


def test_a_lost_node_answers_nothing_and_the_other_has_its_machines(world: World) -> None:
    done(world, "node", "hvc1", "--lose")

    assert "hvc1" in world.cli("lab", "status").stdout
    assert seen(world, "hvc2") == ALL
    assert json.loads(done(world, "write", "app-01", "--json")) > 0
    started = done(world, "node", "hvc1", "--start")
    assert started == "hvc1 is up\n"
    assert seen(world, "hvc1") == set()


def test_a_restarted_node_has_booted_and_its_machines_run_on_the_other(world: World) -> None:
    before = world.report("hvc1").facts.booted_at

    done(world, "node", "hvc1", "--restart")

    assert world.report("hvc1").facts.booted_at > before
    assert seen(world, "hvc1") == set()
    assert seen(world, "hvc2") == ALL


def test_a_node_that_is_stopped_stays_down_until_it_is_started(world: World) -> None:
    done(world, "node", "hvc2", "--stop")

    states = {each.name: each.is_running for each in processes.status(world.lab)}
    assert states == {"hvc1": True, "hvc2": False}
    assert seen(world, "hvc1") == ALL
    refused = world.cli("lab", "migrate", "app-03", "--to", "hvc2")
    assert refused.returncode != 0
    assert "nodes that are up: none" in refused.stderr
    done(world, "node", "hvc2", "--start")
    assert processes.status(world.lab)[1].port == world.addresses["hvc2"][1]


def test_commands_refuse_what_is_not_there(world: World) -> None:
    for words, told in (
        (("node", "hv9", "--lose"), "no host hv9"),
        (("node", "hvc1"), "say what to do"),
        (("set", "app-01", "Colour", "red"), "no property"),
        (("set", "app-09", "State", "Off"), "no lab host has a machine app-09"),
        (("volume", "hvc1", "Z:\\", "Size", "1"), "no volume Z:\\"),
        (("migrate", "app-01", "--to", "hv9"), "cannot migrate to hv9"),
    ):
        ended = world.cli("lab", *words)
        assert ended.returncode != 0
        assert told in ended.stderr
        assert "Traceback" not in ended.stderr


def test_what_is_set_is_what_the_product_is_told(world: World) -> None:
    done(world, "set", "app-02", "State", "Paused")
    done(world, "set", "app-02", "Name", "renamed")
    try:
        assert "renamed" in seen(world, "hvc1")
    finally:
        done(world, "set", "app-02", "Name", "app-02")
        done(world, "set", "app-02", "State", "Running")
