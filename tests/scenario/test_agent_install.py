"""The agent is installed on a bare host, looked at, mended and removed, as an operator does it.

A real PowerShell runs what the administrator sends, and serves the end point that was registered.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.adapters.hyperv.install.files import this_version
from reconciler.lab import processes
from reconciler.lab.definition import WEB_01, HostDefinition, LabDefinition
from reconciler.lab.launch import BARE
from tests.lab_world import World, new_world, skip_without_powershell

HOST = "hv2"
VERSION = this_version().version
HASHES = this_version().hashes()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One host that nobody has installed the agent on."""
    skip_without_powershell()
    yield from new_world(tmp_path_factory, LabDefinition((HostDefinition(HOST, (WEB_01,)),)), BARE)


@pytest.fixture
def world(bare: World) -> Iterator[World]:
    """The same, as bare again afterwards."""
    yield bare
    agent(bare, "remove", "--yes")


def login(world: World) -> list[str]:
    path = world.lab / processes.ADMINISTRATOR_PASSWORD_FILE
    return ["--user", processes.ADMINISTRATOR, "--password", f"file:{path}"]


def agent(world: World, deed: str, *more: str) -> "subprocess.CompletedProcess[str]":
    words = [] if deed == "verify" else login(world)
    return world.cli("agent", deed, HOST, *words, *more)


def folder(world: World) -> Path:
    disk = world.lab / HOST / "powershell" / "disk"
    return disk / "Program Files" / "WindowsPowerShell" / "Modules" / "ReconcilerAgent"


def lies(world: World) -> set[str]:
    """What lies in the agent's folder on the host's disk."""
    return {path.name for path in folder(world).iterdir()} if folder(world).exists() else set()


INSTALLED = {VERSION, "RoleCapabilities", "ReconcilerAgent.pssc"}


@pytest.mark.parametrize(
    "words", [("--transcripts", "logs"), ("--transcripts", r"\\files1"), ("--user", " ")]
)
def test_what_names_no_place_and_nobody_is_refused_before_a_host_is_asked(
    world: World, words: tuple[str, str]
) -> None:
    refused = agent(world, "install", "--yes", *words)

    assert refused.returncode == 64, refused.stdout
    assert lies(world) == set()


def test_a_bare_host_gets_its_agent_and_loses_it_again(world: World) -> None:
    missing = agent(world, "verify")
    told = agent(world, "install", "--dry-run")
    untouched = lies(world)
    unconfirmed = agent(world, "install")

    assert missing.returncode == 1
    assert f"reconciler agent install {HOST}" in missing.stdout
    assert (told.returncode, untouched, lies(world)) == (0, set(), set())
    assert "would register the end point ReconcilerAgent" in told.stdout
    assert unconfirmed.returncode == 4
    assert "--yes" in unconfirmed.stderr

    installed = agent(world, "install", "--yes")
    again = agent(world, "install")
    verified = agent(world, "verify")
    plan = world.cli("plan")

    assert installed.returncode == 0, installed.stdout + installed.stderr
    assert [run.returncode for run in (again, verified)] == [0, 0], again.stdout + verified.stdout
    assert "copy" not in again.stdout
    assert lies(world) == INSTALLED
    assert "create replica       web-01 on hv2" in plan.stdout
    assert processes.ADMINISTRATOR_PASSWORD_FILE not in installed.stdout
    secret = (world.lab / processes.ADMINISTRATOR_PASSWORD_FILE).read_text().strip()
    assert secret not in installed.stdout + installed.stderr

    removed = agent(world, "remove", "--yes")
    gone = agent(world, "verify")

    assert removed.returncode == 0, removed.stdout + removed.stderr
    assert lies(world) == set()
    assert gone.returncode == 1
    assert agent(world, "update").returncode == 1


def test_what_differs_is_named_and_mended_and_nothing_else_is_copied(world: World) -> None:
    assert agent(world, "install", "--yes").returncode == 0
    changed = folder(world) / VERSION / "Public" / "Get-ReconcilerHost.ps1"
    changed.write_bytes(changed.read_bytes() + b"# more\r\n")
    (folder(world) / VERSION / "Public" / "Foreign.ps1").write_text("# stranger\r\n")
    (folder(world) / "1.0.0").mkdir()
    (folder(world) / "1.0.0" / "ReconcilerAgent.psd1").write_text("@{}")

    found = agent(world, "verify")
    mended = agent(world, "update")
    verified = agent(world, "verify")

    assert found.returncode == 1
    assert "Public/Get-ReconcilerHost.ps1" in found.stdout
    assert "Public/Foreign.ps1" in found.stdout
    assert f"reconciler agent update {HOST}" in found.stdout
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert f"copy 1 of {len(HASHES) - 1} files" in mended.stdout
    assert "WinRM" not in mended.stdout
    assert verified.returncode == 0, verified.stdout
    assert lies(world) == INSTALLED


def test_a_role_that_allows_too_much_is_found_and_narrowed(world: World) -> None:
    assert agent(world, "install", "--yes").returncode == 0
    role = folder(world) / "RoleCapabilities" / "ReconcilerAgent.psrc"
    text = role.read_text(encoding="utf-8-sig")
    wide = text.replace("'Get-ReconcilerHost'", "'Get-ReconcilerHost'\n        'Get-AgentVM'")
    role.write_text(wide, encoding="utf-8-sig")
    module = folder(world) / VERSION / "ReconcilerAgent.psd1"
    module.write_text(
        module.read_text().replace("'Get-ReconcilerHost'", "'Get-ReconcilerHost', 'Get-AgentVM'")
    )

    found = agent(world, "verify")
    mended = agent(world, "update")

    assert found.returncode == 1
    assert "offers more than the contract: Get-AgentVM" in found.stdout
    assert "RoleCapabilities/ReconcilerAgent.psrc" in found.stdout
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert agent(world, "verify").returncode == 0


def test_who_is_no_administrator_changes_nothing(world: World) -> None:
    secret = world.lab / processes.PASSWORD_FILE
    wrong = world.cli(
        "agent", "install", HOST, "--user", processes.ADMINISTRATOR, "--password", f"file:{secret}"
    )
    ordinary = world.cli(
        "agent", "install", HOST, "--user", processes.ACCOUNT, "--password", f"file:{secret}"
    )

    assert [run.returncode for run in (wrong, ordinary)] == [1, 1]
    assert "host.refused" in wrong.stderr
    assert "administrator of the host" in wrong.stderr
    assert "denies access" in ordinary.stderr
    assert lies(world) == set()


@pytest.mark.parametrize("step", ["copy ", "restart "])
def test_an_install_that_was_killed_goes_on_when_it_is_run_again(world: World, step: str) -> None:
    killed = subprocess.Popen(
        [sys.executable, "-m", "reconciler", "agent", "install", HOST, *login(world), "--yes"],
        cwd=world.folder,
        env=world.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert killed.stdout is not None
    with killed.stdout as lines:
        reached = any(line.startswith(step) for line in lines)
        killed.kill()
    killed.wait()

    again = agent(world, "install", "--yes")

    assert reached
    assert again.returncode == 0, again.stdout + again.stderr
    assert lies(world) == INSTALLED
    assert agent(world, "verify").returncode == 0


def test_what_is_not_ours_stays_when_the_agent_is_removed(world: World) -> None:
    assert agent(world, "install", "--yes").returncode == 0
    (folder(world) / "notes.txt").write_text("an administrator's")

    removed = agent(world, "remove", "--yes")

    assert removed.returncode == 0
    assert "notes.txt" in removed.stdout
    assert lies(world) == {"notes.txt"}
    (folder(world) / "notes.txt").unlink()
