"""The engine against others: `python -m tests.benchmarks.engine DISK`. Prints JSON.

Every row is a process of its own, so that an interpreter's start counts, and all contenders do a
row one after the other before the next row begins, so that a slow minute of the machine hits all.
Sources and repositories are read once before each row: nothing comes from a disk that only some
had in memory. Encryption is on wherever there is any. Restored files are compared with the source.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks.measuring import Command, Figures, measure, medians, warm
from tests.benchmarks.ours import Ours
from tests.benchmarks.peers import (
    BUILDING,
    ROWS,
    Borg,
    Contender,
    Cp,
    Disks,
    Restic,
    Rsync,
    Zstd,
)
from tests.benchmarks.second_generation import make_second
from tests.benchmarks.targets import ratios

NAMES = ("ours", "restic", "borg", "zstd", "rsync", "cp")

Results = dict[str, dict[str, list[Figures]]]
"""By row, then by contender: one for each round."""


def main() -> int:
    """Measure and print."""
    options = arguments()
    with tempfile.TemporaryDirectory(dir=options.work, prefix="bench-") as folder:
        disks = disks_of(options, Path(folder))
        contenders = contenders_of(options, disks)
        results: Results = {row: {} for row in options.rows}
        for number in range(options.rounds):
            run_round(contenders, options.rows, disks, results)
            print(f"round {number + 1} of {options.rounds} is done", file=sys.stderr)
        print(json.dumps(report(options, contenders, results), indent=2))
    return 0


def arguments() -> argparse.Namespace:
    """What the caller wants."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("disk", type=Path, help="raw or VHDX")
    parser.add_argument("--second", type=Path, help="its next generation; made if missing")
    parser.add_argument("--changed", type=Path, help="what differs: JSON list of [offset, length]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", type=names_of(NAMES), default=NAMES)
    parser.add_argument("--rows", type=names_of(ROWS), default=ROWS)
    parser.add_argument("--block-bytes", type=int, default=Ours.DEFAULT_BLOCK_BYTES)
    parser.add_argument("--work", type=Path, help="where to write; on the disk's file system")
    options = parser.parse_args()
    options.disk = options.disk.resolve()
    options.work = (options.work or options.disk.parent).resolve()
    if (options.second is None) != (options.changed is None):
        parser.error("--second and --changed belong together")
    return options


def names_of(known: Sequence[str]) -> Callable[[str], Sequence[str]]:
    """Parses names with commas between them, in the known order."""

    def parse(text: str) -> Sequence[str]:
        given = text.split(",")
        if unknown := set(given) - set(known):
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(known)}")
        return [name for name in known if name in given]

    return parse


def disks_of(options: argparse.Namespace, folder: Path) -> Disks:
    """Both generations as raw files, which the peers need."""
    first = as_raw(options.disk, folder / "first.raw")
    if options.second is not None:
        second = as_raw(options.second.resolve(), folder / "second.raw")
        return Disks(first, second, options.changed.resolve(), folder)
    second, changed = folder / "second.raw", folder / "changed.json"
    with_output_on_errors(lambda: make_second(first, second, changed))
    return Disks(first, second, changed, folder)


def as_raw(disk: Path, out: Path) -> Path:
    """The disk itself, or what is in a VHD or VHDX."""
    if disk.suffix.lower() not in {".vhd", ".vhdx"}:
        return disk
    Ours.unpack(disk, out)
    return out


def with_output_on_errors(action: Callable[[], None]) -> None:
    """Keep standard output for the JSON."""
    stdout, sys.stdout = sys.stdout, sys.stderr
    try:
        action()
    finally:
        sys.stdout = stdout


def contenders_of(options: argparse.Namespace, disks: Disks) -> Sequence[Contender]:
    """Those that are wanted."""
    makers: Mapping[str, Callable[[], Contender]] = {
        "ours": lambda: Ours(disks, options.block_bytes),
        "restic": lambda: Restic(disks),
        "borg": lambda: Borg(disks),
        "zstd": lambda: Zstd(disks),
        "rsync": lambda: Rsync(disks),
        "cp": lambda: Cp(disks),
    }
    return [makers[name]() for name in options.only]


def run_round(
    contenders: Sequence[Contender], rows: Sequence[str], disks: Disks, results: Results
) -> None:
    """All rows from nothing, each by all contenders."""
    for contender in contenders:
        contender.prepare()
    last = max(ROWS.index(row) for row in rows)
    for row in ROWS[: last + 1]:
        for contender in contenders:
            make = contender.rows().get(row)
            if make is None or not (row in rows or row in BUILDING):
                continue
            figures = run_row(contender, row, make, disks)
            if row in rows:
                results[row].setdefault(contender.name, []).append(figures)


def run_row(contender: Contender, row: str, make: Callable[[], Command], disks: Disks) -> Figures:
    """One row by one contender, everything it reads being in memory."""
    command = make()
    for path in (disks.first, disks.second, contender.stored):
        if path.exists():
            warm(path)
    figures = measure(command, contender.stored)
    print(f"{row:12} {contender.name:32} {figures.wall_s:7.2f} s", file=sys.stderr)
    if row == "restore":
        restored = contender.restored()
        if subprocess.run(["cmp", str(restored), str(disks.second)], check=False).returncode:
            raise SystemExit(f"{contender.name} restored another disk than it was given")
        restored.unlink()
    return figures


def report(
    options: argparse.Namespace, contenders: Sequence[Contender], results: Results
) -> dict[str, object]:
    """All that was measured."""
    middle = {
        row: {name: medians(rounds) for name, rounds in by_name.items()}
        for row, by_name in results.items()
    }
    return {
        "disk": str(options.disk),
        "disk_bytes": options.disk.stat().st_size,
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(),
                    "kernel": platform.release(), "processor": processor()},
        "versions": {contender.name: contender.version() for contender in contenders},
        "block_bytes": options.block_bytes,
        "rounds": options.rounds,
        "medians": middle,
        "ratios": ratios(middle),
        "every_round": {
            row: {name: [asdict(figures) for figures in rounds] for name, rounds in rows.items()}
            for row, rows in results.items()
        },
    }  # fmt: skip


def processor() -> str:
    """Its model's name."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


if __name__ == "__main__":
    sys.exit(main())
