"""The folder that a volume lives in."""

import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reconciler.errors import RepositoryUnavailableError

_MOUNT_IT: Final = "mount it, or put its new place into the storage policy"
_MAKE_WRITABLE: Final = (
    "look for disk errors if it was mounted read-only by the system; "
    "give the account of the reconciler rights to write there"
)


def known_folder(path: Path, name: str) -> Path:
    """The folder of a volume that has a repository: never made anew, as it would be empty.

    Raises:
        RepositoryUnavailableError: It is not there.
    """
    if not path.is_dir():
        raise RepositoryUnavailableError(
            f"{name} is not at {path}",
            hint=_MOUNT_IT,
        )
    return path


def new_folder(path: Path, name: str) -> Path:
    """The folder of a new volume.

    Below an absolute path only the last part is made: a mount that is missing is not papered over
    by a folder on the disk of the system.

    Raises:
        RepositoryUnavailableError: It cannot be made.
    """
    try:
        path.mkdir(parents=not path.is_absolute(), exist_ok=True)
    except OSError as error:
        raise RepositoryUnavailableError(
            f"{name} cannot be made at {path}: {error.strerror}",
            hint="make its parent folder or mount it there, and check the rights of this account",
        ) from error
    return path


@dataclass(frozen=True, slots=True)
class FolderFacts:
    """A folder of a volume as it was found.

    Units: bytes. None when the folder is not there.
    """

    is_there: bool
    is_writable: bool = False
    problem: str = ""
    hint: str = ""
    total_bytes: int | None = None
    free_bytes: int | None = None


def look_at_folder(path: Path, marker: str) -> FolderFacts:
    """What can be done with the folder of a volume; nothing is changed.

    A known volume has the file `marker` in it: where a mount is missing its mount point is a
    folder all the same. For a new volume `marker` is empty, and the folder need not be there yet.
    """
    try:
        place = _place(path, marker)
        if isinstance(place, FolderFacts):
            return place
        usage = shutil.disk_usage(place)
    except OSError as error:
        return FolderFacts(is_there=False, problem=f"{path}: {error.strerror}", hint=_MOUNT_IT)
    is_writable = os.access(place, os.W_OK | os.X_OK)
    return FolderFacts(
        is_there=True,
        is_writable=is_writable,
        problem="" if is_writable else f"{path} cannot be written to",
        hint="" if is_writable else _MAKE_WRITABLE,
        total_bytes=usage.total,
        free_bytes=usage.free,
    )


def _place(path: Path, marker: str) -> Path | FolderFacts:
    """What stands for the volume: its folder, or where it will be made."""
    if marker:
        if not stat.S_ISDIR(path.stat().st_mode):
            return FolderFacts(is_there=False, problem=f"{path} is no folder", hint=_MOUNT_IT)
        if not (path / marker).exists():
            problem = f"its repository is not at {path}"
            return FolderFacts(is_there=False, problem=problem, hint=_MOUNT_IT)
        return path
    if path.is_absolute():
        return path if path.exists() else _existing(path.parent)
    return next(each for each in (path, *path.parents, Path()) if each.exists())


def _existing(parent: Path) -> Path:
    parent.stat()
    return parent
