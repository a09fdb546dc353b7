"""The page files of a disk."""

from dataclasses import dataclass, field
from typing import Final

from reconciler.blocks.guest.bytes import DiskBytes, GuestBytes, NotUnderstood
from reconciler.blocks.guest.ntfs import OEM, NtfsVolume
from reconciler.blocks.guest.partitions import partitions
from reconciler.model.page_files import Scratch
from reconciler.model.ranges import ByteRange

_BITLOCKER: Final = b"-FVE-FS-"


@dataclass(frozen=True, slots=True)
class Found:
    """The page files of a disk, and why others that there may be were not found."""

    scratch: tuple[Scratch, ...] = ()
    unknown: tuple[str, ...] = ()
    bytes_read: int = field(default=0, compare=False)


def page_files(disk: DiskBytes, sector_bytes: int) -> Found:
    """Look for pagefile.sys and swapfile.sys in the root folder of every NTFS volume."""
    guest = GuestBytes(disk)
    scratch: list[Scratch] = []
    try:
        found = partitions(guest, sector_bytes)
    except NotUnderstood as reason:
        return Found((), (str(reason),), guest.bytes_read)
    unknown = list(found.unknown)
    for part in found.places:
        try:
            scratch += _in_volume(guest, part, sector_bytes)
        except NotUnderstood as reason:
            unknown.append(f"volume at {part.start}: {reason}")
    return Found(tuple(scratch), tuple(unknown), guest.bytes_read)


def _in_volume(guest: GuestBytes, part: ByteRange, sector_bytes: int) -> list[Scratch]:
    oem = guest.read(part.start, sector_bytes)[3:11]
    if oem != OEM:
        raise NotUnderstood("it is " + ("locked by BitLocker" if oem == _BITLOCKER else "no NTFS"))
    volume = NtfsVolume(guest, part, sector_bytes)
    return [Scratch(place, name) for name, places in volume.page_files() for place in places]
