"""Resilient change tracking as Hyper-V shows it: a superset of what was written, badly sorted.

A checkpoint closes an epoch of each disk; a reference point's id names the epoch that was closed
when its checkpoint was taken, so what the machine wrote while the checkpoint existed counts as
changed. Answers are rounded out, cut in overlapping parts, shuffled and now and then past the end
of the disk: whoever takes them as exact, sorted or clipped fails here and not on a real host.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from reconciler.lab.dice import Dice
from reconciler.lab.state import DiskState, MachineState
from reconciler.model.machine import DiskFormat
from reconciler.model.ranges import ByteRange, aligned, merged

GRAIN_BYTES = 32 << 10
"""Changes are kept no finer than this."""
SERVER_2016 = 14_393
_WHOLE_BYTES = 4 << 30
"""A piece of up to this size is always looked through to its end."""
_MOST_RANGES = 4096
_SECTOR_BYTES = 512


def can_track(os_build: int, version: str) -> bool:
    """Whether the host counts changes of a machine of this configuration version.

    Production checkpoints have the same bounds. Source: hyperv-facts.md §1.9, §1.10.
    """
    major, _, minor = version.partition(".")
    is_number = major.isdecimal() and (minor or "0").isdecimal()
    return os_build >= SERVER_2016 and (is_number and (int(major), int(minor or 0)) >= (6, 2))


@dataclass(frozen=True, slots=True)
class Piece:
    """How far one query looked, and what it found."""

    processed_bytes: int
    extents: tuple[ByteRange, ...]


def note_changes(disk: DiskState, written: Iterable[ByteRange]) -> None:
    """Remember that these bytes were written in the present epoch."""
    before = [ByteRange(*pair) for pair in disk.changes.get(disk.epoch, [])]
    grains = merged([*before, *aligned(written, GRAIN_BYTES)])
    disk.changes[disk.epoch] = [(r.start, r.end) for r in grains]


def close_epoch(disk: DiskState) -> int:
    """End the present epoch, and give its number."""
    disk.epoch += 1
    return disk.epoch - 1


def rct_id(disk: DiskState, epoch: int) -> str:
    """The id to count from, as of the end of an epoch; empty for a VHD, which has no tracking.

    That Hyper-V converts the checkpoint of a machine with a VHD at all is unconfirmed; the product
    never asks it to.
    """
    if disk.format != DiskFormat.VHDX.value:
        return ""
    return f"rctX:{disk.tracking.replace('-', ':')}:{epoch:08x}"


def epoch_of(machine: MachineState, disk: DiskState, limit_id: str) -> int | None:
    """The epoch that an id names, or None if no reference point keeps that id any more."""
    begin = f"rctX:{disk.tracking.replace('-', ':')}:"
    kept = {tracked.rct_id for point in machine.reference_points for tracked in point.disks}
    if limit_id not in kept or not limit_id.startswith(begin):
        return None
    return int(limit_id.removeprefix(begin), 16)


def forget_unneeded(machine: MachineState, disk: DiskState) -> None:
    """Drop the changes that no reference point or checkpoint will ever count from."""
    kept = [
        int(tracked.rct_id.rpartition(":")[2], 16)
        for point in machine.reference_points
        for tracked in point.disks
        if tracked.number == disk.number and tracked.rct_id
    ]
    kept += [
        held.epoch
        for point in machine.checkpoints
        for held in point.disks
        if held.number == disk.number
    ]
    oldest = min(kept, default=disk.epoch)
    disk.changes = {epoch: ranges for epoch, ranges in disk.changes.items() if epoch > oldest}


def changed_piece(disk: DiskState, epochs: range, look: tuple[int, int], dice: Dice) -> Piece:
    """What was written in some epochs, in the part (offset, length) of the disk."""
    offset, length = look
    span = min(length, disk.virtual_bytes - offset)
    if span <= 0:
        return Piece(length, ())
    window = ByteRange(offset, offset + _processed(span, dice))
    found = list(_within(_union(disk, epochs), window))
    if len(found) > _MOST_RANGES:
        window = ByteRange(offset, found[_MOST_RANGES].start)
        found = found[:_MOST_RANGES]
    extents = [part for this in found for part in _distorted(this, dice)]
    if window.end == disk.virtual_bytes and dice.one_in(3):
        extents.append(ByteRange(window.end - _SECTOR_BYTES, window.end + GRAIN_BYTES))
    return Piece(window.length, tuple(dice.shuffled(extents)))


def _union(disk: DiskState, epochs: range) -> Sequence[ByteRange]:
    return merged(ByteRange(*pair) for epoch in epochs for pair in disk.changes.get(epoch, []))


def _processed(span: int, dice: Dice) -> int:
    if span <= _WHOLE_BYTES and not dice.one_in(4):
        return span
    part = min(span, _WHOLE_BYTES) * dice.between(40, 100) // 100
    return min(span, part // _SECTOR_BYTES * _SECTOR_BYTES) or span


def _within(ranges: Iterable[ByteRange], window: ByteRange) -> Iterator[ByteRange]:
    for this in ranges:
        start, end = max(this.start, window.start), min(this.end, window.end)
        if start < end:
            yield ByteRange(start, end)


def _distorted(this: ByteRange, dice: Dice) -> Iterator[ByteRange]:
    """Parts that cover a range, and a little more."""
    start = max(0, this.start - dice.below(_SECTOR_BYTES * 4))
    end = this.end + dice.below(_SECTOR_BYTES * 4)
    if dice.one_in(2):
        yield ByteRange(start, end)
        return
    cut = dice.between(start + 1, end)
    yield ByteRange(start, cut)
    yield ByteRange(max(start, cut - 1 - dice.below(GRAIN_BYTES)), end)
