"""R4.11: how much one server is made for."""

from collections.abc import Iterator
from typing import Final

from reconciler.model.observed import Observed
from reconciler.plan.actions import Finding, Severity
from reconciler.plan.prerequisites.looks import machines
from reconciler.plan.words import counted

MOST_MACHINES: Final = 800
MOST_BYTES: Final = 80 * 10**12
SCALE: Final = ("prerequisite.scale", "this server")
"""Code and subject of the finding: while a host is silent nobody can take it back."""


def scale(observed: Observed) -> Iterator[Finding]:
    """Up to 800 machines of 100 GB on average, 80 TB in all."""
    sizes = {
        machine.key: sum(disk.geometry.virtual_bytes for disk in machine.disks)
        for _, machine in machines(observed)
    }
    total = sum(sizes.values())
    if len(sizes) > MOST_MACHINES or total > MOST_BYTES:
        code, about = SCALE
        yield Finding(
            code,
            about,
            f"there are {counted(len(sizes), 'machine')} with disks of {total / 10**12:.1f} TB; "
            "the guideline for one server is 800 machines and 80 TB",
            "let another server beside this one look after some of the hosts",
            Severity.WARNING,
        )
