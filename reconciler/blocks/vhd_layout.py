"""Everything a VHD says about itself before its block table is looked at, every field checked.

Source: [VHD], see vhd_format.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final
from uuid import UUID

from reconciler.blocks import vhd_format as form
from reconciler.blocks.vhd_faults import damaged
from reconciler.blocks.vhd_format import Footer, Header, Locator
from reconciler.blocks.vhdx_format import FILE_SIGNATURE
from reconciler.errors import DiskNotSupportedError
from reconciler.model.ranges import ByteRange
from reconciler.ports import RandomAccess

MAX_FILE_BYTES: Final = 2 * form.MAX_VIRTUAL_BYTES
"""Ours: far more than a table of 32 bits can point to."""
MAX_PATH_BYTES: Final = 64 << 10
"""Ours: the longest path that Windows knows."""
_MAJOR_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Parent:
    """What a differencing disk says of its parent."""

    unique_id: UUID
    relative_path: str
    absolute_path: str
    name: str
    """Mostly without a folder; the last thing to try."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A VHD whose footer and header are in order.

    Units: bytes.
    """

    path: str
    file: RandomAccess
    virtual_bytes: int
    unique_id: UUID
    block_bytes: int = 0
    """0 for a fixed disk, which has no block table."""
    bat_offset: int = 0
    reserved: tuple[ByteRange, ...] = ()
    """Footers, header and block table: no block may lie there."""
    parent: Parent | None = None
    """None for fixed and dynamic disks."""
    notes: tuple[str, ...] = ()
    """What is damaged and has a second copy, which was used."""


def read_layout(file: RandomAccess, path: str) -> Layout:
    """Read and check what stands in front of the block table.

    Raises:
        DiskUnreadableError: A field breaks the format, or the file ends too early.
        DiskNotSupportedError: It is a VHDX, or was made before Virtual PC 2004.
    """
    size = file.size
    if not 2 * form.FOOTER_BYTES <= size <= MAX_FILE_BYTES:
        raise damaged(path, "file", f"has {size} bytes, which no VHD has")
    start, end = file.read(
        [ByteRange(0, form.FOOTER_BYTES), ByteRange(size - form.FOOTER_BYTES, size)]
    )
    footer = _checked_footer(start, end, path)
    if footer.kind == form.FIXED:
        if footer.virtual_bytes > size - form.FOOTER_BYTES:
            raise damaged(path, "file", f"of {size} bytes is too short for its disk")
        return Layout(path, file, footer.virtual_bytes, footer.unique_id)
    return replace(_with_tables(file, path, footer), notes=tuple(_notes(start, end)))


def _notes(start: bytes, end: bytes) -> Iterator[str]:
    if Footer.unpacked(end) is None:
        yield "the footer is not valid, its copy at the file's start is used"
    elif Footer.unpacked(start) is None:
        yield "the footer's copy at the file's start is not valid"
    elif Footer.unpacked(start) != Footer.unpacked(end):
        yield "the footer's copy at the file's start is another one"


def is_vhd(start: bytes, end: bytes) -> bool:
    """Whether the first and last 512 bytes of a file are those of a VHD, be it a damaged one.

    What a guest writes into a disk can look like anything, so this must not be all that is asked.
    """
    return (
        Footer.unpacked(end) is not None
        or start[: len(form.FOOTER_COOKIE)] == form.FOOTER_COOKIE
        or _has_short_footer(end)
    )


def _has_short_footer(end: bytes) -> bool:
    """Source: [VHD] Hard Disk Footer Format, on versions before Virtual PC 2004."""
    return end[1 : 1 + len(form.FOOTER_COOKIE)] == form.FOOTER_COOKIE


def _checked_footer(start: bytes, end: bytes, path: str) -> Footer:
    """The footer at the end, or else its copy; a fixed disk has none, what begins it is data."""
    footer = Footer.unpacked(end)
    if footer is None:
        footer = _copied_footer(start, end, path)
    if footer.version >> 16 != _MAJOR_VERSION:
        raise damaged(path, "version", f"is {footer.version:#x}, not 1")
    if footer.kind not in (form.FIXED, form.DYNAMIC, form.DIFFERENCING):
        raise damaged(path, "disk type", f"is {footer.kind}, not fixed, dynamic or differencing")
    size = footer.virtual_bytes
    if not 0 < size <= form.MAX_VIRTUAL_BYTES or size % form.SECTOR_BYTES:
        raise damaged(path, "current size", f"is {size}, not sectors of 2 TiB at most")
    return footer


def _copied_footer(start: bytes, end: bytes, path: str) -> Footer:
    if _has_short_footer(end):
        raise DiskNotSupportedError(
            f"{path} is a VHD of before Virtual PC 2004, with a footer of 511 bytes",
            hint="convert the disk on its host: Convert-VHD makes a new VHD or a VHDX of it",
            path=path,
        )
    copy = Footer.unpacked(start)
    if copy is not None and copy.kind != form.FIXED:
        return copy
    if start[: len(FILE_SIGNATURE)] == FILE_SIGNATURE:
        raise DiskNotSupportedError(
            f"{path} is a VHDX, and stands where only a VHD may: formats do not mix in a chain",
            hint="look with Get-VHD at ParentPath on the host",
            path=path,
        )
    raise damaged(path, "footer", "is not valid, and neither is a copy at the file's start")


def _with_tables(file: RandomAccess, path: str, footer: Footer) -> Layout:
    header = _checked_header(file, path, footer)
    blocks = -(-footer.virtual_bytes // header.block_bytes)
    table = ByteRange(header.table_offset, header.table_offset + blocks * form.BAT_ENTRY_BYTES)
    at = footer.header_offset
    reserved = (
        ByteRange(0, form.FOOTER_BYTES),
        ByteRange(at, at + form.HEADER_BYTES),
        table,
        ByteRange(file.size - form.FOOTER_BYTES, file.size),
    )
    _check_places(reserved, file.size, path)
    return Layout(
        path=path,
        file=file,
        virtual_bytes=footer.virtual_bytes,
        unique_id=footer.unique_id,
        block_bytes=header.block_bytes,
        bat_offset=header.table_offset,
        reserved=tuple(sorted(reserved)),
        parent=_parent(file, path, header) if footer.kind == form.DIFFERENCING else None,
    )


def _checked_header(file: RandomAccess, path: str, footer: Footer) -> Header:
    at = footer.header_offset
    if at + form.HEADER_BYTES > file.size:
        raise damaged(path, "header", f"at {at} does not lie in the file")
    (data,) = file.read([ByteRange(at, at + form.HEADER_BYTES)])
    header = Header.unpacked(data)
    if header is None:
        raise damaged(path, "header", f"at {at} is not valid")
    if header.version >> 16 != _MAJOR_VERSION:
        raise damaged(path, "header version", f"is {header.version:#x}, not 1")
    block = header.block_bytes
    if not form.MIN_BLOCK_BYTES <= block <= form.MAX_BLOCK_BYTES or block & (block - 1):
        raise damaged(path, "block size", f"is {block}, not a power of two of 64 KiB to 256 MiB")
    if header.table_entries * block < footer.virtual_bytes:
        raise damaged(path, "block table", f"of {header.table_entries} entries is too short")
    return header


def _check_places(places: Sequence[ByteRange], size: int, path: str) -> None:
    """Structures lie in the file, and none over another."""
    for left, right in pairwise(sorted(places)):
        if left.end > right.start:
            raise damaged(path, "structure", f"at {right.start} overlaps the one at {left.start}")
    if max(place.end for place in places) > size:
        raise damaged(path, "block table", "does not lie in the file")


def _parent(file: RandomAccess, path: str, header: Header) -> Parent:
    if not header.parent_id.int:
        raise damaged(path, "parent unique id", "is missing from a differencing disk")
    paths = dict(_paths(file, path, header.locators))
    return Parent(
        unique_id=header.parent_id,
        relative_path=paths.get(form.RELATIVE_PATH, ""),
        absolute_path=paths.get(form.ABSOLUTE_PATH, ""),
        name=header.parent_name.decode("utf-16-be", "replace").partition("\0")[0],
    )


def _paths(
    file: RandomAccess, path: str, locators: Sequence[Locator]
) -> Iterator[tuple[bytes, str]]:
    """The texts of the locators that we know; others are for other systems."""
    for each in locators:
        if each.code not in (form.RELATIVE_PATH, form.ABSOLUTE_PATH) or not each.length:
            continue
        end = each.offset + each.length
        if each.length > MAX_PATH_BYTES or end > file.size:
            raise damaged(path, "parent locator", f"at {each.offset} has a wrong place or length")
        (text,) = file.read([ByteRange(each.offset, end)])
        try:
            yield each.code, text.decode("utf-16-le").partition("\0")[0]
        except UnicodeDecodeError as fault:
            raise damaged(path, "parent locator", "is not UTF-16") from fault
