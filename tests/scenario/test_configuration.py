"""The configuration files of a machine, from its checkpoint to a folder; and the end of merges."""

from collections.abc import Mapping
from pathlib import Path

from structlog.testing import capture_logs

from reconciler.app import open_app
from reconciler.execute.outcome import Verdict
from reconciler.lab.configuration_document import parse_configuration
from reconciler.logs import Event
from tests.lab_world import World
from tests.second_reader.repository import Reader

VM = "web-01"


def backed_up(world: World) -> None:
    world.advance(60)
    _, results = world.apply()
    assert [r.verdict for r in results] == [Verdict.DONE]


def recovered(world: World, folder: str) -> Mapping[str, bytes]:
    done = world.cli("recover", "disks", VM, "--to", folder)
    assert done.returncode == 0, done.stderr
    files = (world.folder / folder / "configuration").iterdir()
    return {file.name: file.read_bytes() for file in files}


def test_they_are_in_each_point_and_come_back_beside_the_disks(small_world: World) -> None:
    backed_up(small_world)
    files = recovered(small_world, "back")
    (settings,) = (data for name, data in files.items() if name.endswith(".vmcx"))
    point = small_world.points(VM)[-1]
    with open_app(small_world.settings) as app:
        place = app.catalogue.volumes()[0].path
    reader = Reader(Path(place))

    assert sorted(name.rpartition(".")[2] for name in files) == ["vmcx", "vmgs", "vmrs"]
    assert parse_configuration(settings).name == VM
    assert reader.configuration(point.source, point.id) == files
    assert list((small_world.folder / "back").glob("*.vhdx"))
    assert "3 configuration files" in small_world.cli("show", VM).stdout
    assert not list(small_world.lab.rglob("Snapshots/*"))  # what a checkpoint keeps goes with it


def test_a_file_that_is_gone_is_told_everywhere(
    small_world: World,
) -> None:
    small_world.cli("lab", "fault", "set", "configuration-gone", "--vm", VM)
    with capture_logs() as lines:
        backed_up(small_world)
    small_world.cli("lab", "fault", "clear", "configuration-gone", "--vm", VM)
    files = recovered(small_world, "without")

    assert Event.CONFIGURATION_LEFT_OUT in {line["event"] for line in lines}
    assert b"no such file" in files["not-in-this-recovery-point.txt"]
    assert "! not in it:" in small_world.cli("show", VM).stdout


def test_a_merge_that_fails_is_found_until_it_has_ended(small_world: World) -> None:
    small_world.cli("lab", "fault", "set", "merge-failed", "--vm", VM)
    backed_up(small_world)
    codes = [f.code for f in small_world.plan().findings]
    small_world.advance(11)
    later = [f for f in small_world.plan().findings if f.code == "machine.merge_unfinished"]
    small_world.cli("lab", "fault", "clear", "merge-failed", "--vm", VM)
    backed_up(small_world)
    small_world.advance(11)

    assert "machine.merge_unfinished" not in codes
    assert [f.about for f in later] == [VM]
    assert ".avhdx" in later[0].message
    assert "19100" in later[0].hint
    assert "machine.merge_unfinished" not in [f.code for f in small_world.plan().findings]
