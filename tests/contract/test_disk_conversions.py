"""What `reconciler disk` makes and says, before qemu-img as a judge."""

import json
import os
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from reconciler.cli.main import run
from reconciler.lab.disks import LabDisk
from reconciler.model.machine import DiskFormat, DiskGeometry
from tests.disk_images import MIB, NAMES, build_chain, noise

SIZE = 70 * MIB + 512 * 9
PLACES = {0: 8192, 3 * MIB - 4096: 3 * MIB, 64 * MIB: 1536, SIZE - 2560: 2560}
QEMU = {".raw": "raw", ".vhd": "vpc", ".vhdx": "vhdx"}
WRITES = [(0, 0, 3000), (0, 100_000, 2000), (1, 4096, 16), (2, 8, 1), (2, 18_432, 1)]


@pytest.fixture
def qemu_img() -> str:
    found = shutil.which("qemu-img")
    if found is None:
        pytest.skip("judge missing: qemu-img")
    return found


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        for seed, (offset, length) in enumerate(PLACES.items()):
            file.seek(offset)
            file.write(noise(seed, length))
        file.truncate(SIZE)
    return path


def judge(*command: object) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def convert(*words: object) -> None:
    assert run(["disk", "convert", *map(str, words)]) == 0


def assert_same(qemu_img: str, first: Path, second: Path) -> None:
    kinds = ("-f", QEMU[first.suffix], "-F", QEMU[second.suffix])
    assert "identical" in judge(qemu_img, "compare", *kinds, first, second)


@pytest.mark.parametrize("subformat", ["dynamic", "fixed"])
@pytest.mark.parametrize("suffix", [".vhd", ".vhdx"])
def test_what_qemu_made_is_converted_to_all_formats(
    qemu_img: str, raw: Path, tmp_path: Path, suffix: str, subformat: str
) -> None:
    source = tmp_path / f"source{suffix}"
    options = f"subformat={subformat}" + (",force_size=on" if suffix == ".vhd" else "")
    judge(qemu_img, "convert", "-O", QEMU[suffix], "-o", options, raw, source)

    for other in QEMU:
        made = tmp_path / f"made{other}"
        convert(source, made)
        assert_same(qemu_img, raw, made)
    judge(qemu_img, "check", "-f", "vhdx", tmp_path / "made.vhdx")


def test_a_round_through_all_formats_ends_where_it_began(
    qemu_img: str, raw: Path, tmp_path: Path
) -> None:
    steps = [raw, *(tmp_path / name for name in ("1.vhdx", "2.vhd", "3.vhd", "4.vhdx", "5.raw"))]
    for index, (source, target) in enumerate(pairwise(steps)):
        convert(source, target, *(["--subformat", "fixed"] if index == 1 else []))
        assert_same(qemu_img, raw, target)

    assert steps[-1].read_bytes() == raw.read_bytes()
    assert steps[-1].stat().st_blocks * 512 < 5 * MIB
    assert steps[2].stat().st_size == SIZE + 512
    assert f"({SIZE} bytes)" in judge(qemu_img, "info", "-f", "vpc", steps[3])


@pytest.mark.parametrize("kind", list(DiskFormat))
def test_a_chain_with_its_log_pending_becomes_one_disk(
    qemu_img: str, tmp_path: Path, kind: DiskFormat
) -> None:
    physical = 512 if kind is DiskFormat.VHD else 4096
    content = bytearray(build_chain(tmp_path, DiskGeometry(SIZE, 512, physical, kind, MIB), WRITES))
    paths = [tmp_path / name for name in NAMES[kind]]
    if kind is DiskFormat.VHDX:
        content[50 * MIB : 51 * MIB] = noise(9, MIB)
        LabDisk.open(paths).leave_pending_log(50 * MIB, noise(9, MIB))
    expected = tmp_path / "expected.raw"
    expected.write_bytes(content)

    for suffix in QEMU:
        convert(paths[-1], tmp_path / f"flat{suffix}")
        assert_same(qemu_img, expected, tmp_path / f"flat{suffix}")


@pytest.mark.parametrize("suffix", [".vhd", ".vhdx"])
def test_inspect_says_what_qemu_says(
    qemu_img: str,
    raw: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    suffix: str,
) -> None:
    path = tmp_path / f"disk{suffix}"
    judge(qemu_img, "convert", "-O", QEMU[suffix], raw, path)
    told = json.loads(judge(qemu_img, "info", "--output", "json", path))

    assert run(["disk", "inspect", str(path), "--output", "json"]) == 0
    report = json.loads(capsys.readouterr().out)

    (file,) = report["files"]
    assert report["format"] == suffix[1:]
    assert file["virtual_bytes"] == told["virtual-size"]
    assert file["file_bytes"] == path.stat().st_size
    assert file.get("block_bytes") == told.get("cluster-size", file["block_bytes"])


def test_a_read_only_source_is_enough(raw: Path, tmp_path: Path) -> None:
    before = raw.stat()
    raw.chmod(0o400)

    convert(raw, tmp_path / "made.vhdx")

    after = raw.stat()
    assert (after.st_mtime_ns, after.st_size) == (before.st_mtime_ns, before.st_size)
    assert os.access(tmp_path / "made.vhdx", os.W_OK)
