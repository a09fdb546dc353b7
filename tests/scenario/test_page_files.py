"""What a guest pages is left out of incrementals, and nothing else of its disks is."""

import os
from pathlib import Path

from reconciler.app import open_app
from reconciler.blocks.disk_file import open_disk
from reconciler.blocks.manifest import Manifest
from reconciler.cli.exit_codes import ExitCode
from reconciler.lab.images.manifest import disk_image
from reconciler.model.ranges import ByteRange
from tests.disk_images import FolderFiles
from tests.lab_world import World
from tests.ntfs_checks import require_as_the_guest_had_it, require_clean

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


def test_the_recovered_file_system_has_every_file_of_the_guest_s_and_is_clean(
    two_hosts: World, tmp_path: Path
) -> None:
    world = two_hosts.another("paging-recovered")
    world.apply()
    assert backed_up(world, "recovered-1") == []
    assert any(d.left_out for d in manifest_of(world).descriptions)
    assert world.cli("recover", "disks", VM, "--to", "paging-disks").returncode == ExitCode.OK
    known = {(f["disk_number"], f["path"]): f["sha256"] for f in world.door(VM).ask(
        "known_files", vm=VM)}  # fmt: skip

    for number, image in enumerate(("fin-sql01-disk0", "fin-sql01-disk1")):
        (volume,) = disk_image(image).volumes
        place = ByteRange(volume.offset, volume.offset + volume.length)
        files = FolderFiles(world.folder / "paging-disks")
        (recovered,) = open_disk(files, f"C:\\{VM}-SCSI-0-{number}.vhdx").read([place])
        with (world.folder / "recovered-1" / f"{VM}-disk{number}.raw").open("rb") as raw:
            guest = os.pread(raw.fileno(), place.length, place.start)
        hashes = require_as_the_guest_had_it(recovered, guest)
        told = {path: sha256 for (disk, path), sha256 in known.items() if disk == number}
        assert told
        assert told.items() <= hashes.items()
        require_clean(recovered, tmp_path)
