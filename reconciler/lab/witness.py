"""Shadows as they were when each checkpoint was taken: the judge of every single recovery point.

While the folder is there, each recovery checkpoint leaves copies of its machine's shadows in a
folder of the checkpoint's name, taken under the host's lock and so at the checkpoint's own instant,
however busily the guest writes. Ours have the job in their name, which recovery points know.
"""

import shutil
from pathlib import Path
from typing import Final

from reconciler.lab.book import HostBook
from reconciler.lab.files import copy_sparse
from reconciler.lab.state import MachineState

FOLDER: Final = "witness"


def begin(lab: Path) -> Path:
    """Keep shadows from now on; gives the folder."""
    folder = lab / FOLDER
    folder.mkdir(exist_ok=True)
    return folder


def end(lab: Path) -> None:
    """Keep no more, and forget those that were kept."""
    shutil.rmtree(lab / FOLDER, ignore_errors=True)


def keep(book: HostBook, machine: MachineState, checkpoint_name: str) -> None:
    """Copy the machine's shadows, if anybody asked for that. Call while holding the book."""
    folder = book.folder.parent / FOLDER
    if not folder.is_dir():
        return
    target = _kept(folder, checkpoint_name)
    target.mkdir(exist_ok=True)
    for disk in machine.disks:
        if disk.has_file:
            source = book.shadow(machine, disk)
            copy_sparse(source, target / source.name)


def rename(book: HostBook, before: str, after: str) -> None:
    """A checkpoint has another name now. Call while holding the book."""
    kept = _kept(book.folder.parent / FOLDER, before)
    if kept.is_dir():
        kept.rename(_kept(book.folder.parent / FOLDER, after))


def _kept(folder: Path, checkpoint_name: str) -> Path:
    return folder / Path(checkpoint_name.rsplit(" ", maxsplit=1)[-1]).name
