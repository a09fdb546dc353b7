"""Processes that are killed while they write: what they told can be read, and work goes on."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.prune import prune
from reconciler.blocks.repository import Repository
from reconciler.blocks.verify import verify
from reconciler.model.names import DataSourceId, RecoveryPointId
from tests.block_machine import KEY, create, read
from tests.second_reader.repository import Reader
from tests.writing_child import content

ROUNDS = 12
LONG_S = 60.0
SOURCES = ("one", "two")


class Telling:
    """A child, and what it has told so far."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self.has_told = Event()
        self._reader = Thread(target=self._read)
        self._reader.start()

    def killed(self) -> list[str]:
        """Kill it at once; all that it told, without a line that it began."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        return [line.rstrip() for line in self.lines if line.endswith("\n")]

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line)
                self.has_told.set()


@contextmanager
def writing(root: Path, cache: Path, run: int, passphrase: str | None) -> Iterator[Telling]:
    words = [f"{root}", f"{cache}", "1", f"{run}", *([passphrase] if passphrase else [])]
    telling = Telling([sys.executable, "-m", "tests.writing_child", *words])
    try:
        yield telling
    finally:
        telling.killed()


@pytest.mark.parametrize("passphrase", [None, KEY], ids=["plain", "encrypted"])
def test_all_that_a_killed_process_told_is_there_and_the_next_one_goes_on(
    tmp_path: Path, passphrase: str | None
) -> None:
    root, cache = tmp_path / "store", tmp_path / "cache"
    root.mkdir()
    create(root, passphrase)
    Repository.claim_writer(FolderStore(root))
    moments = np.random.default_rng(5).uniform(0, 0.4, ROUNDS)
    all_told: set[tuple[str, str]] = set()

    for run, moment in enumerate(moments.tolist()):
        with writing(root, cache, run, passphrase) as child:
            assert child.has_told.wait(LONG_S)
            Event().wait(moment)
            told = child.killed()
        sealed = {(words[0], words[1]) for line in told if len(words := line.split()) == 2}
        heads = dict(line.split()[1:] for line in told if line.startswith("head"))
        assert sealed
        all_told |= sealed

        repository = Repository.open(
            FolderStore(root), cache=cache, writer=1, passphrase=passphrase
        )
        seen = points_of(repository)
        assert all_told <= seen
        for source, point in seen:
            if point.startswith(f"{run}-"):
                manifest = repository.manifest(DataSourceId(source), RecoveryPointId(point))
                assert read(repository, manifest) == content(source, point)
        for source, point in heads.items():
            head = repository.head(DataSourceId(source))
            assert head is not None
            assert number(head.recovery_point) >= number(point)
            assert (source, str(head.recovery_point)) in seen
        prune(repository)

    reader = Repository.open(FolderStore(root), cache=cache, writer=None, passphrase=passphrase)
    assert_sound(reader)
    assert points_of(reader) >= all_told
    assert list((root / ".incoming").iterdir()) == []
    assert Reader(root, passphrase).verify() > 0


def points_of(repository: Repository) -> set[tuple[str, str]]:
    return {
        (source, str(point))
        for source in SOURCES
        for point in repository.manifests(DataSourceId(source))
    }


def assert_sound(reader: Repository) -> None:
    points = sorted(points_of(reader))
    manifests = [reader.manifest(DataSourceId(s), RecoveryPointId(p)) for s, p in points]
    assert list(verify(reader, manifests, read_blocks=True)) == []


def number(point: str) -> tuple[int, ...]:
    return tuple(int(part) for part in point.split("-"))
