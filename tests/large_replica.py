"""A process that makes the first replica of a large disk, and says how much memory it took.

Run as `python -m tests.large_replica ROOT CACHE VIRTUAL_BYTES`; it prints JSON. The disk is made
while it is read: a third of it is not allocated, and of the blocks that are one in eight is random,
and the others compress to next to nothing; no two are equal.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event, Thread

import numpy as np

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.replica import synchronize
from reconciler.blocks.repository import Repository
from reconciler.model.ranges import ByteRange
from tests.block_machine import DISK, KEY, POINT, described

BLOCK = 64 << 10
STRIPE = 48 << 20
NOISE = np.random.default_rng(1).bytes(BLOCK)


class LargeDisk:
    """A disk that nobody has to store."""

    def __init__(self, virtual_bytes: int) -> None:
        self.virtual_bytes = virtual_bytes

    def read(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        return [self._bytes(part) for part in ranges]

    def allocated(self, start: int, end: int) -> Iterator[ByteRange]:
        for stripe in range(start // STRIPE, -(-end // STRIPE)):
            lower, upper = max(start, stripe * STRIPE), min(end, (stripe + 1) * STRIPE)
            if stripe % 3 and lower < upper:
                yield ByteRange(lower, upper)

    def _bytes(self, part: ByteRange) -> bytes:
        assert part.start % BLOCK == part.end % BLOCK == 0
        return b"".join(block(number) for number in range(part.start // BLOCK, part.end // BLOCK))


def block(number: int) -> bytes:
    """One block: an eighth of them random, though only their beginnings differ."""
    mark = (number + 1).to_bytes(8, "little")
    return mark + NOISE[8:] if number % 8 == 0 else mark * (BLOCK // 8)


class Memory:
    """The most that this process had for itself, and of mapped files of the index."""

    def __init__(self) -> None:
        self.anonymous = self.mapped = 0
        self._is_over = Event()
        self._thread = Thread(target=self._watch)
        self._thread.start()

    def end(self) -> None:
        self._is_over.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._is_over.wait(0.01):
            self._look()

    def _look(self) -> None:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        self.anonymous = max(self.anonymous, _kib(status, "RssAnon:"))
        maps = Path("/proc/self/smaps").read_text(encoding="utf-8").split("VmFlags")
        mapped = sum(_kib(part, "Rss:") for part in maps if ".run" in part)
        self.mapped = max(self.mapped, mapped)


def _kib(text: str, name: str) -> int:
    return sum(int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith(name))


def main() -> None:
    root, cache, size = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    memory = Memory()
    store = FolderStore(root)
    Repository.create(store, block_bytes=BLOCK, passphrase=KEY)
    writer = Repository.claim_writer(store)
    repository = Repository.open(store, cache=cache, writer=writer, passphrase=KEY)
    with repository.draft() as draft:
        disk = draft.disk(described(DISK, size), None)
        synchronize(disk, LargeDisk(size), [], on_progress=lambda _: None, is_shared=True)
        draft.flush()
        manifest = draft.seal(POINT)
    memory.end()
    facts = {
        "anonymous": memory.anonymous,
        "mapped": memory.mapped,
        "bytes_read": manifest.statistics.bytes_read,
        "bytes_stored": manifest.statistics.bytes_stored,
        "blocks_new": manifest.statistics.blocks_new,
    }
    sys.stdout.write(json.dumps(facts))


if __name__ == "__main__":
    main()
