"""Many recovery points of one disk: `python -m tests.benchmarks.many_points`. Prints JSON.

First a thousand points in a row: the last ones must cost what the first ones did, and the last one
must open and read as the first one does. Then a schedule of 15 minutes over simulated years with
thinning every day and a sweep every week: time, bytes and the sweep's cost for each month.

Nothing of this is bound by the processor: the folder of `--work` decides what syncing costs.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from tests.benchmarks import engine_step
from tests.benchmarks.measuring import MIB, stored_bytes
from tests.benchmarks.simulated_disk import BLOCK, SimulatedDisk

if TYPE_CHECKING:
    from reconciler.blocks.manifest import Manifest
    from reconciler.blocks.repository import Repository

VIRTUAL_BYTES = 100 << 30
DATA_BYTES = 256 * MIB
CHANGED_BLOCKS = 32
POINTS = 1000
A_DAY = 24 * 4
A_WEEK = 7 * A_DAY
A_MONTH = 30 * A_DAY
KEPT = ((2 * A_DAY, 1), (14 * A_DAY, 4), (60 * A_DAY, A_DAY), (10**9, A_WEEK))
"""Up to which age every how-manieth point is kept, in slots of 15 minutes."""


def main() -> int:
    """Both, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=POINTS)
    parser.add_argument("--days", type=int, default=730)
    parser.add_argument("--work", type=Path, help="where to write; a tmpfs leaves syncing out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work, prefix="many-points-") as folder:
        result = {
            "a row of points": a_row(Path(folder) / "row", options.points),
            "a schedule": Schedule(Path(folder) / "schedule").run(options.days * A_DAY),
        }
        print(json.dumps(result, indent=2))
    return 0


@dataclass
class Protected:
    """A disk that is changed and synchronized."""

    folder: Path
    repository: "Repository" = field(init=False)
    last: "Manifest" = field(init=False)

    def __post_init__(self) -> None:
        (self.folder / "store").mkdir(parents=True)
        engine_step.create(self.folder, str(BLOCK))
        self.repository = engine_step.opened(self.folder)
        self.disk = SimulatedDisk(VIRTUAL_BYTES, DATA_BYTES)
        self.random = np.random.default_rng(5)
        self.last = engine_step.make_point(self.repository, "first", None, self.disk, [])

    def synchronize(self, point: str) -> float:
        """Change some blocks near each other and some anywhere, make a point: its seconds."""
        near = int(self.random.integers(VIRTUAL_BYTES // BLOCK - CHANGED_BLOCKS))
        blocks = [near + n for n in range(CHANGED_BLOCKS // 2)]
        blocks += self.random.integers(VIRTUAL_BYTES // BLOCK, size=CHANGED_BLOCKS // 2).tolist()
        ranges = self.disk.change(blocks)
        began = time.perf_counter()
        self.last = engine_step.make_point(self.repository, point, self.last, self.disk, ranges)
        return time.perf_counter() - began

    def stored(self) -> int:
        """Bytes of the repository."""
        return stored_bytes(self.folder / "store")


def a_row(folder: Path, points: int) -> dict[str, float]:
    """Points one after the other; then the first and the last are opened, and nine of ten go."""
    protected = Protected(folder)
    before = protected.stored()
    times = [protected.synchronize(f"p{number:06d}") for number in range(points)]
    tenth = max(1, points // 10)
    gone = [f"p{number:06d}" for number in range(points - 1) if number % 10]
    return {
        "points": points,
        "first_tenth_s": median(times[:tenth]),
        "last_tenth_s": median(times[-tenth:]),
        "growth": median(times[-tenth:]) / median(times[:tenth]),
        "stored_per_point_bytes": (protected.stored() - before) / points,
        "changed_per_point_bytes": CHANGED_BLOCKS * BLOCK,
        "open_first_s": opening_s(folder, "first"),
        "open_last_s": opening_s(folder, f"p{points - 1:06d}"),
        "prune_nine_of_ten_s": timed_prune(folder, gone),
        "stored_after_prune_bytes": protected.stored(),
    }


def opening_s(folder: Path, point: str) -> float:
    """A point opened in a fresh repository, and one block read of each of a hundred places."""
    began = time.perf_counter()
    engine_step.read_some(folder, point, 100)
    return time.perf_counter() - began


def timed_prune(folder: Path, points: Sequence[str]) -> float:
    """Seconds to drop points and sweep."""
    began = time.perf_counter()
    engine_step.prune(folder, *points)
    return time.perf_counter() - began


@dataclass
class Month:
    """What a month of the schedule cost."""

    times: list[float] = field(default_factory=list)
    thinning_s: list[float] = field(default_factory=list)
    sweeping_s: list[float] = field(default_factory=list)

    def line(self, kept: int, stored: int) -> dict[str, float]:
        """For the report."""
        return {
            "synchronization_s": round(median(self.times), 5),
            "thinning_a_day_s": round(median(self.thinning_s or [0]), 5),
            "sweep_a_week_s": round(median(self.sweeping_s or [0]), 4),
            "points_kept": kept,
            "stored_mib": round(stored / MIB, 1),
        }


class Schedule:
    """A point every 15 minutes, thinned every day, swept every week."""

    def __init__(self, folder: Path) -> None:
        self._protected = Protected(folder)
        self._kept: list[int] = []
        self._month = Month()
        self._months: list[dict[str, float]] = []

    def run(self, slots: int) -> dict[str, object]:
        """All slots; what each month cost, and how it grew."""
        for slot in range(slots):
            self._month.times.append(self._protected.synchronize(name_of(slot)))
            self._kept.append(slot)
            if slot % A_DAY == A_DAY - 1:
                self._thin(slot)
            if slot % A_WEEK == A_WEEK - 1:
                self._sweep()
            if slot % A_MONTH == A_MONTH - 1 or slot == slots - 1:
                self._close_month()
        first, last = self._months[0], self._months[-1]
        return {
            "synchronizations": slots,
            "growth_of_time": last["synchronization_s"] / first["synchronization_s"],
            "months": self._months,
        }

    def _thin(self, now: int) -> None:
        kept = [slot for slot in self._kept if is_kept(slot, now)]
        gone = sorted(set(self._kept) - set(kept))
        self._kept = kept
        began = time.perf_counter()
        engine_step.drop_from(self._protected.repository, [name_of(slot) for slot in gone])
        self._month.thinning_s.append(time.perf_counter() - began)

    def _sweep(self) -> None:
        began = time.perf_counter()
        engine_step.sweep(self._protected.repository)
        self._month.sweeping_s.append(time.perf_counter() - began)

    def _close_month(self) -> None:
        line = self._month.line(len(self._kept), self._protected.stored())
        print(f"month {len(self._months) + 1}: {line}", file=sys.stderr)
        self._months.append(line)
        self._month = Month()


def is_kept(slot: int, now: int) -> bool:
    """Whether a point is kept at its age; the newest always is."""
    every = next(every for age, every in KEPT if now - slot < age)
    return slot == now or slot % every == 0


def name_of(slot: int) -> str:
    """The point of a slot."""
    return f"s{slot:08d}"


if __name__ == "__main__":
    sys.exit(main())
