"""What a command costs: time, processor, memory of all its processes."""

import mmap
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

MIB = 1 << 20
READY_BYTES = 6 << 30
KEPT_FREE_BYTES = 1 << 30
SAMPLE_S = 0.05


@dataclass(frozen=True)
class Figures:
    """What one row cost one contender."""

    wall_s: float
    synced_s: float
    """Until the machine had written everything to its disk."""
    cpu_s: float
    rss_anon_mib: float
    index_mib: float
    """The resident part of the mapped index."""
    memory_mib: float
    """The most that both were at one time."""
    stored_mib: float
    elsewhere: float
    """Processors that others kept busy meanwhile: much of it, and the row tells little."""


@dataclass(frozen=True)
class Command:
    """What is run; several commands count as one row."""

    lines: Sequence[Sequence[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    mapped: Path | None = None
    """Where the files of a mapped index are."""


def measure(command: Command, stored: Path | None = None) -> Figures:
    """Run it; wrong exit codes end the benchmark with what it printed."""
    os.sync()
    make_memory_ready()
    cpu = wall = 0.0
    peaks = Peaks()
    busy = busy_s()
    began = time.perf_counter()
    for line in command.lines:
        part = run_watched(line, command, peaks)
        wall += part[0]
        cpu += part[1]
    os.sync()
    synced = time.perf_counter() - began
    elsewhere = max(0.0, busy_s() - busy - cpu) / synced
    size = 0.0 if stored is None else stored_bytes(stored) / MIB
    memory = (peaks.anon / MIB, peaks.index / MIB, peaks.sum / MIB)
    return Figures(wall, synced, cpu, *memory, size, elsewhere)


@dataclass
class Peaks:
    """Highest values seen. Units: bytes."""

    anon: int = 0
    index: int = 0
    sum: int = 0

    def see(self, process: int, mapped: Path | None) -> None:
        """Look at the process and all below it."""
        anon = index = 0
        for pid in descendants(process):
            with suppress(OSError):
                anon += anonymous_bytes(pid)
                index += 0 if mapped is None else mapped_bytes(pid, mapped)
        self.anon = max(self.anon, anon)
        self.index = max(self.index, index)
        self.sum = max(self.sum, anon + index)


def run_watched(line: Sequence[str], command: Command, peaks: Peaks) -> tuple[float, float]:
    """Seconds on the clock, and of the processor with all children."""
    environment = {**os.environ, **command.environment}
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            line, env=environment, cwd=command.folder, stdout=output, stderr=subprocess.STDOUT
        )
        ended = threading.Event()
        watcher = threading.Thread(target=watch, args=(process.pid, command.mapped, peaks, ended))
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        ended.set()
        watcher.join()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            text = output.read().decode(errors="replace")[-2000:]
            raise SystemExit(f"{' '.join(line)} ended with {process.returncode}: {text}")
    return wall, usage.ru_utime + usage.ru_stime


def watch(process: int, mapped: Path | None, peaks: Peaks, ended: threading.Event) -> None:
    """Look every now and then until it ended."""
    while not ended.wait(SAMPLE_S):
        peaks.see(process, mapped)


def descendants(process: int) -> Iterable[int]:
    """The process and all that it started."""
    yield process
    with suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from descendants(int(child))


def anonymous_bytes(process: int) -> int:
    """RssAnon."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) << 10
    return 0


def mapped_bytes(process: int, folder: Path) -> int:
    """Resident bytes of mapped files in a folder."""
    total = 0
    is_wanted = False
    for line in Path(f"/proc/{process}/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            is_wanted = len(words) > 5 and words[5].startswith(str(folder))
        elif is_wanted and words[0] == "Rss:":
            total += int(words[1]) << 10
    return total


def make_memory_ready() -> None:
    """Touch free memory once: a virtual machine's host gives each page anew, at some µs each."""
    size = min(READY_BYTES, free_bytes() - KEPT_FREE_BYTES)
    if size > 0:
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
        mmap.mmap(-1, size, flags=flags).close()


def busy_s() -> float:
    """Processor seconds of the whole machine since it started."""
    with Path("/proc/stat").open() as file:
        user, nice, system, _, _, *rest = map(int, file.readline().split()[1:9])
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def free_bytes() -> int:
    """MemFree."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemFree:"):
            return int(line.split()[1]) << 10
    return 0


def warm(path: Path) -> None:
    """Read a file, or all files of a folder, so that every row finds them in memory."""
    if path.is_dir():
        for file in path.rglob("*"):
            if file.is_file():
                warm(file)
        return
    buffer = bytearray(4 * MIB)
    with path.open("rb", buffering=0) as stream:
        end = path.stat().st_size
        at = 0
        with suppress(OSError):  # ENXIO: nothing but a hole is left
            while (at := os.lseek(stream.fileno(), at, os.SEEK_DATA)) < end:
                at += stream.readinto(buffer) or end


def stored_bytes(path: Path) -> int:
    """Bytes of a file as stored, or of all files of a folder."""
    if path.is_file():
        return min(path.stat().st_blocks * 512, path.stat().st_size)
    return sum(stored_bytes(file) for file in path.rglob("*") if file.is_file())


def medians(rounds: Sequence[Figures]) -> dict[str, float]:
    """The median of each figure."""
    names = Figures.__dataclass_fields__
    return {name: round(median(getattr(figures, name) for figures in rounds), 3) for name in names}
