"""From policies to the room on volumes: what each has, what it may take, what it holds."""

import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from threading import Lock

from reconciler.adapters.volume_folder import FolderFacts, look_at_folder
from reconciler.adapters.volume_room import Limits, VolumeRoom
from reconciler.blocks.layout import HEADER_NAME
from reconciler.errors import ReconcilerError
from reconciler.model.names import PoolName, VolumeId
from reconciler.model.observed import VolumeFacts, VolumeState
from reconciler.policy.storage import StoragePool
from reconciler.policy.storage import Volume as VolumePolicy
from reconciler.record.catalogue import Catalogue
from reconciler.record.entries import Volume


class VolumeRooms:
    """One for each volume that this process writes to; any thread."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._rooms: dict[VolumeId, VolumeRoom] = {}
        self._lock = Lock()

    def look(self, pools: Iterable[StoragePool]) -> tuple[VolumeFacts, ...]:
        """Every volume of the pools as it is now, in their order. A store is not asked."""
        known = {(v.pool, v.name): v for v in self._catalogue.volumes()}
        return tuple(
            self._facts(PoolName(pool.name), declared, known.get((PoolName(pool.name), name)))
            for pool in pools
            for declared in pool.volumes
            for name in (declared.name,)
        )

    def of(self, volume: Volume, declared: VolumePolicy | None) -> VolumeRoom:
        """The room of a volume, with the limits that its policy sets now."""
        with self._lock:
            if volume.id not in self._rooms:
                self._rooms[volume.id] = VolumeRoom(
                    f"{volume.pool}/{volume.name}",
                    volume.stored_bytes,
                    lambda more: self._catalogue.stored_more(volume.id, more),
                )
            room = self._rooms[volume.id]
            room.limits, room.free_bytes = _limits(declared), _free_bytes(declared)
        return room

    def measured(self, volume: VolumeId, stored_bytes: int) -> None:
        """Take over what somebody has measured."""
        self._catalogue.measured(volume, stored_bytes)
        if (room := self._rooms.get(volume)) is not None:
            room.measured(stored_bytes)

    def freed(self, volume: VolumeId, size: int) -> None:
        """Take over what somebody has deleted."""
        if (room := self._rooms.get(volume)) is not None:
            room.freed(size)
        else:
            self._catalogue.stored_more(volume, -size)

    def flush(self) -> None:
        """Note all running figures; what cannot be noted is measured some day."""
        for room in list(self._rooms.values()):
            with suppress(ReconcilerError):
                room.flush()

    def _facts(self, pool: PoolName, declared: VolumePolicy, known: Volume | None) -> VolumeFacts:
        is_known = known is not None and known.repository_id is not None
        found = _look(declared, is_known=is_known)
        return VolumeFacts(
            pool,
            declared.name,
            known.id if known else None,
            declared.place,
            _state(found),
            found.problem,
            found.hint,
            found.total_bytes,
            found.free_bytes,
            self._stored_bytes(known),
            is_strange=not is_known and _holds_repository(declared),
        )

    def _stored_bytes(self, known: Volume | None) -> int | None:
        if known is None or known.repository_id is None:
            return 0
        room = self._rooms.get(known.id)
        return room.stored_bytes if room is not None else known.stored_bytes


def _look(declared: VolumePolicy, *, is_known: bool) -> FolderFacts:
    if declared.path is None:
        # nobody can tell how large a store is, and a plan does not wait for it
        return FolderFacts(is_there=True, is_writable=True)
    return look_at_folder(Path(declared.path), HEADER_NAME if is_known else "")


def _holds_repository(declared: VolumePolicy) -> bool:
    """As far as a look at a folder tells; a store is not asked."""
    with suppress(OSError):
        return declared.path is not None and Path(declared.path, HEADER_NAME).exists()
    return False


def _state(found: FolderFacts) -> VolumeState:
    if not found.is_there:
        return VolumeState.MISSING
    return VolumeState.USABLE if found.is_writable else VolumeState.READ_ONLY


def _free_bytes(declared: VolumePolicy | None) -> Callable[[], int | None]:
    path = declared.path if declared else None

    def free() -> int | None:
        try:
            return None if path is None else shutil.disk_usage(path).free
        except OSError:
            return None  # the put itself says what is wrong

    return free


def _limits(declared: VolumePolicy | None) -> Limits:
    if declared is None:
        return Limits()
    try:
        total = shutil.disk_usage(declared.path).total if declared.path else 0
    except OSError:
        total = 0
    return Limits(declared.reserve_of(total) if declared.path else 0, declared.quota)
