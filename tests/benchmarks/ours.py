"""Our rows, each as a process: see `engine_step`."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

from tests.benchmarks.measuring import Command
from tests.benchmarks.peers import Disks, fresh

ROOT = Path(__file__).parents[2]
STEP = "tests.benchmarks.engine_step"


class Ours:
    """The product's engine, encrypted."""

    DEFAULT_BLOCK_BYTES: ClassVar[int] = 65_536
    name = "ours"

    def __init__(self, disks: Disks, block_bytes: int) -> None:
        self._disks = disks
        self._block_bytes = block_bytes
        self._folder = disks.work / self.name
        self.stored = self._folder / "store"
        self._cache = self._folder / "cache"
        self._out = self._folder / "out" / "disk.raw"

    def version(self) -> str:
        return version("hyperv-reconciler")

    def prepare(self) -> None:
        fresh(self._folder)
        self.stored.mkdir()
        self._run([sys.executable, "-m", "compileall", "-q", "reconciler", "tests/benchmarks"])
        self._now("create", str(self._block_bytes))

    def rows(self) -> Mapping[str, Callable[[], Command]]:
        first, second = str(self._disks.first), str(self._disks.second)
        return {
            "initial": lambda: self._step("capture", "first", "-", first),
            "unchanged": lambda: self._step("capture", "same", "first", first),
            "incremental": lambda: self._step(
                "capture", "second", "first", second, str(self._disks.changed)
            ),
            "check": lambda: self._step("check", "checked", "second", first),
            "verify": lambda: self._step("verify"),
            "restore": self._restore,
            "prune": self._prune,
        }

    def restored(self) -> Path:
        return self._out

    @staticmethod
    def unpack(disk: Path, out: Path) -> None:
        """The bytes of a VHD or VHDX as a raw file."""
        command = [sys.executable, "-m", STEP, str(out.parent), "unpack", str(disk), str(out)]
        subprocess.run(command, cwd=ROOT, check=True)

    def _restore(self) -> Command:
        shutil.rmtree(self._out.parent, ignore_errors=True)
        self._out.parent.mkdir()
        return self._step("restore", "second", str(self._out))

    def _prune(self) -> Command:
        """One of two points goes; the others went before."""
        self._now("drop", "same", "checked")
        return self._step("prune", "first")

    def _now(self, *arguments: str) -> None:
        self._run(self._step(*arguments).lines[0])

    def _run(self, line: Sequence[str]) -> None:
        subprocess.run(line, cwd=ROOT, env={**os.environ, **self._environment()}, check=True)

    def _environment(self) -> Mapping[str, str]:
        """Bytecode is kept, as an installed product has it: only a checkout is compiled anew."""
        return {
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(self._disks.work / "bytecode"),
        }

    def _step(self, *arguments: str) -> Command:
        line = [sys.executable, "-m", STEP, str(self._folder), *arguments]
        return Command([line], self._environment(), folder=ROOT, mapped=self._cache)
