"""A virtual disk on this machine, of any format, opened to be looked at or copied.

A raw disk has nothing by which to tell it, and its guest can make it look like any format. So a
file is raw by its name, or because the caller says so, and never for lack of anything better.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

from reconciler.blocks import vhd, vhdx
from reconciler.blocks.disk_chain import DiskChain
from reconciler.blocks.disk_file import format_of
from reconciler.blocks.disk_local import LocalFiles
from reconciler.blocks.disk_raw import open_raw
from reconciler.errors import DiskNotSupportedError, ReconcilerError
from reconciler.model.machine import DiskFormat
from reconciler.ports import DiskFiles


class FileFormat(StrEnum):
    """What a file of a disk can be."""

    RAW = "raw"
    VHD = "vhd"
    VHDX = "vhdx"


_BY_SUFFIX: Final = {
    ".raw": FileFormat.RAW,
    ".img": FileFormat.RAW,
    ".vhd": FileFormat.VHD,
    ".avhd": FileFormat.VHD,
    ".vhdx": FileFormat.VHDX,
    ".avhdx": FileFormat.VHDX,
}
Layout = vhd.Layout | vhdx.Layout


def named_format(path: Path) -> FileFormat:
    """The format that a file's name speaks of.

    Raises:
        DiskNotSupportedError: It speaks of none.
    """
    if (found := _BY_SUFFIX.get(path.suffix.casefold())) is None:
        raise DiskNotSupportedError(
            f"{path.name}: the name does not say which format of a disk it has",
            hint="call it .vhdx, .vhd, .raw or .img, or give --format",
        )
    return found


def found_format(files: LocalFiles, path: Path, told: FileFormat | None) -> FileFormat:
    """The format of a file: as told, else by name, and for VHD and VHDX by content, too.

    Raises:
        DiskUnreadableError: Name and content do not agree, or the file cannot be read.
    """
    if told is not None:
        return told
    if _BY_SUFFIX.get(path.suffix.casefold()) is FileFormat.RAW:
        return FileFormat.RAW
    return FileFormat.VHD if format_of(files, str(path)) is DiskFormat.VHD else FileFormat.VHDX


def open_source(files: LocalFiles, path: Path, told: FileFormat | None = None) -> DiskChain:
    """A disk with all its parents; a path must be absolute, for parents to be found beside it.

    Raises:
        DiskUnreadableError: A file breaks its format, or a parent is missing or another one.
        DiskNotSupportedError: The formats of a chain differ, or a VHD is too old.
    """
    match found_format(files, path, told):
        case FileFormat.RAW:
            return open_raw(files.open(str(path)), str(path))
        case FileFormat.VHD:
            return vhd.open_chain(files, str(path))
        case FileFormat.VHDX:
            return vhdx.open_chain(files, str(path))


def readable_layouts(
    files: DiskFiles, path: str, kind: FileFormat
) -> tuple[Sequence[Layout], ReconcilerError | None]:
    """The files of a VHD or VHDX down to the first that cannot be used, and why that is so.

    Raises:
        DiskUnreadableError: The file itself cannot be used.
        DiskNotSupportedError: As `open_source`.
    """
    walk: Iterator[Layout] = (
        vhd.layouts(files, path) if kind is FileFormat.VHD else vhdx.layouts(files, path)
    )
    found = [next(walk)]
    try:
        found.extend(walk)
    except ReconcilerError as fault:
        return found, fault
    return found, None
