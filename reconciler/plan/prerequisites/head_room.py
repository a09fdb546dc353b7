"""R4.2: free space for the differencing disks that grow while machines are backed up."""

from collections.abc import Iterator
from typing import Final

from reconciler.plan.actions import Finding, Severity
from reconciler.plan.rooms import Headroom, Need, Room
from reconciler.plan.words import counted, listed, shown_bytes

HEAD_ROOM: Final = "prerequisite.head_room"


def head_room(found: Headroom) -> Iterator[Finding]:
    """Every volume has room for each machine alone, and for all of them at once."""
    for _, room in sorted(found.rooms.items()):
        if room.free_bytes is None:
            continue
        if room.too_large:
            yield _too_small(room, room.free_bytes)
        elif not room.is_in_use and room.need_bytes > room.free_bytes:
            yield _tight(room, room.free_bytes)


def unknown_head_room(found: Headroom) -> Iterator[Finding]:
    """Volumes and shares of which nobody tells how much is free."""
    for _, room in sorted(found.rooms.items()):
        if room.free_bytes is None:
            yield _unknown(room)


def _too_small(room: Room, free: int) -> Finding:
    return Finding(
        HEAD_ROOM,
        room.volume.label,
        f"{shown_bytes(free)} are free, and what grows there while a machine is backed up may need "
        f"more: {_told(room.too_large)}; no backup of these begins until there is room",
        room.remedy,
        Severity.ERROR,
        room.host,
    )


def _tight(room: Room, free: int) -> Finding:
    return Finding(
        HEAD_ROOM,
        room.volume.label,
        f"{shown_bytes(free)} are free, and what grows there while machines are backed up may need "
        f"{shown_bytes(room.need_bytes)} if {counted(len(room.needs), 'machine')} are backed up at "
        "once: some wait until others are done",
        f"nothing has to be done; {shown_bytes(room.need_bytes - free)} more would let all of them "
        "be backed up at once",
        Severity.WARNING,
        room.host,
    )


def _unknown(room: Room) -> Finding:
    return Finding(
        "prerequisite.head_room_unknown",
        room.volume.label,
        f"how much is free on it is not known; backups of {counted(len(room.needs), 'machine')} at "
        f"once may need {shown_bytes(room.need_bytes)} there",
        "see that it has that much room; backups go on meanwhile",
        Severity.INFO,
        room.host,
    )


def _told(needs: tuple[Need, ...]) -> str:
    return listed([f"{need.machine} {shown_bytes(need.need_bytes)}" for need in needs])
