r"""File servers of a lab: the folder that stands for \\SERVER\SHARE\… of one server.

Hosts reach files there as if they had them; whoever wants to read them asks the server: its agent
(`file_agent`), or a share of it (`samba`).
"""

from pathlib import Path
from typing import Final

from reconciler.lab.files import replace_file

_MARK: Final = "file-server"


def create_file_server(folder: Path) -> None:
    """Make the folder of a new file server; shares are the folders in it."""
    folder.mkdir(parents=True)
    replace_file(folder / _MARK, f"{folder.name}\n".encode())


def file_server_folders(lab: Path) -> list[Path]:
    """The file servers of a lab folder."""
    return sorted(path.parent for path in lab.glob(f"*/{_MARK}"))


def shares(folder: Path) -> list[Path]:
    """The folders that a file server shares."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")


def file_server_names(lab: Path) -> tuple[str, ...]:
    """The file servers of a lab folder, by name."""
    return tuple(folder.name for folder in file_server_folders(lab))
