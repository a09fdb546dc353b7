"""Why a member cannot be captured now, whatever is due."""

from collections.abc import Iterator
from typing import Final

from reconciler.errors import Retry
from reconciler.plan.actions import Finding, Severity
from reconciler.plan.consistency import NoWay, Way
from reconciler.plan.machine_states import must_wait
from reconciler.plan.standing import Standing
from reconciler.plan.words import shown

_NO_VOLUME: Final = "waiting.volume"


def obstacles(standing: Standing, way: Way | NoWay) -> tuple[Finding, ...]:
    """The first kind of obstacle that there is; empty when nothing is in the way."""
    return (
        tuple(_faults(standing))
        or tuple(_undescribed(standing))
        or tuple(_no_volume(standing))
        or tuple(_no_headroom(standing))
        or tuple(_waiting(standing))
        or tuple(_no_way(standing, way))
    )


def lacks_room(standing: Standing, held: Finding) -> bool:
    """Whether it is held for want of room, and nothing else: what expires makes room."""
    trouble = standing.trouble
    return held.code == _NO_VOLUME and trouble is not None and trouble.is_want_of_room


def _faults(standing: Standing) -> Iterator[Finding]:
    """Why the machine cannot be backed up at all, as it is."""
    for fault in standing.machine.faults:
        yield Finding(
            "blocked.machine",
            standing.machine.label,
            f"it is not backed up: {fault}",
            "look at the machine's settings on its host, and repair what is missing there",
            Severity.ERROR,
            standing.machine.host,
        )


def _undescribed(standing: Standing) -> Iterator[Finding]:
    """Its disks are on file servers that nobody told how to reach."""
    for server in standing.undescribed:
        yield Finding(
            "blocked.file_server",
            standing.machine.label,
            f"it is not backed up: no policy describes the file server {server}, which has a disk",
            f"write a FileServer policy with 'unc_name: {server}'",
            Severity.ERROR,
            standing.machine.host,
        )


def _no_volume(standing: Standing) -> Iterator[Finding]:
    if standing.trouble is not None:
        yield Finding(
            _NO_VOLUME,
            standing.machine.label,
            f"its volume takes nothing now: {standing.trouble.message}",
            standing.trouble.hint,
            Severity.INFO,  # the finding of the volume is the one that alarms
            standing.machine.host,
        )


def _no_headroom(standing: Standing) -> Iterator[Finding]:
    room = standing.shortage
    if room is not None:
        yield Finding(
            "waiting.head_room",
            standing.machine.label,
            f"{room.volume.label} has too little free space for what grows there while it is "
            "backed up",
            room.remedy,
            Severity.INFO,  # the finding of the volume is the one that alarms
            standing.machine.host,
        )


def _waiting(standing: Standing) -> Iterator[Finding]:
    wait = must_wait(standing.machine)
    if wait is not None:
        yield Finding(
            wait.code,
            standing.machine.label,
            f"{wait.reason}; it waits inside its slot of {shown(standing.slot)}",
            wait.hint,
            Severity.WARNING if wait.retry is Retry.OPERATOR else Severity.INFO,
            standing.machine.host,
        )


def _no_way(standing: Standing, way: Way | NoWay) -> Iterator[Finding]:
    if isinstance(way, NoWay):
        yield Finding(
            "blocked.consistency",
            standing.machine.label,
            f"it is not backed up: {way.reason}",
            way.hint,
            host=standing.machine.host,
        )
