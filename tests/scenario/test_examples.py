"""Each example runs as its README says it does."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from reconciler.app import open_app
from reconciler.lab.full_lab import CLUSTER_LAB, FULL_LAB
from reconciler.lab.samba import is_installed
from reconciler.model.names import RecoveryPointId
from reconciler.model.protection import DataSource, RecoveryPoint
from tests.walk import EXAMPLES, Walk, walk

GOLDEN = Path(__file__).parents[1] / "golden" / "examples"
BACKED_UP = {
    *("fin-sql01", "erp-01", "old-01", "dev-01", "raw-01", "vhd-01"),
    *("web-01", "erp-01/replica", "arc-01", "smb-01", "off-01", "r2-01", "app-01", "app-03"),
}
STORED = re.compile(r"^  main/main-1 .*?  (\S+) MiB stored$", re.MULTILINE)


@pytest.fixture
def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Walk]:
    """Every kind of machine. Paths of its policies are seen from its folder."""
    with walk("02-every-kind-of-machine", tmp_path, FULL_LAB) as on_its_way:
        monkeypatch.chdir(on_its_way.world.folder)
        if not is_installed():
            through_the_agent(on_its_way.world.policies / "file-servers.yaml")
        yield on_its_way


def test_the_demo_proves_what_it_says_within_its_last_line() -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / "01-first-backup" / "demo.py"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "RECONCILER_LOG_FORMAT": "json"},
    )

    assert done.returncode == 0, done.stderr[-3000:]
    last = done.stdout.strip().splitlines()[-1]
    assert last.startswith("PROVEN in ")
    assert "6 recovered disks equal their shadows" in last


def test_every_kind_of_machine_is_backed_up_as_it_was(
    full: Walk, pytestconfig: pytest.Config
) -> None:
    known: set[RecoveryPointId] = set()
    shadow, passes = None, 0
    for step in full.steps():
        if shadow is not None:
            known |= {point.id for _, point in judged(full, known, shadow)}
            shadow = None
        if step.command == "reconciler apply":
            passes += 1
            shadow = full.world.shadow(f"shadow-{passes}")
        if step.command.startswith("reconciler lab down"):
            assert {source.label for source in points_of(full)} == BACKED_UP

    assert len(known) == len(BACKED_UP) + 4
    plan = without_room(full.output_of("reconciler plan")[0])
    golden = GOLDEN / "every-kind-of-machine.plan.txt"
    if pytestconfig.getoption("--update-golden"):
        golden.write_text(plan, encoding="utf-8")
    assert plan == golden.read_text(encoding="utf-8")


def test_what_goes_wrong_is_told_and_heals(tmp_path: Path) -> None:
    with walk("03-when-things-go-wrong", tmp_path, CLUSTER_LAB) as on_its_way:
        on_its_way.run()

    before, after = (STORED.search(text) for text in on_its_way.output_of("reconciler show")[-2:])
    assert before
    assert after
    assert float(after[1]) < float(before[1])


def test_only_what_was_reviewed_is_done(tmp_path: Path) -> None:
    with walk("04-reviewed-in-git", tmp_path, CLUSTER_LAB) as on_its_way:
        on_its_way.run()

    assert "policy.broken" not in on_its_way.output_of("reconciler show")[-1]


def without_room(plan: str) -> str:
    """A plan without what room there is, which is a matter of this computer."""
    actions, _, _ = plan.partition("\nDisk allocation\n")
    return re.sub(r"(?<== volume main/main-)\d", "N", actions)


def through_the_agent(path: Path) -> None:
    """The alternative that is in the comments of the file."""
    _, _, alternative = path.read_text(encoding="utf-8").partition("in place of the above.\n#\n")
    path.write_text(re.sub("^# ", "", alternative, flags=re.MULTILINE), encoding="utf-8")


def points_of(on_its_way: Walk) -> Mapping[DataSource, tuple[RecoveryPoint, ...]]:
    with open_app(on_its_way.world.settings) as app:
        found = app.catalogue.all_recovery_points()
        return {source: found.get(source.id, ()) for source in app.catalogue.sources()}


def judged(
    on_its_way: Walk, known: set[RecoveryPointId], shadow: Path
) -> Iterator[tuple[DataSource, RecoveryPoint]]:
    """The points that are new, each of them equal to what its machine held."""
    for source, points in points_of(on_its_way).items():
        for point in points:
            if point.id not in known:
                label = source.label.replace("/", "-")
                assert on_its_way.world.differing_of(source, label, point, shadow) == []
                yield source, point
