"""Others at the same rows: restic, borg, and plain tools for single rows.

restic and borg encrypt, the plain tools do not. borg gets the block size that suits disks best.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.benchmarks.measuring import Command

TOOLS = Path(os.environ.get("BENCH_TOOLS", ".bench/tools")).resolve()


@dataclass(frozen=True)
class Disks:
    """Two generations of a disk, and where rows may write."""

    first: Path
    second: Path
    changed: Path
    work: Path


class Contender(Protocol):
    """Somebody who is measured. Its rows are run in the order of `ROWS`."""

    name: str
    stored: Path
    """What its bytes are counted of."""

    def version(self) -> str: ...

    def prepare(self) -> None:
        """Begin a round from nothing; not measured."""
        ...

    def rows(self) -> Mapping[str, Callable[[], Command]]:
        """The rows it can do. Calling one makes ready what is not measured."""
        ...

    def restored(self) -> Path:
        """The file that `restore` made; it must equal the second disk."""
        ...


ROWS = ("initial", "unchanged", "incremental", "check", "verify", "restore", "prune")
BUILDING = ("initial", "incremental")
"""Rows that later ones need."""


def output(*command: str) -> str:
    """First line of what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return (done.stdout or done.stderr).splitlines()[0]


def fresh(folder: Path) -> Path:
    """An empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


class SourceName:
    """One name for both generations, as archives go by names."""

    def __init__(self, disks: Disks, folder: Path) -> None:
        self._disks = disks
        self.path = folder / "source" / "disk.raw"

    def first(self) -> str:
        """It is the first generation now."""
        return self._link(self._disks.first)

    def second(self) -> str:
        """It is the second generation now."""
        return self._link(self._disks.second)

    def _link(self, disk: Path) -> str:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self.path.hardlink_to(disk)
        return str(self.path)


def only_file(folder: Path) -> Path:
    """The one that was restored."""
    (found,) = folder.rglob("disk.raw")
    return found


class Restic:
    """Content-defined chunks, zstd, AES-256-CTR with Poly1305."""

    name = "restic"

    def __init__(self, disks: Disks) -> None:
        self._folder = disks.work / self.name
        self._source = SourceName(disks, self._folder)
        self.stored = self._folder / "repository"
        self._out = self._folder / "out"
        self._environment = {
            "RESTIC_PASSWORD": "x",
            "RESTIC_REPOSITORY": str(self.stored),
            "RESTIC_CACHE_DIR": str(self._folder / "cache"),
        }
        own = TOOLS / "restic/usr/bin/restic"
        self._program = str(own) if own.exists() else "restic"

    def version(self) -> str:
        return output(self._program, "version")

    def prepare(self) -> None:
        fresh(self._folder)
        environment = {**os.environ, **self._environment}
        subprocess.run([self._program, "init", "-q"], env=environment, check=True)

    def rows(self) -> Mapping[str, Callable[[], Command]]:
        return {
            "initial": lambda: self._run("backup", self._source.first()),
            "unchanged": lambda: self._run("backup", "--force", str(self._source.path)),
            "incremental": lambda: self._run("backup", self._source.second()),
            "verify": lambda: self._run("check", "--read-data"),
            "restore": lambda: self._run(
                "restore", "latest", "--sparse", "--target", str(fresh(self._out))
            ),
            "prune": lambda: self._run("forget", "--keep-last", "1", "--prune"),
        }

    def restored(self) -> Path:
        return only_file(self._out)

    def _run(self, *arguments: str) -> Command:
        return Command([[self._program, *arguments]], self._environment)


class Borg:
    """Fixed chunks of 256 KiB, zstd 1, AES-256-CTR with HMAC-SHA256 (repokey, its default)."""

    name = "borg"

    def __init__(self, disks: Disks) -> None:
        self._folder = disks.work / self.name
        self._source = SourceName(disks, self._folder)
        self.stored = self._folder / "repository"
        self._out = self._folder / "out"
        self._environment = {
            "BORG_PASSPHRASE": "x",
            "BORG_REPO": str(self.stored),
            "BORG_BASE_DIR": str(self._folder / "base"),
            "BORG_DELETE_I_KNOW_WHAT_I_AM_DOING": "YES",
        }
        own = TOOLS / "borg/bin/borg"
        self._program = str(own) if own.exists() else "borg"

    def version(self) -> str:
        return output(self._program, "--version")

    def prepare(self) -> None:
        fresh(self._folder)
        environment = {**os.environ, **self._environment}
        init = [self._program, "init", "-e", "repokey"]
        subprocess.run(init, env=environment, check=True, capture_output=True)

    def rows(self) -> Mapping[str, Callable[[], Command]]:
        return {
            "initial": lambda: self._create("first", self._source.first()),
            "unchanged": lambda: self._create("same", str(self._source.path)),
            "incremental": lambda: self._create("second", self._source.second()),
            "verify": lambda: self._run(["check", "--verify-data"]),
            "restore": lambda: self._run(
                ["extract", "--sparse", "::second"], folder=fresh(self._out)
            ),
            "prune": lambda: self._run(
                ["delete", "-a", "[fs][ia][rm]*"], ["compact", "--threshold", "1"]
            ),
        }

    def restored(self) -> Path:
        return only_file(self._out)

    def _create(self, archive: str, source: str) -> Command:
        return self._run(
            ["create", "-C", "zstd,1", "--chunker-params", "fixed,262144",
             "--files-cache", "disabled", f"::{archive}", source]
        )  # fmt: skip

    def _run(self, *lines: list[str], folder: Path | None = None) -> Command:
        return Command([[self._program, *line] for line in lines], self._environment, folder)


class Zstd:
    """One stream on two threads; not encrypted, nothing found twice."""

    name = "zstd -1 -T2"

    def __init__(self, disks: Disks) -> None:
        self._disks = disks
        self._folder = disks.work / "zstd"
        self.stored = self._folder / "disk.zst"

    def version(self) -> str:
        return output("zstd", "--version")

    def prepare(self) -> None:
        fresh(self._folder)

    def rows(self) -> Mapping[str, Callable[[], Command]]:
        first, stored = str(self._disks.first), str(self.stored)
        return {"initial": lambda: Command([["zstd", "-q", "-1", "-T2", first, "-o", stored]])}

    def restored(self) -> Path:
        raise NotImplementedError


class Rsync:
    """Repairs a plain copy of the first disk in place; not encrypted, not compressed."""

    name = "rsync --inplace --no-whole-file"

    def __init__(self, disks: Disks) -> None:
        self._disks = disks
        self._folder = disks.work / "rsync"
        self.stored = self._folder / "disk.raw"

    def version(self) -> str:
        return output("rsync", "--version")

    def prepare(self) -> None:
        fresh(self._folder)

    def rows(self) -> Mapping[str, Callable[[], Command]]:
        return {"check": self._check}

    def restored(self) -> Path:
        raise NotImplementedError

    def _check(self) -> Command:
        copy = ["cp", "--sparse=always", str(self._disks.first), str(self.stored)]
        subprocess.run(copy, check=True)
        options = ["--inplace", "--no-whole-file", "--ignore-times"]
        return Command([["rsync", *options, str(self._disks.second), str(self.stored)]])


class Cp:
    """A plain copy."""

    name = "cp"

    def __init__(self, disks: Disks) -> None:
        self._disks = disks
        self._folder = disks.work / "cp"
        self.stored = self._folder / "disk.raw"

    def version(self) -> str:
        return output("cp", "--version")

    def prepare(self) -> None:
        fresh(self._folder)

    def rows(self) -> Mapping[str, Callable[[], Command]]:
        return {"restore": self._restore}

    def restored(self) -> Path:
        return self.stored

    def _restore(self) -> Command:
        return Command([["cp", "--sparse=always", str(self._disks.second), str(self.stored)]])
