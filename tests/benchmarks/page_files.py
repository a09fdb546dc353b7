"""What leaving page files out costs and spares: `python -m tests.benchmarks.page_files`. JSON.

Incrementals of a guest whose page file is busy, with the rule and without it; those of a guest that
does not page, which pay for the look and gain nothing; and the look itself, at a page file in one
piece and at one in 900. Everything is in this process: what it spares on the wire comes on top.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from structlog.testing import capture_logs

from reconciler.blocks.guest.page_files import page_files
from reconciler.blocks.patched_disk import PatchedDisk
from reconciler.blocks.volume import RecoveryPointDisk
from reconciler.execute.page_files import ALL_OF_IT, Leaving
from reconciler.lab.images.content import Content, make_content
from reconciler.lab.images.manifest import DiskImage, ImageFile, disk_image
from reconciler.model.ranges import ByteRange, merged, total_bytes
from tests.guest_disks import MIB, SECTOR, Memory, odd_disk
from tests.guest_replica import DISK, LEAVING, Guest, Replica

IMAGE = "fin-sql01-disk0"
ROUNDS = 15
DOCUMENTS_BYTES = MIB


class FileDisk:
    """A disk in a sparse file."""

    def __init__(self, path: Path, image: DiskImage) -> None:
        self.size = image.virtual_bytes
        self._file = os.open(path, os.O_RDWR | os.O_CREAT)
        os.ftruncate(self._file, self.size)
        self.all = merged(self.write(offset, data) for offset, data in image.runs())

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._file, length, offset)

    def write(self, offset: int, data: bytes) -> ByteRange:
        os.pwrite(self._file, data, offset)
        return ByteRange(offset, offset + len(data))

    def close(self) -> None:
        os.close(self._file)


@dataclass(frozen=True)
class Cost:
    """Of one incremental in the middle of several. Units: bytes and milliseconds."""

    written: float
    read: float
    stored: float
    whole_ms: float
    look_ms: float
    looked_at: float


def overwritten(
    disk: FileDisk, files: Sequence[ImageFile], most: int, seed: str
) -> list[ByteRange]:
    """New bytes in files, where they lie, until there are so many."""
    done: list[ByteRange] = []
    for file in files:
        part = ByteRange(0, min(file.size, most - total_bytes(done)) or 1)
        for place in file.places(part):
            data = make_content(Content.NOISE, f"{seed} {file.path}", place.length)
            done.append(disk.write(place.start, data))
        if total_bytes(done) >= most:
            break
    return done


def incrementals(folder: Path, how: Leaving, rounds: int, *, pages: bool) -> Cost:
    """A first copy, then as many incrementals of one and the same guest."""
    image = disk_image(IMAGE)
    paging = [f for f in image.files() if f.is_scratch]
    documents = [f for f in image.files() if "Documents" in f.path and f.extents]
    costs: list[tuple[float, ...]] = []
    folder.mkdir()
    with ExitStack() as stack:
        disk = FileDisk(folder / "disk.raw", image)
        stack.callback(disk.close)
        (folder / "store").mkdir()
        replica = Replica(folder / "store")
        replica.take(Guest(disk, disk.all), disk.all, how)
        for number in range(rounds):
            changes = overwritten(disk, documents, DOCUMENTS_BYTES, f"{number}")
            changes += overwritten(disk, paging, 4 * MIB, f"{number}") if pages else []
            told = merged(changes)
            guest, seen = Guest(disk), Guest(disk)
            before = replica.repository.stored_bytes()
            look_ms = timed(time.thread_time, partial(replica.left_out, seen, told, how))
            whole_ms = timed(time.perf_counter, partial(replica.take, guest, told, how))
            stored = replica.repository.stored_bytes() - before
            paid = (guest.bytes_read, stored, whole_ms, look_ms, seen.bytes_read)
            costs.append((total_bytes(changes), *paid))
    return Cost(*map(median, zip(*costs, strict=True)))


def timed(clock: Callable[[], float], work: Callable[[], object]) -> float:
    """Units: milliseconds."""
    began = clock()
    work()
    return (clock() - began) * 1000


def look(folder: Path, disk: Memory, rounds: int) -> dict[str, float]:
    """Only where the page files are, from the replica and a few changed blocks."""
    folder.mkdir()
    replica = Replica(folder)
    replica.take(Guest(disk), [ByteRange(0, disk.size)], ALL_OF_IT)
    assert replica.held is not None
    held = RecoveryPointDisk(replica.repository, replica.held, DISK)
    patched = PatchedDisk(held, Guest(disk), ())
    work = partial(page_files, patched, SECTOR)
    found = work()
    took = [timed(time.thread_time, work) for _ in range(rounds)]
    return {
        "pieces": len(found.scratch),
        "cpu ms": round(median(took), 2),
        "bytes read": found.bytes_read,
    }


def compared(spared: Cost, whole: Cost) -> dict[str, float]:
    return {
        "bytes written by the guest": whole.written,
        "bytes read without the rule": whole.read,
        "bytes read with it": spared.read,
        "read ratio": round(whole.read / spared.read, 2),
        "stored ratio": round(whole.stored / max(spared.stored, 1), 2),
        "look cpu ms": round(spared.look_ms, 2),
        "look bytes read from the host": spared.looked_at,
        "incremental ms without the rule": round(whole.whole_ms, 1),
        "incremental ms with it": round(spared.whole_ms, 1),
        "time ratio": round(whole.whole_ms / spared.whole_ms, 2),
    }


def main() -> int:
    """All rows, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--work", type=Path, help="where to write; a tmpfs leaves syncing out")
    options = parser.parse_args()
    result: dict[str, dict[str, float]] = {}
    with ExitStack() as stack:
        stack.enter_context(capture_logs())
        folder = tempfile.TemporaryDirectory(dir=options.work, prefix="page-files-")
        work = Path(stack.enter_context(folder))
        for row, pages in (("a busy page file", True), ("no paging", False)):
            spared = incrementals(work / f"{row} 1", LEAVING, options.rounds, pages=pages)
            whole = incrementals(work / f"{row} 2", ALL_OF_IT, options.rounds, pages=pages)
            result[row] = compared(spared, whole)
        image = disk_image("tiny-windows")
        small = bytearray(image.virtual_bytes)
        for offset, data in image.runs():
            small[offset : offset + len(data)] = data
        result["a look, one piece"] = look(work / "one", Memory(small), options.rounds)
        odd = Memory(odd_disk())
        result["a look, 900 pieces"] = look(work / "many", odd, options.rounds)
    print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
