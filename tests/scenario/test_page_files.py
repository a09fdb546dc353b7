"""What a guest pages is left out of incrementals, and nothing else of its disks is."""

from reconciler.app import open_app
from reconciler.blocks.manifest import Manifest
from tests.lab_world import World

VM = "fin-sql01"
PAGE_FILE = (40_894_464, 45_088_768)
"""Where the lab's image has it."""


def manifest_of(world: World) -> Manifest:
    point = world.points(VM)[-1]
    with open_app(world.settings) as app:
        return app.repository_to_read(point.volume).manifest(point.source, point.id)


def backed_up(world: World, name: str) -> list[str]:
    """One more point after the guest wrote; what of it differs from the guest's disks."""
    world.write(VM)
    world.advance(60)
    shadow = world.shadow(name)
    world.apply()
    return world.differing(VM, world.points(VM)[-1], shadow)


def test_an_incremental_says_what_of_a_page_file_it_left_out_and_the_rest_is_true(
    two_hosts: World,
) -> None:
    world = two_hosts.another("paging")
    world.apply()
    assert not any(d.left_out for d in manifest_of(world).descriptions)  # the first copy is whole

    assert backed_up(world, "paging-1") == []
    first = [part for d in manifest_of(world).descriptions for part in d.left_out]
    assert backed_up(world, "paging-2") == []
    second = [part for d in manifest_of(world).descriptions for part in d.left_out]

    assert first
    for part in (*first, *second):
        assert part.reason == "pagefile.sys"
        assert PAGE_FILE[0] <= part.start < part.end <= PAGE_FILE[1]
    held = {(p.start, p.end) for p in second}
    assert all(any(s <= p.start and p.end <= e for s, e in held) for p in first)


def test_a_guest_that_is_off_is_copied_whole_with_what_was_left_out_before(
    two_hosts: World,
) -> None:
    world = two_hosts.another("paging-off")
    world.apply()
    assert backed_up(world, "off-1") == []
    assert any(d.left_out for d in manifest_of(world).descriptions)
    world.door(VM).ask("set", vm=VM, name="State", value="Off")
    try:
        world.advance(60)
        shadow = world.shadow("off-2")
        world.apply()
    finally:
        world.door(VM).ask("set", vm=VM, name="State", value="Running")

    assert not any(d.left_out for d in manifest_of(world).descriptions)
    assert world.differing(VM, world.points(VM)[-1], shadow) == []
