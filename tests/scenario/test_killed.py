"""SIGKILL at every boundary of the order of commits; a second process heals; nothing is lost."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.app import open_app
from reconciler.execute.boundaries import Boundary
from reconciler.execute.outcome import Verdict
from reconciler.model.protection import Replica
from tests.lab_world import World

ONLINE = [
    Boundary.INTENT_WRITTEN,
    Boundary.CHECKPOINT_TAKEN,
    Boundary.CONFIGURATION_READ,
    Boundary.PACKS_SYNCED,
    Boundary.MANIFEST_SEALED,
    Boundary.REFERENCE_POINT_MADE,
    Boundary.HEAD_SET,
    Boundary.CATALOGUE_COMMITTED,
    Boundary.OLD_REFERENCE_POINT_REMOVED,
]
"""What the capture of a machine goes through that need not be saved."""
CHILD = Path(__file__).with_name("killed_child.py")


@pytest.fixture(scope="module")
def foreign(small_world: World) -> dict[str, str]:
    """What another backup product has on the host, beside ours."""
    door = small_world.door("web-01")
    return {
        "reference_point": door.ask("foreign_reference_point", vm="web-01"),
        "checkpoint": door.ask("foreign_checkpoint", vm="web-01"),
    }


def killed_at(world: World, boundary: Boundary) -> None:
    child = subprocess.run(
        [sys.executable, CHILD, boundary.value, world.folder, world.state],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr[-2000:]


def heal(world: World) -> None:
    """A second process: all is done, and then nothing is left to do."""
    _, results = world.apply()
    assert [r.message for r in results if r.verdict is Verdict.FAILED] == []
    assert world.plan().actions == ()


def assert_only_ours_and_the_foreign(world: World, foreign: dict[str, str]) -> Replica:
    report = world.report("hv2")
    assert [c.id for c in report.checkpoints] == [foreign["checkpoint"]]
    with open_app(world.settings) as app:
        (replica,) = app.catalogue.replicas().values()
        assert replica.head is not None
        ours = {str(r.id) for r in app.catalogue.reference_points()}
        assert app.catalogue.jobs.live() == ()
    assert ours == {replica.head.reference_point}
    assert ours < {r.id for r in report.reference_points}
    assert foreign["reference_point"] in {r.id for r in report.reference_points}
    return replica


def assert_catalogue_knows_all_that_is_sealed(world: World) -> None:
    with open_app(world.settings) as app:
        (source,) = app.catalogue.sources()
        points = app.catalogue.recovery_points(source.id)
        repository = app.repository(points[0].volume)
        assert sorted(p.id for p in points) == repository.manifests(source.id)
        assert repository.head(source.id) == app.catalogue.replicas()[source.id].head


@pytest.mark.parametrize("boundary", ONLINE)
def test_a_replica_creation_killed_at_any_boundary_is_healed(
    small_world: World, foreign: dict[str, str], boundary: Boundary
) -> None:
    world = small_world.another(f"create-{boundary.value}")
    known = {r.id for r in world.report("hv2").reference_points}
    shadow = world.shadow("shadow-create")

    killed_at(world, boundary)
    heal(world)

    replica = assert_only_ours_and_the_foreign(world, foreign)
    assert replica.head is not None
    assert {r.id for r in world.report("hv2").reference_points} - known == {
        replica.head.reference_point
    }
    assert_catalogue_knows_all_that_is_sealed(world)
    (point,) = world.points("web-01")
    assert world.differing("web-01", point, shadow) == []


def test_express_full_backups_killed_at_every_boundary_are_healed_one_after_another(
    small_world: World, foreign: dict[str, str]
) -> None:
    world = small_world.another("express")
    world.apply()
    shadows = [world.shadow("shadow-0")]
    for number, boundary in enumerate(ONLINE, start=1):
        world.write("web-01")
        world.advance(60)
        shadows.append(world.shadow(f"shadow-{number}"))
        before = len(world.points("web-01"))

        killed_at(world, boundary)
        heal(world)

        assert_only_ours_and_the_foreign(world, foreign)
        assert_catalogue_knows_all_that_is_sealed(world)
        assert len(world.points("web-01")) == before + 1, boundary
    points = world.points("web-01")
    assert len(points) == len(shadows)
    for point, shadow in zip(points, shadows, strict=True):
        assert world.differing("web-01", point, shadow) == [], point


def test_what_a_killed_first_copy_has_stored_is_not_read_again(small_world: World) -> None:
    world = small_world.another("resumed")
    killed_at(world, Boundary.PACKS_SYNCED)
    shadow = world.shadow("shadow-resumed")

    _, results = world.apply()

    assert sum(r.outcome.bytes_read for r in results) == 0
    assert sum(r.outcome.bytes_stored for r in results) < 10_000  # the nodes of its tree
    (point,) = world.points("web-01")
    assert world.differing("web-01", point, shadow) == []
    other = small_world.another("not-resumed")
    _, results = other.apply()
    assert sum(r.outcome.bytes_read for r in results) > 10_000_000
