"""Open or make a virtual disk of either format.

The format is never guessed from what a guest can write. A fixed VHD begins with its guest's first
sector, a VHDX may end with some other sector of its guest's, so each can be dressed up as the
other; what a file is called its guest cannot change. So name and content must agree.
"""

from pathlib import Path, PureWindowsPath
from typing import Final

from reconciler.blocks import vhd, vhdx
from reconciler.blocks.disk_chain import DiskChain
from reconciler.blocks.disk_writer import DiskWriter
from reconciler.blocks.vhd_format import FOOTER_BYTES
from reconciler.blocks.vhd_layout import is_vhd
from reconciler.blocks.vhd_writer import VhdWriter
from reconciler.blocks.vhdx_format import FILE_SIGNATURE
from reconciler.blocks.vhdx_writer import VhdxWriter
from reconciler.errors import DiskUnreadableError
from reconciler.model.machine import DiskFormat, DiskGeometry
from reconciler.model.ranges import ByteRange
from reconciler.ports import DiskFiles

_BY_SUFFIX: Final = {
    ".vhd": DiskFormat.VHD,
    ".avhd": DiskFormat.VHD,
    ".vhdx": DiskFormat.VHDX,
    ".avhdx": DiskFormat.VHDX,
}


def open_disk(files: DiskFiles, path: str) -> DiskChain:
    """Open a virtual disk, VHDX or VHD, with all its parents, which must be of its format.

    Raises:
        DiskUnreadableError: A file breaks its format, or a parent is missing or another one.
        DiskNotSupportedError: The formats of a chain differ, or a VHD is too old.
    """
    is_vhd_file = format_of(files, path) is DiskFormat.VHD
    reader = vhd.open_chain if is_vhd_file else vhdx.open_chain
    return reader(files, path)


def format_of(files: DiskFiles, path: str) -> DiskFormat:
    """The format that a file's name and content agree on.

    Raises:
        DiskUnreadableError: They do not, or the file is no virtual disk.
    """
    found = _signatures(files, path)
    named = _BY_SUFFIX.get(PureWindowsPath(path).suffix.casefold())
    usable = found if named is None else found & {named}
    if len(usable) != 1:
        shown = " and ".join(sorted(found)) or "neither a VHD nor a VHDX"
        raise DiskUnreadableError(
            f"{path} is no disk that its name says: by its content it is {shown}",
            hint="look at the file with Get-VHD on its host; a VHD must be called .vhd or .avhd, "
            "a VHDX .vhdx or .avhdx",
            path=path,
        )
    return usable.pop()


def create_disk(path: Path, geometry: DiskGeometry, virtual_disk_id: str) -> DiskWriter:
    """Begin a new disk in the format of its geometry.

    Raises:
        DiskNotSupportedError: No file of the format can have this geometry or id.
        FileExistsError: There is something at `path`.
        OSError: As the file system gave it.
    """
    writer = VhdWriter if geometry.format is DiskFormat.VHD else VhdxWriter
    return writer(path, geometry, virtual_disk_id)


def _signatures(files: DiskFiles, path: str) -> set[DiskFormat]:
    """The formats that the file's first and last bytes speak of."""
    file = files.open(path)
    size = file.size
    if size < FOOTER_BYTES:
        return set()
    start, end = file.read([ByteRange(0, FOOTER_BYTES), ByteRange(size - FOOTER_BYTES, size)])
    found = {DiskFormat.VHDX} if start.startswith(FILE_SIGNATURE) else set()
    return found | {DiskFormat.VHD} if is_vhd(start, end) else found
