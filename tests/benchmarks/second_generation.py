"""The same disk a day later: about 2 % scattered changes, half of them near each other, and a log.

`python -m tests.benchmarks.second_generation DISK OUT RANGES.json`: raw disks only. The ranges are
what RCT would tell: exact, ascending and disjoint, as a list of [offset, length].
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tests.benchmarks.make_disk import run

MIB = 1 << 20
PAGE = 4096
LOG_MIB = 96
SHARE = 0.02
SEED = 99


def main() -> int:
    """Make the second disk and its ranges."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("disk", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("ranges", type=Path)
    options = parser.parse_args()
    make_second(options.disk, options.out, options.ranges)
    return 0


def make_second(disk: Path, out: Path, ranges: Path) -> None:
    """Copy, change, and write down what changed."""
    run("cp", "--sparse=always", str(disk), str(out))
    with out.open("r+b") as file:
        changed = sorted(change(file, out.stat().st_size))
    merged: list[list[int]] = []
    for start, length in changed:
        if merged and start <= sum(merged[-1]):
            merged[-1][1] = max(merged[-1][1], start + length - merged[-1][0])
        else:
            merged.append([start, length])
    ranges.write_text(json.dumps(merged))
    print(f"{len(merged)} ranges, {sum(length for _, length in merged) / MIB:.0f} MiB changed")


def change(file: BinaryIO, size: int) -> Iterator[tuple[int, int]]:
    """Write scattered pages, then a log; each change as it was written."""
    random = np.random.default_rng(SEED)
    hot = random.integers(1, size // MIB - 1, 400)
    left = int(size * SHARE)
    while left > 0:
        length = min(64, max(1, int(random.exponential(16)))) * PAGE
        page = int(random.integers(size // PAGE))
        if random.random() < 0.5:
            page = int(random.choice(hot)) * (MIB // PAGE) + page % (MIB // PAGE)
        start = page * PAGE
        if start < MIB or start + length > size - MIB:
            continue
        data = changed_bytes(file, size, length, random)
        file.seek(start)
        file.write(data)
        left -= length
        yield start, length
    yield append_log(file, size, random)


def changed_bytes(file: BinaryIO, size: int, length: int, random: np.random.Generator) -> bytes:
    """Noise, or bytes of elsewhere at an odd distance so that no block repeats, or zeros."""
    kind = random.random()
    if kind < 0.3:
        return random.bytes(length)
    if kind >= 0.9:
        return bytes(length)
    data = bytes(length)
    while not any(data):
        file.seek(int(random.integers(size - length)) | 1)
        data = file.read(length)
    return random.bytes(16) + data[16:]


def append_log(file: BinaryIO, size: int, random: np.random.Generator) -> tuple[int, int]:
    """Lines and noise in turn, where the disk is emptiest."""
    length = LOG_MIB * MIB
    start = min(range(200 * MIB, size - 200 * MIB, length // 2), key=lambda s: fill_of(file, s))
    file.seek(start)
    for _ in range(LOG_MIB // 2):
        file.write(log_lines(random))
        file.write(random.bytes(MIB))
    return start, length


def fill_of(file: BinaryIO, start: int) -> int:
    """How many bytes of the log's place are not zero."""
    file.seek(start)
    data = file.read(LOG_MIB * MIB)
    return len(data) - data.count(0)


def log_lines(random: np.random.Generator) -> bytes:
    """A MiB of an application's log."""
    words = ("ok", "fail", "retry")
    numbers = random.integers(0, 1 << 62, 12_000)
    lines = "".join(
        f"2026-11-22T09:{n % 60:02d}:{n // 60 % 60:02d} host app[{n % 9999}]: "
        f"event {n:016x} status={words[n % 3]}\n"
        for n in numbers.tolist()
    )
    return lines.encode()[:MIB].ljust(MIB, b"\n")


if __name__ == "__main__":
    sys.exit(main())
