"""The suites for a live host, run as its guide says, against a lab host."""

import subprocess
import sys
from pathlib import Path
from shutil import copytree

from tests.lab_world import World

ROOT = Path(__file__).parents[2]


def run(world: World, **env: str) -> "subprocess.CompletedProcess[str]":
    folder = world.folder / "live-policies"
    if not folder.exists():
        copytree(world.policies, folder)
        text = (folder / "all.yaml").read_text()
        (folder / "all.yaml").write_text(text.partition("\n---")[0] + "\n")
    words = {
        "RECONCILER_LIVE_POLICIES": str(folder),
        "RECONCILER_LIVE_HOST": "hv2",
        "RECONCILER_LIVE_MACHINE": "web-01",
    }
    return subprocess.run(
        [sys.executable, "-m", "tests.live"],
        cwd=ROOT,
        env={**world.environment, "RECONCILER_CLOCK": "system"} | words | env,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_a_host_is_tried_and_left_as_it_was(small_world: World) -> None:
    assert small_world.cli("lab", "set", "web-01", "State", "Off").returncode == 0
    before = small_world.report("hv2")
    done = run(small_world)
    after = small_world.report("hv2")

    assert done.returncode == 0, done.stdout[-3000:]
    last = done.stdout.splitlines()[-1]
    assert last.startswith("tried against a host of build 20348, agent 1.1.0, contract 2, ntlm ")
    assert last.endswith(" 0 failed, 0 skipped")
    assert after.checkpoints == before.checkpoints == ()
    assert after.reference_points == before.reference_points == ()


def test_without_a_machine_nothing_is_tried(small_world: World) -> None:
    done = run(small_world, RECONCILER_LIVE_MACHINE="")

    assert done.returncode == 64
    assert "RECONCILER_LIVE_MACHINE" in done.stdout
    assert "GUIDE.md" in done.stdout


def test_a_host_that_is_not_there_is_said_to_be_so(small_world: World) -> None:
    done = run(small_world, RECONCILER_LIVE_HOST="hv9")

    assert done.returncode == 1
    assert "hv9" in done.stdout
    assert "Traceback" not in done.stderr + done.stdout
