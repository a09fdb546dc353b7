"""Two volumes of a pool: where replicas go, what a full or a missing one stops, what is told."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.app import open_app
from reconciler.execute.outcome import Result, Verdict
from reconciler.plan import volumes
from reconciler.plan.actions import CreateReplica, ExpressFullBackup, Plan, Severity
from tests.lab_world import World

POOL = """
schema: reconciler/v1
kind: StoragePool
name: main
volumes:
  - {{name: main-1, path: {folder}/volume-1{first}}}
  - {{name: main-2, path: {folder}/volume-2{second}}}
"""


def write_policies(world: World, *, first: str = "", second: str = "", group: str = "") -> None:
    """Those of the world, with two volumes in its pool; `group` is said of the group of hv1."""
    world.write_policies()
    file = world.policies / "all.yaml"
    others = file.read_text().partition("\nschema: reconciler/v1\nkind: StoragePool")[0]
    others = others.replace("name: group-hv1\n", f"name: group-hv1\n{group}")
    folder = world.folder / world.state
    folder.mkdir(exist_ok=True)
    file.write_text(others + POOL.format(folder=folder, first=first, second=second))


def placed(plan: Plan) -> dict[str, tuple[str, str]]:
    return {
        action.subject.name: (action.volume, action.placement)
        for action in plan.actions
        if isinstance(action, CreateReplica)
    }


def backed_up(plan: Plan) -> set[str]:
    return {a.subject.name for a in plan.actions if isinstance(a, ExpressFullBackup)}


def found(plan: Plan, kind: str) -> dict[str, tuple[str, Severity]]:
    """Findings whose code begins so: about what, of which code, how grave."""
    return {f.about: (f.code, f.severity) for f in plan.findings if f.code.startswith(kind)}


def verdicts(results: list[Result]) -> dict[str, tuple[Verdict, str]]:
    return {r.action.subject.name: (r.verdict, r.error_code) for r in results}


def stored(world: World, volume: str) -> int:
    """What its packs take in truth."""
    packs = world.folder / world.state / volume / "packs"
    return sum(file.stat().st_size for file in packs.rglob("*") if file.is_file())


def noted(world: World) -> dict[str, int | None]:
    with open_app(world.settings) as app:
        return {volume.name: volume.stored_bytes for volume in app.catalogue.volumes()}


@pytest.fixture(scope="module")
def world(two_hosts: World) -> World:
    """fin-sql01 on the first volume, which has reached its quota by that; then web-01."""
    world = two_hosts.another("pool")
    write_policies(world, first=", quota: 40MiB", group="volume: main-1\n")
    file = world.policies / "all.yaml"
    whole = file.read_text()
    file.write_text(whole.replace("- host: hv2", "- host: hv2\n    name: not-yet"))
    plan, results = world.apply()
    assert placed(plan) == {"fin-sql01": ("main-1", "group group-hv1 chose it")}
    assert verdicts(results) == {"fin-sql01": (Verdict.DONE, "")}
    file.write_text(whole)
    return world


def test_a_full_volume_is_passed_over_and_said_so(world: World) -> None:
    plan, results = world.apply()

    told = "the only one left; main-1 has reached its quota"
    assert placed(plan) == {"web-01": ("main-2", told)}
    assert verdicts(results) == {"web-01": (Verdict.DONE, "")}
    assert noted(world) == {
        "main-1": stored(world, "volume-1"),
        "main-2": stored(world, "volume-2"),
    }
    assert found(plan, "volume.") == {"main/main-1": ("volume.low_space", Severity.ERROR)}


def test_what_lives_on_a_full_volume_waits_and_the_others_go_on(world: World) -> None:
    world.advance(60)
    plan = world.plan()

    assert backed_up(plan) == {"web-01"}
    assert found(plan, "waiting.") == {"fin-sql01": ("waiting.volume", Severity.INFO)}
    assert found(plan, "volume.") == {"main/main-1": ("volume.low_space", Severity.ERROR)}


def test_figures_of_all_volumes_are_shown(world: World) -> None:
    shown = world.cli("disk-allocation")
    data = json.loads(world.cli("disk-allocation", "--output", "json").stdout)
    planned = json.loads(world.cli("plan", "--output", "json").stdout)["disk_allocation"]

    assert shown.returncode == 0
    assert [line for line in shown.stdout.splitlines() if "quota 40.0 MiB" in line]
    machines = {volume["volume"]: [m["vm"] for m in volume["machines"]] for volume in data}
    assert machines == {"main-1": ["fin-sql01"], "main-2": ["web-01"]}
    for volume, name in zip(data, ("volume-1", "volume-2"), strict=True):
        assert volume["stored_bytes"] == stored(world, name)
        (machine,) = volume["machines"]
        assert machine["stored_bytes"] == volume["stored_bytes"]
        assert volume["provision_bytes"] == machine["provision_bytes"] > machine["data_bytes"]
        assert volume["underprovisioned_bytes"] >= 0
    assert data[0]["underprovisioned_bytes"] > data[0]["provision_bytes"] - (50 << 20)
    assert [volume["volume"] for volume in planned] == ["main-1", "main-2"]


def test_a_missing_volume_stops_only_its_own_machines(world: World) -> None:
    write_policies(world, first=", quota: 1GiB", group="volume: main-1\n")
    folder = world.folder / world.state / "volume-2"
    folder.rename(folder.with_name("elsewhere"))
    folder.mkdir()  # the mount point is there
    try:
        plan, results = world.apply()
        shown = world.cli("disk-allocation").stdout
    finally:
        folder.rmdir()
        folder.with_name("elsewhere").rename(folder)
    back = world.plan()

    assert found(plan, "volume.") == {"main/main-2": ("volume.missing", Severity.ERROR)}
    assert verdicts(results) == {"fin-sql01": (Verdict.DONE, "")}
    assert f"! its repository is not at {folder}" in shown
    assert backed_up(back) == {"web-01"}
    assert found(back, "volume.") == {}


@pytest.fixture
def read_only(world: World) -> Iterator[Path]:
    """The second volume, mounted as the system does it after errors of a disk."""
    folder = world.folder / world.state / "volume-2"
    mounted = subprocess.run(["mount", "--bind", "-o", "ro", folder, folder], check=False)
    if mounted.returncode:
        pytest.skip("only root can mount a folder read-only")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_from_a_read_only_volume_machines_are_recovered(world: World, read_only: Path) -> None:
    plan, results = world.apply()
    out = world.folder / "recovered"
    shown = world.cli("recover", "disks", "web-01", "--to", str(out))

    assert found(plan, "volume.") == {"main/main-2": ("volume.read_only", Severity.ERROR)}
    assert "web-01" not in verdicts(results)
    assert f"{read_only} cannot be written to; recoveries from it work" in str(plan.findings)
    assert shown.returncode == 0, shown.stderr
    assert list(out.rglob("*.vhd*"))


def test_a_replica_that_does_not_fit_stops_early_and_leaves_room_for_the_others(
    two_hosts: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volumes, "LEAST_ROOM", 1 << 20)  # machines of the lab are small
    world = two_hosts.another("tight")
    write_policies(world, first=", quota: 12MiB", group="volume: main-1\n")
    _, results = world.apply()

    assert verdicts(results) == {
        "fin-sql01": (Verdict.FAILED, "repository.volume_full"),
        "web-01": (Verdict.DONE, ""),
    }
    # what it had written was of no use to anybody, and is swept
    assert noted(world)["main-1"] == stored(world, "volume-1") == 0
    assert found(world.plan(), "volume.") == {}


def test_nobody_joins_a_group_that_is_not_co_located(two_hosts: World) -> None:
    world = two_hosts.another("alone")
    write_policies(world, group="co_location: false\n")
    first = world.plan()
    write_policies(world, second=", quota: 1MB", group="co_location: false\n")
    full = world.plan()

    assert {name: volume for name, (volume, _) in placed(first).items()} == {
        "fin-sql01": "main-1",
        "web-01": "main-2",
    }
    assert {name: volume for name, (volume, _) in placed(full).items()} == {"fin-sql01": "main-1"}
    assert found(full, "blocked.") == {"web-01": ("blocked.no_volume", Severity.ERROR)}
