"""A folder store on a file system that forgets: what a power cut may leave of it, at any moment.

File operations below a folder are recorded while they happen (threads too). From the record follows
what may be left when the power goes after any of them. It is the worst that POSIX allows:

- Bytes of a file that was not synced are lost, torn, or there.
- An entry of a folder (made, linked, replaced, removed) that was not synced with its folder is
  there or not, each on its own: a rename may be seen at one end only, or at none.
- What was synced stays.
"""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
import pytest

ROOT = 0
TORN_BYTES = 512


class Killed(BaseException):
    """The process does not live any more; nothing it does afterwards has an effect."""


@dataclass(frozen=True)
class Written:
    """A file has these bytes, but not durably."""

    node: int
    data: bytes


@dataclass(frozen=True)
class Synced:
    """Bytes of a file, or entries of a folder, are durable as they are."""

    node: int


@dataclass(frozen=True)
class Entered:
    """A folder has a name for a file or folder, or has it no more."""

    folder: int
    name: str
    node: int | None


@dataclass(frozen=True)
class Told:
    """The program has told somebody: from here on it must hold."""

    what: str


Step = Written | Synced | Entered | Told


class ForgetfulDisk:
    """Records what happens below a folder of a real file system."""

    def __init__(self, root: Path) -> None:
        """Begin with a folder as it is: all that is in it is durable."""
        self.root = root.resolve()
        self.steps: list[Step] = []
        self.kill_after: int | None = None
        """Steps that may still happen; None while the process lives on."""
        self._nodes: dict[str, int] = {"": ROOT}
        self._folders = {ROOT}
        self._seen: dict[int, bytes] = {}
        self._next = 1
        self._lock = RLock()
        for path in sorted(self.root.rglob("*")):
            node = self._new(path.relative_to(self.root).as_posix())
            if path.is_dir():
                self._folders.add(node)
            else:
                self._seen[node] = path.read_bytes()
                self.steps += [Written(node, self._seen[node]), Synced(node)]
        self.steps += [Synced(folder) for folder in self._folders]
        self._first = len(self.steps)

    def told(self, what: str) -> None:
        """Remember that the program has promised something."""
        self.steps.append(Told(what))

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Record all that this process does below the folder."""
        with pytest.MonkeyPatch.context() as patch:
            for name, wrapped in (
                ("mkdir", self._mkdir),
                ("link", self._link),
                ("replace", self._replace),
                ("unlink", self._unlink),
                ("fsync", self._fsync),
            ):
                patch.setattr(os, name, wrapped(getattr(os, name)))
            patch.setattr(io, "open", self._open(io.open))
            yield

    def cuts(self) -> range:
        """Moments at which the power may go."""
        return range(self._first, len(self.steps) + 1)

    def left(self, cut: int, choose: "Choice") -> "Left":
        """What may be left when the power goes after so many steps."""
        kept = _Kept()
        for step in self.steps[:cut]:
            kept.take(step)
        return kept.left(self._folders, choose)

    def _mkdir(self, real: Callable[..., None]) -> Callable[..., None]:
        def mkdir(path: Any, *words: Any, **options: Any) -> None:
            if (name := self._name(path)) is None:
                real(path, *words, **options)
                return
            with self._lock:
                self._alive()
                real(path, *words, **options)
                self._folders.add(self._new(name))

        return mkdir

    def _link(self, real: Callable[..., None]) -> Callable[..., None]:
        def link(source: Any, target: Any, **options: Any) -> None:
            ours, name = self._name(source), self._name(target)
            if ours is None or name is None:
                real(source, target, **options)
                return
            with self._lock:
                self._look()
                self._alive()
                real(source, target, **options)
                self._enter(name, self._nodes[ours])

        return link

    def _replace(self, real: Callable[..., None]) -> Callable[..., None]:
        def replace(source: Any, target: Any, **options: Any) -> None:
            ours, name = self._name(source), self._name(target)
            if ours is None or name is None:
                real(source, target, **options)
                return
            with self._lock:
                self._look()
                self._alive()
                real(source, target, **options)
                self._enter(name, self._nodes[ours])
                self._enter(ours, None)

        return replace

    def _unlink(self, real: Callable[..., None]) -> Callable[..., None]:
        def unlink(path: Any, **options: Any) -> None:
            if (name := self._name(path)) is None:
                real(path, **options)
                return
            with self._lock:
                self._look()
                self._alive()
                real(path, **options)
                self._enter(name, None)

        return unlink

    def _fsync(self, real: Callable[[int], None]) -> Callable[[int], None]:
        del real  # a power cut of a simulated disk asks nothing of the real one

        def fsync(descriptor: int) -> None:
            name = self._name(Path(f"/proc/self/fd/{descriptor}").readlink())
            if name is None:
                return
            with self._lock:
                self._look()
                self._alive()
                self.steps.append(Synced(self._nodes[name]))

        return fsync

    def _open(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def opened(file: Any, mode: str = "r", *words: Any, **options: Any) -> Any:
            name = None if isinstance(file, int) else self._name(file)
            if name is None or not {"w", "x", "a", "+"} & set(mode):
                return real(file, mode, *words, **options)
            with self._lock:
                self._look()
                self._alive()
                found = real(file, mode, *words, **options)
                if name not in self._nodes:
                    self._new(name)
                return found

        return opened

    def _name(self, path: Any) -> str | None:
        text = os.fspath(path)
        root = f"{self.root}/"
        if not isinstance(text, str) or not f"{text}/".startswith(root):
            return None
        return text[len(root) :].strip("/")

    def _alive(self) -> None:
        if self.kill_after is not None:
            if self.kill_after == 0:
                raise Killed
            self.kill_after -= 1

    def _look(self) -> None:
        """Note what was written to files since; most have not changed, and are known by size."""
        for name, node in self._nodes.items():
            file = self.root / name
            if node in self._folders or not _may_have_changed(name) or not file.exists():
                continue
            if (data := file.read_bytes()) != self._seen.get(node):
                self._seen[node] = data
                self.steps.append(Written(node, data))

    def _new(self, name: str) -> int:
        node, self._next = self._next, self._next + 1
        self._enter(name, node)
        return node

    def _enter(self, name: str, node: int | None) -> None:
        folder, _, last = name.rpartition("/")
        self.steps.append(Entered(self._nodes[folder], last, node))
        if node is None:
            del self._nodes[name]
        else:
            self._nodes[name] = node


def _may_have_changed(name: str) -> bool:
    """Files of the store are written before they have their name; those of the cache are few."""
    return name.startswith("cache/") or ".incoming/" in name


class _Kept:
    """What is durable after some steps, and what is not."""

    def __init__(self) -> None:
        self._folders: dict[int, dict[str, int]] = {}
        self._pending: list[Entered] = []
        self._durable: dict[int, bytes] = {}
        self._latest: dict[int, bytes] = {}

    def take(self, step: Step) -> None:
        """One more step has happened."""
        if isinstance(step, Written):
            self._latest[step.node] = step.data
        elif isinstance(step, Entered):
            self._pending.append(step)
        elif isinstance(step, Synced):
            for each in (p for p in self._pending if p.folder == step.node):
                _enter(self._folders, each)
            self._pending = [p for p in self._pending if p.folder != step.node]
            self._durable[step.node] = self._latest.get(step.node, b"")

    def left(self, known_folders: set[int], choose: "Choice") -> "Left":
        """What is there when the power goes now."""
        folders = {folder: dict(names) for folder, names in self._folders.items()}
        for each in self._pending:
            if choose.keeps_entry():
                _enter(folders, each)
        files = {
            node: choose.bytes_of(self._durable.get(node), data)
            for node, data in self._latest.items()
        }
        return Left(folders, files, known_folders)


def _enter(folders: dict[int, dict[str, int]], entered: Entered) -> None:
    names = folders.setdefault(entered.folder, {})
    if entered.node is None:
        names.pop(entered.name, None)
    else:
        names[entered.name] = entered.node


@dataclass(frozen=True)
class Choice:
    """What a power cut keeps of what was not synced."""

    keep: float
    """0: nothing; 1: everything, as when only the process dies; between: by chance."""
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def keeps_entry(self) -> bool:
        """Whether an entry of a folder is there."""
        return self.random.random() < self.keep

    def bytes_of(self, durable: bytes | None, latest: bytes) -> bytes:
        """What a file holds."""
        if durable == latest or self.keep >= 1:
            return latest
        if self.keep <= 0:
            return durable or b""
        kind = int(self.random.integers(4))
        if kind == 0:
            return durable or b""
        if kind == 1:
            return latest[: int(self.random.integers(len(latest) + 1))]
        if kind == 2:
            torn = bytearray(latest)
            for start in range(0, len(torn), TORN_BYTES):
                if self.random.random() < 0.5:
                    part = torn[start : start + TORN_BYTES]
                    torn[start : start + TORN_BYTES] = bytes(len(part))
            return bytes(torn)
        return latest


@dataclass(frozen=True)
class Left:
    """What a power cut has left."""

    folders: dict[int, dict[str, int]]
    files: dict[int, bytes]
    known_folders: set[int]

    def named(self, folder: int = ROOT, prefix: str = "") -> Iterator[tuple[str, bytes | None]]:
        """All files with their bytes, and all folders, parents first."""
        for name, node in sorted(self.folders.get(folder, {}).items()):
            if node in self.known_folders:
                yield prefix + name, None
                yield from self.named(node, f"{prefix}{name}/")
            else:
                yield prefix + name, self.files.get(node, b"")

    def restored_to(self, root: Path) -> None:
        """Make the folder anew as it was left."""
        root.mkdir(parents=True)
        for name, data in self.named():
            if data is None:
                (root / name).mkdir()
            else:
                (root / name).write_bytes(data)
