"""`reconciler disk`: what is printed, and how it ends."""

import json
from pathlib import Path

import pytest

from reconciler.cli.exit_codes import ExitCode
from reconciler.cli.main import run
from reconciler.lab.disks import LabDisk
from reconciler.model.machine import DiskFormat, DiskGeometry
from tests.disk_images import MIB, NAMES, build_chain, noise

GEOMETRY = DiskGeometry(9 * MIB, 512, 4096, DiskFormat.VHDX, MIB)


@pytest.fixture
def leaf(tmp_path: Path) -> Path:
    build_chain(tmp_path, GEOMETRY, [(0, 0, 3000), (1, 4096, 16), (2, 8, 1)])
    return tmp_path / NAMES[DiskFormat.VHDX][-1]


def test_a_chain_is_shown_for_a_person(leaf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [leaf.parent / name for name in NAMES[DiskFormat.VHDX]]
    LabDisk.open(paths).leave_pending_log(6 * MIB, noise(1, 4096))

    assert run(["disk", "inspect", str(leaf)]) == ExitCode.OK

    out = capsys.readouterr().out
    assert out.startswith(f"{leaf}\n")
    assert f"parent {paths[0]}\n" in out
    for told in (
        "vhdx, differencing",
        "vhdx, dynamic",
        "9.0 MiB (9437184 bytes)",
        "512 logical, 4096 physical",
        "replay pending: ",
        "parent linkage",
        "virtual disk id",
        "partially present",
        "no problems found",
    ):
        assert told in out


def test_json_has_all_that_is_known(leaf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["disk", "inspect", str(leaf), "--output", "json"]) == ExitCode.OK

    report = json.loads(capsys.readouterr().out)
    assert report["format"] == "vhdx"
    assert report["problems"] == []
    assert [file["kind"] for file in report["files"]] == ["differencing", "differencing", "dynamic"]
    assert set(report["files"][0]["ids"]) == {
        "virtual_disk_id",
        "data_write_guid",
        "file_write_guid",
    }


def test_a_broken_chain_is_shown_and_ends_with_1(
    leaf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (leaf.parent / NAMES[DiskFormat.VHDX][0]).unlink()

    assert run(["disk", "inspect", str(leaf)]) == ExitCode.FAILED

    assert "! no parent of" in capsys.readouterr().out


def test_names_in_a_file_cannot_steer_a_terminal(
    leaf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = leaf.read_bytes()
    name = "one1.avhdx".encode("utf-16-le")
    evil = "\x1b[2Jx.avhdx"[:10].encode("utf-16-le")
    leaf.write_bytes(data.replace(name, evil))

    run(["disk", "inspect", str(leaf)])

    assert "\x1b" not in capsys.readouterr().out


def test_a_conversion_tells_what_it_made_and_shows_no_progress_to_scripts(
    leaf: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(leaf.parent)

    assert run(["disk", "convert", leaf.name, "flat.bin", "--format", "vhd"]) == ExitCode.OK

    told = capsys.readouterr()
    assert told.out == "made flat.bin: vhd, 9.0 MiB, 4.0 MiB of it read\n"
    assert told.err == ""


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["two2.avhdx", "base.vhdx"], ExitCode.FAILED, "recovery.target_exists"),
        (["gone.vhdx", "new.vhdx"], ExitCode.FAILED, "host.disk_unreadable"),
        (["two2.avhdx", "new.qcow2"], ExitCode.FAILED, "does not say"),
        (["two2.avhdx", "new.raw", "--subformat", "fixed"], ExitCode.USAGE, "is for a VHD"),
        (["two2.avhdx", "new.raw", "--format", "iso"], ExitCode.USAGE, "'iso' is not one of"),
        (["two2.avhdx", "no/new.raw"], ExitCode.FAILED, "cannot be written"),
    ],
)
def test_what_cannot_be_converted_ends_with_its_exit_code(
    leaf: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    code: ExitCode,
    told: str,
) -> None:
    monkeypatch.chdir(leaf.parent)
    before = {path: path.read_bytes() for path in leaf.parent.iterdir()}

    assert run(["disk", "convert", *words]) == code

    assert told in capsys.readouterr().err
    assert {path: path.read_bytes() for path in leaf.parent.iterdir()} == before
