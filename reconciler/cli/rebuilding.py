"""How a catalogue is made anew: beside the old one, and put in its place when it is whole."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from reconciler.app import App, open_app, system_clock
from reconciler.blocks.repository import Repository
from reconciler.errors import (
    CatalogueError,
    PolicyError,
    RepositoryError,
    RepositoryUnavailableError,
    SettingsError,
)
from reconciler.logs import Event, get_logger
from reconciler.model.names import PoolName, VolumeId
from reconciler.policy.storage import Volume as PolicyVolume
from reconciler.record.catalogue_file import put_in_place, server_of
from reconciler.record.entries import Volume
from reconciler.record.found_replicas import Unreadable
from reconciler.record.lead import Lead
from reconciler.record.rebuild import Identity, Rebuilt, rebuild
from reconciler.settings import Settings

_POOL: Final = PoolName("recovered")
"""The pool of a repository that no policy names."""

_log = get_logger()


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for."""

    repositories: tuple[Path, ...]
    """Instead of those of the policies."""
    server: str
    is_partial: bool
    """Go on without volumes that cannot be opened."""
    may_replace: bool


@dataclass(frozen=True, slots=True)
class Made:
    """What became of it."""

    rebuilt: Rebuilt
    missing: tuple[Unreadable, ...]
    """Volumes that could not be opened."""
    aside: Path | None
    """Where the old catalogue is kept."""

    @property
    def is_whole(self) -> bool:
        """Nothing had to be left out."""
        return self.rebuilt.is_whole and not self.missing


def rebuild_catalogue(settings: Settings, wish: Wish) -> Made:
    """Make the catalogue anew; until it is whole the old one stays where it is.

    Raises:
        CatalogueLockedError: A reconciler is at work.
        CatalogueError: There is a catalogue, a volume cannot be opened, or nobody can tell which
            server this is.
    """
    now = system_clock()
    _make(settings.state)
    with Lead.take(settings.state, now):
        if settings.catalogue.exists() and not wish.may_replace:
            raise CatalogueError(
                f"there is a catalogue already: {settings.catalogue}",
                hint="to make it anew and keep that one aside: --replace",
            )
        scratch = replace(settings, state=settings.state / "rebuilding")
        shutil.rmtree(scratch.state, ignore_errors=True)  # of one that was interrupted
        identity = Identity(wish.server, server_of(settings.catalogue))
        rebuilt, missing = _rebuilt(scratch, wish, identity, now)
        aside = put_in_place(scratch.catalogue, settings.catalogue, now)
        shutil.rmtree(scratch.state, ignore_errors=True)
    _log.info(
        Event.CATALOGUE_REBUILT,
        server=rebuilt.server,
        machines=sum(each.machines for each in rebuilt.volumes),
        recovery_points=sum(each.points for each in rebuilt.volumes),
        left_out=len(missing) + sum(len(each.unreadable) for each in rebuilt.volumes),
    )
    return Made(rebuilt, missing, aside)


def _make(state: Path) -> None:
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"the state folder {state} cannot be made: {error.strerror}",
            hint="name another one with --state, or give this account the right to write there",
        ) from error


def _rebuilt(
    scratch: Settings, wish: Wish, identity: Identity, now: datetime
) -> tuple[Rebuilt, tuple[Unreadable, ...]]:
    with open_app(scratch) as app:
        opened: dict[VolumeId, Repository] = {}
        missing: list[Unreadable] = []
        for volume in _volumes(app, wish):
            try:
                opened[volume.id] = _opened(app, volume)
            except RepositoryError as error:
                name = f"volume {volume.name} of pool {volume.pool}"
                if not wish.is_partial:
                    raise CatalogueError(
                        f"{name}: {error.message}",
                        hint=f"{error.hint}; to go on without what is on it: --partial",
                    ) from error
                missing.append(Unreadable(name, error.message, error.hint))
        return rebuild(app.catalogue, opened, identity, now), tuple(missing)


def _volumes(app: App, wish: Wish) -> Iterator[Volume]:
    """The volumes to read, written down in the new catalogue.

    A folder that was named is the volume of the policies that has it, if one does.
    """
    ensure = app.catalogue.ensure_volume
    known = _known(app)
    if not wish.repositories:
        _require_all(app, is_empty=not known)
        for pool, each in known:
            yield ensure(pool, each.name, each.place)
        return
    by_folder = {Path(each.place).resolve(): (pool, each) for pool, each in known if each.path}
    for number, folder in enumerate(wish.repositories, 1):
        if folder in by_folder:
            pool, each = by_folder[folder]
            yield ensure(pool, each.name, each.place)
        else:
            yield ensure(_POOL, f"{_POOL}-{number}", str(folder))


def _known(app: App) -> list[tuple[PoolName, PolicyVolume]]:
    """The volumes of the policies; after a disaster there may be none."""
    if not app.settings.policies.exists():
        return []
    pools = app.policies().policies.pools
    return [(PoolName(pool.name), each) for pool in pools for each in pool.volumes]


def _require_all(app: App, *, is_empty: bool) -> None:
    """See that the policies name every volume.

    Raises:
        PolicyError: A file is broken, and may name others.
        SettingsError: They name none.
    """
    if broken := app.complaints():
        raise PolicyError(
            f"a policy file is broken, and may name volumes: {broken[0]}",
            hint="mend it, see: reconciler check; or name each folder: --repository",
        )
    if is_empty:
        raise SettingsError(
            f"no policy in {app.settings.policies} names a storage pool",
            hint="give the folder of policies with --policies, or each repository's with "
            "--repository",
        )


def _opened(app: App, volume: Volume) -> Repository:
    """A repository that is there; no folder is made for one that is not."""
    if "://" not in volume.path and not Path(volume.path).is_dir():
        raise RepositoryUnavailableError(
            f"it is not at {volume.path}",
            hint="mount it, or put its new place into the storage policy",
        )
    return app.repository_to_read(volume.id)
