"""What a virtual disk on this machine is, file by file, and what is wrong with it.

Files are only read. What makes the disk unreadable is a problem that is told, not an error, as
long as the file that was named is a disk at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.blocks import vhd, vhdx
from reconciler.blocks.disk_census import CountedImage, count_blocks
from reconciler.blocks.disk_chain import DiskChain
from reconciler.blocks.disk_local import LocalFiles
from reconciler.blocks.disk_raw import open_raw
from reconciler.blocks.disk_source import FileFormat, Layout, found_format, readable_layouts
from reconciler.blocks.disk_tables import CACHE_BYTES, TableCache
from reconciler.blocks.vhd_format import SECTOR_BYTES
from reconciler.blocks.vhd_image import Image as VhdImage
from reconciler.blocks.vhdx_format import NO_GUID
from reconciler.blocks.vhdx_image import Image as VhdxImage
from reconciler.blocks.vhdx_overlay import OverlaidFile
from reconciler.errors import DiskUnreadableError
from reconciler.model.ranges import total_bytes
from reconciler.ports import DiskFiles


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file of a disk.

    Units: bytes.
    """

    path: str
    kind: str
    """fixed, dynamic or differencing."""
    file_bytes: int
    virtual_bytes: int
    logical_sector_bytes: int
    physical_sector_bytes: int
    block_bytes: int = 0
    """0 for what has no blocks."""
    ids: Mapping[str, str] = field(default_factory=dict)
    parent: Mapping[str, str] = field(default_factory=dict)
    """What a differencing file says of its parent, in the words of its format."""
    log: str = "none"
    """none: the format has no log; empty; or replay pending."""
    pending_updates: int = 0
    """Places of the file that its log, once replayed, changes."""
    blocks: Mapping[str, int] = field(default_factory=dict)
    """Blocks by state."""
    stored_blocks: int = 0


@dataclass(frozen=True, slots=True)
class DiskReport:
    """A disk, leaf first."""

    format: FileFormat
    files: Sequence[FileReport]
    allocated_bytes: int | None
    """Of the whole chain, what is not known to be zeros; None if the chain cannot be read."""
    problems: Sequence[str]


def inspect_disk(path: Path, told: FileFormat | None = None) -> DiskReport:
    """Look at a disk and all its parents; a path must be absolute.

    Raises:
        DiskUnreadableError: The file is no disk of its format.
        DiskNotSupportedError: A VHD that is too old.
    """
    with LocalFiles() as files:
        kind = found_format(files, path, told)
        if kind is FileFormat.RAW:
            return _raw_report(files, path)
        return inspect_chain(files, str(path), kind)


def inspect_chain(files: DiskFiles, path: str, kind: FileFormat) -> DiskReport:
    """Look at a VHD or VHDX and all its parents; raises as `inspect_disk`."""
    layouts, fault = readable_layouts(files, path, kind)
    problems: list[str] = []
    reports = [_file_report(layout, problems) for layout in layouts]
    allocated = None
    if fault is not None:
        problems.append(fault.message)
    elif not problems:
        allocated = _allocated_bytes(_joined(layouts), problems)
    notes = [f"{layout.path}: {note}" for layout in layouts for note in layout.notes]
    return DiskReport(kind, reports, allocated, [*problems, *notes])


def _raw_report(files: LocalFiles, path: Path) -> DiskReport:
    file = files.open(str(path))
    chain = open_raw(file, str(path))
    geometry = chain.geometry
    report = FileReport(
        str(path),
        "raw",
        file.size,
        chain.virtual_bytes,
        geometry.logical_sector_bytes,
        geometry.physical_sector_bytes,
    )
    problems: list[str] = []
    allocated = _allocated_bytes(chain, problems)
    return DiskReport(FileFormat.RAW, [report], allocated, problems)


def _joined(layouts: Sequence[Layout]) -> DiskChain:
    """Layouts of one walk have one format."""
    if isinstance(layouts[0], vhd.Layout):
        return vhd.joined_chain([each for each in layouts if isinstance(each, vhd.Layout)])
    return vhdx.joined_chain([each for each in layouts if isinstance(each, vhdx.Layout)])


def _allocated_bytes(chain: DiskChain, problems: list[str]) -> int | None:
    try:
        return total_bytes(chain.allocated(0, chain.virtual_bytes))
    except DiskUnreadableError as fault:
        problems.append(fault.message)
        return None


def _file_report(layout: Layout, problems: list[str]) -> FileReport:
    cache = TableCache(CACHE_BYTES)
    if isinstance(layout, vhd.Layout):
        return _vhd_report(layout, VhdImage(layout, cache, 0), problems)
    return _vhdx_report(layout, VhdxImage(layout, cache, 0), problems)


def _vhd_report(layout: vhd.Layout, image: CountedImage, problems: list[str]) -> FileReport:
    census = count_blocks(image)
    problems += census.problems
    parent = layout.parent
    kind = "fixed" if not layout.block_bytes else "dynamic" if parent is None else "differencing"
    named = (
        {}
        if parent is None
        else {
            "unique_id": str(parent.unique_id),
            "relative_path": parent.relative_path,
            "absolute_path": parent.absolute_path,
            "name": parent.name,
        }
    )
    return FileReport(
        path=layout.path,
        kind=kind,
        file_bytes=layout.file.size,
        virtual_bytes=layout.virtual_bytes,
        logical_sector_bytes=SECTOR_BYTES,
        physical_sector_bytes=SECTOR_BYTES,
        block_bytes=layout.block_bytes,
        ids={"unique_id": str(layout.unique_id)},
        parent={key: text for key, text in named.items() if text},
        blocks=dict(census.states),
        stored_blocks=census.stored,
    )


def _vhdx_report(layout: vhdx.Layout, image: CountedImage, problems: list[str]) -> FileReport:
    census = count_blocks(image)
    problems += census.problems
    header, shape = layout.header, layout.shape
    kind = "differencing" if shape.has_parent else "fixed" if layout.is_fixed else "dynamic"
    pending = layout.file.pending_writes if isinstance(layout.file, OverlaidFile) else 0
    return FileReport(
        path=layout.path,
        kind=kind,
        file_bytes=layout.stored_bytes,
        virtual_bytes=shape.virtual_bytes,
        logical_sector_bytes=shape.logical_sector_bytes,
        physical_sector_bytes=layout.physical_sector_bytes,
        block_bytes=shape.block_bytes,
        ids={
            "virtual_disk_id": str(layout.virtual_disk_id),
            "data_write_guid": str(header.data_write_guid),
            "file_write_guid": str(header.file_write_guid),
        },
        parent=dict(layout.parent_locator or {}),
        log="empty" if header.log_guid == NO_GUID else "replay pending",
        pending_updates=pending,
        blocks=dict(census.states),
        stored_blocks=census.stored,
    )
