"""The hint that policies changed."""

from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue

import pytest

from reconciler.adapters.policy_watch import PolicyWatch

LONG_S = 20.0


class Hints:
    """Counts hints, and waits for one."""

    def __init__(self) -> None:
        self._queue: Queue[None] = Queue()

    def __call__(self) -> None:
        self._queue.put(None)

    def came(self) -> bool:
        try:
            self._queue.get(timeout=LONG_S)
        except Empty:
            return False
        return True

    def settle(self) -> None:
        """Until nothing comes for a while: hints of one change may be several."""
        while True:
            try:
                self._queue.get(timeout=1.5)
            except Empty:
                return


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "policies"
    made.mkdir()
    return made


@pytest.fixture
def hints(folder: Path) -> Iterator[Hints]:
    hints = Hints()
    with PolicyWatch(folder, hints):
        hints.settle()
        yield hints


def test_a_file_that_is_written_gives_a_hint(folder: Path, hints: Hints) -> None:
    (folder / "a.yaml").write_text("x")

    assert hints.came()


def test_a_folder_that_was_replaced_is_watched_again(
    folder: Path, hints: Hints, tmp_path: Path
) -> None:
    folder.rename(tmp_path / "old")
    folder.mkdir()
    assert hints.came()
    hints.settle()

    (folder / "b.yaml").write_text("y")

    assert hints.came()


def test_a_folder_that_is_missing_ends_nothing(tmp_path: Path) -> None:
    late = tmp_path / "late"
    hints = Hints()
    with PolicyWatch(late, hints):
        late.mkdir()
        (late / "a.yaml").write_text("x")

        assert hints.came()
