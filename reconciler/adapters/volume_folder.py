"""The folder that a volume lives in."""

from pathlib import Path

from reconciler.errors import RepositoryUnavailableError


def known_folder(path: Path, name: str) -> Path:
    """The folder of a volume that has a repository: never made anew, as it would be empty.

    Raises:
        RepositoryUnavailableError: It is not there.
    """
    if not path.is_dir():
        raise RepositoryUnavailableError(
            f"{name} is not at {path}",
            hint="mount it, or put its new place into the storage policy",
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
