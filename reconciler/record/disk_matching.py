"""Which of the disks we know are the ones a checkpoint shows. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciler.model.machine import ControllerSlot
from reconciler.model.names import DiskId
from reconciler.record.entries import KnownDisk


@dataclass(frozen=True, slots=True)
class SeenDisk:
    """A disk of a checkpoint; empty `virtual_disk_id` when it has none."""

    virtual_disk_id: str
    slot: ControllerSlot


def match_disks(
    known: Sequence[KnownDisk], seen: Sequence[SeenDisk]
) -> Mapping[ControllerSlot, DiskId]:
    """Match the disks of one data source by virtual disk id, then by controller slot.

    Copies of a template share their virtual disk id. Where one is not unique on both sides it
    says nothing, and the slot alone decides. A disk left unmatched is new: it is read in full,
    which is safe, while a wrong match is not.

    Shape: no known disk appears twice; new disks are absent.
    """
    by_id = _unique({d.id: d.virtual_disk_id for d in known})
    matched = {
        disk.slot: by_id[virtual_disk_id]
        for virtual_disk_id, disk in _unique_seen(seen).items()
        if virtual_disk_id in by_id
    }
    taken = set(matched.values())
    by_slot = {d.slot: d.id for d in known if d.slot is not None and d.id not in taken}
    left = [disk.slot for disk in seen if disk.slot not in matched]
    return matched | {slot: by_slot[slot] for slot in left if slot in by_slot}


def _unique(ids: Mapping[DiskId, str]) -> dict[str, DiskId]:
    count = Counter(map(_same, ids.values()))
    return {_same(v): disk for disk, v in ids.items() if v and count[_same(v)] == 1}


def _unique_seen(seen: Sequence[SeenDisk]) -> dict[str, SeenDisk]:
    count = Counter(_same(d.virtual_disk_id) for d in seen)
    return {
        _same(d.virtual_disk_id): d
        for d in seen
        if d.virtual_disk_id and count[_same(d.virtual_disk_id)] == 1
    }


def _same(virtual_disk_id: str) -> str:
    """Hosts differ in the spelling of a GUID: case and braces."""
    return virtual_disk_id.strip("{}").lower()
