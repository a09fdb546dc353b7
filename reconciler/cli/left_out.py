"""What recovery points say that they left out, for a person and for a program."""

from collections.abc import Iterator, Mapping, Sequence

from reconciler.blocks.manifest import Manifest
from reconciler.errors import ReconcilerError
from reconciler.model.protection import LeftOut
from reconciler.plan.words import shown_bytes

Told = Mapping[str, Sequence[LeftOut]]
"""By controller slot."""


def left_out_of(read: Manifest | ReconcilerError) -> Told:
    """What a point left out of each disk; nothing where its manifest could not be read."""
    if isinstance(read, ReconcilerError):
        return {}
    return {str(disk.slot): disk.left_out for disk in read.descriptions if disk.left_out}


def left_out_lines(told: Told) -> Iterator[str]:
    """One line for each disk."""
    for slot, parts in sorted(told.items()):
        count = sum(part.end - part.start for part in parts)
        what = ", ".join(sorted({part.reason for part in parts}))
        yield f"left out of {slot}: {shown_bytes(count)} of {what}; older bytes are in their place"


def left_out_data(told: Told) -> list[dict[str, object]]:
    """Every range."""
    return [
        {"disk": slot, "start": part.start, "end": part.end, "reason": part.reason}
        for slot, parts in sorted(told.items())
        for part in parts
    ]
