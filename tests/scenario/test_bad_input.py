"""Bad input stops only what it touches, says what to do next, and nothing stored is lost."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.cli.exit_codes import ExitCode
from reconciler.lab import processes
from reconciler.record.lead import Lead
from tests.lab_world import World

Done = subprocess.CompletedProcess[str]


@pytest.fixture
def protected(two_hosts: World) -> Iterator[World]:
    """Both machines have a first point; the policies are put back afterwards."""
    two_hosts.write_policies()
    if not (two_hosts.folder / two_hosts.state).exists():
        done = two_hosts.cli("apply")
        assert done.returncode == ExitCode.OK, done.stderr
    yield two_hosts
    two_hosts.write_policies()
    two_hosts.up()


def assert_told(done: Done, code: ExitCode, *parts: str) -> None:
    """The exit code, the facts and a next step; never a traceback."""
    text = done.stdout + done.stderr
    assert done.returncode == code, text
    assert "Traceback" not in text
    assert "hint" in text
    assert [part for part in parts if part not in text] == []


def edit(world: World, old: str, new: str) -> None:
    path = world.policies / "all.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def points(world: World) -> dict[str, int]:
    shown = json.loads(world.cli("show", "--output", "json").stdout)["machines"]
    return {each["vm"]: len(each["recovery_points"]) for each in shown}


def test_a_policy_that_breaks_leaves_its_last_good_version_in_force(protected: World) -> None:
    before = points(protected)
    edit(protected, "retention: 30d", "retention: 30 days")
    protected.advance(60)

    check = protected.cli("check", str(protected.policies))
    done = protected.cli("apply")

    assert_told(check, ExitCode.INVALID_POLICIES, "all.yaml:27:12", "30 days", "^")
    assert_told(done, ExitCode.PARTLY_DONE, "30 days")
    assert points(protected) == {vm: count + 1 for vm, count in before.items()}


def test_a_broken_policy_without_a_last_good_version_protects_nothing_and_says_so(
    protected: World,
) -> None:
    edit(protected, "retention: 30d", "retention: 30 days")

    done = protected.another_catalogue("fresh-broken").cli("plan")

    assert_told(done, ExitCode.PARTLY_DONE, "30 days")


def test_an_unknown_host_in_a_group_is_pointed_at(protected: World) -> None:
    edit(protected, "- host: hv1", "- host: hv11")

    done = protected.cli("check", str(protected.policies))

    assert_told(done, ExitCode.INVALID_POLICIES, "hv11", "did you mean 'hv1'?", "all.yaml:25:11")


def test_a_missing_policy_folder_is_an_error_and_not_nothing_to_protect(protected: World) -> None:
    done = protected.cli("plan", "--policies", "no-such-folder")

    assert_told(done, ExitCode.FAILED, "no-such-folder")


def test_a_wrong_password_stops_only_its_host_and_is_not_shown(protected: World) -> None:
    wrong = protected.folder / "wrong"
    wrong.write_text("Sesame-open-7f3a\n")
    edit(protected, str(protected.lab / processes.PASSWORD_FILE), str(wrong))
    before = points(protected)
    protected.advance(60)

    done = protected.cli("apply", "--progress-every", "0.2")

    assert_told(done, ExitCode.PARTLY_DONE, "hv1", "host.refused", "unknown, not gone")
    assert "Sesame" not in done.stdout + done.stderr
    assert points(protected) == {**before, "web-01": before["web-01"] + 1}


def test_a_missing_password_file_is_named(protected: World) -> None:
    edit(protected, str(protected.lab / processes.PASSWORD_FILE), "no/such/file")

    done = protected.cli("plan")

    assert_told(done, ExitCode.OK, "no/such/file", "hv1", "settings")


def test_a_host_that_is_down_stops_only_its_machines(protected: World) -> None:
    processes.kill(protected.lab, "hv1")
    before = points(protected)
    protected.advance(60)

    done = protected.cli("apply")

    assert_told(done, ExitCode.PARTLY_DONE, "hv1", "host.unreachable", "Test-WSMan")
    assert points(protected) == {**before, "web-01": before["web-01"] + 1}


def test_a_plan_that_is_no_longer_due_is_refused(protected: World) -> None:
    plan = protected.folder / "plan.json"
    protected.advance(60)
    assert protected.cli("plan", "--out", str(plan)).returncode == ExitCode.OK
    assert protected.cli("apply", str(plan)).returncode == ExitCode.OK

    done = protected.cli("apply", str(plan))

    assert_told(done, ExitCode.PLAN_IS_STALE, "plan.json", "plan.changed")


def test_a_second_reconciler_is_told_who_leads(protected: World) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with Lead.take(protected.settings.state, now):
        done = protected.cli("apply")

    assert_told(done, ExitCode.BUSY, str(os.getpid()), "2026-01-01")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("nobody", "--to", "x"), ("nobody", "recovery.item_not_found")),
        (("web-01", "--to", "x", "--at", "yesterday"), ("yesterday", "is no time")),
        (("web-01", "--to", "x", "--at", "1999-01-01"), ("1998-12-31", "the oldest is of")),
    ],
)
def test_what_cannot_be_recovered_is_told(
    protected: World, words: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    done = protected.cli("recover", "disks", *words)

    assert_told(done, ExitCode.FAILED, *parts)
    assert not (protected.folder / "x").exists()


def test_a_target_that_holds_something_is_left_alone(protected: World) -> None:
    target = protected.folder / "full-of-things"
    target.mkdir()
    (target / "mine.txt").write_text("mine")

    done = protected.cli("recover", "disks", "web-01", "--to", str(target))

    assert_told(done, ExitCode.FAILED, "full-of-things", "recovery.target_exists")
    assert [p.name for p in target.iterdir()] == ["mine.txt"]


def test_a_damaged_pack_is_named_and_never_recovered_as_if_it_were_whole(protected: World) -> None:
    volume = protected.folder / protected.state / "volume"
    kept = protected.folder / "volume-kept"
    shutil.copytree(volume, kept)
    for pack in (p for p in (volume / "packs").rglob("*") if p.is_file()):
        _flip_in_the_middle(pack)
    try:
        target = protected.folder / "from-damaged"
        done = protected.cli("recover", "disks", "web-01", "--to", str(target))

        assert_told(done, ExitCode.FAILED, "pack", "repository.block_damaged")
        assert not target.exists()
    finally:
        shutil.rmtree(volume)
        kept.rename(volume)
    assert protected.cli("recover", "disks", "web-01", "--to", "whole").returncode == ExitCode.OK


def test_a_volume_that_is_missing_is_not_made_anew(protected: World) -> None:
    volume = protected.folder / protected.state / "volume"
    elsewhere = protected.folder / "unmounted"
    volume.rename(elsewhere)
    protected.advance(60)
    try:
        done = protected.cli("apply")

        assert_told(done, ExitCode.PARTLY_DONE, "main-1", "mount", "volume.missing")
        assert not volume.exists()
    finally:
        elsewhere.rename(volume)


def test_a_machine_that_was_deleted_keeps_its_points_and_is_reported(protected: World) -> None:
    before = points(protected)
    plan = protected.folder / "before-deletion.json"
    protected.advance(60)
    protected.cli("plan", "--out", str(plan))
    protected.door("fin-sql01").ask("delete_machine", vm="fin-sql01")

    stale = protected.cli("apply", str(plan))
    done = protected.cli("apply")
    back = protected.cli("recover", "disks", "fin-sql01", "--to", "deleted-but-back")

    assert_told(stale, ExitCode.PLAN_IS_STALE, "plan.changed")
    assert_told(done, ExitCode.OK, "fin-sql01", "machine.not_reported", "are kept")
    assert points(protected) == {**before, "web-01": before["web-01"] + 1}
    assert back.returncode == ExitCode.OK, back.stderr
    assert len(list(Path(protected.folder / "deleted-but-back").glob("*.vhdx"))) == 2


def _flip_in_the_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 8] = bytes(b ^ 0xFF for b in data[middle : middle + 8])
    path.chmod(0o600)
    path.write_bytes(data)
