"""What `reconciler verify` does: volume by volume, and what was found goes into the catalogue."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from reconciler.app import App, system_clock
from reconciler.blocks.heal import Healed, heal
from reconciler.blocks.repository import Repository
from reconciler.blocks.verified import VerifiedPacks
from reconciler.blocks.verify import Depth, Finding, Looked, Points, Verification
from reconciler.cli.promises import Promises
from reconciler.errors import ItemNotFoundError, ReconcilerError, RepositoryUnavailableError
from reconciler.logs import Event, get_logger
from reconciler.model.names import DataSourceId, DiskId, RecoveryPointId
from reconciler.plan.words import counted
from reconciler.record.entries import Volume

_log = get_logger()

_FILE: Final = "verified"
"""In the cache, beside the index of a repository."""

OnPack = Callable[[int, int], None]
"""Told how many packs were read, of how many."""


@dataclass(frozen=True, slots=True)
class VerifyWish:
    """What is to be verified, and how."""

    depth: Depth = Depth.FULL
    share: float = 1.0
    """Of the packs, if it is a sample; from 0 to 1."""
    machine: str | None = None
    volume: str | None = None
    heals: bool = False
    copies: tuple[Path, ...] = ()
    """Folders of other repositories to take blocks from."""


@dataclass(slots=True)
class Told:
    """One volume after it was verified."""

    volume: Volume
    problem: ReconcilerError | None = None
    """Why it could not be."""
    looked: Looked = field(default_factory=Looked)
    findings: list[Finding] = field(default_factory=list)
    unreadable: Mapping[tuple[DataSourceId, RecoveryPointId], ReconcilerError] = field(
        default_factory=dict
    )
    """Points of which even the manifest is damaged, or gone."""
    headless: Mapping[DataSourceId, ReconcilerError] = field(default_factory=dict)
    """Replicas whose head is damaged or gone; their points can be given back."""
    slots: Mapping[DiskId, str] = field(default_factory=dict)
    """Where the machine has the disks that are hurt: SCSI 0:1."""
    healed: Healed | None = None

    @property
    def is_sound(self) -> bool:
        """Whether everything that was looked at can be given back."""
        is_damaged = self.findings or self.unreadable or self.looked.blocks_damaged
        return self.problem is None and not is_damaged and not self.headless


def verify_volumes(app: App, wish: VerifyWish, on_pack: OnPack) -> list[Told]:
    """Verify what was wished for.

    Raises:
        ItemNotFoundError: There is no such machine or volume.
    """
    chosen = None if wish.machine is None else app.catalogue.source_by_name(wish.machine).id
    return [_verified(app, volume, chosen, wish, on_pack) for volume in _volumes(app, wish, chosen)]


def _volumes(app: App, wish: VerifyWish, chosen: DataSourceId | None) -> Sequence[Volume]:
    volumes: Iterable[Volume] = app.catalogue.volumes()
    if wish.volume is not None:
        volumes = [v for v in volumes if wish.volume in {v.name, f"{v.pool}/{v.name}"}]
        if not volumes:
            raise ItemNotFoundError(
                f"there is no volume {wish.volume}",
                hint="list them: reconciler show; name one as VOLUME or POOL/VOLUME",
            )
    if chosen is not None:
        used = {point.volume for point in app.catalogue.recovery_points(chosen)}
        volumes = [volume for volume in volumes if volume.id in used]
    return tuple(volumes)


def _verified(
    app: App, volume: Volume, chosen: DataSourceId | None, wish: VerifyWish, on_pack: OnPack
) -> Told:
    told = Told(volume)
    try:
        repository = app.repository(volume.id) if wish.heals else app.repository_to_read(volume.id)
        promises = Promises.now(app, volume.id, chosen)
        sources = repository.sources() if chosen is None else [chosen]
        run = _Run(app, repository, Points(repository, sources), promises, on_pack)
        run.verify(told, wish)
        if wish.heals and told.looked.damaged:
            _heal(repository, told, _others(app, volume, wish.copies))
            run.verify(told, replace(wish, depth=Depth.FULL))
        run.compare(told, Promises.now(app, volume.id, chosen))
        run.record(told, wish)
    except ReconcilerError as error:
        told.problem = error
    return told


@dataclass(frozen=True, slots=True)
class _Run:
    app: App
    repository: Repository
    points: Points
    promises: Promises
    on_pack: OnPack

    def verify(self, told: Told, wish: VerifyWish) -> None:
        """Look, and note which packs are sound."""
        known = VerifiedPacks(self.app.settings.cache / str(self.repository.id) / _FILE)

        def choose(packs: Collection[int]) -> Iterable[int]:
            if wish.depth is Depth.SAMPLE:
                return known.oldest(packs, wish.share)
            return packs if wish.depth is Depth.FULL else ()

        verification = Verification(self.repository, self.points, on_pack=self.on_pack)
        found = list(verification.findings(choose))
        told.looked, told.unreadable = verification.looked, dict(self.points.unreadable)
        told.findings = found
        told.slots = self._slots(told.findings)
        if wish.machine is None:
            known.keep_only(told.looked.needed)
        known.note(told.looked.sound, system_clock())

    def compare(self, told: Told, now: Promises) -> None:
        """Look for what the catalogue knew before and `now`, and the repository does not."""
        lost = self.promises.lost_points(self.repository, now)
        told.unreadable = {**told.unreadable, **lost}
        told.headless = self.promises.lost_heads(self.repository, now)

    def _slots(self, findings: Iterable[Finding]) -> dict[DiskId, str]:
        slots: dict[DiskId, str] = {}
        for finding in findings:
            if finding.disk not in slots:
                with suppress(ReconcilerError):  # one that goes meanwhile is named by its id
                    manifest = self.repository.manifest(finding.source, finding.point)
                    slots |= {d.description.id: str(d.description.slot) for d in manifest.disks}
        return slots

    def record(self, told: Told, wish: VerifyWish) -> None:
        """Keep what was found: whoever shows or recovers a point hears of it."""
        damaged: dict[RecoveryPointId, str] = {}
        for finding in told.findings:
            disk = told.slots.get(finding.disk, finding.disk)
            blocks = counted(finding.block_count, "block")
            text = f"disk {disk}, {blocks} from {finding.first_block}"
            before = damaged.get(finding.point, "")
            damaged[finding.point] = f"{before}{before and '; '}{text}: {finding.error.message}"
        damaged |= {point: error.message for (_, point), error in told.unreadable.items()}
        is_whole = wish.depth is Depth.FULL or wish.heals
        sound = self.points.seen - damaged.keys() if is_whole else set()
        self.app.catalogue.mark_damaged(damaged, sound)
        for point, text in damaged.items():
            _log.error(Event.BLOCK_DAMAGED, recovery_point=point, reason=text[:1000])
        _log.info(
            Event.REPOSITORY_VERIFIED,
            volume=f"{told.volume.pool}/{told.volume.name}",
            depth=wish.depth.value,
            packs=len(told.looked.needed),
            packs_read=told.looked.packs_read,
            blocks_damaged=told.looked.blocks_damaged,
            points_damaged=len(damaged),
        )


def _heal(repository: Repository, told: Told, copies: Sequence[Repository]) -> None:
    blocks = lost = 0
    for number, slots in told.looked.damaged.items():
        healed = heal(repository, number, slots, copies)
        _log.warning(Event.PACK_HEALED, pack=number, blocks=healed.blocks, blocks_lost=healed.lost)
        blocks, lost = blocks + healed.blocks, lost + healed.lost
    told.healed = Healed(blocks, lost)


def _others(app: App, volume: Volume, copies: Sequence[Path]) -> list[Repository]:
    """Where lost blocks may still be: copies that were named, and all other volumes."""
    found = [_copy(app, volume, folder) for folder in copies]
    for other in app.catalogue.volumes():
        if other.id != volume.id and other.repository_id is not None:
            with suppress(ReconcilerError):  # one that is away has nothing to give now
                found.append(app.repository(other.id))
    return found


def _copy(app: App, volume: Volume, folder: Path) -> Repository:
    try:
        return app.copy_to_read(volume.id, folder)
    except ReconcilerError as error:
        raise RepositoryUnavailableError(
            f"nothing can be taken from the copy in {folder}: {error.message}",
            hint="name the folder with the copy, where repository.json is",
        ) from error
