"""Three servers share a repository; they write, read, prune and drop, and are killed meanwhile."""

import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.layout import pack_of, parse_pack_name
from reconciler.blocks.prune import prune
from reconciler.blocks.repository import Repository
from reconciler.blocks.verify import verify
from reconciler.model.names import DataSourceId, RecoveryPointId
from tests.block_machine import KEY, create, read
from tests.sharing_child import WRITERS, content, source_of

KILLS = 12
BETWEEN_KILLS_S = 0.9
LONG_S = 60.0


class Told:
    """What all servers have told, whether they live or not."""

    def __init__(self) -> None:
        self.sealed: set[tuple[str, str]] = set()
        self.dropped: set[tuple[str, str]] = set()
        self.failures: list[str] = []

    def take(self, line: str) -> None:
        match line.split():
            case ["sealed", source, point]:
                self.sealed.add((source, point))
            case ["drops", source, point]:
                self.dropped.add((source, point))
            case _:
                self.failures.append(line)


class Server:
    """A process of a server; the next one has the same writer number and cache."""

    def __init__(self, folder: Path, writer: int, passphrase: str | None, told: Told) -> None:
        self._words = [f"{folder / 'store'}", f"{folder / f'cache-{writer}'}", f"{writer}"]
        self._more = [passphrase] if passphrase else []
        self._told = told
        self._run = 0
        self.start()

    def start(self) -> None:
        self.has_told = Event()
        self._run += 1
        command = [sys.executable, "-m", "tests.sharing_child", *self._words, f"{self._run}"]
        self.process = subprocess.Popen(
            [*command, *self._more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._reader = Thread(target=self._read)
        self._reader.start()

    def kill(self) -> None:
        assert self.process.poll() is None, self._told.failures
        self.end()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                if line.endswith("\n"):  # one that it only began tells nothing
                    self._told.take(line.rstrip())
                    self.has_told.set()


@pytest.mark.parametrize("passphrase", [None, KEY], ids=["plain", "encrypted"])
def test_servers_that_share_a_repository_and_are_killed_lose_nothing(
    tmp_path: Path, passphrase: str | None
) -> None:
    root = tmp_path / "store"
    root.mkdir()
    create(root, passphrase)
    for _ in range(WRITERS):
        Repository.claim_writer(FolderStore(root))
    rng = np.random.default_rng(7)
    told = Told()
    servers = [Server(tmp_path, writer, passphrase, told) for writer in range(1, WRITERS + 1)]
    try:
        for victim in rng.integers(0, WRITERS, KILLS).tolist():
            for server in servers:
                assert server.has_told.wait(LONG_S)
            Event().wait(rng.uniform(0, BETWEEN_KILLS_S))
            servers[victim].kill()
            servers[victim].start()
        for server in servers:
            assert server.has_told.wait(LONG_S)
            server.kill()
    finally:
        for server in servers:
            server.end()

    assert told.failures == [], "\n".join(told.failures)
    assert len(told.sealed) > 5 * KILLS
    assert len(told.dropped) > KILLS
    assert_all_is_there(tmp_path, passphrase, told)


def assert_all_is_there(folder: Path, passphrase: str | None, told: Told) -> None:
    root = folder / "store"
    writers = [
        Repository.open(
            FolderStore(root),
            cache=folder / f"cache-{number}",
            writer=number,
            passphrase=passphrase,
        )
        for number in range(1, WRITERS + 1)
    ]
    for number, repository in enumerate(writers, start=1):
        repository.remove_head(source_of(number))  # nobody goes on with what was begun
    assert not any(prune(repository).waits_for for repository in writers)
    reader = Repository.open(FolderStore(root), cache=folder, writer=None, passphrase=passphrase)
    there = {(source, point) for source in reader.sources() for point in reader.manifests(source)}
    assert told.sealed - told.dropped <= there
    manifests = [reader.manifest(DataSourceId(s), RecoveryPointId(p)) for s, p in sorted(there)]
    for manifest in manifests:
        assert read(reader, manifest) == content(manifest.point.id)
    assert list(verify(reader, manifests, read_blocks=True)) == []
    names = [each.relative_to(root).as_posix() for each in root.glob("packs/*/*/*")]
    packs = sorted(number for number, _ in filter(None, map(parse_pack_name, names)))
    used: set[int] = set()

    def mark(level: int, address: int) -> None:
        if address:
            used.add(pack_of(address))
            for child in reader.packs.node(address).tolist() if level >= 0 else ():
                mark(level - 1, child)

    for manifest in manifests:
        for disk in manifest.disks:
            mark(disk.tree.shape.height - 1, disk.root)
    assert packs == sorted(used)
