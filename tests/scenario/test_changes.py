"""What changed is found by tracking, by hashes where tracking cannot tell, and never guessed."""

from reconciler.execute.outcome import Result, Verdict
from reconciler.model.protection import RecoveryPoint
from tests.lab_world import World

WRITTEN = 400_000
DISK_BYTES = 20 << 20


def next_point(
    world: World, machine: str, name: str, minutes: int = 60
) -> tuple[RecoveryPoint, list[str], Result]:
    """One more point after a guest wrote: the point, what differs from the shadow, the result."""
    world.write(machine, WRITTEN)
    world.advance(minutes)
    shadow = world.shadow(name)
    _, results = world.apply()
    (result,) = (r for r in results if r.action.subject.name == machine)
    assert result.verdict is Verdict.DONE, result
    point = world.points(machine)[-1]
    return point, world.differing(machine, point, shadow), result


def test_only_what_changed_is_read_where_the_host_tracks_changes(small_world: World) -> None:
    world = small_world.another("tracked")
    world.apply()

    point, differing, _ = next_point(world, "web-01", "tracked-shadow")

    assert differing == []
    assert WRITTEN // 4 < point.bytes_read < DISK_BYTES // 4


def test_hashes_are_compared_when_tracking_was_reset(small_world: World) -> None:
    world = small_world.another("reset")
    world.apply()
    world.door("web-01").ask("forget_tracking", vm="web-01")

    point, differing, _ = next_point(world, "web-01", "reset-shadow")
    again, differing_again, _ = next_point(world, "web-01", "reset-shadow-2")

    assert differing == differing_again == []
    assert max(point.bytes_read, again.bytes_read) < DISK_BYTES // 4


def test_a_machine_of_an_old_version_is_compared_by_hashes_and_leaves_no_checkpoint(
    small_world: World,
) -> None:
    world = small_world.another("untracked")
    ask = world.door("web-01").ask
    ask("set", vm="web-01", name="Version", value="5.0")
    try:
        before = world.report("hv2").reference_points
        world.apply()
        world.advance(60)
        assert world.plan().actions == ()  # without tracking there are the times of day only
        point, differing, _ = next_point(world, "web-01", "untracked-shadow", minutes=1440)

        assert differing == []
        assert point.bytes_read < DISK_BYTES // 4
        report = world.report("hv2")
        assert report.checkpoints == ()
        assert report.reference_points == before
    finally:
        ask("set", vm="web-01", name="Version", value="9.0")
    last, differing, _ = next_point(world, "web-01", "tracked-again-shadow")
    assert differing == []
    assert last.bytes_read < DISK_BYTES // 4


def test_a_machine_that_is_off_is_captured_and_its_point_says_so(small_world: World) -> None:
    world = small_world.another("off")
    ask = world.door("web-01").ask
    ask("set", vm="web-01", name="State", value="Off")
    try:
        world.apply()
        (point,) = world.points("web-01")
        assert point.consistency.value == "offline"
    finally:
        ask("set", vm="web-01", name="State", value="Running")


def test_a_guest_that_did_not_do_all_of_its_part_makes_a_point_as_after_a_crash(
    small_world: World,
) -> None:
    world = small_world.another("warned")
    world.apply()
    assert world.points("web-01")[-1].consistency.value == "file_system"
    world.door("web-01").ask("fault_set", kind="checkpoint-warns", vm="web-01", count=1)

    warned, differing, _ = next_point(world, "web-01", "warned-shadow")
    well, _, _ = next_point(world, "web-01", "warned-shadow-2")

    assert differing == []
    assert (warned.consistency.value, well.consistency.value) == ("crash", "file_system")


def test_after_apply_at_the_same_time_there_are_no_actions(small_world: World) -> None:
    world = small_world.another("law")
    plan, _ = world.apply()

    assert len(plan.actions) == 1
    assert world.plan().actions == ()
