"""A power cut or a kill at any moment: what was told holds, the rest is garbage that goes.

The folder store runs on a file system that forgets (`tests/crash_store.py`). A history of a
repository is recorded once; after every single file operation in it, several things that a power
cut may leave are opened as a new process does it.
"""

import gc
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.prune import prune
from reconciler.blocks.repository import Repository
from reconciler.errors import RepositoryExistsError, RepositoryLockedError
from reconciler.model.names import RecoveryPointId
from reconciler.model.protection import Head
from tests.block_machine import (
    BLOCK,
    DISK,
    KEY,
    SOURCE,
    Machine,
    create,
    noise,
    read,
    some,
)
from tests.crash_store import Choice, ForgetfulDisk, Killed, Told

FAST = Path("/dev/shm")  # noqa: S108 (scratch; a real disk is slower, and changes nothing)
SIZES = (20, 33, 26, 5, 70, 26)


def content(point: str) -> bytes:
    """What a recovery point of that name holds: much of it is in others too, or all."""
    number = int(point[1:]) % 100
    return some(number // 2, SIZES[number % len(SIZES)], 512 * (number % 2)) + noise(number, BLOCK)


class History:
    """Does things to a repository on a disk that forgets, and tells the disk what it promised."""

    def __init__(self, disk: ForgetfulDisk, passphrase: str | None) -> None:
        self.disk = disk
        self.passphrase = passphrase
        self.root = disk.root / "store"
        self.machine: Machine

    def make(self) -> None:
        create(self.root, self.passphrase)
        self.disk.told("made")
        Repository.claim_writer(FolderStore(self.root))
        self.disk.told("claimed")

    def open(self) -> None:
        self.machine = Machine(self.root, self.passphrase)

    def seal(self, point: str, base: str | None = None) -> None:
        self.machine.seal(point, {DISK: content(point)}, base)
        self.disk.told(f"sealed {point}")

    def head(self, point: str) -> None:
        self.disk.told("head begun")
        self.machine.repository.set_head(Head(SOURCE, RecoveryPointId(point), None, {}))
        self.disk.told(f"head {point}")

    def remove_head(self) -> None:
        self.disk.told("head begun")
        self.machine.repository.remove_head(SOURCE)
        self.disk.told("head removed")

    def drop(self, *points: str) -> None:
        for point in points:
            self.disk.told(f"drop of {point} begun")
        self.machine.drop(*points)
        for point in points:
            self.disk.told(f"dropped {point}")

    def prune(self) -> None:
        prune(self.machine.repository)


def everything(history: History) -> None:
    """Each operation of a repository at least once, also on top of each other."""
    history.make()
    history.open()
    history.seal("p0")
    history.head("p0")
    history.seal("p1", "p0")
    history.head("p1")
    history.drop("p0")
    history.prune()
    history.open()
    history.seal("p2", "p1")
    history.seal("p3", "p1")
    history.head("p3")
    history.drop("p1", "p2")
    history.prune()
    history.seal("p4", "p3")
    history.remove_head()
    history.drop("p3", "p4")
    history.prune()


def dead_process() -> int:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


@pytest.fixture(scope="module")
def dead() -> int:
    """The number of a process that does not live: the one whose life the record is."""
    return dead_process()


def empty(folder: Path) -> ForgetfulDisk:
    for name in ("store", "cache"):
        (folder / name).mkdir(parents=True)
    return ForgetfulDisk(folder)


def recorded(
    folder: Path, passphrase: str | None, dead: int, live: Callable[[History], None]
) -> ForgetfulDisk:
    """The record of a life that went well."""
    disk = empty(folder)
    with disk.recorded(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("reconciler.adapters.stores.os.getpid", lambda: dead)
        live(History(disk, passphrase))
    return disk


def told_by(disk: ForgetfulDisk, cut: int) -> list[str]:
    return [step.what for step in disk.steps[:cut] if isinstance(step, Told)]


def assert_holds(root: Path, told: list[str], passphrase: str | None) -> None:
    """What was told is so, garbage goes, and work goes on."""
    try:
        create(root, passphrase)
    except RepositoryExistsError:
        pass
    else:
        assert "made" not in told
    try:
        assert Repository.claim_writer(FolderStore(root), 1) == 1
    except RepositoryLockedError:
        pass
    else:
        assert "claimed" not in told
    machine = Machine(root, passphrase)
    repository = machine.repository
    assert list((root / ".incoming").iterdir()) == []

    points = [str(point) for point in repository.manifests(SOURCE)]
    sealed = {what.split()[1] for what in told if what.startswith("sealed")}
    doubtful = {what.split()[2] for what in told if what.startswith("drop of")}
    dropped = {what.split()[1] for what in told if what.startswith("dropped")}
    assert sealed - doubtful <= set(points)
    assert not dropped & set(points)
    for point in points:
        assert read(repository, machine.manifest(point)) == content(point)
    assert_head_holds(repository, told, points)

    assert_work_goes_on(machine, points)


def assert_work_goes_on(machine: Machine, points: list[str]) -> None:
    prune(machine.repository)
    # What an interrupted draft has stored stays for the next one of its data source.
    machine.seal("p9", {DISK: content("p9")}, points[-1] if points else None)
    prune(machine.repository)
    assert set(machine.packs()) == set(machine.used())
    assert all(len(names) == 1 for names in machine.packs().values())
    assert not list((machine.root / "drafts").glob("*"))
    again = machine.reader()
    assert {str(point) for point in again.manifests(SOURCE)} == {*points, "p9"}
    for point in [*points, "p9"]:
        assert read(again, again.manifest(SOURCE, RecoveryPointId(point))) == content(point)


def assert_head_holds(repository: Repository, told: list[str], points: list[str]) -> None:
    heads = [what for what in told if what.startswith("head")]
    head = repository.head(SOURCE)
    if head is not None:
        assert head.recovery_point in points
    match heads:
        case []:
            assert head is None
        case [*_, "head removed"]:
            assert head is None
        case [*_, last] if last != "head begun":
            assert head is not None
            assert head.recovery_point == last.split()[1]


class Checked:
    """States that were looked at, as most cuts leave what an earlier one has left."""

    def __init__(self, disk: ForgetfulDisk, passphrase: str | None, scratch: Path) -> None:
        self.seen: set[object] = set()
        self._disk = disk
        self._passphrase = passphrase
        self._scratch = scratch
        self._numbers = count()

    def after(self, cut: int, choice: Choice) -> None:
        left = self._disk.left(cut, choice)
        told = told_by(self._disk, cut)
        state = (tuple(left.named()), tuple(told))
        if state in self.seen:
            return
        self.seen.add(state)
        base = self._scratch / f"{next(self._numbers)}"
        left.restored_to(base)
        assert_holds(base / "store", told, self._passphrase)


@pytest.mark.parametrize("passphrase", [None, KEY], ids=["plain", "encrypted"])
def test_whatever_was_told_holds_after_a_power_cut_at_any_moment(
    passphrase: str | None, dead: int
) -> None:
    with TemporaryDirectory(dir=FAST if FAST.is_dir() else None) as name:
        disk = recorded(Path(name) / "life", passphrase, dead, everything)
        checked = Checked(disk, passphrase, Path(name))
        for cut in disk.cuts():
            for choice in (Choice(0), Choice(1), Choice(0.5, np.random.default_rng(cut))):
                checked.after(cut, choice)
        assert len(checked.seen) > len(disk.cuts())


def begin(history: History) -> None:
    history.make()
    history.open()
    history.seal("p0")
    history.head("p0")


def go_on(history: History) -> None:
    """What the next process does, however far the one before came."""
    with suppress(RepositoryExistsError):
        create(history.root, history.passphrase)
    with suppress(RepositoryLockedError):
        Repository.claim_writer(FolderStore(history.root), 1)
    history.open()
    for point in history.machine.repository.manifests(SOURCE):
        history.head(point)
    history.seal("p100")


def killed(disk: ForgetfulDisk, history: History, life: Callable[[History], None]) -> bool:
    """Live until the disk says no; whether it did."""
    is_killed = False
    try:
        life(history)
    except Killed:
        is_killed = True
    # The threads of the dead process end too: nobody holds their queues any more.
    del history.machine
    gc.collect()
    for thread in threading.enumerate():
        if thread.name.startswith("packs"):
            thread.join()
    disk.kill_after = None
    return is_killed


def test_what_the_next_process_tells_holds_though_the_one_before_was_killed_at_any_moment(
    dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dead process has left entries that are seen, and that nobody has synced."""
    with TemporaryDirectory(dir=FAST if FAST.is_dir() else None) as name:
        # So the next process writes to another folder, and has no reason to sync the first one.
        monkeypatch.setattr("reconciler.blocks.layout.SHARD_BITS", 8)
        for moment in count():
            base = Path(name) / f"{moment}"
            disk = empty(base / "life")
            history = History(disk, None)
            history.machine = Machine.__new__(Machine)
            with disk.recorded(), pytest.MonkeyPatch.context() as patch:
                patch.setattr("reconciler.adapters.stores.os.getpid", lambda: dead)
                disk.kill_after = moment
                is_killed = killed(disk, history, begin)
                go_on(history)
            checked = Checked(disk, None, base)
            for cut in disk.cuts():
                if isinstance(disk.steps[cut - 1], Told):
                    checked.after(cut, Choice(0))
            if not is_killed:
                break
        assert moment > 40


OPERATIONS = ("seal", "head", "drop", "prune", "open", "remove head")
LIVES = st.lists(st.lists(st.sampled_from(OPERATIONS), min_size=1, max_size=6), max_size=4)
"""What each process does until it dies."""


def live(history: History, operations: list[str], points: list[str], data: st.DataObject) -> None:
    """Do what makes sense of some operations; `points` are all that were ever begun."""
    go = {
        "prune": history.prune,
        "open": history.open,
        "remove head": history.remove_head,
    }
    for operation in operations:
        there = [str(point) for point in history.machine.repository.manifests(SOURCE)]
        head = history.machine.repository.head(SOURCE)
        if operation == "seal":
            points.append(f"p{10 + len(points)}")
            history.seal(points[-1], there[-1] if there else None)
        elif operation == "head" and there:
            history.head(data.draw(st.sampled_from(there)))
        elif operation == "drop" and there:
            chosen = data.draw(st.sampled_from(there))
            if head is None or head.recovery_point != chosen:
                history.drop(chosen)
        elif operation in go:
            go[operation]()


@settings(max_examples=60, deadline=None)
@given(LIVES, st.sampled_from([None, KEY]), st.data())
def test_whatever_happens_all_that_was_told_holds_over_many_crashes(
    lives: list[list[str]], passphrase: str | None, data: st.DataObject
) -> None:
    dead = dead_process()
    with TemporaryDirectory(dir=FAST if FAST.is_dir() else None) as name:
        disk = recorded(Path(name) / "life", passphrase, dead, begin)
        told = told_by(disk, len(disk.steps))
        left = disk.left(len(disk.steps), Choice(0))
        points: list[str] = []
        for number, operations in enumerate(lives):
            left.restored_to(Path(name) / f"{number}")
            disk = ForgetfulDisk(Path(name) / f"{number}")
            with disk.recorded(), pytest.MonkeyPatch.context() as patch:
                patch.setattr("reconciler.adapters.stores.os.getpid", lambda: dead)
                history = History(disk, passphrase)
                history.open()
                live(history, operations, points, data)
            cut = data.draw(st.sampled_from(disk.cuts()), label="cut")
            keep = data.draw(st.sampled_from([0, 0.2, 0.5, 0.8, 1]), label="keep")
            luck = np.random.default_rng(data.draw(st.integers(0, 1 << 30), label="luck"))
            told += told_by(disk, cut)
            left = disk.left(cut, Choice(keep, luck))
            left.restored_to(Path(name) / f"{number}-checked")
            assert_holds(Path(name) / f"{number}-checked" / "store", told, passphrase)
