"""`reconciler catalogue`: what is remembered, made anew when it is lost."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from reconciler.cli.exit_codes import ExitCode
from reconciler.cli.options import with_settings
from reconciler.cli.rebuilding import Made, Wish, rebuild_catalogue
from reconciler.plan.diff import printable
from reconciler.plan.words import counted
from reconciler.record.rebuild import RebuiltVolume
from reconciler.settings import Settings

_SHOWN: Final = 20
"""Things left out of one volume that are told one by one."""


@click.group("catalogue")
def command() -> None:
    """What is remembered of replicas and recovery points."""


@command.command("rebuild")
@with_settings
@click.option(
    "--repository",
    "repositories",
    multiple=True,
    type=click.Path(path_type=Path, resolve_path=True),
    help="Read the repository in this folder, instead of those of the policies; repeatable.",
)
@click.option(
    "--server",
    default="",
    metavar="ID|new",
    help="Which server this is, where several wrote; 'new' takes over what all of them made.",
)
@click.option("--partial", is_flag=True, help="Go on without volumes that cannot be opened.")
@click.option("--replace", is_flag=True, help="There is a catalogue: make it anew, keep it aside.")
def rebuild(
    settings: Settings,
    repositories: tuple[Path, ...],
    server: str,
    *,
    partial: bool,
    replace: bool,
) -> int:
    """Make a new catalogue from the repositories alone, which are only read.

    It goes on as the server that wrote them, which must not run anywhere else. Exits 8 when
    something was left out, and 7 when a reconciler is at work.
    """
    wish = Wish(repositories, server, is_partial=partial, may_replace=replace)
    made = rebuild_catalogue(settings, wish)
    for line in _lines(made):
        click.echo(printable(line))
    return ExitCode.OK if made.is_whole else ExitCode.PARTLY_DONE


def _lines(made: Made) -> Iterator[str]:
    rebuilt = made.rebuilt
    for volume in rebuilt.volumes:
        yield from _volume_lines(volume)
    for missing in made.missing:
        yield f"! left out: {missing.what}: {missing.message}"
        yield f"      = hint: {missing.hint}"
    machines = sum(each.machines for each in rebuilt.volumes)
    points = sum(each.points for each in rebuilt.volumes)
    yield f"rebuilt: {counted(machines, 'machine')}, {counted(points, 'recovery point')}"
    yield f"this is server {rebuilt.server} now; see that it runs nowhere else"
    yield "doubts about replicas are not known any more; where a host was lost, ask for a check:"
    yield "  reconciler request consistency-check VM|GROUP"
    if made.aside is not None:
        yield f"the old catalogue is {made.aside}"


def _volume_lines(told: RebuiltVolume) -> Iterator[str]:
    volume = told.volume
    writer = f"as writer {told.writer}" if told.writer else "as a new writer"
    yield (
        f"{volume.pool}/{volume.name}  {volume.path}  {counted(told.machines, 'machine')}, "
        f"{counted(told.points, 'recovery point')}, {writer}"
    )
    if told.others:
        yield f"  {counted(told.others, 'recovery point')} of other servers left to them"
    for each in told.unreadable[:_SHOWN]:
        yield f"! left out: {each.what}: {each.message}"
        yield f"      = hint: {each.hint}"
    if (more := len(told.unreadable) - _SHOWN) > 0:
        yield f"! and {more} more were left out"
