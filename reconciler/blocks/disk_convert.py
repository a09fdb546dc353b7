"""Copy a virtual disk into a new file of another format: its chain as one disk, its zeros as holes.

The source is only read. The target has its name once it is whole and synced; until then its bytes
are in a file beside it, which is removed if the copying fails.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from uuid import uuid4

import numpy as np

from reconciler.blocks.disk_chain import DiskChain
from reconciler.blocks.disk_file import create_disk
from reconciler.blocks.disk_raw import PHYSICAL_SECTOR_BYTES, FixedVhdWriter, RawWriter
from reconciler.blocks.disk_source import FileFormat
from reconciler.blocks.disk_writer import DiskWriter, synced_folder
from reconciler.blocks.vhd_format import MAX_VIRTUAL_BYTES, SECTOR_BYTES
from reconciler.errors import (
    DiskNotSupportedError,
    DiskUnreadableError,
    RecoveryError,
    TargetExistsError,
    TargetFullError,
)
from reconciler.model.machine import DiskFormat, DiskGeometry
from reconciler.model.ranges import ByteRange, pieces, total_bytes

PIECE_BYTES: Final = 4 << 20
_GRAIN_BYTES: Final = 64 << 10
"""Zeros of a whole grain are left out, even of a block that is written."""


@dataclass(frozen=True, slots=True)
class Target:
    """The file to be made."""

    path: Path
    format: FileFormat
    is_fixed: bool = False
    """Of a VHD: all its bytes in one piece, with a footer."""


def bytes_to_copy(source: DiskChain) -> int:
    """What of the disk is not known to be zeros. Units: bytes.

    Raises:
        DiskUnreadableError: Its tables are wrong, or it holds more than its files can: then many
            blocks share one place, and a small file would fill any target.
    """
    held = total_bytes(source.allocated(0, source.virtual_bytes))
    room = sum(source.file(index).size for index in range(len(source.paths)))
    if held > room:
        raise DiskUnreadableError(
            f"{source.paths[0]} claims {held} bytes, its files have only {room}: blocks overlap",
            hint="see what is wrong with it: reconciler disk inspect FILE",
            path=source.paths[0],
        )
    return held


def convert_disk(source: DiskChain, target: Target, on_progress: Callable[[int], None]) -> None:
    """Copy a disk.

    Args:
        source: The disk, with its parents.
        target: The file to be made.
        on_progress: Called with the number of bytes each time some are done; their sum is
            `bytes_to_copy`.

    Raises:
        TargetExistsError: There is something under the target's name.
        TargetFullError: No room; what was written is removed.
        DiskNotSupportedError: The format cannot hold such a disk.
        DiskUnreadableError: The source cannot be read.
    """
    geometry = _geometry(source, target)
    with _named_at_the_end(target.path) as partial:
        writer = _writer(partial, geometry, target)
        with writer:
            for piece in pieces(source.allocated(0, source.virtual_bytes), PIECE_BYTES):
                # A raw file may end within a sector; its disk goes on to that sector's end.
                end = -(-piece.end // SECTOR_BYTES) * SECTOR_BYTES
                (data,) = source.read([ByteRange(piece.start, end)])
                for start, part in _not_zeros(data):
                    writer.write(piece.start + start, part)
                on_progress(piece.length)


def _geometry(source: DiskChain, target: Target) -> DiskGeometry:
    """Of the target; the block size is kept within a format, else it is the format's usual one."""
    geometry, kind = source.geometry, target.format
    if kind is FileFormat.RAW:
        return geometry
    if kind is FileFormat.VHD and (
        geometry.logical_sector_bytes != SECTOR_BYTES or geometry.virtual_bytes > MAX_VIRTUAL_BYTES
    ):
        raise DiskNotSupportedError(
            f"{target.path.name} cannot be a VHD: it would have {geometry.virtual_bytes} bytes in "
            f"sectors of {geometry.logical_sector_bytes}",
            hint="a VHD has at most 2 TiB and sectors of 512 bytes: make a VHDX or a raw disk",
        )
    if kind is FileFormat.VHD:
        is_same = geometry.format is DiskFormat.VHD
        physical, wanted = SECTOR_BYTES, DiskFormat.VHD
    else:
        is_same = geometry.format is DiskFormat.VHDX
        physical = geometry.physical_sector_bytes if is_same else PHYSICAL_SECTOR_BYTES
        wanted = DiskFormat.VHDX
    return replace(
        geometry,
        format=wanted,
        physical_sector_bytes=physical,
        format_block_bytes=geometry.format_block_bytes if is_same else 0,
    )


def _writer(path: Path, geometry: DiskGeometry, target: Target) -> DiskWriter:
    """The new disk has an id of its own: the source may go on being used beside it."""
    if target.format is FileFormat.RAW:
        return RawWriter(path, geometry)
    if target.is_fixed:
        return FixedVhdWriter(path, geometry, str(uuid4()))
    return create_disk(path, geometry, str(uuid4()))


def _not_zeros(data: bytes) -> Iterator[tuple[int, memoryview]]:
    """The runs of grains in which there is anything, each with its offset."""
    view = memoryview(data)
    padded = -(-len(data) // _GRAIN_BYTES) * _GRAIN_BYTES
    whole = data if padded == len(data) else data.ljust(padded, b"\0")
    held = np.frombuffer(whole, np.uint64).reshape(-1, _GRAIN_BYTES // 8).any(axis=1)
    edges = np.flatnonzero(np.diff(held.astype(np.int8), prepend=0, append=0)) * _GRAIN_BYTES
    for start, end in edges.reshape(-1, 2).tolist():
        yield start, view[start:end]


@contextmanager
def _named_at_the_end(target: Path) -> Iterator[Path]:
    """A name beside the target's to write to; at the end it becomes the target's."""
    partial = target.with_name(f"{target.name}.partial")
    is_ours = False
    try:
        _refuse_existing(target, "choose another name; nothing is ever overwritten")
        _refuse_existing(
            partial,
            "another conversion may be at work; what an interrupted one left may be deleted",
        )
        is_ours = True
        yield partial
        _rename(partial, target)
        synced_folder(target.parent)
    except BaseException as fault:
        if is_ours and not isinstance(fault, FileExistsError):
            partial.unlink(missing_ok=True)
        if isinstance(fault, OSError):
            raise _target_error(target, fault) from fault
        raise


def _refuse_existing(path: Path, hint: str) -> None:
    if os.path.lexists(path):
        raise TargetExistsError(f"there is a {path} already", hint=hint)


def _rename(partial: Path, target: Path) -> None:
    """Without overwriting what came to be there meanwhile, where the file system has links."""
    try:
        target.hardlink_to(partial)
    except FileExistsError:
        partial.unlink()
        raise
    except OSError:
        _refuse_existing(target, "choose another name; nothing is ever overwritten")
        partial.rename(target)
    else:
        partial.unlink()


def _target_error(target: Path, fault: OSError) -> RecoveryError:
    if fault.errno == errno.EEXIST:
        return TargetExistsError(
            f"there is a {fault.filename2 or fault.filename or target} already",
            hint="choose another name; nothing is ever overwritten",
        )
    if fault.errno in {errno.ENOSPC, errno.EDQUOT}:
        return TargetFullError(
            f"{target.parent} ran full; what had been written was removed",
            hint="make room there, or name another folder",
        )
    return RecoveryError(
        f"{target} cannot be written: {fault.strerror or fault}",
        hint="check the path and the rights, or name another folder",
    )
