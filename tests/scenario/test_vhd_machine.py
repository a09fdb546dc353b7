"""A machine with a VHD disk: no change tracking, so it is protected by comparing hashes."""

from collections.abc import Iterator

import pytest

from reconciler.app import open_app
from reconciler.blocks.disk_file import open_disk
from reconciler.execute.outcome import Result, Verdict
from reconciler.lab.definition import HostDefinition, LabDefinition
from reconciler.lab.full_lab import VHD_01
from reconciler.model.machine import DiskFormat
from reconciler.model.ranges import ByteRange, pieces
from tests.disk_images import FolderFiles
from tests.lab_world import World, new_world

VM = VHD_01.name
MIB = 1 << 20
WRITTEN = 200_000


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One host, one machine of one VHD."""
    yield from new_world(tmp_path_factory, LabDefinition((HostDefinition("hv1", (VHD_01,)),)))


def carried_out(world: World) -> Result:
    _, results = world.apply()
    (result,) = results
    assert result.verdict is Verdict.DONE, result
    return result


def test_the_host_shows_a_vhd_and_the_machine_is_not_blocked(world: World) -> None:
    (machine,) = world.report("hv1").machines
    plan = world.another("looked").plan()

    assert machine.disks[0].geometry.format is DiskFormat.VHD
    assert machine.disks[0].geometry.format_block_bytes == 2 * MIB
    assert [action.subject.name for action in plan.actions] == [VM]
    assert not any(finding.code.startswith("blocked") for finding in plan.findings)


def test_only_blocks_that_differ_travel_and_each_point_equals_its_shadow(world: World) -> None:
    here = world.another("compared")
    shadow = here.shadow("compared-first")
    carried_out(here)
    (first,) = here.points(VM)
    assert here.differing(VM, first, shadow) == []

    here.write(VM, WRITTEN)
    here.advance(24 * 60)
    shadow = here.shadow("compared-second")
    carried_out(here)
    second = here.points(VM)[-1]

    assert here.differing(VM, second, shadow) == []
    assert 0 < second.bytes_read < first.bytes_read // 4
    report = here.report("hv1")
    assert (report.checkpoints, report.reference_points) == ((), ())


def test_a_recovered_disk_is_a_vhd_and_equals_its_shadow(world: World) -> None:
    here = world.another("recovered")
    shadow = here.shadow("recovered-shadow") / f"{VM}-disk0.raw"
    carried_out(here)

    done = here.cli("recover", "disks", VM, "--to", "recovered-disks")

    assert done.returncode == 0, done.stderr
    (file,) = (here.folder / "recovered-disks").glob("*.vhd*")
    assert file.name == f"{VM}-IDE-0-0.vhd"
    chain = open_disk(FolderFiles(file.parent), f"C:\\{file.name}")
    assert chain.virtual_disk_id == VHD_01.disks[0].virtual_disk_id
    with shadow.open("rb") as raw:
        for part in pieces([ByteRange(0, chain.virtual_bytes)], 16 * MIB):
            assert chain.read([part]) == [raw.read(part.length)]
        assert raw.read() == b""


def test_the_manifest_remembers_the_format(world: World) -> None:
    here = world.another("remembered")
    carried_out(here)
    (point,) = here.points(VM)

    with open_app(here.settings) as app:
        manifest = app.repository(point.volume).manifest(point.source, point.id)

    (disk,) = manifest.descriptions
    assert disk.geometry.format is DiskFormat.VHD
    assert disk.geometry.logical_sector_bytes == 512
