"""The folder of policy files: its bytes, and the Git commit that they come from."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import SettingsError

MOST_FILES = 5_000
MOST_FILE_BYTES = 1 << 20
MOST_BYTES = 64 << 20
_SUFFIXES = (".yaml", ".yml")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_MOST_GIT_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class PolicyFiles:
    """What the folder held at one moment."""

    root: Path
    files: dict[str, bytes]
    """Path below `root`, with forward slashes, to bytes; a file over 1 MiB is cut one byte later,
    so that its reader sees that it is too large.
    """
    commit: str
    """Git commit of the folder; empty when it has none. Files may have been changed since."""


def read_policies(path: Path) -> PolicyFiles:
    """Read all policy files of a folder, or a single one.

    Raises:
        SettingsError: There is no such folder, it holds no policy file, too many or too large
            ones, or one that cannot be read.
    """
    try:
        root, found = _found(path)
        files = _read(root, found)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SettingsError(
            f"cannot read {error.filename or path}: {reason}",
            hint="give the account of the reconciler the right to read it",
            path=str(path),
        ) from error
    return PolicyFiles(root, files, _commit(root.absolute()))


def _found(path: Path) -> tuple[Path, list[Path]]:
    if path.is_file():
        return path.parent, [path]
    if not path.is_dir():
        raise SettingsError(
            f"there is no policy folder {path}",
            hint="name the folder with the policy files, or create it",
            path=str(path),
        )
    found = sorted(_candidates(path))
    if not found:
        raise SettingsError(
            f"no policy file (*.yaml) in {path}",
            hint="write one; `policies/` of the project has examples",
            path=str(path),
        )
    return path, found


def _candidates(root: Path) -> Iterator[Path]:
    """Policy files below the folder; what begins with a dot belongs to Git or an editor."""
    count = 0
    for path in root.rglob("*"):
        is_hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if is_hidden or path.suffix.lower() not in _SUFFIXES or not path.is_file():
            continue
        count += 1
        if count > MOST_FILES:
            raise SettingsError(
                f"more than {MOST_FILES:,} policy files in {root}",
                hint="is it the right folder? Several policies fit into one file",
                path=str(root),
            )
        yield path


def _read(root: Path, found: list[Path]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    total = 0
    for path in found:
        with path.open("rb") as file:
            raw = file.read(MOST_FILE_BYTES + 1)
        total += len(raw)
        if total > MOST_BYTES:
            raise SettingsError(
                f"the policy files in {root} have more than {MOST_BYTES >> 20} MiB",
                hint="is it the right folder? Policies are a few kilobytes each",
                path=str(root),
            )
        files[path.relative_to(root).as_posix()] = raw
    return files


def _commit(folder: Path) -> str:
    """The commit that is checked out, read from Git's own files; empty when that is not simple.

    Source: gitrepository-layout(5).
    """
    try:
        git = _git_folder(folder)
        head = _small_text(git / "HEAD") if git else ""
        if git is None or not head.startswith("ref: "):
            return _checked(head)
        shared = git / _small_text(git / "commondir") if (git / "commondir").is_file() else git
        return _resolved(shared, head.removeprefix("ref: "))
    except (OSError, ValueError):
        return ""


def _resolved(git: Path, ref: str) -> str:
    if not ref.startswith("refs/") or ".." in ref:
        return ""
    if (git / ref).is_file():
        return _checked(_small_text(git / ref))
    for line in _small_text(git / "packed-refs").splitlines():
        commit, _, name = line.partition(" ")
        if name == ref:
            return _checked(commit)
    return ""


def _git_folder(folder: Path) -> Path | None:
    for parent in (folder, *folder.parents):
        git = parent / ".git"
        if git.is_dir():
            return git
        if git.is_file():  # a worktree or submodule: the file says where
            return parent / _small_text(git).removeprefix("gitdir: ")
    return None


def _small_text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MOST_GIT_BYTES).decode("utf-8").strip()


def _checked(commit: str) -> str:
    return commit if _COMMIT.match(commit) else ""
