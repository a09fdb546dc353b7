"""Read many broken disk files: each is refused in our words, or read within bounds.

    python -m tests.fuzz.disk_files [--cases N] [--seed N] [--jobs N] [--only CASE]

A case is told by the seed and its number alone. What counts as a finding: any exception that is no
refusal, a read behind a file's end, more reads than the size of the files explains, more memory
than a reader may take, and a case without an end. Ends with 1 when there are findings.
"""

import argparse
import os
import resource
import signal
import sys
import tempfile
import traceback
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from pathlib import Path
from random import Random  # noqa: TID251 (seeded)
from types import FrameType
from typing import Final

from reconciler.blocks import vhd, vhdx, vhdx_checksum, vhdx_format
from reconciler.blocks.disk_chain import DiskChain
from reconciler.blocks.disk_file import create_disk
from reconciler.blocks.disk_inspect import inspect_chain
from reconciler.blocks.disk_raw import FixedVhdWriter
from reconciler.blocks.disk_source import FileFormat
from reconciler.errors import DiskNotSupportedError, DiskUnreadableError
from reconciler.lab.disks import LabDisk
from reconciler.model.machine import DiskFormat, DiskGeometry
from reconciler.model.ranges import ByteRange, merged
from tests.disk_images import (
    DISK_ID,
    FOLDER,
    MIB,
    NAMES,
    Budget,
    Mutant,
    MutantFiles,
    build_chain,
    mutants_of,
    noise,
    read_folder,
)
from tests.fuzz.disk_mutations import mutate

SIZE: Final = 5 * MIB - 4096
WRITES: Final = [(0, 0, 300), (0, 5000, 64), (1, 16, 8), (1, 2048, 900), (2, 24, 1), (2, 5000, 8)]
REFUSALS: Final = (DiskUnreadableError, DiskNotSupportedError)
BATCH: Final = 250
MEMORY_BYTES: Final = 1 << 30
"""Of address space, beside what the interpreter has when it begins."""
PEAK_BYTES: Final = 192 * MIB
TRACED_EVERY: Final = 40
MOST_REMEMBERED: Final = 50_000
MOST_SECONDS: Final = 60
Failed = tuple[int, str, str]


@dataclass
class Tally:
    """What became of the cases."""

    outcomes: Counter[str] = field(default_factory=Counter)
    findings: list[Failed] = field(default_factory=list)
    most_calls: int = 0
    peak_bytes: int = 0

    def add(self, other: "Tally") -> None:
        self.outcomes += other.outcomes
        self.findings += other.findings
        self.most_calls = max(self.most_calls, other.most_calls)
        self.peak_bytes = max(self.peak_bytes, other.peak_bytes)


@dataclass(frozen=True)
class Healthy:
    """Files to break."""

    label: str
    kind: DiskFormat
    leaf: str
    files: Mapping[str, bytes]


@cache
def healthy_disks() -> tuple[Healthy, ...]:
    """Chains and single disks of every kind, made anew in each process, all alike."""
    return tuple(_healthy_disks())


def _healthy_disks() -> Iterator[Healthy]:
    for sector in (512, 4096):
        geometry = DiskGeometry(SIZE, sector, 4096, DiskFormat.VHDX, MIB)
        for has_log in (True, False):
            label = f"vhdx chain, {sector}" + (", log" if has_log else "")
            yield _chain(label, geometry, has_log=has_log)
    yield _chain("vhd chain", DiskGeometry(SIZE, 512, 512, DiskFormat.VHD, MIB), has_log=False)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "disk"
        for kind in DiskFormat:
            geometry = DiskGeometry(SIZE, 512, 512, kind, 2 * MIB)
            with create_disk(path, geometry, DISK_ID) as writer:
                writer.write(MIB, noise(1, 8192))
            yield Healthy(f"{kind} alone", kind, "disk", {"disk": path.read_bytes()})
            path.unlink()
        geometry = DiskGeometry(MIB, 512, 512, DiskFormat.VHD, 0)
        with FixedVhdWriter(path, geometry, DISK_ID) as writer:
            writer.write(4096, noise(1, 8192))
        yield Healthy("vhd fixed", DiskFormat.VHD, "disk", {"disk": path.read_bytes()})


def _chain(label: str, geometry: DiskGeometry, *, has_log: bool) -> Healthy:
    names = NAMES[geometry.format]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_chain(folder, geometry, WRITES)
        if has_log:
            disk = LabDisk.open([folder / each for each in names])
            disk.leave_pending_log(7 * 4096, b"pending!" * 512)
        return Healthy(label, geometry.format, names[-1], read_folder(folder))


def run_case(seed: int, case: int, tally: Tally) -> None:
    """Break one disk and read it."""
    random = Random(f"{seed}-{case}")
    healthy = healthy_disks()[case % len(healthy_disks())]
    mutants = mutants_of(healthy.files)
    mutate(mutants, healthy.kind, random)
    budget = Budget(_most_calls(mutants))
    is_traced = case % TRACED_EVERY == 0
    if is_traced:
        tracemalloc.start()
    try:
        with deadline():
            outcome = use(MutantFiles(mutants, budget), healthy, random)
    except REFUSALS as refusal:
        outcome = "refused" if refusal.hint else "refused without a hint"
    except BaseException as fault:  # noqa: BLE001 (whatever it is, it is what we look for)
        outcome = "FINDING"
        where = "".join(traceback.format_exception(fault)[-4:])
        tally.findings.append((case, healthy.label, where))
    if is_traced:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        tally.peak_bytes = max(tally.peak_bytes, peak)
        if peak > PEAK_BYTES:
            outcome = "FINDING"
            tally.findings.append((case, healthy.label, f"took {peak} bytes of memory"))
    tally.most_calls = max(tally.most_calls, budget.calls)
    tally.outcomes[f"{healthy.label}: {outcome}"] += 1


def _most_calls(mutants: Mapping[str, Mutant]) -> int:
    """Tables are looked at twice, in pages of 64 KiB; all else is some dozens of reads a file.

    A table takes at most 8 bytes for each MiB of its disk, or 4 for each 64 KiB.
    """
    pages = sum(min(mutant.size, 512 * MIB) // (64 << 10) for mutant in mutants.values())
    return 2000 + 8 * pages


def use(files: MutantFiles, healthy: Healthy, random: Random) -> str:
    """All that a caller may do with a disk; what it says must fit together."""
    path = FOLDER + healthy.leaf
    is_vhd = healthy.kind is DiskFormat.VHD
    try:
        report = inspect_chain(files, path, FileFormat.VHD if is_vhd else FileFormat.VHDX)
        has_problems = bool(report.problems)
    except REFUSALS:
        has_problems = True
    chain = vhd.open_chain(files, path) if is_vhd else vhdx.open_chain(files, path)
    was_refused = False
    for place in _places(chain, random):
        try:
            _look_at(chain, place)
        except REFUSALS:
            was_refused = True
    assert has_problems or not was_refused, "inspect saw no problem"
    return "partly read" if was_refused else "read"


def _places(chain: DiskChain, random: Random) -> Iterator[ByteRange]:
    size = chain.virtual_bytes
    yield ByteRange(0, min(size, MIB))
    yield ByteRange(max(0, size - MIB), size)
    for _ in range(3):
        start = random.randrange(min(size, SIZE)) // 512 * 512
        yield ByteRange(start, min(size, start + random.choice((512, 65_536, 4 * MIB))))


def _look_at(chain: DiskChain, place: ByteRange) -> None:
    extents = chain.resolve([place])
    (data,) = chain.read([place])
    (digest,) = chain.hashes_of([place])
    assert len(data) == place.length
    assert len(digest) == 32
    assert merged(e.range for e in extents) == (place,)
    held = list(chain.allocated(place.start, place.end))
    assert merged(held) == tuple(held)


@contextmanager
def deadline() -> Iterator[None]:
    """End a case that goes on and on."""

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise TimeoutError(f"no end after {MOST_SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(MOST_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def bound_memory() -> None:
    """In a process that does nothing else: what it may take from here on."""
    remember_checksums()
    healthy_disks()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def remember_checksums() -> None:
    """Most structures are the same in all cases, and their checksums take most of the time."""
    known: dict[bytes, int] = {}
    plain = vhdx_checksum.crc32c

    def crc32c(data: bytes | bytearray | memoryview) -> int:
        key = blake2b(data, digest_size=16).digest()
        if key not in known:
            if len(known) > MOST_REMEMBERED:
                known.clear()
            known[key] = plain(data)
        return known[key]

    vars(vhdx_format)["crc32c"] = crc32c


def run_batch(seed: int, first: int, last: int) -> Tally:
    """Some cases, in this process."""
    tally = Tally()
    for case in range(first, last):
        run_case(seed, case, tally)
    return tally


def main() -> int:
    """Run the cases and tell what became of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", type=int, help="run this one case here, to see its traceback")
    options = parser.parse_args()
    total = Tally()
    if options.only is not None:
        run_case(options.seed, options.only, total)
    else:
        starts = range(0, options.cases, BATCH)
        with ProcessPoolExecutor(options.jobs, initializer=bound_memory) as pool:
            batches = [
                pool.submit(run_batch, options.seed, at, min(at + BATCH, options.cases))
                for at in starts
            ]
            for batch in batches:
                total.add(batch.result())
    return tell(total, options.seed)


def tell(total: Tally, seed: int) -> int:
    """Print the counts and the findings."""
    out = sys.stdout.write
    for case, label, where in sorted(total.findings)[:20]:
        out(f"case {case} of seed {seed} ({label}):\n{where}\n")
    for outcome, count in sorted(total.outcomes.items()):
        out(f"{count:>8}  {outcome}\n")
    out(f"{total.outcomes.total():>8}  cases, {len(total.findings)} findings, ")
    out(f"at most {total.most_calls} reads and {total.peak_bytes / MIB:.0f} MiB in one\n")
    return 1 if total.findings else 0


if __name__ == "__main__":
    sys.exit(main())
