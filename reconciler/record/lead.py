"""One leader a catalogue: only it starts work.

The lock is the operating system's, so it ends with its process, however that ends. What the file
says is for people and for the error that a second one gets; it decides nothing.
"""

import json
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import IO, Self

from reconciler.errors import CatalogueError, CatalogueLockedError
from reconciler.record.file_lock import try_lock

FILE_NAME = "lead.lock"
_MOST_BYTES = 4096
_TRIES = 3
_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Leader:
    """Who leads, as the lock's file tells."""

    pid: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"


class Lead:
    """The lead of one catalogue, held until it is released or the process ends."""

    def __init__(self, file: IO[bytes], leader: Leader) -> None:
        self._file = file
        self.leader = leader

    @classmethod
    def take(cls, state_folder: Path, now: datetime) -> Self:
        """Take the lead without waiting.

        Raises:
            CatalogueLockedError: Another process has it.
            CatalogueError: The folder cannot be used.
        """
        path = state_folder / FILE_NAME
        try:
            file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b")
        except OSError as error:
            raise CatalogueError(
                f"the lead file {path} cannot be used: {error.strerror}",
                hint="check that the state folder exists and that this account may write there",
            ) from error
        leader = Leader(os.getpid(), socket.gethostname(), now.isoformat(timespec="seconds"))
        try:
            return cls._locked(file, leader)
        except BaseException:
            file.close()
            raise

    @classmethod
    def _locked(cls, file: IO[bytes], leader: Leader) -> Self:
        if not _lock_soon(file):
            other = _read(file) or "another process"
            raise CatalogueLockedError(
                f"another reconciler leads this catalogue: {other}",
                hint="wait for it to end, or stop it; a recovery needs not wait",
                holder=str(other),
            )
        text = {"pid": leader.pid, "host": leader.host, "since": leader.since}
        file.truncate(0)
        file.write(json.dumps(text).encode() + b"\n")
        file.flush()
        return cls(file, leader)

    def release(self) -> None:
        """Give the lead back; a second time does nothing."""
        if not self._file.closed:
            # the file stays: who deletes a lock's file lets two processes lock two files
            with suppress(OSError):
                self._file.truncate(0)
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def leader(state_folder: Path) -> Leader | None:
    """Who leads, for people; None when nobody does.

    Raises:
        CatalogueError: The folder cannot be read.
    """
    try:
        with (state_folder / FILE_NAME).open("r+b") as file:
            found = _read(file)
            if found is None or not try_lock(file.fileno()):
                return found
            file.truncate(0)  # it was killed; so nobody else needs to try the lock
            return None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CatalogueError(
            f"the lead file in {state_folder} cannot be read: {error.strerror}",
            hint="check the rights of this account on the state folder",
        ) from error


def _lock_soon(file: IO[bytes]) -> bool:
    """Try again after a moment, as `leader` may hold the lock for one."""
    pause = Event()
    for _ in range(_TRIES):
        if try_lock(file.fileno()):
            return True
        pause.wait(_PAUSE_S)
    return False


def _read(file: IO[bytes]) -> Leader | None:
    """What the file says; None when it says nothing useful, as in the moment of taking."""
    file.seek(0)
    try:
        found = json.loads(file.read(_MOST_BYTES))
        return Leader(int(found["pid"]), str(found["host"]), str(found["since"]))
    except (ValueError, KeyError, TypeError):
        return None
