"""A process that makes recovery points until somebody kills it: two threads, a data source each.

Run as `python -m tests.writing_child ROOT CACHE WRITER RUN [PASSPHRASE]`. It prints `SOURCE POINT`
as soon as a point is sealed, and `head SOURCE POINT` as soon as the head is there.
"""

import sys
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Lock, Thread

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.repository import Repository
from reconciler.model.names import DataSourceId, RecoveryPointId
from reconciler.model.protection import Head
from tests.block_machine import BLOCK, DISK, PACK_BYTES, POINT, described, noise, some

BLOCKS = 60


def content(source: str, point: str) -> bytes:
    """What a point of that name holds; half of it is what the other thread writes too."""
    run, number = (int(part) for part in point.split("-"))
    own = noise(hash_of(source, point), 10 * BLOCK)
    return some(run, BLOCKS) + some(run * 1000 + number, BLOCKS) + own


def hash_of(*words: str) -> int:
    return int.from_bytes("/".join(words).encode()[-8:], "little")


class Child:
    """One process that writes."""

    def __init__(self, repository: Repository, run: int) -> None:
        self._repository = repository
        self._run = run
        self._lock = Lock()

    def tell(self, *words: str) -> None:
        with self._lock:
            sys.stdout.write(" ".join(words) + "\n")
            sys.stdout.flush()

    def work(self, source: str) -> None:
        for number in count():
            point = f"{self._run}-{number}"
            self._seal(source, point)
            self.tell(source, point)
            head = Head(DataSourceId(source), RecoveryPointId(point), None, {})
            self._repository.set_head(head)
            self.tell("head", source, point)

    def _seal(self, source: str, point: str) -> None:
        data = content(source, point)
        head = self._repository.head(DataSourceId(source))
        base = None
        if head is not None:
            base = self._repository.manifest(head.source, head.recovery_point).disks[0]
        with self._repository.draft(pack_bytes=PACK_BYTES) as draft:
            disk = draft.disk(described(DISK, len(data)), base)
            for first in range(0, disk.block_count, 16):
                disk.put(first, data[first * BLOCK : (first + 16) * BLOCK])
            draft.flush()
            draft.seal(replace(POINT, id=RecoveryPointId(point), source=DataSourceId(source)))


def main() -> None:
    root, cache, writer, run, *passphrase = sys.argv[1:]
    repository = Repository.open(
        FolderStore(Path(root)),
        cache=Path(cache),
        writer=int(writer),
        passphrase=passphrase[0] if passphrase else None,
    )
    child = Child(repository, int(run))
    # No executor starts work once the main thread has ended: it works too.
    Thread(target=child.work, args=("one",), daemon=True).start()
    child.work("two")


if __name__ == "__main__":
    main()
