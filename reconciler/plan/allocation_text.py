"""Disk allocation as text for people and as data for machines."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from reconciler.model.observed import VolumeState
from reconciler.plan.allocation import MachineAllocation, VolumeAllocation
from reconciler.plan.words import counted, shown_bytes

_HEAD: Final = ("machine", "group", "data", "stored", "to provision", "by", "")
_LEFT: Final = frozenset({0, 1, 5, 6})
"""Columns of words; the others are numbers."""


def allocation_lines(found: Iterable[VolumeAllocation]) -> Iterator[str]:
    """Pools, their volumes and their machines, with what should be added."""
    for pool, volumes in groupby(found, key=lambda each: each.volume.facts.pool):
        yield f"pool {pool}"
        for each in volumes:
            yield from _volume_lines(each)


def allocation_data(found: Iterable[VolumeAllocation]) -> list[dict[str, object]]:
    """The same, in bytes."""
    return [_volume_data(each) for each in found]


def _volume_lines(found: VolumeAllocation) -> Iterator[str]:
    facts = found.volume.facts
    yield f"  {facts.name}  {facts.place}  {', '.join(_figures(found))}"
    if facts.state is not VolumeState.USABLE:
        yield f"    ! {facts.problem}"
        yield f"      = hint: {facts.hint}"
    if found.machines:
        rows = [_HEAD, *map(_row, found.machines)]
        yield from (f"    {line}" for line in _table(rows))
        number = counted(len(found.machines), "machine")
        yield f"    {shown_bytes(found.provision_bytes)} to provision for {number}"
    if found.underprovisioned_bytes:
        yield f"    ! {shown_bytes(found.underprovisioned_bytes)} should be added to it"


def _figures(found: VolumeAllocation) -> Iterator[str]:
    volume, facts = found.volume, found.volume.facts
    if facts.total_bytes is not None and facts.free_bytes is not None:
        yield f"{shown_bytes(facts.total_bytes)} in all"
        yield f"{shown_bytes(facts.free_bytes)} free"
        yield f"{shown_bytes(volume.reserve_bytes)} of them stay free"
    elif facts.state is VolumeState.USABLE:
        yield "nobody can tell how large it is"
    if facts.stored_bytes is not None:
        yield f"{shown_bytes(facts.stored_bytes)} stored"
    if volume.quota_bytes is not None:
        yield f"quota {shown_bytes(volume.quota_bytes)}"


def _row(machine: MachineAllocation) -> tuple[str, ...]:
    return (
        machine.machine,
        machine.group,
        shown_bytes(machine.data_bytes) if machine.data_bytes else "?",
        "new" if machine.reason else shown_bytes(machine.stored_bytes),
        shown_bytes(machine.provision_bytes),
        machine.basis,
        machine.reason,
    )


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.ljust(width) if place in _LEFT else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def _volume_data(found: VolumeAllocation) -> dict[str, object]:
    volume, facts = found.volume, found.volume.facts
    return {
        "pool": facts.pool,
        "volume": facts.name,
        "place": facts.place,
        "state": facts.state.value,
        "problem": facts.problem,
        "total_bytes": facts.total_bytes,
        "free_bytes": facts.free_bytes,
        "stored_bytes": facts.stored_bytes,
        "reserve_bytes": volume.reserve_bytes,
        "quota_bytes": volume.quota_bytes,
        "room_bytes": volume.room_bytes,
        "provision_bytes": found.provision_bytes,
        "underprovisioned_bytes": found.underprovisioned_bytes,
        "machines": [
            {
                "vm": machine.machine,
                "protection_group": machine.group,
                "data_bytes": machine.data_bytes,
                "stored_bytes": machine.stored_bytes,
                "provision_bytes": machine.provision_bytes,
                "basis": machine.basis,
                "placement": machine.reason,
            }
            for machine in found.machines
        ],
    }
