"""`reconciler request`: ask for something now."""

import sys
from collections.abc import Iterable, Sequence
from threading import Event as Pause
from typing import Any, Final

import click

from reconciler.app import App, open_app, system_clock
from reconciler.cli.exit_codes import ExitCode
from reconciler.cli.options import with_settings
from reconciler.cli.results import result_lines
from reconciler.errors import CatalogueLockedError, ItemNotFoundError
from reconciler.logs import Event, get_logger
from reconciler.model.observed import RequestKind
from reconciler.model.protection import DataSource
from reconciler.plan.diff import printable
from reconciler.record.entries import Request, RequestState
from reconciler.record.lead import Lead
from reconciler.settings import Settings

LOOK_EVERY_S: Final = 0.5

_log = get_logger()

_target = click.argument("target", metavar="VM|GROUP")
_no_wait = click.option("--no-wait", is_flag=True, help="Only ask; do not wait for the end.")


@click.group("request")
def command() -> None:
    """Ask for something now: it is planned like anything else, and done before what is only due.

    Where `reconciler run` leads, it does the work and this follows it; where nothing runs, this
    makes one pass for what was asked. Exits 8 when something of it failed or was refused.
    """


@command.command("backup")
@with_settings
@_target
@_no_wait
def backup(settings: Settings, target: str, *, no_wait: bool) -> int:
    """Make a recovery point now, beside the schedule."""
    return _ask(settings, RequestKind.BACKUP, target, no_wait=no_wait)


@command.command("consistency-check")
@with_settings
@_target
@_no_wait
def consistency_check(settings: Settings, target: str, *, no_wait: bool) -> int:
    """Compare a replica with its machine block by block, and repair what differs.

    Hashes are computed on the host, so only what differs crosses the network. The replica is
    consistent afterwards, and there is a new recovery point.
    """
    return _ask(settings, RequestKind.CONSISTENCY_CHECK, target, no_wait=no_wait)


@command.command("expiry")
@with_settings
@_target
@_no_wait
def expiry(settings: Settings, target: str, *, no_wait: bool) -> int:
    """Let recovery points expire that a guard holds back because they are so many at once."""
    return _ask(settings, RequestKind.EXPIRY, target, no_wait=no_wait)


@command.command("delete-points")
@with_settings
@_target
@_no_wait
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def delete_points(settings: Settings, target: str, *, no_wait: bool, yes: bool) -> int:
    """Delete all recovery points of a machine or group that left the policies, for good.

    Refused while a group of the policies still claims the machine.
    """
    if not yes:
        _confirm(settings, target)
    return _ask(settings, RequestKind.DELETE_POINTS, target, no_wait=no_wait)


def _confirm(settings: Settings, target: str) -> None:
    with open_app(settings) as app:
        counts = app.catalogue.point_counts()
        sources = _sources(app, target)
        for source in sources:
            click.echo(printable(f"{source.label}: {counts.get(source.id, 0)} recovery points"))
    if not sys.stdin.isatty():
        raise click.UsageError("this deletes recovery points for good: confirm it with --yes")
    click.confirm("Delete them for good?", abort=True)


def _ask(settings: Settings, kind: RequestKind, target: str, *, no_wait: bool) -> int:
    with open_app(settings) as app:
        now = system_clock()
        opened = []
        for source in _sources(app, target):
            request = app.catalogue.requests.open_once(kind.value, source.id, {}, now)
            _log.info(Event.REQUEST_OPENED, request=request.id, kind=kind.value, vm=source.label)
            opened.append(request.id)
        if no_wait:
            click.echo(f"asked for {len(opened)}: `reconciler run` does it at its next pass")
            return ExitCode.OK
        return follow(app, settings, opened)


def _sources(app: App, target: str) -> Sequence[DataSource]:
    """The machines that a person means: one by name or id, or those of a group.

    Raises:
        ItemNotFoundError: Nothing that is known has that name, or two things have.
    """
    of_group = [s for s in app.catalogue.sources() if s.group == target]
    try:
        machine = app.catalogue.source_by_name(target)
    except ItemNotFoundError:
        if of_group:
            return of_group
        raise
    if of_group and [machine] != of_group:
        raise ItemNotFoundError(
            f"'{target}' is a machine and a group",
            hint=f"name the machine by its id: {machine.key.vm_id}",
        )
    return (machine,)


def follow(app: App, settings: Settings, asked: Sequence[str]) -> int:
    """Until each is closed, by the leader or, where there is none, by one pass of our own."""
    pause = Pause()
    has_said = False
    while _open(app, asked):
        try:
            with Lead.take(settings.state, system_clock()) as lead:
                _log.info(Event.LEAD_TAKEN, leader=str(lead.leader))
                _answer(app, asked)
                break
        except CatalogueLockedError as busy:
            if not has_said:
                click.echo(f"waiting for {busy.facts.get('holder', 'the leader')}", err=True)
                has_said = True
            pause.wait(LOOK_EVERY_S)
    return _told(app.catalogue.requests.get(request) for request in asked)


def _answer(app: App, asked: Sequence[str]) -> None:
    for result in app.reconciler().answer(frozenset(asked)):
        for line in result_lines(result):
            click.echo(line)


def _open(app: App, asked: Sequence[str]) -> bool:
    pending = {request.id for request in app.catalogue.requests.pending()}
    return not pending.isdisjoint(asked)


def _told(requests: Iterable[Request]) -> int:
    code = ExitCode.OK
    for request in requests:
        if request.state is RequestState.DONE:
            click.echo(f"done    {request.kind.replace('_', ' ')}{_details(request)}")
            continue
        code = ExitCode.PARTLY_DONE
        result: dict[str, Any] = dict(request.result or {})
        is_open = request.result is None
        why = "it waits: the next pass tries again" if is_open else result.get("message", "")
        click.echo(printable(f"{'WAITS' if is_open else 'FAILED':<7} {request.kind}: {why}"))
        if hint := result.get("hint"):
            click.echo(printable(f"        = hint: {hint}"))
    return code


def _details(request: Request) -> str:
    """What a comparison found; the rest stands in the line of its result."""
    found = request.result or {}
    if "blocks_compared" not in found:
        return ""
    return f": {found['blocks_compared']} blocks compared, {found['blocks_differing']} differed"
