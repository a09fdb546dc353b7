"""A disk that a pattern names is left out of incrementals whole, and taken in again whole."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.app import open_app
from reconciler.blocks.disk_file import open_disk
from reconciler.blocks.manifest import Manifest
from reconciler.lab.definition import FIN_SQL01, HostDefinition, LabDefinition
from reconciler.model.protection import LeftOut, RecoveryPoint
from reconciler.model.ranges import ByteRange, subtracted
from tests.disk_images import FolderFiles
from tests.lab_world import World, new_world

VM = "fin-sql01"
SLOT = "SCSI 0:1"
PATTERN = "*_pagefile.vhd*"
WRITTEN = 2_000_000
MIB, GIB = 1 << 20, 1 << 30
PLACES = [ByteRange(at, at + MIB) for at in (0, *range(3 * GIB, 3 * GIB + 24 * MIB, MIB))]
"""Of the second disk: its partition table, and its file system."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One machine whose second disk is called a disk of page files; its guest writes to it too."""
    system, second = FIN_SQL01.disks
    paging = replace(second, path="C:\\VMs\\fin-sql01\\fin-sql01_pagefile.vhdx")
    machine = replace(FIN_SQL01, disks=(system, paging))
    yield from new_world(tmp_path_factory, LabDefinition((HostDefinition("hv1", (machine,)),)))


def named(world: World, keys: str) -> None:
    """Write the policies anew, with these keys of page files in the group."""
    world.write_policies()
    path = world.policies / "all.yaml"
    zone = "zone: Europe/Berlin\n"
    assert path.read_text().count(zone) == 1
    path.write_text(path.read_text().replace(zone, f"{zone}{keys}"))


def by_pattern(world: World, *patterns: str) -> None:
    named(world, f"page_files: {{disks: {json.dumps(patterns)}}}\n")


def next_point(world: World, name: str) -> tuple[RecoveryPoint, Path]:
    """One more point after the guest wrote, and the guest's disks as they were then."""
    world.write(VM, WRITTEN)
    world.advance(60)
    shadow = world.shadow(name)
    world.apply()
    return world.points(VM)[-1], shadow


def manifest_of(world: World, point: RecoveryPoint) -> Manifest:
    with open_app(world.settings) as app:
        return app.repository_to_read(point.volume).manifest(point.source, point.id)


def left_out(world: World, point: RecoveryPoint) -> tuple[LeftOut, ...]:
    """Of the disk of page files."""
    disks = manifest_of(world, point).descriptions
    (disk,) = (disk for disk in disks if str(disk.slot) == SLOT)
    return disk.left_out


def since(point: RecoveryPoint) -> str:
    return f"{point.captured_at:%Y-%m-%dT%H:%M:%SZ}"


def given_back(world: World, point: RecoveryPoint) -> list[bytes]:
    """The disk of page files out of the file that a recovery of the newest point writes."""
    assert point == world.points(VM)[-1]
    folder = world.folder / f"{world.state}-{point.id}"
    done = world.cli("recover", "disks", VM, "--to", str(folder))
    assert done.returncode == 0, done.stderr
    chain = open_disk(FolderFiles(folder), f"C:\\{VM}-SCSI-0-1.vhdx")
    return chain.read(PLACES)


def disk_of(shadow: Path) -> list[bytes]:
    """The same, as the guest had it."""
    with (shadow / f"{VM}-disk1.raw").open("rb") as raw:
        return [os.pread(raw.fileno(), part.length, part.start) for part in PLACES]


def test_a_named_disk_is_copied_once_then_left_out_and_given_back_as_it_was(world: World) -> None:
    here = world.another("named")
    by_pattern(here, PATTERN)
    before = here.shadow("named-before")
    here.apply()
    (first,) = here.points(VM)
    assert left_out(here, first) == ()
    assert here.differing(VM, first, before) == []

    second, between = next_point(here, "named-second")
    third, after = next_point(here, "named-third")

    reason = f"disk of page files ({PATTERN}), as it was at {since(first)}"
    for point, shadow in ((second, between), (third, after)):
        assert {part.reason for part in left_out(here, point)} == {reason}
        assert here.differing(VM, point, shadow) == []  # but for what it says that it left out
    assert covers(left_out(here, third), left_out(here, second))
    assert given_back(here, third) == disk_of(before)
    assert disk_of(before) != disk_of(between) != disk_of(after)


def covers(parts: Sequence[LeftOut], others: Sequence[LeftOut]) -> bool:
    """Whether every byte of the others is in one of the parts."""
    places = [ByteRange(each.start, each.end) for each in parts]
    return subtracted((ByteRange(each.start, each.end) for each in others), places) == ()


def test_what_is_left_out_is_not_read(world: World) -> None:
    here = world.another("not-read")
    named(here, "page_files: {leave_out: false}\n")
    here.apply()
    whole = again(here)
    by_pattern(here, PATTERN)
    spared = again(here)

    disks = manifest_of(here, spared).descriptions
    out = sum(part.end - part.start for disk in disks for part in disk.left_out)
    assert left_out(here, whole) == ()
    assert left_out(here, spared)
    assert whole.bytes_read - spared.bytes_read == out


def again(world: World) -> RecoveryPoint:
    """One more point after the guest wrote the same to the same places."""
    world.door(VM).ask("write", vm=VM, total_bytes=WRITTEN, seed="again")
    world.advance(60)
    world.apply()
    return world.points(VM)[-1]


def test_show_and_recover_say_it_in_words_and_for_programs(world: World) -> None:
    here = world.another("told")
    by_pattern(here, PATTERN)
    here.apply()
    first, (point, _) = here.points(VM)[-1], next_point(here, "told-shadow")
    words = f"of disk of page files ({PATTERN}), as it was at {since(first)}; older bytes are in "
    parts = [
        {"disk": SLOT, "start": each.start, "end": each.end, "reason": each.reason}
        for each in left_out(here, point)
    ]

    shown = here.cli("show", VM).stdout.splitlines()
    data = json.loads(here.cli("show", VM, "--output", "json").stdout)
    told = here.cli("recover", "disks", VM, "--to", "told-out").stdout.splitlines()

    for lines in (shown, told):
        (line,) = (each for each in lines if each.strip().startswith(f"left out of {SLOT}: "))
        assert words in line
    of_points = data["machines"][0]["recovery_points"]
    by_id = {each["id"]: each["left_out"] for each in of_points}
    assert [each for each in by_id[point.id] if each["disk"] == SLOT] == parts
    assert by_id[first.id] == []


def test_a_disk_that_is_named_no_more_is_whole_again_though_nothing_was_written(
    world: World,
) -> None:
    here = world.another("named-no-more")
    by_pattern(here, PATTERN)
    here.apply()
    second, shadow = next_point(here, "no-more-second")
    assert left_out(here, second)
    by_pattern(here, "*_swap.vhd*")

    here.advance(60)
    here.apply()

    third = here.points(VM)[-1]
    assert third != second
    assert left_out(here, third) == ()
    assert given_back(here, third) == disk_of(shadow)


def test_under_another_pattern_the_bytes_are_as_old_as_they_were(world: World) -> None:
    here = world.another("renamed")
    by_pattern(here, PATTERN)
    before = here.shadow("renamed-before")
    here.apply()
    first = here.points(VM)[-1]
    next_point(here, "renamed-second")
    by_pattern(here, "fin-*_page*.vhdx")

    third, _ = next_point(here, "renamed-third")

    reason = f"disk of page files (fin-*_page*.vhdx), as it was at {since(first)}"
    assert {part.reason for part in left_out(here, third)} == {reason}
    assert given_back(here, third) == disk_of(before)


def test_a_disk_that_is_named_anew_is_as_old_as_the_point_before(world: World) -> None:
    here = world.another("anew")
    here.apply()
    second, shadow = next_point(here, "anew-second")
    assert left_out(here, second) == ()
    by_pattern(here, PATTERN)

    third, _ = next_point(here, "anew-third")

    reason = f"disk of page files ({PATTERN}), as it was at {since(second)}"
    assert {part.reason for part in left_out(here, third)} == {reason}
    assert given_back(here, third) == disk_of(shadow)


def test_a_consistency_check_takes_in_the_named_disk_too(world: World) -> None:
    here = world.another("checked")
    by_pattern(here, PATTERN)
    here.apply()
    second, shadow = next_point(here, "checked-second")
    assert left_out(here, second)

    done = here.cli("request", "consistency-check", VM)

    assert done.returncode == 0, done.stderr
    third = here.points(VM)[-1]
    assert third != second
    assert left_out(here, third) == ()
    assert here.differing(VM, third, shadow) == []
