"""What hosts, file servers and machines must have to be protected well.

Each check is a pure function of one look: `Observed` → findings, whose code is the id of the
prerequisite, the message the evidence and the hint the remedy. What nobody could look at is
unknown, and never wrong. `reconciler hosts` shows all of it; a plan shows what concerns its
members. Warnings hold nothing back: a machine that is blocked is blocked by the rule that does it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from reconciler.model.machine import HostReport, NaturalKey
from reconciler.model.observed import Observed
from reconciler.plan.actions import Finding
from reconciler.plan.headroom import headroom
from reconciler.plan.prerequisites.cluster_volumes import encrypted_volumes, hardware_provider
from reconciler.plan.prerequisites.guests import integration_versions, scsi_controllers, vss_service
from reconciler.plan.prerequisites.head_room import head_room, unknown_head_room
from reconciler.plan.prerequisites.scale import scale
from reconciler.plan.prerequisites.smb_storage import mixed_storage, named_by_address
from reconciler.plan.prerequisites.smb_surroundings import automount, chimney, file_servers
from reconciler.plan.rooms import Headroom

Check = Callable[[Observed], Iterator[Finding]]

IN_PLANS: Final[tuple[Check, ...]] = (
    integration_versions,
    scsi_controllers,
    hardware_provider,
    automount,
    chimney,
    file_servers,
    mixed_storage,
    named_by_address,
    scale,
)
TOLD_BY_PLANS_ANYWAY: Final[tuple[Check, ...]] = (vss_service, encrypted_volumes)
"""A plan says what follows from these: how a guest is captured, which replica is in doubt."""


def of_hosts(observed: Observed) -> Iterator[Finding]:
    """Everything that is not as it should be, of all hosts and machines."""
    rooms = headroom(observed)
    for check in TOLD_BY_PLANS_ANYWAY:
        yield from check(observed)
    yield from unknown_head_room(rooms)  # a plan has it in its data
    for check in IN_PLANS:
        yield from check(observed)
    yield from head_room(rooms)


def of_members(
    observed: Observed, members: Iterable[NaturalKey], rooms: Headroom
) -> Iterator[Finding]:
    """What concerns these machines, and the hosts and volumes that they are on."""
    keys = frozenset(members)
    looked = _only(observed, keys)
    for check in IN_PLANS:
        yield from check(looked)
    # of a shared volume also what nodes tell that have none of these machines
    yield from head_room(rooms.of(keys))


def _only(observed: Observed, members: frozenset[NaturalKey]) -> Observed:
    reduced = {
        host: _with(report, members)
        for host, report in observed.inventory.reports.items()
        if any(machine.key in members for machine in report.machines)
    }
    return replace(observed, inventory=replace(observed.inventory, reports=reduced))


def _with(report: HostReport, members: frozenset[NaturalKey]) -> HostReport:
    return replace(report, machines=tuple(m for m in report.machines if m.key in members))
