"""A machine whose volume is no folder: backed up twice, shown and given back by the commands."""

import json

import pytest

from reconciler.execute.outcome import Verdict
from tests.lab_world import World
from tests.storage_servers import Declared


@pytest.mark.parametrize("kind", ["smb", "azure", "s3"])
def test_a_machine_is_backed_up_to_a_volume_elsewhere_and_given_back(
    kind: str, small_world: World, declared: Declared
) -> None:
    world = small_world.another(kind)
    file = world.policies / "all.yaml"
    lines = file.read_text().splitlines()
    (at,) = (n for n, line in enumerate(lines) if "name: main-1" in line)
    lines[at] = f"  - {json.dumps({'name': 'main-1'} | declared(kind))}"
    file.write_text("\n".join(lines) + "\n")
    shadows = []
    for number in range(2):
        world.write("web-01")
        world.advance(60)
        shadows.append(world.shadow(f"{kind}-{number}"))
        _, results = world.apply()
        assert [result.verdict for result in results] == [Verdict.DONE]

    first, second = world.points("web-01")
    assert world.differing("web-01", first, shadows[0]) == []
    assert world.differing("web-01", second, shadows[1]) == []
    assert second.bytes_stored < first.bytes_stored
    shown = world.cli("show", "--output", "json")
    assert json.loads(shown.stdout)["volumes"][0]["path"].startswith(f"{kind}://")
    out = world.folder / f"out-{kind}"
    recovered = world.cli("recover", "disks", "web-01", "--to", str(out))
    assert recovered.returncode == 0, recovered.stderr
    assert len(list(out.glob("*.vhdx"))) == 1
