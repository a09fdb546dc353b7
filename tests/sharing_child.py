"""A server that shares a repository with others until somebody kills it.

Run as `python -m tests.sharing_child ROOT CACHE WRITER RUN [PASSPHRASE]`. One thread makes recovery
points and reads them, one prunes; writer 3 also drops points of all. It prints `sealed SOURCE
POINT` as soon as a point is sealed, and `drops SOURCE POINT` before one is dropped.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Lock, Thread

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.prune import prune
from reconciler.blocks.repository import Repository
from reconciler.errors import (
    BlockMissingError,
    ItemNotFoundError,
    RepositoryError,
    RepositoryLockedError,
)
from reconciler.model.names import DataSourceId, RecoveryPointId
from tests.block_machine import BLOCK, DISK, PACK_BYTES, POINT, described, noise, read

WRITERS = 3
DROPPER = 3
KEPT = 2
"""Points of each source that are not dropped."""
_PARTS, _PART_BLOCKS, _KINDS = 4, 8, 5


def source_of(writer: int) -> DataSourceId:
    return DataSourceId(f"source-{writer}")


def content(point: str) -> bytes:
    """What a point of that name holds: parts of few kinds, so that servers find each other's."""
    writer, run, number = (int(part) for part in point.split("-"))
    kinds = [(writer + run + number * (part + 1)) % _KINDS for part in range(_PARTS - 1)]
    own = 1000 + 100_000 * writer + 1000 * run + number
    return b"".join(noise(kind, _PART_BLOCKS * BLOCK) for kind in [*kinds, own])


class Server:
    """One process that writes, reads, prunes, and perhaps drops."""

    def __init__(self, repository: Repository, writer: int, run: int) -> None:
        self._repository = repository
        self._writer = writer
        self._run = run
        self._lock = Lock()

    def tell(self, *words: str) -> None:
        with self._lock:
            sys.stdout.write(" ".join(words) + "\n")
            sys.stdout.flush()

    def make(self, number: int) -> None:
        """A point on top of the newest one; it is read back."""
        source = source_of(self._writer)
        point = RecoveryPointId(f"{self._writer}-{self._run:03}-{number:05}")
        data = content(point)
        base = max(self._repository.manifests(source), default=None)
        try:
            with self._repository.draft(source, base=base, pack_bytes=PACK_BYTES) as draft:
                old = self._repository.manifest(source, base).disks[0] if base else None
                disk = draft.disk(described(DISK, len(data)), old)
                for first in range(0, disk.block_count, 4):
                    disk.put(first, data[first * BLOCK : (first + 4) * BLOCK])
                draft.flush()
                made = draft.seal(replace(POINT, id=point, source=source))
        except (ItemNotFoundError, RepositoryLockedError):
            return  # the base was dropped meanwhile, which is none of an error
        self.tell("sealed", source, point)
        try:
            assert read(self._repository, made) == data
        except BlockMissingError:
            if point in self._repository.manifests(source):
                raise

    def prune(self, _: int) -> None:
        prune(self._repository)

    def drop(self, _: int) -> None:
        """All but the newest of all sources."""
        for writer in range(1, WRITERS + 1):
            source = source_of(writer)
            for point in self._repository.manifests(source)[:-KEPT]:
                self.tell("drops", source, point)
                self._repository.drop(source, [point])

    def forever(self, step: Callable[[int], None]) -> None:
        for number in count():
            try:
                step(number)
            except RepositoryError as error:
                self.tell("failed", step.__name__, error.message.replace("\n", " "))
                os._exit(1)


def main() -> None:
    root, cache, writer, run, *passphrase = sys.argv[1:]
    repository = Repository.open(
        FolderStore(Path(root)),
        cache=Path(cache),
        writer=int(writer),
        passphrase=passphrase[0] if passphrase else None,
    )
    server = Server(repository, int(writer), int(run))
    steps = [server.prune, *([server.drop] if int(writer) == DROPPER else [])]
    for step in steps:
        Thread(target=server.forever, args=(step,), daemon=True).start()
    server.forever(server.make)


if __name__ == "__main__":
    main()
