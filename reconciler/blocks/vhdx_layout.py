"""Everything a VHDX says about itself before its tables are looked at, every field checked.

Source: [MS-VHDX] 2.2, 2.6.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from uuid import UUID

from reconciler.blocks import vhdx_format as form
from reconciler.blocks.vhdx_faults import damaged
from reconciler.blocks.vhdx_format import MIB, BatShape, Header, Region
from reconciler.blocks.vhdx_log import MAX_FILE_BYTES, replayed
from reconciler.blocks.vhdx_metadata import MetadataEntry, unpacked_locator, unpacked_metadata
from reconciler.blocks.vhdx_overlay import OverlaidFile
from reconciler.errors import DiskNotSupportedError
from reconciler.model.ranges import ByteRange
from reconciler.ports import RandomAccess

_KNOWN_ITEMS: Final = {
    form.FILE_PARAMETERS: 8,
    form.VIRTUAL_DISK_SIZE: 8,
    form.VIRTUAL_DISK_ID: 16,
    form.LOGICAL_SECTOR_SIZE: 4,
    form.PHYSICAL_SECTOR_SIZE: 4,
}
_FIRST_READ: Final = (
    ByteRange(0, 8),
    *(ByteRange(at, at + form.HEADER_BYTES) for at in form.HEADER_OFFSETS),
    *(ByteRange(at, at + form.REGION_TABLE_BYTES) for at in form.REGION_TABLE_OFFSETS),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """A VHDX whose header, log, regions and metadata are in order.

    Units: bytes.
    """

    path: str
    file: RandomAccess
    """The file with its log replayed: everything must be read through it."""
    header: Header
    shape: BatShape
    bat_offset: int
    reserved: tuple[ByteRange, ...]
    """Header section, log and regions: no block may lie there."""
    physical_sector_bytes: int
    virtual_disk_id: UUID
    parent_locator: Mapping[str, str] | None
    """None for fixed and dynamic disks."""
    is_fixed: bool
    """Its blocks stay allocated; by the flag alone, which changes nothing for a reader."""
    notes: tuple[str, ...]
    """What is damaged and has a second copy, which was used."""

    @property
    def stored_bytes(self) -> int:
        """Of the file as it is; its log may make it longer."""
        return self.file.real_size if isinstance(self.file, OverlaidFile) else self.file.size

    @property
    def pending_bytes(self) -> int:
        """Bytes of table updates that only the log holds."""
        return self.file.pending_bytes if isinstance(self.file, OverlaidFile) else 0


def read_layout(file: RandomAccess, path: str) -> Layout:
    """Read and check what stands in front of the tables.

    Raises:
        DiskUnreadableError: A field breaks the format, or the file ends too early.
        DiskNotSupportedError: It is a VHD, the older format.
    """
    _check_size(file, path)
    signature, *parts = file.read(_FIRST_READ)
    if signature != form.FILE_SIGNATURE:
        raise _not_vhdx(file, path, signature)
    headers = [Header.unpacked(part) for part in parts[:2]]
    header = _current_header(headers, path)
    log = _checked_log(header, file.size, path)
    view = replayed(file, path, header)
    if view is not file:
        parts[2:] = view.read(_FIRST_READ[3:])
    tables = [form.unpacked_regions(part) for part in parts[2:]]
    bat, metadata, others = _regions(tables, path)
    reserved = (ByteRange(0, form.HEADER_SECTION_BYTES), *log, *_places(bat, metadata, *others))
    _check_places(reserved, view.size, path)
    return _layout(view, path, (bat, metadata), (header, reserved, tuple(_notes(headers, tables))))


def _notes(
    headers: Sequence[Header | None], tables: Sequence[Sequence[Region] | None]
) -> Iterator[str]:
    if None in headers:
        yield "one of the two headers is not valid, the other one is used"
    if None in tables:
        yield "one of the two region tables is not valid, the other one is used"
    elif tables[0] != tables[1]:
        yield "the two region tables differ, the first one is used"


def _check_size(file: RandomAccess, path: str) -> None:
    size = file.size
    if not form.HEADER_SECTION_BYTES < size <= MAX_FILE_BYTES:
        raise damaged(path, "file", f"has {size} bytes, which no VHDX has")


def _not_vhdx(file: RandomAccess, path: str, signature: bytes) -> Exception:
    (footer,) = file.read([ByteRange(file.size - 512, file.size - 504)])
    if form.VHD_COOKIE in (signature, footer):
        return DiskNotSupportedError(
            f"{path} is a VHD, and stands where only a VHDX may: formats do not mix in a chain",
            hint="look with Get-VHD at ParentPath on the host; Convert-VHD makes a VHDX of a VHD",
            path=path,
        )
    return damaged(path, "file type identifier", "is not 'vhdxfile'")


def _current_header(headers: Sequence[Header | None], path: str) -> Header:
    """The valid header with the greater sequence number.

    Two that are alike are accepted: Microsoft's own Disk2vhd writes such files.
    """
    valid = [h for h in headers if h is not None]
    if not valid:
        raise damaged(path, "header", "is not valid in either of its copies")
    current = max(valid, key=lambda h: h.sequence_number)
    rivals = [h for h in valid if h.sequence_number == current.sequence_number]
    if any(rival != current for rival in rivals):
        raise damaged(path, "header", "has two copies that differ with one sequence number")
    if current.version != 1:
        raise damaged(path, "header version", f"is {current.version}, not 1")
    return current


def _checked_log(header: Header, size: int, path: str) -> tuple[ByteRange, ...]:
    offset, length = header.log_offset, header.log_length
    if offset % MIB or length % MIB:
        raise damaged(path, "log place", f"{offset}, {length} is not a multiple of 1 MiB")
    if header.log_guid == form.NO_GUID:
        # An empty log may be left out of the file altogether.
        return (ByteRange(offset, offset + length),) if length and offset + length <= size else ()
    if header.log_version != 0:
        raise damaged(path, "log version", f"is {header.log_version}, not 0")
    if not length or offset < MIB or offset + length > size:
        raise damaged(path, "log place", f"{offset}, {length} does not lie in the file")
    return (ByteRange(offset, offset + length),)


def _regions(
    tables: Sequence[Sequence[Region] | None], path: str
) -> tuple[Region, Region, list[Region]]:
    """The BAT, the metadata, and regions that may be ignored."""
    first, second = tables
    regions = first if first is not None else second
    if regions is None:
        raise damaged(path, "region table", "is not valid in either of its copies")
    by_guid = {region.guid: region for region in regions}
    if len(by_guid) != len(regions):
        raise damaged(path, "region table", "has a region twice")
    bat = by_guid.pop(form.BAT_REGION, None)
    metadata = by_guid.pop(form.METADATA_REGION, None)
    if bat is None or metadata is None:
        raise damaged(path, "region table", "lacks the BAT or the metadata region")
    for region in by_guid.values():
        if region.is_required:
            raise damaged(path, "region table", f"requires the unknown region {region.guid}")
    return bat, metadata, list(by_guid.values())


def _places(*regions: Region) -> list[ByteRange]:
    return [ByteRange(r.offset, r.offset + r.length) for r in regions if r.length]


def _check_places(places: Sequence[ByteRange], size: int, path: str) -> None:
    """Regions and log: 1 MiB aligned, inside of the file, and none over another."""
    for place in places:
        if place.start % MIB or place.end % MIB:
            raise damaged(path, "region", f"at {place.start} is not aligned to 1 MiB")
        if place.end > size:
            raise damaged(path, "region", f"ends at {place.end}, behind the file's end at {size}")
    for left, right in pairwise(sorted(places)):
        if left.end > right.start:
            raise damaged(path, "region", f"at {right.start} overlaps the one at {left.start}")


def _layout(
    file: RandomAccess,
    path: str,
    regions: tuple[Region, Region],
    found: tuple[Header, tuple[ByteRange, ...], tuple[str, ...]],
) -> Layout:
    bat, metadata = regions
    header, reserved, notes = found
    items = _items(file, path, metadata)
    block_bytes, flags = _two_ints(items[form.FILE_PARAMETERS])
    has_parent = bool(flags & form.HAS_PARENT)
    shape = _checked_shape(items, block_bytes, has_parent, path)
    if bat.length < shape.entries * form.BAT_ENTRY_BYTES:
        raise damaged(path, "BAT region", f"of {bat.length} bytes is too short for its disk")
    physical = int.from_bytes(items[form.PHYSICAL_SECTOR_SIZE], "little")
    if physical not in form.SECTOR_SIZES:
        raise damaged(path, "physical sector size", f"is {physical}, not 512 or 4096")
    return Layout(
        path=path,
        file=file,
        header=header,
        shape=shape,
        bat_offset=bat.offset,
        reserved=tuple(sorted(reserved)),
        physical_sector_bytes=physical,
        virtual_disk_id=UUID(bytes_le=items[form.VIRTUAL_DISK_ID]),
        parent_locator=_locator(items, path) if has_parent else None,
        is_fixed=bool(flags & form.LEAVE_BLOCKS_ALLOCATED),
        notes=notes,
    )


def _two_ints(value: bytes) -> tuple[int, int]:
    return int.from_bytes(value[:4], "little"), int.from_bytes(value[4:], "little")


def _checked_shape(
    items: Mapping[UUID, bytes],
    block_bytes: int,
    has_parent: bool,  # noqa: FBT001 (a fact of the file, as the format names it)
    path: str,
) -> BatShape:
    size = int.from_bytes(items[form.VIRTUAL_DISK_SIZE], "little")
    sector = int.from_bytes(items[form.LOGICAL_SECTOR_SIZE], "little")
    if sector not in form.SECTOR_SIZES:
        raise damaged(path, "logical sector size", f"is {sector}, not 512 or 4096")
    if not form.MIN_BLOCK_BYTES <= block_bytes <= form.MAX_BLOCK_BYTES or (
        block_bytes & (block_bytes - 1)
    ):
        raise damaged(path, "block size", f"is {block_bytes}, not a power of two of 1 to 256 MiB")
    if not 0 < size <= form.MAX_VIRTUAL_BYTES or size % sector:
        raise damaged(path, "virtual disk size", f"is {size}, not sectors of 64 TiB at most")
    return BatShape(size, sector, block_bytes, has_parent)


def _items(file: RandomAccess, path: str, region: Region) -> dict[UUID, bytes]:
    """The values of the metadata items that we know."""
    if region.length < form.METADATA_TABLE_BYTES:
        raise damaged(path, "metadata region", f"of {region.length} bytes is too short")
    (table,) = file.read([ByteRange(region.offset, region.offset + form.METADATA_TABLE_BYTES)])
    entries = unpacked_metadata(table)
    if entries is None:
        raise damaged(path, "metadata table", "has no signature or counts too many entries")
    known = _known_entries(entries, region, path)
    places = [
        ByteRange(region.offset + e.offset, region.offset + e.offset + e.length) for e in known
    ]
    for left, right in pairwise(sorted(places)):
        if left.end > right.start:
            raise damaged(path, "metadata table", "has items that overlap")
    return dict(zip((e.item for e in known), file.read(places), strict=True))


def _known_entries(
    entries: Sequence[MetadataEntry], region: Region, path: str
) -> list[MetadataEntry]:
    known: dict[UUID, MetadataEntry] = {}
    for entry in entries:
        is_ours = entry.item in _KNOWN_ITEMS or entry.item == form.PARENT_LOCATOR
        if is_ours and not entry.flags & form.IS_USER:
            if entry.item in known:
                raise damaged(path, "metadata table", f"has the item {entry.item} twice")
            known[entry.item] = entry
            _check_item(entry, region, path)
        elif entry.flags & form.IS_REQUIRED:
            raise damaged(path, "metadata table", f"requires the unknown item {entry.item}")
    for item in _KNOWN_ITEMS:
        if item not in known:
            raise damaged(path, "metadata table", f"lacks the item {item}")
    return list(known.values())


def _check_item(entry: MetadataEntry, region: Region, path: str) -> None:
    inside = (
        entry.offset >= form.METADATA_TABLE_BYTES and entry.offset + entry.length <= region.length
    )
    longest = _KNOWN_ITEMS.get(entry.item, form.MAX_METADATA_ITEM_BYTES)
    if not inside or not 0 < entry.length <= longest:
        raise damaged(path, "metadata item", f"{entry.item} has a wrong place or length")
    if entry.item in _KNOWN_ITEMS and entry.length != longest:
        raise damaged(path, "metadata item", f"{entry.item} has {entry.length} bytes")


def _locator(items: Mapping[UUID, bytes], path: str) -> dict[str, str]:
    if form.PARENT_LOCATOR not in items:
        raise damaged(path, "parent locator", "is missing from a differencing disk")
    try:
        return unpacked_locator(items[form.PARENT_LOCATOR])
    except ValueError as fault:
        raise damaged(path, "parent locator", str(fault)) from fault
