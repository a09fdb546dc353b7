"""Cost follows what changed, not what exists: `python -m tests.benchmarks.scale`. Prints JSON.

- 80 TB in the repository: the same synchronization of 1 GB in a small repository and in one whose
  index knows as many blocks and which has as many recovery points. Once with the index in memory
  as far as it fits, once with none of it. Packs are not simulated: nothing lists them all.
- The same thousand blocks changed on a disk of 1 GiB and on one of 1 TiB.
- A full disk of 100 GB of which nothing changed: bytes and seconds of one more recovery point.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

import numpy as np

from tests.benchmarks import engine_step
from tests.benchmarks.measuring import MIB, Command, Figures, measure, medians, stored_bytes
from tests.benchmarks.ours import ROOT, STEP
from tests.benchmarks.simulated_disk import BLOCK, SimulatedDisk
from tests.benchmarks.simulated_index import add_run

GIB = 1 << 30
VIRTUAL_BYTES = 64 * GIB
CHANGED_BYTES = 10**9
RUN_BYTES = 4 * MIB
MACHINES = 80
POINTS_OF_EACH = 100
A_THOUSAND = 1000
ROUNDS = 3


def main() -> int:
    """All of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--terabytes", type=int, default=80, help="16 bytes a block are written: 20 GB"
    )
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work, prefix="scale-") as name:
        folder = Path(name).resolve()
        result = {
            "block_bytes": BLOCK,
            "a full repository": full_repository(folder, options.terabytes * 10**12 // BLOCK),
            "a large disk": large_disk(folder),
            "an unchanged disk of 100 GB": unchanged_disk(folder / "unchanged"),
        }
        print(json.dumps(result, indent=2))
    return 0


def full_repository(folder: Path, entries: int) -> dict[str, object]:
    """One synchronization in a small repository, then in one that knows `entries` blocks."""
    disk, second, changed = one_gigabyte_of_changes(folder)
    step = ["capture", "second", "first", str(second), str(changed)]
    small = begin(folder / "small", disk)
    large = linked_copy(small, folder / "large")
    run = add_run(large / "cache", entries)
    more_points(large / "store")
    results: dict[str, list[Figures]] = {"small": [], "large": [], "large_cold": []}
    for _ in range(ROUNDS):
        for name, of in (("small", small), ("large", large), ("large_cold", large)):
            if name == "large_cold":
                forget(run)
            copy = linked_copy(of, folder / "round")
            results[name].append(measured(copy, step))
            if of is large and not any((copy / "cache").rglob(run.name)):
                raise SystemExit("the engine threw the simulated index away: nothing was measured")
    figures = {name: medians(rounds) for name, rounds in results.items()}
    for done in (large, folder / "round", disk, second):
        shutil.rmtree(done) if done.is_dir() else done.unlink()
    walls = {name: each["wall_s"] for name, each in figures.items()}
    return {
        "blocks_in_index": entries,
        **figures,
        "ratio": walls["large"] / walls["small"],
        "ratio_cold": walls["large_cold"] / walls["small"],
        "target": 1.5,
        "memory_allowed_mib": 250 + 2 * entries / MIB,
    }


def one_gigabyte_of_changes(folder: Path) -> tuple[Path, Path, Path]:
    """A disk with holes, the same with 1 GB of changes, and where they are.

    Half of the changed bytes lie in runs of 4 MiB, half in single blocks.
    """
    first, second, changed = folder / "first.raw", folder / "second.raw", folder / "changed.json"
    random = np.random.default_rng(3)
    half = CHANGED_BYTES // 2
    places = random.choice(VIRTUAL_BYTES // RUN_BYTES, half // RUN_BYTES + half // BLOCK, False)  # noqa: FBT003
    runs = half // RUN_BYTES
    ranges = sorted(
        (int(place) * RUN_BYTES, RUN_BYTES if number < runs else BLOCK)
        for number, place in enumerate(places)
    )
    for path, seed in ((first, 1), (second, 2)):
        write_ranges(path, ranges, np.random.default_rng(seed))
    changed.write_text(json.dumps(ranges))
    return first, second, changed


def write_ranges(
    path: Path, ranges: Sequence[tuple[int, int]], random: np.random.Generator
) -> None:
    """Half noise, half what compresses."""
    with path.open("wb") as file:
        file.truncate(VIRTUAL_BYTES)
        for start, length in ranges:
            file.seek(start)
            for _ in range(length // BLOCK):
                file.write(random.bytes(BLOCK // 2) + random.bytes(16) * (BLOCK // 32))


def begin(folder: Path, disk: Path) -> Path:
    """A repository with one recovery point of a disk."""
    (folder / "store").mkdir(parents=True)
    engine_step.create(folder, str(BLOCK))
    engine_step.capture(folder, "first", "-", str(disk))
    return folder


def linked_copy(begun: Path, folder: Path) -> Path:
    """A repository as it was begun; nothing is ever written into a file that is there."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(begun, folder, copy_function=os.link)
    return folder


def more_points(store: Path) -> None:
    """Recovery points of other machines, as many as a large pool has."""
    (point,) = (store / "manifests").rglob("first")
    for machine in range(MACHINES):
        source = store / "manifests" / f"machine-{machine}"
        source.mkdir()
        for number in range(POINTS_OF_EACH):
            (source / f"point-{number}").hardlink_to(point)


def forget(file: Path) -> None:
    """Nothing of a file stays in memory."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def measured(folder: Path, step: Sequence[str]) -> Figures:
    """One step as a process."""
    line = [sys.executable, "-m", STEP, str(folder), *step]
    return measure(Command([line], folder=ROOT, mapped=folder / "cache"), folder / "store")


def large_disk(folder: Path) -> dict[str, object]:
    """A thousand blocks changed on 1 GiB and on 1 TiB, in this process."""
    small, large = (
        thousand_changes(folder / name, size) for name, size in (("1g", GIB), ("1t", GIB << 10))
    )
    return {"1 GiB": small, "1 TiB": large, "ratio": large["wall_s"] / small["wall_s"]}


def thousand_changes(folder: Path, virtual_bytes: int) -> dict[str, float]:
    """Seconds, and bytes stored for each byte changed."""
    (folder / "store").mkdir(parents=True)
    engine_step.create(folder, str(BLOCK))
    repository = engine_step.opened(folder)
    disk = SimulatedDisk(virtual_bytes, GIB // 4)
    last = engine_step.make_point(repository, "first", None, disk, [])
    step = virtual_bytes // A_THOUSAND // BLOCK
    times = []
    before = stored_bytes(folder / "store")
    for number in range(ROUNDS):
        ranges = disk.change([n * step for n in range(A_THOUSAND)])
        began = time.perf_counter()
        last = engine_step.make_point(repository, f"p{number}", last, disk, ranges)
        times.append(time.perf_counter() - began)
    stored = (stored_bytes(folder / "store") - before) / ROUNDS
    return {"wall_s": median(times), "stored_share": stored / (A_THOUSAND * BLOCK)}


def unchanged_disk(folder: Path) -> dict[str, object]:
    """A full disk, then points of which none has any change, each made by a process."""
    size = 100 * 10**9 // BLOCK * BLOCK
    (folder / "store").mkdir(parents=True)
    engine_step.create(folder, str(BLOCK))
    disk = SimulatedDisk(size, size, distinct=A_THOUSAND)
    engine_step.make_point(engine_step.opened(folder), "p0", None, disk, [])
    raw = folder / "disk.raw"
    with raw.open("wb") as file:
        file.truncate(size)
    before = stored_bytes(folder / "store")
    points = 5
    rounds = [
        measured(folder, ["capture", f"p{number}", f"p{number - 1}", str(raw)])
        for number in range(1, points + 1)
    ]
    stored = (stored_bytes(folder / "store") - before) / points
    return {
        "stored_per_point_bytes": stored,
        "target_bytes": 20_000,
        "median": medians(rounds),
        "target_s": 0.2,
        "rounds": [asdict(figures) for figures in rounds],
    }


if __name__ == "__main__":
    sys.exit(main())
