"""`reconciler replica`: a replica that is carried instead of copied over the network."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import click

from reconciler.app import App, open_app, system_clock
from reconciler.cli.options import with_settings
from reconciler.cli.request import follow
from reconciler.errors import ItemNotFoundError, ReconcilerError, TargetExistsError
from reconciler.execute.import_media import MEDIA_REPOSITORY
from reconciler.logs import Event, get_logger
from reconciler.model.names import GroupName
from reconciler.model.observed import RequestKind
from reconciler.model.protection import DataSource
from reconciler.plan.members import Member, membership
from reconciler.record.entries import new_request_id
from reconciler.settings import Settings

_log = get_logger()

_machine = click.argument("machine", metavar="VM")
_STATE = "state"


@click.group("replica")
def command() -> None:
    """Create a replica from removable media: export near the host, carry, import."""


@command.command("export")
@with_settings
@_machine
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, resolve_path=True))
def export(settings: Settings, machine: str, folder: Path) -> int:
    """Copy the disks of a machine into FOLDER, which the media are mounted at.

    Run it where the host is near, with the policies of the server. The machine runs on: a
    checkpoint is copied, compared and removed. After a failure the same command heals and goes on.
    FOLDER holds a repository, encrypted if the machine's pool is, and a catalogue of its own.
    """
    with open_app(replace(settings, state=folder / _STATE)) as app:
        app.media = folder / MEDIA_REPOSITORY
        source = _source(app, machine)
        code = _asked(app, RequestKind.BACKUP, source, {})
        _remove_reference_points(app, source)
        return code


@command.command("import")
@with_settings
@_machine
@click.argument(
    "folder", type=click.Path(path_type=Path, file_okay=False, resolve_path=True, exists=True)
)
def import_(settings: Settings, machine: str, folder: Path) -> int:
    """Create the replica of a machine from the media in FOLDER, mounted on the server.

    What the media hold is compared with the machine by hashes at once, and only what differs
    crosses the network; the first recovery point is what the machine is now.
    """
    with open_app(settings) as app:
        source = _source(app, machine)
        if app.catalogue.replicas()[source.id].head is not None:
            raise TargetExistsError(
                f"{source.label} has a replica already; nothing was imported",
                hint=f"to compare it: reconciler request consistency-check {source.label}",
            )
        return _asked(app, RequestKind.IMPORT, source, {"folder": str(folder)})


def _asked(app: App, kind: RequestKind, source: DataSource, parameters: dict[str, object]) -> int:
    now = system_clock()
    request = app.catalogue.requests.open_once(kind.value, source.id, parameters, now)
    _log.info(Event.REQUEST_OPENED, request=request.id, kind=kind.value, vm=source.label)
    return follow(app, app.settings, [request.id])


def _source(app: App, machine: str) -> DataSource:
    """The member of a group that a person means, known from now on.

    Raises:
        ItemNotFoundError: No group claims a machine of that name, or several machines have it.
    """
    look = app.reconciler().look()
    members = membership(look.wanted, look.observed).members
    found = [m.machine for m in members if _is_meant(m, machine)]
    groups = {m.machine.key: GroupName(m.group.name) for m in members}
    if len(found) != 1:
        told = f"{len(found)} machines of the policies are" if found else "no machine of them is"
        raise ItemNotFoundError(
            f"{told} called '{machine}'",
            hint="name it by its id; see what hosts and groups have: reconciler plan",
        )
    (meant,) = found
    return app.catalogue.ensure_source(meant.key, meant.name, meant.host, groups[meant.key])


def _is_meant(member: Member, machine: str) -> bool:
    found = member.machine
    return machine in {found.name, found.label, found.key.vm_id}


def _remove_reference_points(app: App, source: DataSource) -> None:
    """Nothing is ever counted from the media's: the import compares by hashes."""
    with suppress(ReconcilerError):  # one that stays is told of as a leftover, and does no harm
        host = app.open_host(source.host)
        try:
            for point in app.catalogue.reference_points():
                host.remove_reference_point(source.key.vm_id, point.id, new_request_id())
                _log.info(Event.REFERENCE_POINT_REMOVED, reference_point=point.id)
        finally:
            host.close()
